use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use zip::ZipWriter;

use super::extraction::{ExtractionConfig, FeatureRow};
#[cfg(feature = "parquet")]
use super::parquet::ParquetTable;
use crate::npy::{write_numbers, write_text};
use crate::{DataError, ManifestEntry};

/// The columns before the features.
pub(super) const LEADING: [&str; 6] = ["path", "track_id", "label", "artist", "start", "duration"];

/// The format of a feature table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableFormat {
    /// Apache Parquet; the set stands in the file's metadata under `timbral.extraction`. Needs the crate's feature `parquet`.
    Parquet,
    /// Comma-separated values, with the set beside it in `NAME.csv.json`.
    Csv,
    /// NumPy arrays `values` (rows, columns), `columns`, `path`, `track_id`, `label`, `artist`, `start`, `duration` and
    /// `metadata`, the set as JSON text.
    Npz,
    /// One JSON object with `metadata`, `columns` and `rows`.
    Json,
}

impl TableFormat {
    /// The format that a file's extension stands for: `parquet`, `csv`, `npz` or `json`.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "parquet" => Some(Self::Parquet),
            "csv" => Some(Self::Csv),
            "npz" => Some(Self::Npz),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What a table says of itself.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) timbral: &'static str,
    pub(super) feature_set_version: u32,
    pub(super) extraction: &'a ExtractionConfig,
}

impl<'a> Metadata<'a> {
    pub(super) fn of(extraction: &'a ExtractionConfig) -> Self {
        Self {
            timbral: env!("CARGO_PKG_VERSION"),
            feature_set_version: extraction.features.version,
            extraction,
        }
    }

    pub(super) fn json(&self, path: &Path) -> Result<String, DataError> {
        serde_json::to_string(self).map_err(|e| DataError::malformed(path, e.to_string()))
    }
}

/// Writes rows into a temporary file, which takes the table's name when it is whole.
pub(super) struct TableWriter<'a> {
    path: PathBuf,
    temporary: PathBuf,
    sink: Sink<'a>,
}

enum Sink<'a> {
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetTable>),
    Csv {
        writer: Box<csv::Writer<BufWriter<File>>>,
        metadata: String,
    },
    Npz(Box<Columns<'a>>),
    Json {
        writer: BufWriter<File>,
        first: bool,
    },
}

/// A table that is written when all of it is known.
struct Columns<'a> {
    file: File,
    names: &'a [String],
    metadata: String,
    texts: [Vec<String>; 4],
    rows: Vec<FeatureRow>,
}

/// A row of `rows` in JSON.
#[derive(Serialize)]
struct JsonRow<'a> {
    path: String,
    track_id: &'a str,
    label: Option<&'a str>,
    artist: Option<&'a str>,
    start: f64,
    duration: f64,
    values: &'a [f64],
}

