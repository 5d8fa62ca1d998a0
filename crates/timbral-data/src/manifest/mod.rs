//! Manifests: data sets of any layout (CSV, folders, GTZAN, FMA) as one list of files with their labels.

mod archive;
mod fma;
mod folder;
mod labels;
mod lists;

use std::path::{Path, PathBuf};

use crate::atomic::write_atomically;
use crate::csv_table::CsvTable;
use crate::track::{Part, TrackInfo, distinct_tracks, sorted_labels};
use crate::{DataError, GroupTable};

pub use archive::{FMA_ARCHIVES, verify_archive};
pub use fma::FmaSubset;
pub use labels::LabelMap;

/// One audio file of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct ManifestEntry {
    /// The file; a relative path of a CSV file is resolved against the folder of that CSV.
    pub path: PathBuf,
    /// Its track.
    pub track: TrackInfo,
    /// Length in seconds, where the manifest says it.
    pub duration_seconds: Option<f64>,
}

/// The files of a data set with their labels: the one form that every data set is read into.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manifest {
    entries: Vec<ManifestEntry>,
    notes: Vec<String>,
}

impl Manifest {
    /// A manifest of the given files.
    ///
    /// # Errors
    ///
    /// [`DataError::Shape`] if two files of one track differ in what they say of it.
    pub fn new(entries: Vec<ManifestEntry>) -> Result<Self, DataError> {
        let manifest = Self { entries, notes: Vec::new() };
        distinct_tracks(&manifest.tracks())?;
        Ok(manifest)
    }

