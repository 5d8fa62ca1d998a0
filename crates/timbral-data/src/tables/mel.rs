use std::collections::BTreeMap;
use std::path::{Component, Path};

use ndarray::{Array2, Array3, ArrayView2, Axis};

use crate::DataError;
use crate::csv_table::CsvTable;
use crate::npy::NpzReader;
use crate::track::{Part, TrackInfo, sorted_labels};

/// One spectrogram of a [`MelTable`].
#[derive(Clone, Debug, PartialEq)]
pub struct MelRow {
    /// The track.
    pub track: TrackInfo,
    /// Whether another track of its artist is in a test list that is kept elsewhere; `None` where the artist is unknown.
    pub artist_in_test: Option<bool>,
    /// Length of the recording in samples.
    pub n_samples: usize,
    /// Analysis frames that the columns were picked from.
    pub n_frames: usize,
    /// Decibels between the loudest and the quietest value that can be stored.
    pub range_db: f64,
    /// Level of the loudest cell, in decibels of power for samples in -1..1.
    pub max_db: f64,
    shard: String,
    index: usize,
}

/// Log-mel spectrograms of a data set, one a track, stored with 8 bits a cell.
///
/// A folder holds `mel_index.csv` (`track_id, genre, shard, row, n_samples, n_frames, range_db, max_db`, optional `artist`,
/// `official_split`, `artist_in_test`, `repeat_of`) and the archives that `shard` names, each with a `uint8` array `mel` of
/// shape (tracks, bands, columns). A stored value q means ((q + 0.5) / 256 - 1) `range_db` decibels relative to the
/// loudest cell of the track.
#[derive(Clone, Debug)]
pub struct MelTable {
    rows: Vec<MelRow>,
    shards: BTreeMap<String, Array3<u8>>,
}

impl MelTable {
    /// Reads the folder.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if a file cannot be read; [`DataError::Malformed`], with the line of the index, for a missing
    /// column, a number out of range, a row that its archive lacks, or an archive outside the folder;
    /// [`DataError::Limit`] if an array is larger than 2 GiB.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let table = CsvTable::read(&folder.join("mel_index.csv"))?;
        table.require(&["track_id"])?;
        let label = table.require(&["genre", "label"])?;
        let mut rows = Vec::with_capacity(table.len());
        let mut shards: BTreeMap<String, Array3<u8>> = BTreeMap::new();
        for row in table.rows() {
            let shard = row.require("shard")?.to_owned();
            if !shards.contains_key(&shard) {
                let inside = Path::new(&shard).components().all(|c| matches!(c, Component::Normal(_)));
                if !inside {
                    return Err(row.malformed(format!("the shard {shard:?} lies outside the folder")));
                }
                shards.insert(shard.clone(), read_u8_cube(&folder.join(&shard), "mel")?);
            }
            let index: usize = row.number("row")?;
            let in_shard = shards[&shard].len_of(Axis(0));
            if index >= in_shard {
                return Err(row.malformed(format!("row {index} of {shard}, which holds {in_shard}")));
            }
            let (range_db, max_db): (f64, f64) = (row.number("range_db")?, row.number("max_db")?);
            if !(range_db.is_finite() && range_db > 0.0 && max_db.is_finite()) {
                return Err(row.malformed(format!(
                    "range_db is {range_db} and max_db {max_db}, but both are finite and the range is above 0"
                )));
            }
            let official_split = match row.get("official_split") {
                Some(text) => Some(text.parse::<Part>().map_err(|e| row.malformed(e.to_string()))?),
                None => None,
            };
            rows.push(MelRow {
                track: TrackInfo {
                    track_id: row.require("track_id")?.to_owned(),
                    label: row.require(label)?.to_owned(),
                    artist: row.get("artist").map(str::to_owned),
                    group: None,
                    official_split,
                    repeat_of: row.get("repeat_of").map(str::to_owned),
                },
                artist_in_test: row.get("artist_in_test").map(|field| field == "yes"),
                n_samples: row.number("n_samples")?,
                n_frames: row.number("n_frames")?,
                range_db,
                max_db,
                shard,
                index,
            });
        }
        Ok(Self { rows, shards })
    }

    /// Number of spectrograms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no spectrograms.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the index says of each spectrogram, in its order.
    #[must_use]
    pub fn rows(&self) -> &[MelRow] {
        &self.rows
    }

    /// The track of each spectrogram, in the order of the index.
    #[must_use]
    pub fn tracks(&self) -> Vec<TrackInfo> {
        self.rows.iter().map(|row| row.track.clone()).collect()
    }

    /// The labels, sorted.
    #[must_use]
    pub fn labels(&self) -> Vec<String> {
        sorted_labels(self.rows.iter().map(|row| &row.track))
    }

    /// The stored values of a spectrogram, shape (bands, columns); `None` if there is no such row.
    #[must_use]
    pub fn quantised(&self, row: usize) -> Option<ArrayView2<'_, u8>> {
        let row = self.rows.get(row)?;
        Some(self.shards.get(&row.shard)?.index_axis(Axis(0), row.index))
    }

    /// A spectrogram in decibels relative to its loudest cell, shape (bands, columns); `None` if there is no such row.
    ///
    /// Add [`MelRow::max_db`] for the absolute level.
    #[must_use]
    pub fn decibels(&self, row: usize) -> Option<Array2<f32>> {
        let range_db = self.rows.get(row)?.range_db;
        let of_value: Vec<f32> =
            (0..=255_u8).map(|q| (((f64::from(q) + 0.5) / 256.0 - 1.0) * range_db) as f32).collect();
        Some(self.quantised(row)?.mapv(|q| of_value[usize::from(q)]))
    }
}

/// Reads a three-dimensional `uint8` array of an archive.
fn read_u8_cube(path: &Path, name: &str) -> Result<Array3<u8>, DataError> {
    let array = NpzReader::open(path)?.array(name)?.values::<u8>()?;
    let axes = array.ndim();
    array.into_dimensionality().map_err(|_| {
        DataError::malformed(
            path,
            format!("the number of axes of {name:?} is {axes}; it must be 3, of uint8"),
        )
    })
}
