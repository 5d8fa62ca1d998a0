//! Rows of hostile.csv: the right end, in little time and memory.

use std::path::Path;

use anyhow::{bail, ensure};
use timbral_decode::{Audio, DecodeError};

use crate::{Row, Run};

const MAX_SECONDS: f64 = 2.0;
const MAX_BYTES: u64 = 200 << 20;

pub(crate) fn check(_directory: &Path, row: &Row, run: &Run) -> anyhow::Result<String> {
    let wanted = row.get("what_a_good_decoder_does")?;
    ensure!(
        run.seconds < MAX_SECONDS && run.peak_bytes.is_none_or(|bytes| bytes < MAX_BYTES),
        "it may cost {MAX_SECONDS} s and {} MB",
        MAX_BYTES >> 20
    );
    if let Err(error @ DecodeError::FeatureDisabled { .. }) = &run.result {
        return Ok(error.to_string());
    }
    let may_fail = wanted.starts_with("error") || wanted.contains("refuse") || wanted.contains("or error");
    let may_decode = !wanted.starts_with("error")
        || ["or decode", "or treat", "or a bounded", "too short"].iter().any(|words| wanted.contains(words));
    match &run.result {
        Err(error) if may_fail => Ok(error.to_string()),
        Err(error) => bail!("must be: {wanted}: {error}"),
        Ok(audio) => {
            let said = describe(audio);
            ensure!(may_decode, "decoded {said}, must be: {wanted}");
            ensure!(
                audio.samples.iter().all(|sample| sample.is_finite()),
                "holds samples that are not finite"
            );
            let warns =
                !audio.warnings.is_empty() || wanted.contains("silently") || wanted.contains("welcome");
            if wanted.contains("with warning")
                || wanted.contains("with a warning")
                || wanted.contains("(warning)")
            {
                ensure!(warns, "decoded {said} without a warning, must be: {wanted}");
            }
            // A cut Ogg page, of up to a second, is lost whole.
            if let Some(about) = about_seconds(wanted)
                && !(about - 1.1..about + 0.5).contains(&audio.duration_seconds())
            {
                bail!("decoded {said}, must be: {wanted}");
            }
            Ok(said)
        }
    }
}

/// The length in a phrase such as "about 2 s".
fn about_seconds(wanted: &str) -> Option<f64> {
    wanted.split_once("about ")?.1.split(' ').next()?.parse().ok()
}

fn describe(audio: &Audio) -> String {
    let warnings: Vec<String> = audio.warnings.iter().map(ToString::to_string).collect();
    format!("{:.3} s [{}]", audio.duration_seconds(), warnings.join("; "))
}
