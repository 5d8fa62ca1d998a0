use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::clusters;
use crate::DataError;
use crate::rng::{seeded, shuffle};
use crate::track::{Part, TrackInfo, distinct_tracks};

/// How much of each class is held out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// A fraction of the tracks, from 0 to below 1.
    Share(f64),
    /// That many tracks.
    Count(usize),
}

/// What [`Split::group_holdout`](crate::Split::group_holdout) holds out.
///
/// The default is a fifth of each class for the test, nothing for validation, and seed 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HoldoutConfig {
    /// For validation, of each class. Default: none.
    pub validation: Amount,
    /// For the test, of each class. Default: a fifth.
    pub test: Amount,
    /// Seed of the shuffle. Default: 0.
    pub seed: u64,
}

impl Default for HoldoutConfig {
    fn default() -> Self {
        Self { validation: Amount::Count(0), test: Amount::Share(0.2), seed: 0 }
    }
}

fn target(field: &'static str, amount: Amount, n: usize) -> Result<usize, DataError> {
    match amount {
        Amount::Count(count) => Ok(count),
        Amount::Share(share) if (0.0..1.0).contains(&share) => Ok((share * n as f64).round() as usize),
        Amount::Share(share) => Err(DataError::config(field, share, "at least 0 and below 1")),
    }
}

/// Groups are visited in random order; one goes to the test, or else to validation, if it exceeds the target of none of its classes.
pub(super) fn assign(
    tracks: &[TrackInfo],
    config: &HoldoutConfig,
) -> Result<BTreeMap<String, Part>, DataError> {
    let mut distinct = distinct_tracks(tracks)?;
    distinct.sort_by(|a, b| a.track_id.cmp(&b.track_id));
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for track in &distinct {
        *sizes.entry(&track.label).or_default() += 1;
    }
    let mut wanted: [HashMap<&str, usize>; 2] = Default::default();
    for (label, &n) in &sizes {
        let test = target("test", config.test, n)?;
        let validation = target("validation", config.validation, n)?;
        if test.saturating_add(validation) >= n {
            let rule = format!("below {n} together, the number of tracks of {label}");
            return Err(DataError::config("test and validation", format!("{test} and {validation}"), rule));
        }
        wanted[0].insert(label, test);
        wanted[1].insert(label, validation);
    }
    let asked = wanted.clone();
    let mut groups = clusters::clusters(&distinct);
    shuffle(&mut groups, &mut seeded(config.seed, 5));
    let mut parts = BTreeMap::new();
    for group in groups {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for &i in &group {
            *counts.entry(distinct[i].label.as_str()).or_default() += 1;
        }
        let fits = |left: &HashMap<&str, usize>| counts.iter().all(|(label, n)| left[label] >= *n);
        let part = match wanted.iter().position(fits) {
            Some(which) => {
                counts.iter().for_each(|(label, n)| {
                    wanted[which].entry(label).and_modify(|left| *left -= n);
                });
                if which == 0 { Part::Test } else { Part::Validation }
            }
            None => Part::Train,
        };
        parts.extend(group.iter().map(|&i| (distinct[i].track_id.clone(), part)));
    }
    for (which, part) in [Part::Test, Part::Validation].into_iter().enumerate() {
        for (label, &asked) in &asked[which] {
            if asked > 0 && wanted[which][label] == asked {
                return Err(DataError::shape(
                    "groups",
                    format!("none of {label} fits into {asked} tracks for {part}"),
                    "each class must have a group that is small enough: ask for more tracks or try another seed",
                ));
            }
        }
    }
    Ok(parts)
}
