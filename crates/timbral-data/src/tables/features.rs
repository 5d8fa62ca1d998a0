use std::collections::HashMap;
use std::path::Path;

use ndarray::{Array2, Axis};
use serde::Deserialize;

use crate::csv_table::CsvTable;
use crate::npy::NpzReader;
use crate::track::{TrackInfo, sorted_labels};
use crate::{DataError, ExtractionConfig, GroupTable};

/// A table of numbers, one row per track (or window), as the CSV files that circulate with GTZAN and FMA.
///
/// Also the tables of [`Extraction`](crate::Extraction), in CSV or (with the crate's feature `parquet`) Apache Parquet.
///
/// Columns by name: `filename` (or `track_id`), `label` (or `genre`), optionally `artist`, `group` and `split` (or
/// `official_split`); `length`, `path`, `start` and `duration` are left out; every other column is a feature.
/// The track id is the file name without its extension; the third number of a window's name (`blues.00000.3.wav`) belongs
/// to the window, so that windows of a track have one id.
///
/// An NPZ archive is read too: that of `Extraction`, or one with the arrays `X` (rows, columns) and `IDS` (text such as
/// `blues/blues.00029.au`, whose folder is the label), as the published taggrams of GTZAN have them.
#[derive(Clone, Debug)]
pub struct FeatureTable {
    columns: Vec<String>,
    tracks: Vec<TrackInfo>,
    values: Array2<f64>,
    durations: Vec<f64>,
    extraction: Option<ExtractionConfig>,
}

