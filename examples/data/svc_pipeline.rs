//! Fits a scaler and a support vector classifier on a feature table, and reads the probabilities of held-out rows:
//! `svc_pipeline features.csv`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use ndarray::Axis;
use timbral_classic::{
    Config, Learner, LearnerConfig, PipelineConfig, Predictor, StandardScalerConfig, SvcConfig,
    TransformerConfig,
};
use timbral_data::split::HoldoutConfig;
use timbral_data::{FeatureTable, Part, Split};

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "features.csv".to_owned());
    // Any CSV with `track_id` and `label`; `artist` makes groups, every other column is a feature.
    let table = FeatureTable::read(path)?;
    let (labels, tracks) = (table.labels(), table.tracks());
    let class = |row: usize| labels.iter().position(|label| *label == tracks[row].label).unwrap_or(0);

    // A fifth of each class for the test, whole artists.
    let split = Split::group_holdout(tracks, &HoldoutConfig::default())?;
    let [train, test] = [Part::Train, Part::Test].map(|part| split.rows(tracks, part));
    let [x_train, x_test] = [&train, &test].map(|rows| table.values().select(Axis(0), rows));
    let y_train: Vec<usize> = train.iter().map(|&row| class(row)).collect();

    // The scaler belongs to the pipeline: it is fitted on the training rows and on nothing else.
    let pipeline = PipelineConfig {
        transformers: vec![TransformerConfig::Standard(StandardScalerConfig::default())],
        learner: LearnerConfig::Svc(SvcConfig { probability: true, ..SvcConfig::default() }),
    };
    let model = pipeline.check()?.fit(x_train.view(), &y_train, labels.len())?;

    let probabilities = model.predict_proba(x_test.view())?;
    for (&row, probabilities) in test.iter().zip(probabilities.rows()) {
        let columns = labels.iter().zip(probabilities).map(|(label, p)| format!("{label} {p:.2}"));
        println!("{:<24} {}", tracks[row].track_id, columns.collect::<Vec<_>>().join("  "));
    }
    Ok(())
}
