//! Describes a feature set in code and computes it: `custom_set song.mp3`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use timbral_decode::{DecodeConfig, decode_file};
use timbral_features::feature_set::{Feature, FeatureSpec, Statistic};
use timbral_features::{ContrastConfig, FeatureSet, FeatureSetConfig, MfccConfig};

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "models/demo.wav".to_owned());

    // Each feature with the statistics that summarise its frames. The columns are named after both.
    let mfcc = Feature::Mfcc(MfccConfig { n_mfcc: 20, ..MfccConfig::default() });
    let contrast = Feature::SpectralContrast(ContrastConfig::default());
    let specs = vec![
        FeatureSpec::new(mfcc, [Statistic::Mean, Statistic::Std]),
        FeatureSpec::new(contrast, [Statistic::Median]),
    ];
    let mut config = FeatureSetConfig::new("timbre", specs);
    // One rate for all features; those of their own configurations follow it.
    config.sample_rate = 16_000;
    let features = FeatureSet::new(config)?;

    let options = DecodeConfig::default().mono().sample_rate(16_000);
    let row = features.compute(&decode_file(&path, &options)?.samples)?;
    for (column, value) in features.columns().iter().zip(&row) {
        println!("{column:<32} {value:>12.4}");
    }
    Ok(())
}
