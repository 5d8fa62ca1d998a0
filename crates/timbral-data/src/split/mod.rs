//! Splits and folds by group, made before any window is cut, which cannot be built with a leak.

mod clusters;
mod folds;
mod holdout;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::DataError;
use crate::atomic::write_atomically;
use crate::csv_table::CsvTable;
use crate::rng::{seeded, shuffle};
use crate::track::{Part, TrackInfo, distinct_tracks};

pub use folds::Folds;
pub use holdout::{Amount, HoldoutConfig};

/// How a split was made: the first thing to know of a number measured on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Protocol {
    /// The data set's own split. Its makers may have let an artist cross it: see [`Split::shared_groups`].
    Official,
    /// Stratified k-fold over groups.
    StratifiedGroupKFold {
        /// Number of folds.
        n_folds: usize,
        /// The fold that is tested on; none where each is in its turn, and the answers are put together.
        #[serde(default)]
        fold: Option<usize>,
        /// Seed of the shuffle.
        seed: u64,
    },
    /// A repeat or split that was given from outside, group-disjoint.
    Pinned {
        /// Its name.
        name: String,
        /// The fold that is tested on; none where each is in its turn, and the answers are put together.
        #[serde(default)]
        fold: Option<usize>,
    },
    /// A fraction or number of tracks of each class, taken by whole groups.
    GroupHoldout {
        /// Seed of the shuffle.
        seed: u64,
    },
    /// All groups but one are trained on.
    LeaveOneGroupOut {
        /// The group that is tested on; none where each is in its turn.
        #[serde(default)]
        group: Option<String>,
    },
    /// Tracks at random: an artist lies on both sides. Shows a leak; its numbers are not test accuracies.
    TrackRandomLeaky {
        /// Seed of the shuffle.
        seed: u64,
    },
    /// The last tracks of each class in the order of the source: neighbours share artists. Its numbers are not test accuracies.
    LastOfClassLeaky {
        /// Tracks of each class.
        count: usize,
    },
    /// Windows at random: a track lies on both sides. Shows a leak; its numbers are not test accuracies.
    SegmentRandomLeaky {
        /// Seed of the shuffle.
        seed: u64,
    },
}

impl Protocol {
    /// Whether what is trained on and what is tested on share tracks or artists by design.
    #[must_use]
    pub fn is_leaky(&self) -> bool {
        matches!(
            self,
            Self::TrackRandomLeaky { .. } | Self::LastOfClassLeaky { .. } | Self::SegmentRandomLeaky { .. }
        )
    }
}

/// `fold 3`, or that all of them were tested on.
fn which(fold: Option<&usize>) -> String {
    fold.map_or_else(|| "all folds".to_owned(), |fold| format!("fold {fold}"))
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Official => write!(f, "official split"),
            Self::StratifiedGroupKFold { n_folds, fold, seed } => {
                let fold = which(fold.as_ref());
                write!(f, "stratified group {n_folds}-fold, {fold} (seed {seed})")
            }
            Self::Pinned { name, fold } => write!(f, "{name}, {}", which(fold.as_ref())),
            Self::GroupHoldout { seed } => write!(f, "group holdout (seed {seed})"),
            Self::LeaveOneGroupOut { group } => {
                write!(f, "leave one group out ({})", group.as_deref().unwrap_or("each"))
            }
            Self::TrackRandomLeaky { seed } => write!(f, "track-random (artist-leaky, seed {seed})"),
            Self::LastOfClassLeaky { count } => write!(f, "last {count} of each class (artist-leaky)"),
            Self::SegmentRandomLeaky { seed } => write!(f, "segment-random (leaky, seed {seed})"),
        }
    }
}

/// Which tracks are trained, chosen and tested on.
///
/// A split is made of tracks, before any window is cut, so that windows of a track cannot fall on two sides. It cannot be
/// built with a leak, other than under a protocol whose name says `leaky`: making, reading and cutting one fails with
/// [`DataError::Leak`] where a group or a recording lies in two parts. The official split is held to recordings only,
/// because it is not ours to change; [`Split::shared_groups`] lists what crosses it.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    protocol: Protocol,
    parts: BTreeMap<String, Part>,
}

