use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{
    Protocol, Split, check_hash, clusters, content_hash, csv_body, load_with_header, save_with_header,
};
use crate::DataError;
use crate::rng::{seeded, shuffle};
use crate::track::{Part, TrackInfo, distinct_tracks, sorted_labels};

/// A division of tracks into folds, each of which is tested on once while the others are trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Folds {
    kind: Kind,
    n_folds: usize,
    folds: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    StratifiedGroup { seed: u64 },
    Pinned { name: String },
    LeaveOneGroupOut { groups: Vec<String> },
    TrackRandomLeaky { seed: u64 },
}

#[derive(Serialize, Deserialize)]
struct Header {
    folds: Kind,
    sha256: String,
}

impl Folds {
    /// Stratified k-fold in which no group and no recording lies in two folds.
    ///
    /// Groups are taken in turn, those first whose classes are most uneven, and each goes to the fold that keeps the
    /// fractions of the classes most alike over the folds; ties go to the fold with the fewest tracks. The seed shuffles
    /// groups of equal unevenness. Same tracks, same seed: same folds.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if there are fewer than two folds, or more than groups; [`DataError::Shape`] if rows of a
    /// track contradict each other.
    pub fn stratified_group(tracks: &[TrackInfo], n_folds: usize, seed: u64) -> Result<Self, DataError> {
        let distinct = distinct_tracks(tracks)?;
        let labels = sorted_labels(distinct.iter().copied());
        let mut groups = clusters::clusters(&distinct);
        if n_folds < 2 || n_folds > groups.len() {
            let rule = format!("at least 2 and at most the number of groups, {}", groups.len());
            return Err(DataError::config("n_folds", n_folds, rule));
        }
        // The folds must not depend on the order of the rows.
        groups.sort_by_key(|g| g.iter().map(|&i| distinct[i].track_id.as_str()).min());
        shuffle(&mut groups, &mut seeded(seed, 3));
        let counted = |group: &[usize]| -> Vec<f64> {
            let count = |label: &String| group.iter().filter(|&&i| distinct[i].label == *label).count();
            labels.iter().map(|label| count(label) as f64).collect()
        };
        let mut groups: Vec<(Vec<usize>, Vec<f64>)> =
            groups.into_iter().map(|g| (counted(&g), g)).map(|(c, g)| (g, c)).collect();
        groups.sort_by(|a, b| variance(b.1.iter().copied()).total_cmp(&variance(a.1.iter().copied())));

        let mut totals = vec![0.0; labels.len()];
        for (_, counts) in &groups {
            totals.iter_mut().zip(counts).for_each(|(t, c)| *t += c);
        }
        let mut in_fold = vec![vec![0.0; labels.len()]; n_folds];
        let mut folds = BTreeMap::new();
        for (group, counts) in &groups {
            let cost = |fold: usize| -> f64 {
                let deviation = |class: usize| {
                    let share = |f: usize| {
                        (in_fold[f][class] + if f == fold { counts[class] } else { 0.0 }) / totals[class]
                    };
                    variance((0..n_folds).map(share)).sqrt()
                };
                (0..labels.len()).map(deviation).sum()
            };
            let size = |fold: usize| -> f64 { in_fold[fold].iter().sum() };
            let mut best = (f64::INFINITY, f64::INFINITY, 0);
            for fold in 0..n_folds {
                let (cost, size) = (cost(fold), size(fold));
                // Sums of the same shares in another order differ by rounding: such costs are ties.
                let tie = (cost - best.0).abs() <= 1e-9 * cost;
                if (!tie && cost < best.0) || (tie && size < best.1) {
                    best = (cost, size, fold);
                }
            }
            in_fold[best.2].iter_mut().zip(counts).for_each(|(n, c)| *n += c);
            folds.extend(group.iter().map(|&i| (distinct[i].track_id.clone(), best.2)));
        }
        let folds = Self { kind: Kind::StratifiedGroup { seed }, n_folds, folds };
        folds.check(tracks)?;
        Ok(folds)
    }

