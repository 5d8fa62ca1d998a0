//! Cross-validates a learner of your own on artist-grouped folds, and reports it with confidence intervals:
//! `folds features.csv`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use ndarray::{Array2, ArrayView1, Axis};
use timbral_data::{FeatureTable, Folds, Part, TrackInfo};
use timbral_eval::{BootstrapConfig, Predictions, Report, ReportSource};

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "features.csv".to_owned());
    let table = FeatureTable::read(path)?;
    let (labels, tracks, values) = (table.labels(), table.tracks(), table.values());
    let class = |row: usize| labels.iter().position(|label| *label == tracks[row].label).unwrap_or(0);

    // No artist appears in both train and test of a fold: checked in code, not promised.
    let folds = Folds::stratified_group(tracks, 3, 0)?;
    let mut probabilities = Array2::zeros((tracks.len(), labels.len()));
    for split in folds.splits() {
        let [train, test] = [Part::Train, Part::Test].map(|part| split.rows(tracks, part));
        // The learner: the class of the nearest class mean. Anything that sees the training rows only will do.
        let means: Vec<_> = (0..labels.len())
            .map(|c| train.iter().copied().filter(|&row| class(row) == c).collect::<Vec<_>>())
            .map(|rows| values.select(Axis(0), &rows).mean_axis(Axis(0)))
            .collect();
        let distance = |row: ArrayView1<'_, f64>, mean: &Option<ndarray::Array1<f64>>| {
            mean.as_ref().map_or(f64::INFINITY, |mean| (&row - mean).mapv(|x| x * x).sum())
        };
        for row in test {
            let weights: Vec<f64> =
                means.iter().map(|mean| (-distance(values.row(row), mean)).exp()).collect();
            let sum: f64 = weights.iter().sum();
            for (c, weight) in weights.iter().enumerate() {
                probabilities[(row, c)] = if sum > 0.0 { weight / sum } else { 1.0 / labels.len() as f64 };
            }
        }
    }

    let predictions = Predictions::new((0..tracks.len()).map(class).collect(), probabilities)?;
    let groups: Vec<String> = tracks.iter().map(TrackInfo::group_key).collect();
    let source = ReportSource {
        title: "nearest class mean",
        unit: "track",
        labels: &labels,
        groups: &groups,
        protocol: Some("3 folds, grouped by artist"),
        leaky: false,
        split_hash: None,
    };
    println!("{}", Report::new(&predictions, &source, &BootstrapConfig::default())?);
    Ok(())
}
