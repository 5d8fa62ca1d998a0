//! Reports the predictions of any model with confidence intervals. The CSV has the columns `track_id`, `label`, `artist` and one
//! probability per class, headed by its label: `intervals predictions.csv`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use timbral_eval::{BootstrapConfig, PredictionTable, Report};

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "predictions.csv".to_owned());

    // Whatever wrote the file, PyTorch or scikit-learn: rows must sum to 1, labels must have a column. Errors name the line.
    let table = PredictionTable::open(&path)?;

    // Tracks of one artist are alike, so a second interval draws whole artists: it is the wider and the honest one.
    let report = Report::new(&table.predictions, &table.source(&path), &BootstrapConfig::default())?;
    println!("{report}");
    if let Some(interval) = report.group_interval {
        println!("a new artist: accuracy between {:.3} and {:.3}", interval.low, interval.high);
    }
    println!("expected calibration error {:.3}", table.predictions.expected_calibration_error(15));
    Ok(())
}