/// First line of a saved split.
#[derive(Serialize, Deserialize)]
struct Header {
    protocol: Protocol,
    sha256: String,
}

impl Split {
    /// A split by track id.
    ///
    /// Tracks that `parts` lacks are in no part.
    ///
    /// # Errors
    ///
    /// [`DataError::Leak`] if a group or recording lies in two parts (see [`Split`]); [`DataError::Shape`] if a track of
    /// `parts` is not among `tracks`, or two rows of one track contradict each other.
    pub fn new(
        protocol: Protocol,
        tracks: &[TrackInfo],
        parts: BTreeMap<String, Part>,
    ) -> Result<Self, DataError> {
        let split = Self { protocol, parts };
        split.check(tracks)?;
        Ok(split)
    }

    /// The data set's own split, read off the tracks; faulty tracks and those without a split are in no part.
    ///
    /// # Errors
    ///
    /// [`DataError::Shape`] if no track has an official split, or rows of a track contradict each other;
    /// [`DataError::Leak`] if a recording lies in two parts.
    pub fn official(tracks: &[TrackInfo]) -> Result<Self, DataError> {
        let parts: BTreeMap<String, Part> = distinct_tracks(tracks)?
            .iter()
            .filter_map(|t| Some((t.track_id.clone(), t.official_split.filter(|p| *p != Part::Faulty)?)))
            .collect();
        if parts.is_empty() {
            return Err(DataError::shape(
                "tracks",
                "none has an official split",
                "at least one must have one",
            ));
        }
        Self::new(Protocol::Official, tracks, parts)
    }

    /// Takes a fraction or number of tracks of each class for validation and test, by whole groups, about stratified.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if a fraction lies outside 0..1 or the amounts leave nothing to train on; [`DataError::Shape`]
    /// if the groups of a class are too large for its amount, or rows of a track contradict each other.
    pub fn group_holdout(tracks: &[TrackInfo], config: &HoldoutConfig) -> Result<Self, DataError> {
        let parts = holdout::assign(tracks, config)?;
        Self::new(Protocol::GroupHoldout { seed: config.seed }, tracks, parts)
    }

    /// Takes `share` of the tracks at random for the test, **without regard to artists**: the leaky protocol of many published
    /// numbers, for comparison only.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if the fraction lies outside 0..1; [`DataError::Shape`] if rows of a track contradict each other.
    pub fn track_random_leaky(tracks: &[TrackInfo], share: f64, seed: u64) -> Result<Self, DataError> {
        let mut ids: Vec<&str> = distinct_tracks(tracks)?.iter().map(|t| t.track_id.as_str()).collect();
        let n_test = share_of(share, ids.len())?;
        shuffle(&mut ids, &mut seeded(seed, 1));
        let part = |i| if i < n_test { Part::Test } else { Part::Train };
        let parts = ids.iter().enumerate().map(|(i, id)| ((*id).to_owned(), part(i))).collect();
        Self::new(Protocol::TrackRandomLeaky { seed }, tracks, parts)
    }

    /// Takes the last `count` tracks of each class for the test, in the order given, **without regard to artists**.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if a class has no more tracks than that; [`DataError::Shape`] if rows of a track contradict
    /// each other.
    pub fn last_of_class_leaky(tracks: &[TrackInfo], count: usize) -> Result<Self, DataError> {
        let mut classes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for track in distinct_tracks(tracks)? {
            classes.entry(&track.label).or_default().push(&track.track_id);
        }
        let mut parts = BTreeMap::new();
        for (label, ids) in classes {
            if ids.len() <= count {
                let rule = format!("below {}, the number of tracks of {label}", ids.len());
                return Err(DataError::config("count", count, rule));
            }
            let first_test = ids.len() - count;
            for (i, id) in ids.iter().enumerate() {
                parts.insert((*id).to_owned(), if i < first_test { Part::Train } else { Part::Test });
            }
        }
        Self::new(Protocol::LastOfClassLeaky { count }, tracks, parts)
    }

