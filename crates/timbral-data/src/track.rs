//! What is known of a track beside its sound: label, artist, group and subset.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What models are fitted on.
    Train,
    /// What settings are chosen on.
    Validation,
    /// What the final number is measured on, once.
    Test,
    /// Left out by the data set's makers, for repetitions, distortion or a wrong label.
    Faulty,
}

impl Part {
    /// The name in files: `train`, `validation`, `test`, `faulty`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
            Self::Faulty => "faulty",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Part {
    type Err = DataError;

    /// Reads the names in use: `train` or `training`, `valid`, `val`, `dev` or `validation`, `test`, `faulty`.
    fn from_str(s: &str) -> Result<Self, DataError> {
        match s.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Ok(Self::Train),
            "valid" | "val" | "dev" | "validation" => Ok(Self::Validation),
            "test" => Ok(Self::Test),
            "faulty" => Ok(Self::Faulty),
            _ => Err(DataError::config("split", format!("{s:?}"), "one of train, validation, test, faulty")),
        }
    }
}

/// What is known of a track beside its sound. Splits are made from this alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackInfo {
    /// Name of the track, unique in its data set. Several files may be excerpts of one track.
    pub track_id: String,
    /// Class of the track.
    pub label: String,
    /// Artist, where known.
    pub artist: Option<String>,
    /// Tracks of one group must never be on two sides of a split. `None`: the artist is the group.
    pub group: Option<String>,
    /// The data set's own split, where it has one.
    pub official_split: Option<Part>,
    /// Another track that holds the same recording.
    pub repeat_of: Option<String>,
}

impl TrackInfo {
    /// A track of which nothing but its class is known.
    #[must_use]
    pub fn new(track_id: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            track_id: track_id.into(),
            label: label.into(),
            artist: None,
            group: None,
            official_split: None,
            repeat_of: None,
        }
    }

    /// The group that splits go by: the given one, else the artist without regard to case and spacing, else the track alone.
    #[must_use]
    pub fn group_key(&self) -> String {
        match (&self.group, &self.artist) {
            (Some(group), _) => group.clone(),
            (None, Some(artist)) => artist.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
            (None, None) => format!("unknown:{}", self.track_id),
        }
    }
}

/// The distinct labels of some tracks, sorted by name: the order of classes everywhere.
#[must_use]
pub fn sorted_labels<'a>(tracks: impl IntoIterator<Item = &'a TrackInfo>) -> Vec<String> {
    let labels: BTreeSet<&str> = tracks.into_iter().map(|t| t.label.as_str()).collect();
    labels.into_iter().map(str::to_owned).collect()
}

/// The tracks of some rows, once each, in the order of their first rows.
///
/// # Errors
///
/// [`DataError::Shape`] where two rows of one track differ in what they say of it.
pub fn distinct_tracks(rows: &[TrackInfo]) -> Result<Vec<&TrackInfo>, DataError> {
    let mut by_id: HashMap<&str, &TrackInfo> = HashMap::new();
    let mut tracks = Vec::new();
    for row in rows {
        match by_id.get(row.track_id.as_str()) {
            None => {
                by_id.insert(&row.track_id, row);
                tracks.push(row);
            }
            Some(first) if *first == row => {}
            Some(first) => {
                return Err(DataError::shape(
                    "tracks",
                    format!("track {:?} is described in two ways ({first:?} and {row:?})", row.track_id),
                    "rows of one track must agree in all but their file",
                ));
            }
        }
    }
    Ok(tracks)
}
