use std::path::Path;

use timbral_model::Architecture;

use timbral_data::csv_table::CsvTable;
use timbral_eval::{Interval, Report};

use super::run_config::RunConfig;
use crate::TrainError;

/// What one line says of a run: how good its networks are, and what they cost.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunSummary {
    /// Name of the configuration.
    pub name: String,
    /// The report of its cross-validation.
    pub report: Report,
    /// Numbers that training sets, all networks together; `None` where a member is fitted instead.
    pub weights: Option<u64>,
    /// Multiplications with an addition for one crop, all networks together; `None` where a member is fitted instead.
    pub multiply_adds: Option<u64>,
    /// Median time of a pass over the training tracks in seconds; `None` where there was none.
    pub seconds_per_pass: Option<f64>,
}

impl RunSummary {
    /// Reads the folder of a run: `config.toml`, `report.json` and `metrics/*.csv`.
    ///
    /// # Errors
    ///
    /// [`TrainError::Io`] and [`TrainError::Malformed`] if one of the files cannot be read; those of
    /// [`Architecture::summary`].
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, TrainError> {
        let folder = folder.as_ref();
        let config = RunConfig::read(folder.join("config.toml"))?;
        let report = Report::load(folder.join("report.json"))?;
        let (mut weights, mut multiply_adds) = (Some(0), Some(0));
        for member in &config.members {
            let architecture = &member.architecture;
            if let Architecture::Classic(_) = architecture {
                (weights, multiply_adds) = (None, None);
                break;
            }
            let summary = architecture.summary(report.labels.len(), architecture.default_frames())?;
            let copies = member.copies as u64;
            weights = weights.map(|sum| sum + copies * summary.weights());
            multiply_adds = multiply_adds.map(|sum| sum + copies * summary.multiply_adds());
        }
        Ok(Self {
            name: config.name,
            report,
            weights,
            multiply_adds,
            seconds_per_pass: median_seconds(&folder.join("metrics"))?,
        })
    }

    /// Time of one track's answer on one thread in milliseconds, from its stored input on.
    #[must_use]
    pub fn milliseconds_per_track(&self) -> Option<f64> {
        let seconds = self.report.predict_seconds?;
        Some(1e3 * seconds / self.report.n_rows.max(1) as f64)
    }

    /// Runs side by side as a Markdown table.
    #[must_use]
    pub fn markdown(runs: &[Self]) -> String {
        let mut text = String::from(
            "| architecture | accuracy % | over tracks | over artists | macro-F1 % | s per pass | weights | multiply-adds of a crop | ms per clip |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), with_unit);
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        for run in runs {
            let report = &run.report;
            let ends =
                |interval: &Interval| format!("{} to {}", percent(interval.low), percent(interval.high));
            let cells = [
                run.name.replace('|', "\\|"),
                percent(report.accuracy),
                ends(&report.interval),
                report.group_interval.as_ref().map_or_else(|| "-".to_owned(), ends),
                percent(report.macro_f1),
                number(run.seconds_per_pass),
                count(run.weights),
                count(run.multiply_adds),
                number(run.milliseconds_per_track()),
            ];
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }
}

/// Three digits and a unit: 283 k, 12.4 M.
fn with_unit(count: u64) -> String {
    match count as f64 {
        n if n < 1e3 => format!("{n}"),
        n if n < 1e6 => format!("{:.0} k", n / 1e3),
        n => format!("{:.1} M", n / 1e6),
    }
}

/// The median of the seconds of all passes of all networks.
fn median_seconds(folder: &Path) -> Result<Option<f64>, TrainError> {
    let mut seconds = Vec::new();
    if folder.is_dir() {
        for entry in std::fs::read_dir(folder).map_err(TrainError::io(folder))? {
            let path = entry.map_err(TrainError::io(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                let table = CsvTable::read(&path)?;
                for row in table.rows() {
                    seconds.push(row.number::<f64>("seconds")?);
                }
            }
        }
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds.get(seconds.len() / 2).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_keep_three_digits() {
        assert_eq!(with_unit(999), "999");
        assert_eq!(with_unit(283_524), "284 k");
        assert_eq!(with_unit(12_440_000), "12.4 M");
    }

    #[test]
    fn the_median_is_over_all_networks() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(median_seconds(&folder.path().join("none")).unwrap(), None);
        std::fs::write(folder.path().join("a-0.csv"), "epoch,seconds\n1,9.0\n2,1.0\n").unwrap();
        std::fs::write(folder.path().join("b-0.csv"), "epoch,seconds\n1,3.0\n").unwrap();
        assert_eq!(median_seconds(folder.path()).unwrap(), Some(3.0));
        std::fs::write(folder.path().join("b-0.csv"), "epoch,seconds\n1,soon\n").unwrap();
        assert!(median_seconds(folder.path()).is_err());
    }
}