    /// Folds that were made elsewhere: the fold of each track, by id. Tracks without one take no part.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if a fold below the highest is empty or there is only one; [`DataError::Leak`] if a group or
    /// a recording lies in two folds; [`DataError::Shape`] if rows of a track contradict each other.
    pub fn pinned(
        name: &str,
        tracks: &[TrackInfo],
        assignment: &HashMap<String, usize>,
    ) -> Result<Self, DataError> {
        let mut folds = BTreeMap::new();
        for track in distinct_tracks(tracks)? {
            if let Some(&fold) = assignment.get(&track.track_id) {
                folds.insert(track.track_id.clone(), fold);
            }
        }
        let result =
            Self { kind: Kind::Pinned { name: name.to_owned() }, n_folds: count_folds(&folds)?, folds };
        result.check(tracks)?;
        Ok(result)
    }

    /// One fold for each group (with the groups of its repeated recordings), in the order of their first tracks by id.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if there is only one group; [`DataError::Shape`] if rows of a track contradict each other.
    pub fn leave_one_group_out(tracks: &[TrackInfo]) -> Result<Self, DataError> {
        let mut distinct = distinct_tracks(tracks)?;
        distinct.sort_by(|a, b| a.track_id.cmp(&b.track_id));
        let groups = clusters::clusters(&distinct);
        let mut folds = BTreeMap::new();
        let mut names = Vec::with_capacity(groups.len());
        for (fold, group) in groups.iter().enumerate() {
            folds.extend(group.iter().map(|&i| (distinct[i].track_id.clone(), fold)));
            names.extend(group.first().map(|&i| distinct[i].group_key()));
        }
        Ok(Self { kind: Kind::LeaveOneGroupOut { groups: names }, n_folds: count_folds(&folds)?, folds })
    }

    /// Folds of tracks at random, about stratified, **without regard to artists**: a leaky protocol, for comparison only.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if there are fewer than two folds, or more than tracks; [`DataError::Shape`] if rows of a
    /// track contradict each other.
    pub fn track_random_leaky(tracks: &[TrackInfo], n_folds: usize, seed: u64) -> Result<Self, DataError> {
        let mut distinct = distinct_tracks(tracks)?;
        if n_folds < 2 || n_folds > distinct.len() {
            let rule = format!("at least 2 and at most the number of tracks, {}", distinct.len());
            return Err(DataError::config("n_folds", n_folds, rule));
        }
        distinct.sort_by(|a, b| a.track_id.cmp(&b.track_id));
        shuffle(&mut distinct, &mut seeded(seed, 4));
        // Dealt out class by class, as cards are.
        distinct.sort_by(|a, b| a.label.cmp(&b.label));
        let folds = distinct.iter().enumerate().map(|(i, t)| (t.track_id.clone(), i % n_folds)).collect();
        Ok(Self { kind: Kind::TrackRandomLeaky { seed }, n_folds, folds })
    }

    /// Number of folds.
    #[must_use]
    pub fn n_folds(&self) -> usize {
        self.n_folds
    }

    /// The fold in which a track is tested on.
    #[must_use]
    pub fn fold_of(&self, track_id: &str) -> Option<usize> {
        self.folds.get(track_id).copied()
    }

    /// The split that tests on one fold and trains on the others.
    ///
    /// # Errors
    ///
    /// [`DataError::Config`] if there is no such fold.
    pub fn split(&self, fold: usize) -> Result<Split, DataError> {
        if fold >= self.n_folds {
            return Err(DataError::config(
                "fold",
                fold,
                format!("below the number of folds, {}", self.n_folds),
            ));
        }
        let part = |f: usize| if f == fold { Part::Test } else { Part::Train };
        let parts = self.folds.iter().map(|(id, f)| (id.clone(), part(*f))).collect();
        // The folds were checked when they were made.
        Ok(Split::unchecked(self.protocol_of(Some(fold)), parts))
    }