    pub(crate) fn unchecked(protocol: Protocol, parts: BTreeMap<String, Part>) -> Self {
        Self { protocol, parts }
    }

    /// How the split was made.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// The part that a track is in.
    #[must_use]
    pub fn part_of(&self, track_id: &str) -> Option<Part> {
        self.parts.get(track_id).copied()
    }

    /// Ids of the tracks of a part, sorted.
    pub fn track_ids(&self, part: Part) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(move |(_, p)| **p == part).map(|(id, _)| id.as_str())
    }

    /// Indices of those rows (files, windows, table rows) whose track is in a part, in their order.
    #[must_use]
    pub fn rows(&self, rows: &[TrackInfo], part: Part) -> Vec<usize> {
        (0..rows.len()).filter(|&i| self.part_of(&rows[i].track_id) == Some(part)).collect()
    }

    /// Fails if a group or a recording lies in two parts, as far as the protocol promises that none does.
    ///
    /// # Errors
    ///
    /// As for [`Split::new`].
    pub fn check(&self, tracks: &[TrackInfo]) -> Result<(), DataError> {
        let distinct = distinct_tracks(tracks)?;
        let known: BTreeSet<&str> = distinct.iter().map(|t| t.track_id.as_str()).collect();
        if let Some(id) = self.parts.keys().find(|id| !known.contains(id.as_str())) {
            return Err(DataError::shape(
                "split",
                format!("it names the track {id:?}"),
                "every track of a split must be one of the data set's",
            ));
        }
        if self.protocol.is_leaky() {
            return Ok(());
        }
        let assigned: Vec<(&TrackInfo, Part)> =
            distinct.into_iter().filter_map(|t| Some((t, self.part_of(&t.track_id)?))).collect();
        if self.protocol != Protocol::Official {
            clusters::check_groups(&assigned)?;
        }
        clusters::check_recordings(&assigned)
    }

    /// Groups that lie in more than one part, with the parts. Empty but for official and leaky splits.
    #[must_use]
    pub fn shared_groups(&self, tracks: &[TrackInfo]) -> BTreeMap<String, BTreeSet<Part>> {
        let mut groups: BTreeMap<String, BTreeSet<Part>> = BTreeMap::new();
        for track in tracks {
            if let Some(part) = self.part_of(&track.track_id) {
                groups.entry(track.group_key()).or_default().insert(part);
            }
        }
        groups.retain(|_, parts| parts.len() > 1);
        groups
    }

    /// Rows of the test part whose group is in none of the parts that a model was fitted on or chosen by.
    #[must_use]
    pub fn clean_test_rows(&self, rows: &[TrackInfo], fitted_on: &[Part]) -> Vec<usize> {
        let seen: BTreeSet<String> = rows
            .iter()
            .filter(|t| self.part_of(&t.track_id).is_some_and(|p| fitted_on.contains(&p)))
            .map(TrackInfo::group_key)
            .collect();
        self.rows(rows, Part::Test).into_iter().filter(|&i| !seen.contains(&rows[i].group_key())).collect()
    }

    /// SHA-256 of the content, in hexadecimal: equal for equal splits, whatever their protocol is called.
    #[must_use]
    pub fn content_hash(&self) -> String {
        content_hash(&self.csv_body())
    }

    fn csv_body(&self) -> Vec<u8> {
        csv_body("part", self.parts.iter().map(|(id, part)| (id.as_str(), part.as_str())))
    }

    /// Writes the split as CSV (`track_id,part`, sorted), in one step. The first line, a comment, holds protocol and hash.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let header = Header { protocol: self.protocol.clone(), sha256: self.content_hash() };
        save_with_header(path.as_ref(), &header, &self.csv_body())
    }

    /// Reads a split that was saved and checks it against the tracks of its data set.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be read; [`DataError::Malformed`] if it is no saved split, or was changed since;
    /// and those of [`Split::new`].
    pub fn load(path: impl AsRef<Path>, tracks: &[TrackInfo]) -> Result<Self, DataError> {
        let path = path.as_ref();
        let (header, rows): (Header, _) = load_with_header(path, "part")?;
        let mut parts = BTreeMap::new();
        for (id, part) in rows {
            let part = part.parse::<Part>().map_err(|e| DataError::malformed(path, e.to_string()))?;
            parts.insert(id, part);
        }
        let split = Self::new(header.protocol, tracks, parts)?;
        check_hash(path, &header.sha256, &split.content_hash())?;
        Ok(split)
    }
}