    /// Reads a data set: a folder by [`read_folders`](Self::read_folders), a file by [`read_csv`](Self::read_csv).
    ///
    /// # Errors
    ///
    /// As for these two.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        if path.is_dir() { Self::read_folders(path) } else { Self::read_csv(path) }
    }

    /// The files whose track `keep` says to keep; the notes stay.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&TrackInfo) -> bool) -> Self {
        self.entries.retain(|entry| keep(&entry.track));
        self
    }

    /// Reads a CSV file with one row a file.
    ///
    /// Columns by name, in any order: `path`; `label` (or `genre`); optional `track_id` (or `track`; else the file name
    /// without its extension), `artist`, `group`, `split` (or `official_split`), `repeat_of`, `duration_s`. Others are ignored.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be read; [`DataError::Malformed`], with the line, for a missing column or
    /// field, an unknown split or a length that is not a number; [`DataError::Shape`] as for [`Manifest::new`].
    pub fn read_csv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let table = CsvTable::read(path)?;
        table.require(&["path"])?;
        let label = table.require(&["label", "genre"])?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut entries = Vec::with_capacity(table.len());
        for row in table.rows() {
            let file = base.join(row.require("path")?);
            let track_id = match row.get("track_id").or_else(|| row.get("track")) {
                Some(id) => id.to_owned(),
                None => folder::track_id(&file)
                    .ok_or_else(|| row.malformed("the path has no file name to take the track id from"))?,
            };
            let official_split = match row.get("split").or_else(|| row.get("official_split")) {
                Some(text) => Some(text.parse::<Part>().map_err(|e| row.malformed(e.to_string()))?),
                None => None,
            };
            let duration_seconds = match row.get("duration_s") {
                Some(_) => Some(row.number::<f64>("duration_s")?),
                None => None,
            };
            let track = TrackInfo {
                track_id,
                label: row.require(label)?.to_owned(),
                artist: row.get("artist").map(str::to_owned),
                group: row.get("group").map(str::to_owned),
                official_split,
                repeat_of: row.get("repeat_of").map(str::to_owned),
            };
            entries.push(ManifestEntry { path: file, track, duration_seconds });
        }
        Self::new(entries)
    }

    /// Reads a tree with one folder per class: `ROOT/LABEL/FILE`, as GTZAN's.
    ///
    /// Takes files with the extension of an audio format, in any case, in the order of their paths; hidden files and the
    /// `._*` companions that macOS leaves are skipped. The track id is the file name without its extension. Known faults
    /// of circulating copies are listed in [`Manifest::notes`].
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if a folder cannot be read; [`DataError::Malformed`] if there is no audio file in any folder of
    /// the root, or if two folders hold a track of one name.
    pub fn read_folders(root: impl AsRef<Path>) -> Result<Self, DataError> {
        folder::read(root.as_ref())
    }

    /// Reads a subset of the Free Music Archive data set: `fma_metadata/tracks.csv`, and clips at `audio/000/000002.mp3`.
    ///
    /// Labels are top-level genres, groups are artists, the split is the official one. Clips that are known to be empty or
    /// cut are left out, and listed in [`Manifest::notes`]. Whether the files exist is not looked at.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the table cannot be read; [`DataError::Malformed`], with the line, if it is not FMA's.
    pub fn read_fma(
        tracks: impl AsRef<Path>,
        audio: impl AsRef<Path>,
        subset: FmaSubset,
    ) -> Result<Self, DataError> {
        fma::read(tracks.as_ref(), audio.as_ref(), subset)
    }

    /// The audio files of some paths: files, folders with all below them, and manifests (`.csv`). The track id is the file
    /// name without its extension; the label is empty, or with `label_from_folder` the name of the folder around the file.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if a path does not exist or a folder cannot be read; as for [`read_csv`](Self::read_csv).
    pub fn of_paths<P: AsRef<Path>>(paths: &[P], label_from_folder: bool) -> Result<Self, DataError> {
        let mut manifest = Self::default();
        for path in paths.iter().map(AsRef::as_ref) {
            if path.extension().is_some_and(|extension| extension == "csv") {
                let read = Self::read_csv(path)?;
                manifest.entries.extend(read.entries);
                manifest.notes.extend(read.notes);
                continue;
            }
            std::fs::metadata(path).map_err(DataError::io(path))?;
            for file in timbral_decode::audio_files(path)? {
                let name =
                    |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
                let folder = file.parent().and_then(Path::file_name).filter(|_| label_from_folder);
                manifest.entries.push(ManifestEntry {
                    track: TrackInfo::new(name(file.file_stem()), name(folder)),
                    path: file,
                    duration_seconds: None,
                });
            }
        }
        Ok(manifest)
    }

    /// Takes the official split from three lists, such as the fault-filtered ones of GTZAN (Kereliuk, Sturm and Larsen,
    /// 2015): one file a line, as `blues/blues.00029.wav`, where folder and extension do not matter. A track that is in no
    /// list becomes [`Part::Faulty`]; tracks of the lists without a file are listed in [`Manifest::notes`].
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if a list cannot be read; [`DataError::Malformed`] if two hold the same track.
    pub fn apply_lists(
        &mut self,
        train: impl AsRef<Path>,
        validation: impl AsRef<Path>,
        test: impl AsRef<Path>,
    ) -> Result<(), DataError> {
        let lists = [
            (train.as_ref(), Part::Train),
            (validation.as_ref(), Part::Validation),
            (test.as_ref(), Part::Test),
        ];
        lists::apply(self, lists)
    }

    /// The files under other labels, without those that the map leaves out.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if the map names a label that is not there.
    pub fn relabelled(mut self, map: &LabelMap) -> Result<Self, DataError> {
        map.check(&self.labels())?;
        self.entries.retain_mut(|entry| match map.apply(&entry.track.label) {
            Some(label) => {
                entry.track.label = label;
                true
            }
            None => false,
        });
        Ok(self)
    }

    /// The files, in the order of the source.
    #[must_use]
    pub fn entries(&self) -> &[ManifestEntry] {
        &self.entries
    }

    /// What a user should know of this copy of the data set, one sentence each.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The labels, sorted.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        sorted_labels(self.entries.iter().map(|e| &e.track))
    }

    /// The track of each file, in the order of the files: what splits are made from.
    #[must_use]
    pub fn tracks(&self) -> Vec<TrackInfo> {
        self.entries.iter().map(|e| e.track.clone()).collect()
    }

    /// Takes groups, artists and splits from a table that knows more of the tracks; tracks that it lacks stay as they are.
    pub fn apply_groups(&mut self, table: &GroupTable) {
        for entry in &mut self.entries {
            table.apply(&mut entry.track);
        }
    }

    /// Writes the manifest as CSV, in one step; paths inside the folder of the CSV are written relative to it.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be written; [`DataError::Malformed`] if a path is not UTF-8.
    pub fn write_csv(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let path = path.as_ref();
        let base = path.parent().unwrap_or(Path::new(""));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let refused = |e: csv::Error| DataError::malformed(path, e.to_string());
        let header = ["path", "label", "track_id", "artist", "group", "split", "repeat_of", "duration_s"];
        writer.write_record(header).map_err(refused)?;
        for ManifestEntry { path: file, track, duration_seconds } in &self.entries {
            let shown = file.strip_prefix(base).unwrap_or(file);
            let shown = shown.to_str().ok_or_else(|| {
                DataError::malformed(path, format!("the path {} is not UTF-8", file.display()))
            })?;
            let duration = duration_seconds.map(|d| d.to_string()).unwrap_or_default();
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            writer
                .write_record([
                    shown,
                    &track.label,
                    &track.track_id,
                    &text(&track.artist),
                    &text(&track.group),
                    track.official_split.map_or("", Part::as_str),
                    &text(&track.repeat_of),
                    &duration,
                ])
                .map_err(refused)?;
        }
        let bytes = writer.into_inner().map_err(|e| DataError::malformed(path, e.to_string()))?;
        write_atomically(path, &[&bytes])
    }
}
