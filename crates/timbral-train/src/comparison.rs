//! Comparisons of learners and networks on the same folds: which to run, and running them.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};
use timbral_classic::PipelineConfig;
use timbral_data::split::{LeakySegmentSplit, Protocol};
use timbral_data::track::{distinct_tracks, sorted_labels};
use timbral_data::{FeatureTable, Folds, Part, TrackInfo};
use timbral_eval::Predictions;
use timbral_eval::bootstrap::{BootstrapConfig, units_of};
use timbral_eval::comparison::{
    Baseline, CandidatePredictions, Comparison, ComparisonTable, RepeatPredictions,
};

use crate::TrainError;
use crate::classic::{answer_rows, classes};
use crate::training::{CrossValidation, EpochMetrics, Member, SpectrogramSet, cross_validate};

/// How learners are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompareConfig {
    /// What was measured on, for the head of the table. Default: empty.
    pub data: String,
    /// Number of folds, at least 2. Default: 5.
    pub n_folds: usize,
    /// Number of repeats, with the seeds 0, 1, …; their scores are averaged. Default: 1.
    pub seeds: u64,
    /// How the folds are made; one table each. Default: by groups (artists) alone.
    pub protocols: Vec<FoldProtocol>,
    /// How intervals are drawn, over groups (artists). Default: 10 000 draws, 95 %.
    pub bootstrap: BootstrapConfig,
    /// Networks trained at a time, one thread each; the result does not depend on it. Default: 1.
    pub threads: usize,
}

impl Default for CompareConfig {
    fn default() -> Self {
        Self {
            data: String::new(),
            n_folds: 5,
            seeds: 1,
            protocols: vec![FoldProtocol::Groups],
            bootstrap: BootstrapConfig::default(),
            threads: 1,
        }
    }
}

/// How the folds of a comparison are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoldProtocol {
    /// Stratified folds, no group (artist) on two sides: the honest one.
    Groups,
    /// Tracks at random: an artist lies on both sides. Not test accuracy.
    TrackRandomLeaky,
    /// Rows (windows) at random: a track lies on both sides. Not test accuracy; classic learners on tables of windows only.
    SegmentRandomLeaky,
}

impl FoldProtocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Groups, Self::TrackRandomLeaky, Self::SegmentRandomLeaky];

    /// The name in files and arguments: `groups`, `track-random-leaky`, `segment-random-leaky`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::TrackRandomLeaky => "track-random-leaky",
            Self::SegmentRandomLeaky => "segment-random-leaky",
        }
    }

    /// Whether tracks or artists lie on both sides, so that its numbers are not test accuracies.
    #[must_use]
    pub fn is_leaky(self) -> bool {
        self != Self::Groups
    }
}

impl std::str::FromStr for FoldProtocol {
    type Err = TrainError;

    fn from_str(s: &str) -> Result<Self, TrainError> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == s).ok_or_else(|| {
            let rule = "one of groups, track-random-leaky, segment-random-leaky";
            TrainError::config("protocol", format!("{s:?}"), rule)
        })
    }
}

/// A model to compare.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Candidate<'a> {
    /// A pipeline of `timbral-classic` on the rows of a table.
    Classic {
        /// Name in the table.
        name: &'a str,
        /// Scalers and learner.
        parameters: &'a PipelineConfig,
        /// Rows of tracks, or of their windows, whose probabilities are then averaged over the track.
        table: &'a FeatureTable,
    },
    /// Networks on spectrograms; of several, each member gets a row of its own beside their mean.
    Network {
        /// Name in the table.
        name: &'a str,
        /// The networks.
        members: &'a [Member],
        /// The spectrograms.
        set: &'a SpectrogramSet,
        /// The track of each.
        tracks: &'a [TrackInfo],
    },
}

impl Candidate<'_> {
    fn tracks(&self) -> &[TrackInfo] {
        match self {
            Self::Classic { table, .. } => table.tracks(),
            Self::Network { tracks, .. } => tracks,
        }
    }
}

/// Rows to train on and rows to test on.
type TrainAndTest = (Vec<usize>, Vec<usize>);

/// One way of dividing the tracks.
struct Division {
    folds: Option<Folds>,
    protocol: FoldProtocol,
    seed: u64,
    n_folds: usize,
}