impl FeatureTable {
    /// Reads the table.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be read; [`DataError::Malformed`], with the line, for a missing column, an
    /// empty field, or a feature that is not a finite number.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
            return read_npz(path);
        }
        let (table, extraction) = read_table(path)?;
        let id = table.require(&["filename", "track_id"])?;
        let label = table.require(&["label", "genre"])?;
        let columns: Vec<String> = table
            .header()
            .iter()
            .filter(|h| ![id, label].contains(&h.as_str()) && !NOT_FEATURES.contains(&h.as_str()))
            .cloned()
            .collect();
        let mut tracks = Vec::with_capacity(table.len());
        let mut values = Vec::with_capacity(table.len() * columns.len());
        let mut durations = Vec::with_capacity(table.len());
        for row in table.rows() {
            let name = row.require(id)?;
            let track_id = if id == "filename" { track_of_file(name) } else { name };
            let split = row.get("split").or_else(|| row.get("official_split"));
            tracks.push(TrackInfo {
                artist: row.get("artist").map(str::to_owned),
                group: row.get("group").map(str::to_owned),
                official_split: split
                    .map(str::parse)
                    .transpose()
                    .map_err(|e: DataError| row.malformed(e.to_string()))?,
                ..TrackInfo::new(track_id, row.require(label)?)
            });
            durations.push(match row.get("duration") {
                Some(_) => row.number("duration")?,
                None => 0.0,
            });
            for column in &columns {
                let value: f64 = row.number(column)?;
                if !value.is_finite() {
                    return Err(row.malformed(format!("column {column} holds {value}, which is not finite")));
                }
                values.push(value);
            }
        }
        let values = Array2::from_shape_vec((tracks.len(), columns.len()), values)
            .map_err(|e| DataError::malformed(path, e.to_string()))?;
        Ok(Self { columns, tracks, values, durations, extraction })
    }

    /// How the table was made, if it says so: a Parquet table of [`Extraction`](crate::Extraction) in its metadata, a CSV
    /// table in the file `NAME.csv.json` beside it.
    #[must_use]
    pub fn extraction(&self) -> Option<&ExtractionConfig> {
        self.extraction.as_ref()
    }

    /// Length in seconds of what each row was computed from; 0 where the table does not say.
    #[must_use]
    pub fn durations(&self) -> &[f64] {
        &self.durations
    }

    /// Names of the features, in the order of the columns of [`FeatureTable::values`].
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The track of each row.
    #[must_use]
    pub fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    /// The numbers, shape (rows, features).
    #[must_use]
    pub fn values(&self) -> &Array2<f64> {
        &self.values
    }

    /// The labels, sorted.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        sorted_labels(&self.tracks)
    }

    /// The same table without some columns.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if a name is no column.
    pub fn without_columns(self, names: &[&str]) -> Result<Self, DataError> {
        if let Some(missing) = names.iter().find(|name| !self.columns.iter().any(|c| c == *name)) {
            return Err(DataError::config("column", missing, "a column of the table"));
        }
        Ok(self.retain_columns(|name| !names.contains(&name)))
    }

    /// A table of values that were computed elsewhere, shape (rows, columns).
    ///
    /// # Errors
    ///
    /// [`DataError::Shape`] if there are not as many columns as names or as many rows as tracks, two columns have one name,
    /// or a value is not finite.
    pub fn new(columns: Vec<String>, tracks: Vec<TrackInfo>, values: Array2<f64>) -> Result<Self, DataError> {
        if values.dim() != (tracks.len(), columns.len()) {
            let given =
                format!("{:?} for {} tracks and {} columns", values.dim(), tracks.len(), columns.len());
            return Err(DataError::shape(
                "values",
                given,
                "each track must have one row and each name one column",
            ));
        }
        if let Some(twice) = columns.iter().enumerate().find(|(i, name)| columns[..*i].contains(name)) {
            return Err(DataError::shape(
                "columns",
                format!("two named {:?}", twice.1),
                "each column must have a name of its own",
            ));
        }
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(DataError::shape("values", value.to_string(), "every value must be finite"));
        }
        let durations = vec![0.0; tracks.len()];
        Ok(Self { columns, tracks, values, durations, extraction: None })
    }

    /// The columns of this table and behind them those of `other`, for the rows whose track `other` has a row of as well.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if both have a column of one name, or `other` has several rows of a track.
    pub fn join(mut self, other: &Self) -> Result<Self, DataError> {
        if let Some(twice) = other.columns.iter().find(|name| self.columns.contains(name)) {
            return Err(DataError::config("column", twice, "a column of one of the tables only"));
        }
        let mut row_of: HashMap<&str, usize> = HashMap::with_capacity(other.tracks.len());
        for (row, track) in other.tracks.iter().enumerate() {
            if row_of.insert(&track.track_id, row).is_some() {
                let rule = "in one row of the table that is joined";
                return Err(DataError::config("track", &track.track_id, rule));
            }
        }
        self = self.retain_tracks(|track| row_of.contains_key(track.track_id.as_str()));
        let rows: Vec<usize> = self.tracks.iter().map(|t| row_of[t.track_id.as_str()]).collect();
        self.values = ndarray::concatenate![Axis(1), self.values, other.values.select(Axis(0), &rows)];
        self.columns.extend(other.columns.iter().cloned());
        // No extraction makes these columns.
        self.extraction = None;
        Ok(self)
    }

    /// The same table with only those columns whose name passes.
    #[must_use]
    pub fn retain_columns(mut self, keep: impl Fn(&str) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.columns.len()).filter(|&i| keep(&self.columns[i])).collect();
        self.values = self.values.select(Axis(1), &kept);
        self.columns = kept.iter().map(|&i| self.columns[i].clone()).collect();
        self
    }

    /// The same table with only those rows whose track passes.
    #[must_use]
    pub fn retain_tracks(mut self, keep: impl Fn(&TrackInfo) -> bool) -> Self {
        let kept: Vec<usize> = (0..self.tracks.len()).filter(|&i| keep(&self.tracks[i])).collect();
        self.values = self.values.select(Axis(0), &kept);
        self.durations = kept.iter().map(|&i| self.durations[i]).collect();
        self.tracks = kept.iter().map(|&i| self.tracks[i].clone()).collect();
        self
    }

    /// The mean of the rows of each track, one row per track, in the order in which the tracks appear.
    #[must_use]
    pub fn track_means(mut self) -> Self {
        let mut place: HashMap<&str, usize> = HashMap::new();
        let mut first: Vec<usize> = Vec::new();
        let mut of_row = Vec::with_capacity(self.tracks.len());
        for (row, track) in self.tracks.iter().enumerate() {
            let track = *place.entry(&track.track_id).or_insert(first.len());
            if track == first.len() {
                first.push(row);
            }
            of_row.push(track);
        }
        let mut sums = Array2::<f64>::zeros((first.len(), self.columns.len()));
        let mut counts = vec![0.0; first.len()];
        let mut durations = vec![0.0; first.len()];
        for (row, &track) in of_row.iter().enumerate() {
            sums.row_mut(track).scaled_add(1.0, &self.values.row(row));
            counts[track] += 1.0;
            durations[track] += self.durations[row];
        }
        for (mut sum, count) in sums.rows_mut().into_iter().zip(&counts) {
            sum /= *count;
        }
        self.tracks = first.iter().map(|&row| self.tracks[row].clone()).collect();
        self.values = sums;
        self.durations = durations;
        self
    }

    /// Takes artist, split and repetition from tracks that another table knows better; labels stay.
    pub fn apply_tracks(&mut self, known: &[TrackInfo]) {
        let by_id: HashMap<&str, &TrackInfo> = known.iter().map(|t| (t.track_id.as_str(), t)).collect();
        for track in &mut self.tracks {
            if let Some(known) = by_id.get(track.track_id.as_str()) {
                let label = std::mem::take(&mut track.label);
                *track = TrackInfo { label, ..(*known).clone() };
            }
        }
    }

    /// Takes groups, and artists and splits where they lack, from a table of groups.
    pub fn apply_groups(&mut self, table: &GroupTable) {
        self.tracks.iter_mut().for_each(|track| table.apply(track));
    }
}