/// Windows at random: a split of rows, not of tracks, **which lets a track lie on both sides**.
///
/// It exists to show how much such numbers promise. It is no [`Split`], so nothing that takes one can take it by mistake.
#[derive(Clone, Debug, PartialEq)]
pub struct LeakySegmentSplit {
    /// The part of each window.
    pub parts: Vec<Part>,
    /// [`Protocol::SegmentRandomLeaky`].
    pub protocol: Protocol,
}

impl LeakySegmentSplit {
    /// Takes `share` of `n_windows` windows at random for the test.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if the fraction lies outside 0..1.
    pub fn segment_random_leaky(n_windows: usize, share: f64, seed: u64) -> Result<Self, DataError> {
        let n_test = share_of(share, n_windows)?;
        let mut parts = vec![Part::Train; n_windows];
        parts[..n_test].fill(Part::Test);
        shuffle(&mut parts, &mut seeded(seed, 2));
        Ok(Self { parts, protocol: Protocol::SegmentRandomLeaky { seed } })
    }
}

fn share_of(share: f64, n: usize) -> Result<usize, DataError> {
    if share > 0.0 && share < 1.0 {
        Ok((share * n as f64).round() as usize)
    } else {
        Err(DataError::config("share", share, "above 0 and below 1"))
    }
}

fn csv_body<'a>(column: &str, rows: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut text = format!("track_id,{column}\n");
    for (id, value) in rows {
        // Always quoted, so that an id that starts with # or holds a comma or line break comes back as it was.
        text.push_str(&format!("\"{}\",{value}\n", id.replace('"', "\"\"")));
    }
    text.into_bytes()
}

fn content_hash(body: &[u8]) -> String {
    format!("{:x}", Sha256::digest(body))
}

fn save_with_header(path: &Path, header: &impl Serialize, body: &[u8]) -> Result<(), DataError> {
    let json = serde_json::to_string(header).map_err(|e| DataError::malformed(path, e.to_string()))?;
    write_atomically(path, &[b"# ", json.as_bytes(), b"\n", body])
}

fn load_with_header<H: for<'de> Deserialize<'de>>(
    path: &Path,
    column: &str,
) -> Result<(H, HashMap<String, String>), DataError> {
    let table = CsvTable::read(path)?;
    table.require(&["track_id"])?;
    table.require(&[column])?;
    let first = table.comments().first().map_or("", |c| c.trim_start_matches('#').trim());
    let header = serde_json::from_str(first).map_err(|e| {
        DataError::malformed_at(path, Some(1), format!("the first line does not hold protocol and hash: {e}"))
    })?;
    let mut rows = HashMap::new();
    for row in table.rows() {
        let id = row.require("track_id")?.to_owned();
        if rows.contains_key(&id) {
            return Err(row.malformed(format!("track {id} stands twice")));
        }
        rows.insert(id, row.require(column)?.to_owned());
    }
    Ok((header, rows))
}

fn check_hash(path: &Path, stored: &str, actual: &str) -> Result<(), DataError> {
    if stored == actual {
        return Ok(());
    }
    let message =
        format!("the content has the hash {actual}, but the file says {stored}: it was changed by hand");
    Err(DataError::malformed(path, message))
}
