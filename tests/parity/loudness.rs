//! Loudness.

use anyhow::{Result, bail, ensure};
use timbral_features::loudness::{KWeighting, LoudnessConfig, integrated_loudness};

use crate::case::{Answers, Case, only};

pub(crate) fn run(case: &Case<'_>) -> Option<Result<Answers>> {
    Some(match case.function() {
        "pyloudnorm.Meter.integrated_loudness" => integrated(case),
        "pyloudnorm.IIRfilter" => filter(case),
        _ => return None,
    })
}

fn weighting(case: &Case<'_>) -> Result<KWeighting> {
    Ok(match case.text("filter_class")? {
        "K-weighting" => KWeighting::Pyloudnorm,
        "DeMan" => KWeighting::ItuBs1770,
        other => bail!("unknown filter class {other}"),
    })
}

fn integrated(case: &Case<'_>) -> Result<Answers> {
    let config = LoudnessConfig {
        sample_rate: u32::try_from(case.usize("rate")?)?,
        channels: case.usize("channels")?,
        filter: weighting(case)?,
        block_size: case.f64("block_size")?,
        overlap: case.f64("overlap")?,
    };
    let channels: Vec<Vec<f32>> = if case.has_input("y") {
        case.matrix("y")?.rows().into_iter().map(|row| row.to_vec()).collect()
    } else {
        vec![case.samples()?]
    };
    let slices: Vec<&[f32]> = channels.iter().map(Vec::as_slice).collect();
    Ok(only(case, integrated_loudness(&slices, &config)?))
}

fn filter(case: &Case<'_>) -> Result<Answers> {
    let [shelf, pass] = weighting(case)?.filters(u32::try_from(case.usize("rate")?)?)?;
    let kind = case.text("filter_type")?;
    let filter = if kind.starts_with("high_shelf") { shelf } else { pass };
    // The analogue parameters are the class's own; they are read so that nothing passes unseen.
    for name in ["G", "Q", "fc"] {
        ensure!(case.f64(name)?.is_finite(), "{name} is not finite");
    }
    case.fixed("passband_gain", 1.0)?;
    Ok(vec![("b".to_owned(), filter.b.to_vec().into()), ("a".to_owned(), filter.a.to_vec().into())])
}
