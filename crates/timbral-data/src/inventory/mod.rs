//! Inventory of a data set: broken files, lengths, duplicates and leaks between subsets.

mod fingerprint;

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use timbral_decode::{DecodeConfig, decode_file, resample};

use crate::{DataError, Manifest, ManifestEntry};
use fingerprint::{Fingerprint, Fingerprinter};

/// What was found in one file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileReport {
    /// The file.
    pub path: String,
    /// Its track.
    pub track_id: String,
    /// Its class; empty if unknown.
    pub label: String,
    /// The part of the data set's own split that it is in.
    pub split: Option<crate::Part>,
    /// Length in seconds; 0 for a broken file.
    pub duration: f64,
    /// Samples a second of the file.
    pub sample_rate: u32,
    /// Channels of the file.
    pub channels: usize,
    /// Damage that was met and survived.
    pub warnings: Vec<String>,
    /// Why it could not be decoded.
    pub error: Option<String>,
    /// SHA-256 of the decoded samples, which the container and the tags do not change.
    pub samples_sha256: Option<String>,
}

/// Two files with the same sound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Duplicate {
    /// Place of the first among the files.
    pub first: usize,
    /// Place of the second.
    pub second: usize,
    /// Whether all decoded samples are equal. Else the files hold the same recording, found by fingerprint.
    pub exact: bool,
    /// The fraction of equal fingerprint bits where both are; 1 for exact duplicates, about 0.5 for unrelated sounds.
    pub agreement: f64,
    /// Where the second begins in the first, in seconds; negative if the first begins later.
    pub offset: f64,
    /// Length of the stretch that both hold, in seconds.
    pub overlap: f64,
    /// Whether the data set's own split has the two in different parts, of which neither is left out as faulty.
    pub leaks: bool,
}

/// The files of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ClassInventory {
    /// Files that could be decoded.
    pub files: usize,
    /// Their length in seconds.
    pub seconds: f64,
    /// Files that could not.
    pub broken: usize,
}

/// What a data set holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inventory {
    /// The files, in the order of the manifest.
    pub files: Vec<FileReport>,
    /// Files with the same sound.
    pub duplicates: Vec<Duplicate>,
    /// What the manifest's reader noticed.
    pub notes: Vec<String>,
}

impl Inventory {
    /// Decodes every file, in parallel on rayon's threads, and looks for duplicates. `done` is called for each file.
    ///
    /// # Errors
    ///
    /// [`DataError::Features`] if fingerprints cannot be planned. What goes wrong with a file is in its report.
    pub fn read(manifest: &Manifest, done: impl Fn(&FileReport) + Sync) -> Result<Self, DataError> {
        let printer = Fingerprinter::new()?;
        let looked_at: Vec<(FileReport, Fingerprint)> = manifest
            .entries()
            .par_iter()
            .map(|entry| {
                let looked_at = look_at(entry, &printer);
                done(&looked_at.0);
                looked_at
            })
            .collect();
        let (files, prints): (Vec<FileReport>, Vec<Fingerprint>) = looked_at.into_iter().unzip();
        let duplicates = duplicates(&files, &prints);
        Ok(Self { files, duplicates, notes: manifest.notes().to_vec() })
    }

    /// Files and seconds of each class, by name.
    #[must_use]
    pub fn classes(&self) -> BTreeMap<&str, ClassInventory> {
        let mut classes: BTreeMap<&str, ClassInventory> = BTreeMap::new();
        for file in &self.files {
            let class = classes.entry(&file.label).or_default();
            match file.error {
                Some(_) => class.broken += 1,
                None => class.files += 1,
            }
            class.seconds += file.duration;
        }
        classes
    }
}

fn look_at(entry: &ManifestEntry, printer: &Fingerprinter) -> (FileReport, Fingerprint) {
    let mut report = FileReport {
        path: entry.path.display().to_string(),
        track_id: entry.track.track_id.clone(),
        label: entry.track.label.clone(),
        split: entry.track.official_split,
        duration: 0.0,
        sample_rate: 0,
        channels: 0,
        warnings: Vec::new(),
        error: None,
        samples_sha256: None,
    };
    let looked_at = || -> Result<_, DataError> {
        let audio = decode_file(&entry.path, &DecodeConfig::default())?;
        let mut hash = Sha256::new();
        for sample in &audio.samples {
            hash.update(sample.to_le_bytes());
        }
        let mix = |frame: &[f32]| frame.iter().sum::<f32>() / frame.len() as f32;
        let mono: Vec<f32> = audio.samples.chunks_exact(audio.channels.max(1)).map(mix).collect();
        let mono = resample(&mono, 1, audio.sample_rate, fingerprint::SAMPLE_RATE)?;
        Ok((printer.compute(&mono)?, format!("{:x}", hash.finalize()), audio))
    };
    match looked_at() {
        Ok((print, hash, audio)) => {
            report.duration = audio.duration_seconds();
            report.sample_rate = audio.sample_rate;
            report.channels = audio.channels;
            report.warnings = audio.warnings.iter().map(ToString::to_string).collect();
            report.samples_sha256 = Some(hash);
            (report, print)
        }
        Err(error) => {
            report.error = Some(crate::error::chain(&error));
            (report, Vec::new())
        }
    }
}

fn duplicates(files: &[FileReport], prints: &[Fingerprint]) -> Vec<Duplicate> {
    let leaks = |a: usize, b: usize| match (files[a].split, files[b].split) {
        (Some(a), Some(b)) => a != b && a != crate::Part::Faulty && b != crate::Part::Faulty,
        _ => false,
    };
    let mut found = Vec::new();
    let mut by_hash: HashMap<&str, usize> = HashMap::new();
    for (second, file) in files.iter().enumerate() {
        let Some(hash) = &file.samples_sha256 else {
            continue;
        };
        match by_hash.get(hash.as_str()) {
            None => {
                by_hash.insert(hash, second);
            }
            Some(&first) => found.push(Duplicate {
                first,
                second,
                exact: true,
                agreement: 1.0,
                offset: 0.0,
                overlap: file.duration,
                leaks: leaks(first, second),
            }),
        }
    }
    for near in fingerprint::matches(prints) {
        let hash = |file: usize| files[file].samples_sha256.as_ref();
        if hash(near.first) != hash(near.second) {
            found.push(Duplicate {
                first: near.first,
                second: near.second,
                exact: false,
                agreement: near.agreement,
                offset: near.offset,
                overlap: near.overlap,
                leaks: leaks(near.first, near.second),
            });
        }
    }
    found.sort_by_key(|d| (d.first, d.second));
    found
}