/// Columns that say where a row comes from.
const NOT_FEATURES: [&str; 9] =
    ["length", "path", "track_id", "artist", "group", "split", "official_split", "start", "duration"];

/// What a table's metadata say, beside what is of no use here.
#[derive(Deserialize)]
struct Metadata {
    extraction: ExtractionConfig,
}

fn read_table(path: &Path) -> Result<(CsvTable, Option<ExtractionConfig>), DataError> {
    let parse = |text: &[u8]| serde_json::from_slice(text).ok().map(|m: Metadata| m.extraction);
    #[cfg(feature = "parquet")]
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) {
        let (table, metadata) = crate::store::read_parquet(path)?;
        return Ok((table, metadata.and_then(|text| parse(text.as_bytes()))));
    }
    let mut beside = path.to_owned().into_os_string();
    beside.push(".json");
    // The file beside is no condition: tables from elsewhere have none.
    let extraction = std::fs::read(beside).ok().and_then(|text| parse(&text));
    Ok((CsvTable::read(path)?, extraction))
}

/// Reads an archive of [`Extraction`](crate::Extraction), or one with `X` and `IDS`.
fn read_npz(path: &Path) -> Result<FeatureTable, DataError> {
    let mut archive = NpzReader::open(path)?;
    let own = archive.has("values");
    let values = archive.array(if own { "values" } else { "X" })?.rows()?;
    let columns = if own {
        archive.array("columns")?.texts()?
    } else {
        (0..values.ncols()).map(|i| format!("x{i}")).collect()
    };
    let tracks: Vec<TrackInfo> = if own {
        let (ids, labels) = (archive.array("track_id")?.texts()?, archive.array("label")?.texts()?);
        let artists = archive.array("artist")?.texts()?;
        let track = |((id, label), artist): ((String, String), String)| TrackInfo {
            artist: Some(artist).filter(|artist| !artist.is_empty()),
            ..TrackInfo::new(id, label)
        };
        ids.into_iter().zip(labels).zip(artists).map(track).collect()
    } else {
        let track = |id: &String| match id.rsplit(['/', '\\']).nth(1) {
            Some(folder) => Ok(TrackInfo::new(track_of_file(id), folder)),
            None => Err(DataError::malformed(
                path,
                format!("the id {id:?} has no folder, which would be its label"),
            )),
        };
        archive.array("IDS")?.texts()?.iter().map(track).collect::<Result<_, _>>()?
    };
    if tracks.len() != values.nrows() || columns.len() != values.ncols() {
        let given = format!("{} tracks, {} columns", tracks.len(), columns.len());
        let message = format!("{given}, but an array of shape {:?}", values.dim());
        return Err(DataError::malformed(path, message));
    }
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(DataError::malformed(path, format!("it holds {value}, which is not finite")));
    }
    let durations =
        if own { archive.array("duration")?.rows()?.column(0).to_vec() } else { vec![0.0; tracks.len()] };
    let metadata = if own { archive.array("metadata")?.texts()?.concat() } else { String::new() };
    Ok(FeatureTable {
        columns,
        tracks,
        values,
        durations,
        extraction: serde_json::from_str(&metadata).ok().map(|m: Metadata| m.extraction),
    })
}

/// `blues.00000` of `blues.00000.wav` and of `blues.00000.3.wav`.
fn track_of_file(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let is_number = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    match stem.rsplit_once('.') {
        Some((track, window)) if is_number(window) => match track.rsplit_once('.') {
            Some((_, number)) if is_number(number) => track,
            _ => stem,
        },
        _ => stem,
    }
}
