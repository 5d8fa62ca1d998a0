use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::extraction::{ExtractionConfig, FeatureRow};
use super::table::{TableFormat, TableWriter};
use crate::{DataError, ManifestEntry};

/// What came of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// So many rows.
    Rows(usize),
    /// Why it could not be used.
    Failed(String),
}

impl FileOutcome {
    pub(super) fn of(rows: &Result<Vec<FeatureRow>, String>) -> Self {
        match rows {
            Ok(rows) => Self::Rows(rows.len()),
            Err(message) => Self::Failed(message.clone()),
        }
    }
}

/// How many files and rows a table has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtractionSummary {
    /// Files with rows.
    pub files: usize,
    /// Rows in all.
    pub rows: usize,
    /// Files without, which are in the table of errors.
    pub failed: usize,
}

/// The rows of files in the order in which they were done, one line of JSON a file, so that a run can go on after it was
/// stopped at any moment.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    config: ExtractionConfig,
    /// Where the line of each file begins, and what came of it.
    lines: HashMap<PathBuf, (u64, FileOutcome)>,
}

const FORMAT: &str = "timbral extraction journal 1";

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    config: ExtractionConfig,
}

#[derive(Serialize, Deserialize)]
struct Line {
    path: PathBuf,
    stamp: Stamp,
    rows: Result<Vec<FeatureRow>, String>,
}

/// What shows that a file has changed.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_nanoseconds: u128,
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { bytes: metadata.len(), modified_nanoseconds: modified.as_nanos() })
    }
}

impl Journal {
    /// Opens the journal of an extraction, or begins one. What a killed run left half written at the end is cut off.
    pub(super) fn open(path: &Path, config: &ExtractionConfig) -> Result<Self, DataError> {
        let io = || DataError::io(path);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io())?;
        let mut reader = BufReader::new(&file);
        let mut lines = HashMap::new();
        let mut text = Vec::new();
        let mut end = 0u64;
        while reader.read_until(b'\n', &mut text).map_err(io())? > 0 {
            if text.last() != Some(&b'\n') {
                break;
            }
            if end == 0 {
                let head: Head = serde_json::from_slice(&text)
                    .map_err(|e| DataError::malformed_at(path, Some(1), e.to_string()))?;
                if head.format != FORMAT || head.config != *config {
                    return Err(DataError::config(
                        "journal",
                        path.display(),
                        "of a run with the same features and windows: finish that run, remove the file, or write elsewhere",
                    ));
                }
            } else {
                // A line that does not parse was torn by a crash of the whole machine; what follows is as uncertain.
                let Ok(line) = serde_json::from_slice::<Line>(&text) else {
                    break;
                };
                let outcome = FileOutcome::of(&line.rows);
                let unchanged = Stamp::of(&line.path) == Some(line.stamp);
                if unchanged && matches!(outcome, FileOutcome::Rows(_)) {
                    lines.insert(line.path, (end, outcome));
                }
            }
            end += text.len() as u64;
            text.clear();
        }
        file.set_len(end).map_err(io())?;
        file.seek(SeekFrom::Start(end)).map_err(io())?;
        let mut journal = Self { path: path.to_owned(), file, config: config.clone(), lines };
        if end == 0 {
            journal.write(&Head { format: FORMAT.to_owned(), config: config.clone() })?;
        }
        Ok(journal)
    }

    /// What came of a file, if it is done.
    pub(super) fn finished(&self, path: &Path) -> Option<FileOutcome> {
        self.lines.get(path).map(|(_, outcome)| outcome.clone())
    }

    pub(super) fn append(
        &mut self,
        path: &Path,
        rows: &Result<Vec<FeatureRow>, String>,
    ) -> Result<(), DataError> {
        let stamp = Stamp::of(path).unwrap_or(Stamp { bytes: 0, modified_nanoseconds: 0 });
        let start = self.file.stream_position().map_err(DataError::io(&self.path))?;
        self.write(&Line { path: path.to_owned(), stamp, rows: rows.clone() })?;
        self.lines.insert(path.to_owned(), (start, FileOutcome::of(rows)));
        Ok(())
    }

    /// One call of the system for a line, so that a killed program leaves whole lines.
    fn write(&mut self, line: &impl Serialize) -> Result<(), DataError> {
        let mut text =
            serde_json::to_vec(line).map_err(|e| DataError::malformed(&self.path, e.to_string()))?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(DataError::io(&self.path))
    }

    fn rows(&mut self, start: u64) -> Result<Vec<FeatureRow>, DataError> {
        let io = || DataError::io(&self.path);
        self.file.seek(SeekFrom::Start(start)).map_err(io())?;
        let mut text = Vec::new();
        BufReader::new(&self.file).read_until(b'\n', &mut text).map_err(io())?;
        let line: Line =
            serde_json::from_slice(&text).map_err(|e| DataError::malformed(&self.path, e.to_string()))?;
        line.rows.map_err(|message| DataError::malformed(&self.path, message))
    }

    /// Writes the table in the order of `entries`, and beside it `errors.csv` with the files that failed (none: no such
    /// file), and removes the journal. Each file is written whole or not at all.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if a file cannot be read or written. The journal then stays.
    pub fn finish(
        mut self,
        entries: &[ManifestEntry],
        columns: &[String],
        table: &Path,
        format: TableFormat,
        errors: &Path,
    ) -> Result<ExtractionSummary, DataError> {
        let mut summary = ExtractionSummary::default();
        let mut failures = vec![];
        let mut writer = TableWriter::create(table, format, columns, &self.config)?;
        for entry in entries {
            match self.lines.get(&entry.path).cloned() {
                Some((start, FileOutcome::Rows(_))) => {
                    let rows = self.rows(start)?;
                    summary.files += 1;
                    summary.rows += rows.len();
                    writer.add(entry, &rows)?;
                }
                Some((_, FileOutcome::Failed(message))) => {
                    summary.failed += 1;
                    failures.push((entry, message));
                }
                None => {}
            }
        }
        writer.finish()?;
        if failures.is_empty() {
            if errors.exists() {
                std::fs::remove_file(errors).map_err(DataError::io(errors))?;
            }
        } else {
            write_errors(errors, &failures)?;
        }
        std::fs::remove_file(&self.path).map_err(DataError::io(&self.path))?;
        Ok(summary)
    }
}

fn write_errors(path: &Path, failures: &[(&ManifestEntry, String)]) -> Result<(), DataError> {
    let malformed = |e: csv::Error| DataError::malformed(path, e.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["path", "track_id", "error"]).map_err(malformed)?;
    for (entry, message) in failures {
        let file = entry.path.display().to_string();
        writer.write_record([file.as_str(), &entry.track.track_id, message]).map_err(malformed)?;
    }
    let bytes = writer.into_inner().map_err(|e| DataError::malformed(path, e.to_string()))?;
    crate::atomic::write_atomically(path, &[&bytes])
}