impl<'a> TableWriter<'a> {
    pub(super) fn create(
        path: &Path,
        format: TableFormat,
        columns: &'a [String],
        extraction: &ExtractionConfig,
    ) -> Result<Self, DataError> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".writing");
        let temporary = path.with_file_name(name);
        let io = || DataError::io(&temporary);
        let file = File::create(&temporary).map_err(io())?;
        let metadata = Metadata::of(extraction).json(path)?;
        let sink = match format {
            #[cfg(feature = "parquet")]
            TableFormat::Parquet => {
                Sink::Parquet(Box::new(ParquetTable::new(file, &temporary, columns, metadata)?))
            }
            #[cfg(not(feature = "parquet"))]
            TableFormat::Parquet => {
                return Err(DataError::config(
                    "format",
                    "parquet",
                    "one of csv, npz, json: this build of timbral-data lacks its feature `parquet`",
                ));
            }
            TableFormat::Csv => {
                let mut writer = csv::Writer::from_writer(BufWriter::new(file));
                let header = LEADING.iter().copied().chain(columns.iter().map(String::as_str));
                writer.write_record(header).map_err(|e| DataError::malformed(path, e.to_string()))?;
                Sink::Csv { writer: Box::new(writer), metadata }
            }
            TableFormat::Npz => Sink::Npz(Box::new(Columns {
                file,
                names: columns,
                metadata,
                texts: Default::default(),
                rows: Vec::new(),
            })),
            TableFormat::Json => {
                let mut writer = BufWriter::new(file);
                let columns =
                    serde_json::to_string(columns).map_err(|e| DataError::malformed(path, e.to_string()))?;
                write!(writer, "{{\"metadata\":{metadata},\"columns\":{columns},\"rows\":[").map_err(io())?;
                Sink::Json { writer, first: true }
            }
        };
        Ok(Self { path: path.to_owned(), temporary, sink })
    }

    /// Adds the rows of one file.
    pub(super) fn add(&mut self, entry: &ManifestEntry, rows: &[FeatureRow]) -> Result<(), DataError> {
        let file = entry.path.display().to_string();
        let label = Some(entry.track.label.as_str()).filter(|label| !label.is_empty());
        let artist = entry.track.artist.as_deref();
        let temporary = &self.temporary;
        let malformed = |e: String| DataError::malformed(temporary, e);
        match &mut self.sink {
            #[cfg(feature = "parquet")]
            Sink::Parquet(table) => table.add(entry, rows)?,
            Sink::Csv { writer, .. } => {
                for row in rows {
                    let texts =
                        [&file, &entry.track.track_id, label.unwrap_or_default(), artist.unwrap_or_default()];
                    texts
                        .iter()
                        .try_for_each(|text| writer.write_field(text))
                        .map_err(|e| malformed(e.to_string()))?;
                    let numbers = [row.start, row.duration];
                    let numbers = numbers.iter().chain(&row.values).map(f64::to_string);
                    writer.write_record(numbers).map_err(|e| malformed(e.to_string()))?;
                }
            }
            Sink::Npz(table) => {
                for row in rows {
                    let texts =
                        [&file, &entry.track.track_id, label.unwrap_or_default(), artist.unwrap_or_default()];
                    for (column, text) in table.texts.iter_mut().zip(texts) {
                        column.push(text.to_owned());
                    }
                    table.rows.push(row.clone());
                }
            }
            Sink::Json { writer, first } => {
                for row in rows {
                    let separator: &[u8] = if std::mem::take(first) { b"\n" } else { b",\n" };
                    writer.write_all(separator).map_err(DataError::io(temporary))?;
                    let row = JsonRow {
                        path: file.clone(),
                        track_id: &entry.track.track_id,
                        label,
                        artist,
                        start: row.start,
                        duration: row.duration,
                        values: &row.values,
                    };
                    serde_json::to_writer(&mut *writer, &row).map_err(|e| malformed(e.to_string()))?;
                }
            }
        }
        Ok(())
    }

    /// Ends the table.
    pub(super) fn finish(self) -> Result<(), DataError> {
        let Self { path, temporary, sink } = self;
        let io = || DataError::io(&temporary);
        let file = match sink {
            #[cfg(feature = "parquet")]
            Sink::Parquet(table) => table.finish()?,
            Sink::Csv { writer, metadata } => {
                let mut beside = path.clone().into_os_string();
                beside.push(".json");
                crate::atomic::write_atomically(Path::new(&beside), &[metadata.as_bytes(), b"\n"])?;
                let buffer =
                    writer.into_inner().map_err(|e| DataError::malformed(&temporary, e.to_string()))?;
                buffer.into_inner().map_err(|e| e.into_error()).map_err(io())?
            }
            Sink::Npz(table) => table.write().map_err(io())?,
            Sink::Json { mut writer, .. } => {
                writer.write_all(b"\n]}\n").map_err(io())?;
                writer.into_inner().map_err(|e| e.into_error()).map_err(io())?
            }
        };
        file.sync_all().map_err(io())?;
        drop(file);
        std::fs::rename(&temporary, &path).map_err(DataError::io(&path))
    }
}

impl Columns<'_> {
    fn write(self) -> std::io::Result<File> {
        let n = self.rows.len();
        let (width, column) = (self.names.len(), format!("({n},)"));
        let mut archive = ZipWriter::new(self.file);
        let values = self.rows.iter().flat_map(|row| row.values.iter().copied());
        write_numbers(&mut archive, "values", &format!("({n}, {width})"), values)?;
        write_numbers(&mut archive, "start", &column, self.rows.iter().map(|row| row.start))?;
        write_numbers(&mut archive, "duration", &column, self.rows.iter().map(|row| row.duration))?;
        for (name, texts) in LEADING.iter().zip(&self.texts) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            write_text(&mut archive, name, &column, &texts)?;
        }
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        write_text(&mut archive, "columns", &format!("({width},)"), &names)?;
        write_text(&mut archive, "metadata", "()", &[&self.metadata])?;
        archive.finish().map_err(std::io::Error::other)
    }
}