    /// How the folds were made, of answers to all of them put together.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol_of(None)
    }

    fn protocol_of(&self, fold: Option<usize>) -> Protocol {
        match &self.kind {
            Kind::StratifiedGroup { seed } => {
                Protocol::StratifiedGroupKFold { n_folds: self.n_folds, fold, seed: *seed }
            }
            Kind::Pinned { name } => Protocol::Pinned { name: name.clone(), fold },
            Kind::LeaveOneGroupOut { groups } => {
                Protocol::LeaveOneGroupOut { group: fold.and_then(|fold| groups.get(fold).cloned()) }
            }
            Kind::TrackRandomLeaky { seed } => Protocol::TrackRandomLeaky { seed: *seed },
        }
    }

    /// The splits of all folds, in order.
    pub fn splits(&self) -> impl Iterator<Item = Split> {
        (0..self.n_folds).filter_map(|fold| self.split(fold).ok())
    }

    /// SHA-256 of the content, in hexadecimal.
    #[must_use]
    pub fn content_hash(&self) -> String {
        content_hash(&self.csv_body())
    }

    fn csv_body(&self) -> Vec<u8> {
        let rows: Vec<(&str, String)> =
            self.folds.iter().map(|(id, f)| (id.as_str(), f.to_string())).collect();
        csv_body("fold", rows.iter().map(|(id, f)| (*id, f.as_str())))
    }

    /// Writes the folds as CSV (`track_id,fold`, sorted), in one step. The first line, a comment, holds their making and hash.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), DataError> {
        let header = Header { folds: self.kind.clone(), sha256: self.content_hash() };
        save_with_header(path.as_ref(), &header, &self.csv_body())
    }

    /// Reads folds that were saved and checks them against the tracks of their data set.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be read; [`DataError::Malformed`] if it holds no saved folds, or was changed
    /// since; [`DataError::Leak`] and [`DataError::Shape`] as for [`Folds::pinned`].
    pub fn load(path: impl AsRef<Path>, tracks: &[TrackInfo]) -> Result<Self, DataError> {
        let path = path.as_ref();
        let (header, rows): (Header, _) = load_with_header(path, "fold")?;
        let mut folds = BTreeMap::new();
        for (id, fold) in rows {
            let fold = fold.parse::<usize>().map_err(|_| {
                DataError::malformed(path, format!("the fold of track {id} is {fold:?}, not a number"))
            })?;
            folds.insert(id, fold);
        }
        let result = Self { kind: header.folds, n_folds: count_folds(&folds)?, folds };
        check_hash(path, &header.sha256, &result.content_hash())?;
        result.check(tracks)?;
        Ok(result)
    }

    fn check(&self, tracks: &[TrackInfo]) -> Result<(), DataError> {
        if matches!(self.kind, Kind::TrackRandomLeaky { .. }) {
            return Ok(());
        }
        let named: Vec<(&TrackInfo, String)> = distinct_tracks(tracks)?
            .into_iter()
            .filter_map(|t| Some((t, format!("fold {}", self.fold_of(&t.track_id)?))))
            .collect();
        let assigned: Vec<(&TrackInfo, &str)> = named.iter().map(|(t, f)| (*t, f.as_str())).collect();
        clusters::check_groups(&assigned)?;
        clusters::check_recordings(&assigned)
    }
}

fn count_folds(folds: &BTreeMap<String, usize>) -> Result<usize, DataError> {
    let mut used: Vec<usize> = folds.values().copied().collect();
    used.sort_unstable();
    used.dedup();
    if used.len() < 2 {
        return Err(DataError::config("folds", used.len(), "at least 2, each with a track"));
    }
    match used.iter().enumerate().find(|(i, fold)| i != *fold) {
        None => Ok(used.len()),
        Some((i, fold)) => {
            Err(DataError::config("folds", format!("{fold} without {i}"), "numbered from 0 without gaps"))
        }
    }
}

/// Population variance.
fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let n = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / n;
    values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / n
}
