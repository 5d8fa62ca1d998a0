use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::run::TrialResult;
use crate::TrainError;

const FORMAT: &str = "timbral search journal 1";

/// The results of a search in the order in which they came, one line of JSON each, so that a search goes on after it was
/// stopped at any moment.
#[derive(Debug)]
pub(super) struct SearchJournal {
    path: PathBuf,
    file: File,
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    /// SHA-256 over everything that the results depend on.
    search: String,
}

/// A line: what it says, and the SHA-256 of that as JSON.
#[derive(Serialize, Deserialize)]
struct Line<T> {
    sha256: String,
    entry: T,
}

impl SearchJournal {
    /// Opens the journal of the search whose hash is `search`, or begins one. What a killed run left half written, or what
    /// was damaged since, is cut off with all that follows, and done again.
    pub(super) fn open(path: &Path, search: &str) -> Result<(Self, Vec<TrialResult>), TrainError> {
        let io = || TrainError::io(path);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io())?;
        let mut reader = BufReader::new(&file);
        let mut results = Vec::new();
        let (mut text, mut end) = (Vec::new(), 0_u64);
        while reader.read_until(b'\n', &mut text).map_err(io())? > 0 {
            if text.last() != Some(&b'\n') {
                break;
            }
            if end == 0 {
                let head: Head = parse(&text).ok_or_else(|| {
                    TrainError::malformed_at(path, Some(1), "it is no journal of a search, or a damaged one")
                })?;
                if head.format != FORMAT || head.search != search {
                    let rule = "of the same search, configuration and data set: choose another folder, or \
                                remove it to start anew";
                    return Err(TrainError::config("journal", path.display(), rule));
                }
            } else {
                let Some(result) = parse(&text) else { break };
                results.push(result);
            }
            end += text.len() as u64;
            text.clear();
        }
        file.set_len(end).map_err(io())?;
        file.seek(SeekFrom::Start(end)).map_err(io())?;
        let mut journal = Self { path: path.to_owned(), file };
        if end == 0 {
            journal.write(&Head { format: FORMAT.to_owned(), search: search.to_owned() })?;
        }
        Ok((journal, results))
    }

    pub(super) fn append(&mut self, result: &TrialResult) -> Result<(), TrainError> {
        self.write(result)
    }

    /// One call of the system for a line, so that a killed program leaves whole lines.
    fn write<T: Serialize>(&mut self, entry: &T) -> Result<(), TrainError> {
        let failed = |e: serde_json::Error| TrainError::malformed(&self.path, e.to_string());
        let sha256 = format!("{:x}", Sha256::digest(serde_json::to_vec(entry).map_err(failed)?));
        let mut text = serde_json::to_vec(&Line { sha256, entry }).map_err(failed)?;
        text.push(b'\n');
        self.file.write_all(&text).map_err(TrainError::io(&self.path))?;
        self.file.sync_data().map_err(TrainError::io(&self.path))
    }
}

fn parse<T: Serialize + DeserializeOwned>(text: &[u8]) -> Option<T> {
    let line: Line<T> = serde_json::from_slice(text).ok()?;
    let entry = serde_json::to_vec(&line.entry).ok()?;
    (format!("{:x}", Sha256::digest(entry)) == line.sha256).then_some(line.entry)
}
