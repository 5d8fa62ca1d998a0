//! Groups and pinned folds that come from a table: which tracks must stay together.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::DataError;
use crate::csv_table::CsvTable;
use crate::split::Folds;
use crate::track::{Part, TrackInfo};

/// Groups given from outside: which tracks must stay together, and repeats that others have pinned.
///
/// One row per track; columns by name: `track` (or `track_id`), `group`; optional `genre` (or `label`), `artist`, `split`
/// (or `official_split`); every other column whose name starts with `cv` or `fold` holds the fold in which a track is
/// held out, empty where the repeat leaves it out.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupTable {
    rows: BTreeMap<String, GroupRow>,
    repeats: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct GroupRow {
    group: String,
    label: Option<String>,
    artist: Option<String>,
    split: Option<Part>,
    folds: Vec<Option<usize>>,
}

impl GroupTable {
    /// Reads the table.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be read; [`DataError::Malformed`], with the line, for a missing column or
    /// field, a track that stands twice, an unknown split, or a fold that is not a number.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let table = CsvTable::read(path.as_ref())?;
        let id = table.require(&["track", "track_id"])?;
        table.require(&["group"])?;
        let repeats: Vec<String> =
            table.header().iter().filter(|h| h.starts_with("cv") || h.starts_with("fold")).cloned().collect();
        let mut rows = BTreeMap::new();
        for row in table.rows() {
            let track = row.require(id)?;
            let split = match row.get("split").or_else(|| row.get("official_split")) {
                Some(text) => Some(text.parse::<Part>().map_err(|e| row.malformed(e.to_string()))?),
                None => None,
            };
            let mut folds = Vec::with_capacity(repeats.len());
            for repeat in &repeats {
                folds.push(row.get(repeat).map(|_| row.number(repeat)).transpose()?);
            }
            let entry = GroupRow {
                group: row.require("group")?.to_owned(),
                label: row.get("genre").or_else(|| row.get("label")).map(str::to_owned),
                artist: row.get("artist").map(str::to_owned),
                split,
                folds,
            };
            if rows.insert(track.to_owned(), entry).is_some() {
                return Err(row.malformed(format!("track {track} stands twice")));
            }
        }
        Ok(Self { rows, repeats })
    }

    /// Number of tracks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no tracks.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The group of a track.
    #[must_use]
    pub fn group(&self, track_id: &str) -> Option<&str> {
        self.rows.get(track_id).map(|row| row.group.as_str())
    }

    /// The tracks of the table, sorted by id. A track without a label in the table has an empty one.
    #[must_use]
    pub fn tracks(&self) -> Vec<TrackInfo> {
        let track = |(id, row): (&String, &GroupRow)| {
            let mut track = TrackInfo::new(id.clone(), row.label.clone().unwrap_or_default());
            self.apply(&mut track);
            track
        };
        self.rows.iter().map(track).collect()
    }

    /// Sets the group of a track from the table, and its artist and official split where the track has none.
    pub fn apply(&self, track: &mut TrackInfo) {
        if let Some(row) = self.rows.get(&track.track_id) {
            track.group = Some(row.group.clone());
            track.artist = track.artist.take().or_else(|| row.artist.clone());
            track.official_split = track.official_split.or(row.split);
        }
    }

    /// Names of the columns that hold repeats.
    #[must_use]
    pub fn repeats(&self) -> &[String] {
        &self.repeats
    }

    /// A pinned repeat, checked like one of our own.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if there is no such column or it names fewer than two folds; [`DataError::Leak`] if a group
    /// lies in two folds.
    pub fn folds(&self, repeat: &str) -> Result<Folds, DataError> {
        let Some(column) = self.repeats.iter().position(|f| f == repeat) else {
            let rule = format!("one of {}", self.repeats.join(", "));
            return Err(DataError::config("repeat", repeat, rule));
        };
        let assignment: HashMap<String, usize> =
            self.rows.iter().filter_map(|(id, row)| Some((id.clone(), row.folds[column]?))).collect();
        let tracks: Vec<TrackInfo> =
            self.tracks().into_iter().filter(|t| assignment.contains_key(&t.track_id)).collect();
        Folds::pinned(&format!("pinned repeat {repeat}"), &tracks, &assignment)
    }
}
