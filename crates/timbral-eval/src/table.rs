//! Predictions in a file: what any model can write, one row per track or window.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ndarray::Array2;

use crate::EvalError;
use crate::predictions::Predictions;
use crate::report::ReportSource;

/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 30;

/// By how much the probabilities of a row may miss a sum of 1: single precision, printed with three digits or more.
const SUM_TOLERANCE: f64 = 0.01;

/// Predictions of any model, as a CSV file holds them: `track_id,label[,group]`, then one column per class.
///
/// Classes are the columns after the first two or three, in the order of the file. `group` (or `artist`) names what
/// intervals are drawn over: tracks of a group are alike. Several rows of one `track_id` are windows of a track:
/// [`Predictions::by_track`] makes one row of them.
///
/// ```
/// use timbral_eval::{BootstrapConfig, PredictionTable, Report};
///
/// let csv = "track_id,label,group,blues,jazz\n\
///            a,blues,King,0.9,0.1\n\
///            b,jazz,Monk,0.2,0.8\n\
///            c,jazz,Monk,0.6,0.4\n";
/// let table = PredictionTable::parse("from PyTorch".as_ref(), csv.as_bytes())?;
/// let report = Report::new(&table.predictions, &table.source("ResNet"), &BootstrapConfig::default())?;
/// assert_eq!(report.labels, ["blues", "jazz"]);
/// assert!((report.accuracy - 2.0 / 3.0).abs() < 1e-12);
/// println!("{report}");
/// # Ok::<(), timbral_eval::EvalError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PredictionTable {
    /// Id of each row.
    pub track_ids: Vec<String>,
    /// Group of each row; empty where the file has no such column.
    pub groups: Vec<String>,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// True classes and probabilities.
    pub predictions: Predictions,
}

impl PredictionTable {
    /// Reads a CSV file.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`] if the file cannot be read; [`EvalError::Malformed`] as [`parse`](Self::parse).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EvalError> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(EvalError::io(path))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(EvalError::io(path))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(EvalError::malformed(path, "it is larger than 1 GiB; split it"));
        }
        Self::parse(path, &bytes)
    }

    /// Parses the bytes of a CSV file, of which errors say that they are those of `path`.
    ///
    /// # Errors
    ///
    /// [`EvalError::Malformed`], with line and column, for a missing column, fewer than two classes, a class that stands
    /// twice, a label that is no class, an empty field, or a probability that is no number within 0 and 1 or of a row
    /// whose sum is not 1 (within 0.01); without a line for a file without rows.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, EvalError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let broken = |error: csv::Error| {
            EvalError::malformed_at(path, error.position().map(csv::Position::line), error.to_string())
        };
        let header: Vec<String> = reader.headers().map_err(broken)?.iter().map(str::to_owned).collect();
        let in_header = |message: String| EvalError::malformed_at(path, Some(1), message);
        for (place, name) in ["track_id", "label"].into_iter().enumerate() {
            if header.get(place).map(String::as_str) != Some(name) {
                let given = header.get(place).map_or("missing", String::as_str);
                return Err(in_header(format!("column {} is {given}; it must be {name}", place + 1)));
            }
        }
        let grouped = header.get(2).is_some_and(|name| name == "group" || name == "artist");
        let first = if grouped { 3 } else { 2 };
        let labels = header.get(first..).unwrap_or_default().to_vec();
        if labels.len() < 2 {
            let given = labels.len();
            return Err(in_header(format!("the number of classes is {given}; it must be at least 2")));
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = labels.iter().find(|label| !known.insert(label.as_str())) {
            return Err(in_header(format!("column {twice:?} stands twice; it must be unique")));
        }
        let (mut track_ids, mut groups, mut truth, mut values) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = record.position().map(csv::Position::line);
            let wrong = |column: usize, rule: &str| {
                let (name, given) = (&header[column], record.get(column).unwrap_or_default());
                let message = format!("column {} ({name}) is {given:?}; it must be {rule}", column + 1);
                EvalError::malformed_at(path, line, message)
            };
            let text = |column: usize| {
                let field = record.get(column).unwrap_or_default();
                if field.is_empty() { Err(wrong(column, "a name")) } else { Ok(field.to_owned()) }
            };
            track_ids.push(text(0)?);
            let label = text(1)?;
            let class = labels.iter().position(|name| *name == label);
            truth.push(class.ok_or_else(|| wrong(1, &format!("one of {}", labels.join(", "))))?);
            if grouped {
                groups.push(text(2)?);
            }
            let start = values.len();
            for column in first..header.len() {
                let field = record.get(column).unwrap_or_default();
                match field.parse::<f64>() {
                    Ok(p) if (0.0..=1.0).contains(&p) => values.push(p),
                    _ => return Err(wrong(column, "a number between 0 and 1")),
                }
            }
            let sum: f64 = values[start..].iter().sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                let message = format!("the sum of the probabilities is {sum}; it must be 1");
                return Err(EvalError::malformed_at(path, line, message));
            }
        }
        if truth.is_empty() {
            return Err(EvalError::malformed(path, "the number of rows is 0; it must be at least 1"));
        }
        let probabilities = Array2::from_shape_vec((truth.len(), labels.len()), values)
            .map_err(|e| EvalError::malformed(path, e.to_string()))?;
        Ok(Self { track_ids, groups, labels, predictions: Predictions::new(truth, probabilities)? })
    }

    /// Where the predictions come from, for a report under the given title. How the rows were split from the training data
    /// is not known.
    #[must_use]
    pub fn source<'a>(&'a self, title: &'a str) -> ReportSource<'a> {
        ReportSource {
            title,
            unit: "track",
            labels: &self.labels,
            groups: &self.groups,
            protocol: None,
            leaky: false,
            split_hash: None,
        }
    }

    /// One row per track, its probabilities the mean over those of its windows.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if rows of one track differ in their label or group.
    pub fn by_track(&self) -> Result<Self, EvalError> {
        let tracks = self.predictions.by_track(&self.track_ids)?;
        let mut groups = Vec::new();
        if !self.groups.is_empty() {
            let mut of_track = std::collections::HashMap::new();
            for (id, group) in self.track_ids.iter().zip(&self.groups) {
                let first = *of_track.entry(id).or_insert(group);
                if first != group {
                    let given = format!("track {id} is in {first} and {group}");
                    return Err(EvalError::shape("groups", given, "each track must have one group"));
                }
            }
            groups =
                tracks.track_ids.iter().filter_map(|id| of_track.get(id)).map(|g| (*g).clone()).collect();
        }
        Ok(Self {
            track_ids: tracks.track_ids,
            groups,
            labels: self.labels.clone(),
            predictions: tracks.predictions,
        })
    }
}