/// Measures learners and networks over the same folds.
///
/// The folds are made of the tracks of all candidates; one whose data lack a track does not answer it. `pinned` repeats
/// take the place of those by groups. `quoted` figures are carried along. `observe` sees the name of each run before it
/// begins, and each pass of a network, and may stop everything.
///
/// # Errors
///
/// [`TrainError::Config`] without candidates or protocols, or where a protocol divides rows and no candidate has a table;
/// [`TrainError::Shape`] if candidates know different classes; [`TrainError::Stopped`] when `observe` stops; those of
/// [`Folds`], of the learners and of [`cross_validate`].
pub fn compare(
    config: &CompareConfig,
    candidates: &[Candidate<'_>],
    pinned: &[Folds],
    baselines: Vec<Baseline>,
    observe: &(dyn Fn(&str, Option<&EpochMetrics>) -> ControlFlow<()> + Sync),
) -> Result<Comparison, TrainError> {
    let tracks = all_tracks(candidates)?;
    let labels = sorted_labels(&tracks);
    for candidate in candidates {
        let own = match candidate {
            Candidate::Classic { table, .. } => table.labels(),
            Candidate::Network { set, .. } => set.labels().to_vec(),
        };
        if own != labels {
            let given = format!("{own:?} and {labels:?}");
            return Err(TrainError::shape("classes", given, "all candidates must know the same"));
        }
    }
    let groups: HashMap<String, String> =
        tracks.iter().map(|t| (t.track_id.clone(), t.group_key())).collect();
    let mut tables = Vec::new();
    for &protocol in &config.protocols {
        let divisions = divisions(config, protocol, &tracks, pinned)?;
        tables.push(measure(config, protocol, &divisions, candidates, &labels, &groups, observe)?);
    }
    let mut widths = candidates.iter().filter_map(|c| match c {
        Candidate::Classic { table, .. } => Some(table.columns().len()),
        Candidate::Network { .. } => None,
    });
    let n_features = widths.next().filter(|first| widths.all(|width| width == *first));
    let n_groups = units_of(&tracks.iter().map(TrackInfo::group_key).collect::<Vec<_>>()).len();
    let mut comparison = Comparison::new(labels, tables);
    comparison.data.clone_from(&config.data);
    (comparison.n_tracks, comparison.n_groups) = (tracks.len(), n_groups);
    comparison.n_features = n_features.unwrap_or(0);
    comparison.baselines = baselines;
    Ok(comparison)
}

fn all_tracks(candidates: &[Candidate<'_>]) -> Result<Vec<TrackInfo>, TrainError> {
    let mut tracks: BTreeMap<&str, &TrackInfo> = BTreeMap::new();
    for candidate in candidates {
        for track in distinct_tracks(candidate.tracks())? {
            tracks.entry(&track.track_id).or_insert(track);
        }
    }
    if tracks.is_empty() {
        return Err(TrainError::config("candidates", candidates.len(), "at least one, with a track"));
    }
    Ok(tracks.into_values().cloned().collect())
}

fn divisions(
    config: &CompareConfig,
    protocol: FoldProtocol,
    tracks: &[TrackInfo],
    pinned: &[Folds],
) -> Result<Vec<Division>, TrainError> {
    let n_folds = config.n_folds;
    if protocol == FoldProtocol::Groups && !pinned.is_empty() {
        let division = |folds: &Folds| Division {
            n_folds: folds.n_folds(),
            folds: Some(folds.clone()),
            protocol,
            seed: 0,
        };
        return Ok(pinned.iter().map(division).collect());
    }
    if config.seeds == 0 {
        return Err(TrainError::config("seeds", 0, "at least 1"));
    }
    let division = |seed| {
        let folds = match protocol {
            FoldProtocol::Groups => Some(Folds::stratified_group(tracks, n_folds, seed)?),
            FoldProtocol::TrackRandomLeaky => Some(Folds::track_random_leaky(tracks, n_folds, seed)?),
            FoldProtocol::SegmentRandomLeaky => None,
        };
        Ok(Division { folds, protocol, seed, n_folds })
    };
    (0..config.seeds).map(division).collect()
}

impl Division {
    /// Rows to train on and rows to test on, fold by fold.
    fn rows(&self, tracks: &[TrackInfo]) -> Result<Vec<TrainAndTest>, TrainError> {
        match &self.folds {
            Some(folds) => Ok(folds
                .splits()
                .map(|split| (split.rows(tracks, Part::Train), split.rows(tracks, Part::Test)))
                .collect()),
            None => {
                // One draw, as those who published such numbers made: a share as large as a fold.
                let split = LeakySegmentSplit::segment_random_leaky(
                    tracks.len(),
                    1.0 / self.n_folds as f64,
                    self.seed,
                )?;
                let rows = |part| (0..tracks.len()).filter(|&i| split.parts[i] == part).collect();
                Ok(vec![(rows(Part::Train), rows(Part::Test))])
            }
        }
    }
}

fn measure(
    config: &CompareConfig,
    protocol: FoldProtocol,
    divisions: &[Division],
    candidates: &[Candidate<'_>],
    labels: &[String],
    groups: &HashMap<String, String>,
    observe: &(dyn Fn(&str, Option<&EpochMetrics>) -> ControlFlow<()> + Sync),
) -> Result<ComparisonTable, TrainError> {
    let mut entries: Vec<CandidatePredictions> = Vec::new();
    for candidate in candidates {
        let (name, many) = match candidate {
            Candidate::Classic { name, .. } => (*name, false),
            // Networks hear tracks, so that rows cannot be divided.
            Candidate::Network { .. } if protocol == FoldProtocol::SegmentRandomLeaky => continue,
            Candidate::Network { name, members, .. } => (*name, members.len() > 1),
        };
        let first = entries.len();
        let entry = |name: String| CandidatePredictions { name, repeats: Vec::new() };
        entries.push(entry(name.to_owned()));
        if let (true, Candidate::Network { members, .. }) = (many, candidate) {
            entries.extend(members.iter().map(|m| entry(format!("{name}: {}", m.name))));
        }
        for (i, division) in divisions.iter().enumerate() {
            let run = format!("{}, {name}, repeat {}", protocol.as_str(), i + 1);
            if observe(&run, None).is_break() {
                return Err(TrainError::Stopped);
            }
            let answers = match candidate {
                Candidate::Classic { parameters, table, .. } => {
                    vec![classic(table, parameters, division, groups)?]
                }
                Candidate::Network { members, set, tracks, .. } => {
                    networks((members, set, tracks), division, groups, config.threads, &|pass, metrics| {
                        observe(pass, Some(metrics))
                    })?
                }
            };
            for (entry, answers) in entries[first..].iter_mut().zip(answers) {
                entry.repeats.push(answers);
            }
        }
    }
    if entries.is_empty() {
        return Err(TrainError::config(
            "protocol",
            protocol.as_str(),
            "one that divides tracks: no candidate has a table, whose rows this one divides",
        ));
    }
    let hashes = divisions.iter().filter_map(|d| Some(d.folds.as_ref()?.content_hash()));
    let unit = if protocol == FoldProtocol::SegmentRandomLeaky { "window" } else { "track" };
    let table = ComparisonTable::new(&entries, labels.len(), &config.bootstrap)?;
    Ok(table.with_protocol(describe(divisions), protocol.is_leaky(), unit, hashes.collect()))
}

fn describe(divisions: &[Division]) -> String {
    let Some(first) = divisions.first() else {
        return String::new();
    };
    let n = first.n_folds;
    let what = match first.folds.as_ref().map(Folds::protocol) {
        Some(protocol) => match (first.protocol, protocol) {
            (_, Protocol::Pinned { .. }) => {
                format!("{n} folds given from outside, no group on two sides")
            }
            (FoldProtocol::Groups, _) => format!("stratified {n}-fold, no group on two sides"),
            _ => format!("track-random {n}-fold (artist-leaky)"),
        },
        None => format!("segment-random, one {n}th tested on (leaky)"),
    };
    match divisions.len() {
        1 => what,
        many => format!("{what}, mean of {many} repeats"),
    }
}

fn classic(
    table: &FeatureTable,
    parameters: &PipelineConfig,
    division: &Division,
    groups: &HashMap<String, String>,
) -> Result<RepeatPredictions, TrainError> {
    let labels = table.labels();
    let y = classes(table, &labels)?;
    let rows = answer_rows(table, parameters, &division.rows(table.tracks())?)?;
    let truth: Vec<usize> = rows.rows.iter().map(|&row| y[row]).collect();
    let ids: Vec<&str> = rows.rows.iter().map(|&row| table.tracks()[row].track_id.as_str()).collect();
    let group = |id: &str| groups.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let mut answers = RepeatPredictions {
        predicted: rows.predicted,
        probabilities: rows.probabilities,
        fit_time: rows.fit_time,
        predict_time: rows.predict_time,
        ..RepeatPredictions::default()
    };
    if division.folds.is_none() {
        // Windows of a track are on both sides, so that there is no answer to a track.
        answers.ids = rows.rows.iter().map(usize::to_string).collect();
        answers.groups = ids.iter().map(|id| group(id)).collect();
        answers.truth = truth;
        return Ok(answers);
    }
    let tracks = units_of(&ids);
    answers.ids = tracks.iter().filter_map(|rows| Some((*ids.get(*rows.first()?)?).to_owned())).collect();
    answers.groups = answers.ids.iter().map(|id| group(id)).collect();
    answers.truth = tracks.iter().filter_map(|rows| truth.get(*rows.first()?).copied()).collect();
    let windows = tracks.iter().any(|rows| rows.len() > 1);
    answers.probabilities = answers.probabilities.map(|all| {
        let mut means = Array2::zeros((tracks.len(), labels.len()));
        for (track, rows) in tracks.iter().enumerate() {
            for &row in rows {
                means.row_mut(track).scaled_add(1.0 / rows.len() as f64, &all.row(row));
            }
        }
        means
    });
    answers.predicted = match (&answers.probabilities, windows) {
        (Some(means), true) => Predictions::new(answers.truth.clone(), means.clone())?.predicted(),
        // The only row, or most of them.
        _ => tracks.iter().map(|rows| vote(rows, &answers.predicted, labels.len())).collect(),
    };
    Ok(answers)
}

/// The class that most rows have, the first of equal ones.
fn vote(rows: &[usize], predicted: &[usize], n_classes: usize) -> usize {
    let mut counts = vec![0; n_classes];
    rows.iter().for_each(|&row| counts[predicted[row]] += 1);
    (1..n_classes).fold(0, |best, class| if counts[class] > counts[best] { class } else { best })
}

fn networks(
    (members, set, tracks): (&[Member], &SpectrogramSet, &[TrackInfo]),
    division: &Division,
    groups: &HashMap<String, String>,
    threads: usize,
    observe: &(dyn Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
) -> Result<Vec<RepeatPredictions>, TrainError> {
    let Some(folds) = &division.folds else {
        let rule = "one that divides tracks, which networks are trained on";
        return Err(TrainError::config("protocol", division.protocol.as_str(), rule));
    };
    let cv = cross_validate(members, (set, tracks), folds, threads, None, observe)?;
    let answers =
        |rows: ArrayView2<'_, f32>, fit_time, predict_time| -> Result<RepeatPredictions, TrainError> {
            let predictions = cv.predictions(rows, set)?;
            let ids: Vec<&str> = cv.tracks.iter().map(|&track| tracks[track].track_id.as_str()).collect();
            let order: Vec<usize> = units_of(&ids).into_iter().flatten().collect();
            let predictions = predictions.select(&order)?;
            let ids: Vec<String> = order.iter().map(|&i| ids[i].to_owned()).collect();
            Ok(RepeatPredictions {
                groups: ids.iter().map(|id| groups.get(id).unwrap_or(id).clone()).collect(),
                ids,
                truth: predictions.truth().to_vec(),
                predicted: predictions.predicted(),
                probabilities: Some(predictions.probabilities().clone()),
                fit_time,
                predict_time,
            })
        };
    let CrossValidation { fit_times, predict_times, .. } = &cv;
    let mut all = vec![answers(cv.ensemble.view(), fit_times.iter().sum(), predict_times.iter().sum())?];
    if members.len() > 1 {
        for (i, member) in cv.members.iter().enumerate() {
            all.push(answers(member.mean.view(), fit_times[i], predict_times[i])?);
        }
    }
    Ok(all)
}
