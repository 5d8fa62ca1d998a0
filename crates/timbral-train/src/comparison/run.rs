use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use ndarray::Array2;
use timbral_classic::PipelineParameters;

use super::{CompareConfig, Comparison, ComparisonRow, ComparisonTable, FoldProtocol, QuotedResult};
use crate::classic::{answer_rows, classes};
use crate::metrics::{ConfusionMatrix, Predictions, Rankings, bootstrap_all, mcnemar, units_of};
use crate::split::Folds;
use crate::track::{Part, TrackInfo, distinct_tracks, sorted_labels};
use crate::training::{CrossValidation, cross_validate};
use crate::{EpochMetrics, FeatureTable, LeakySegmentSplit, Member, SpectrogramSet, TrainError};

/// One that takes part in a comparison.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Contestant<'a> {
    /// A pipeline of `timbral-classic` on the rows of a table.
    Classic {
        /// Name in the table.
        name: &'a str,
        /// Scalers and learner.
        parameters: &'a PipelineParameters,
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

impl Contestant<'_> {
    fn tracks(&self) -> &[TrackInfo] {
        match self {
            Self::Classic { table, .. } => table.tracks(),
            Self::Network { tracks, .. } => tracks,
        }
    }
}

/// What one learner answered in one folding, in the order of the ids.
struct Answers {
    ids: Vec<String>,
    /// The track of each, which for a window is not its id.
    tracks: Vec<String>,
    truth: Vec<usize>,
    predicted: Vec<usize>,
    probabilities: Option<Array2<f64>>,
    fit_time: Duration,
    predict_time: Duration,
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
/// The folds are made of the tracks of all contestants; one whose data lack a track does not answer it. `pinned` foldings
/// take the place of those by groups. `quoted` figures are carried along. `observe` sees the name of each run before it
/// begins, and each pass of a network, and may stop everything.
///
/// # Errors
///
/// [`TrainError::Config`] without contestants or protocols, or where a protocol divides rows and no contestant has a table;
/// [`TrainError::Shape`] if contestants know different classes; [`TrainError::Stopped`] when `observe` stops; those of
/// [`Folds`], of the learners and of [`cross_validate`].
pub fn compare(
    config: &CompareConfig,
    contestants: &[Contestant<'_>],
    pinned: &[Folds],
    quoted: Vec<QuotedResult>,
    observe: &(impl Fn(&str, Option<&EpochMetrics>) -> ControlFlow<()> + Sync),
) -> Result<Comparison, TrainError> {
    let tracks = all_tracks(contestants)?;
    let labels = sorted_labels(&tracks);
    for contestant in contestants {
        let own = match contestant {
            Contestant::Classic { table, .. } => table.labels(),
            Contestant::Network { set, .. } => set.labels().to_vec(),
        };
        if own != labels {
            let given = format!("{own:?} and {labels:?}");
            return Err(TrainError::shape("classes", given, "all contestants answer the same"));
        }
    }
    let groups: HashMap<String, String> =
        tracks.iter().map(|t| (t.track_id.clone(), t.group_key())).collect();
    let mut tables = Vec::new();
    for &protocol in &config.protocols {
        let divisions = divisions(config, protocol, &tracks, pinned)?;
        tables.push(measure(config, protocol, &divisions, contestants, &labels, &groups, observe)?);
    }
    let mut widths = contestants.iter().filter_map(|c| match c {
        Contestant::Classic { table, .. } => Some(table.columns().len()),
        Contestant::Network { .. } => None,
    });
    let n_features = widths.next().filter(|first| widths.all(|width| width == *first));
    Ok(Comparison {
        data: config.data.clone(),
        n_tracks: tracks.len(),
        n_groups: units_of(&tracks.iter().map(TrackInfo::group_key).collect::<Vec<_>>()).len(),
        n_features: n_features.unwrap_or(0),
        labels,
        tables,
        quoted,
    })
}

fn all_tracks(contestants: &[Contestant<'_>]) -> Result<Vec<TrackInfo>, TrainError> {
    let mut tracks: BTreeMap<&str, &TrackInfo> = BTreeMap::new();
    for contestant in contestants {
        for track in distinct_tracks(contestant.tracks())? {
            tracks.entry(&track.track_id).or_insert(track);
        }
    }
    if tracks.is_empty() {
        return Err(TrainError::config(
            "contestants",
            contestants.len(),
            "at least one is needed, with a track",
        ));
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
        return Err(TrainError::config("seeds", 0, "it must be at least 1"));
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
    contestants: &[Contestant<'_>],
    labels: &[String],
    groups: &HashMap<String, String>,
    observe: &(impl Fn(&str, Option<&EpochMetrics>) -> ControlFlow<()> + Sync),
) -> Result<ComparisonTable, TrainError> {
    let mut entries: Vec<(String, Vec<Answers>)> = Vec::new();
    for contestant in contestants {
        let (name, many) = match contestant {
            Contestant::Classic { name, .. } => (*name, false),
            // Networks hear tracks, so that rows cannot be divided.
            Contestant::Network { .. } if protocol == FoldProtocol::SegmentRandomLeaky => continue,
            Contestant::Network { name, members, .. } => (*name, members.len() > 1),
        };
        let first = entries.len();
        entries.push((name.to_owned(), Vec::new()));
        if let (true, Contestant::Network { members, .. }) = (many, contestant) {
            entries.extend(members.iter().map(|m| (format!("{name}: {}", m.name), Vec::new())));
        }
        for (i, division) in divisions.iter().enumerate() {
            let run = format!("{}, {name}, folding {}", protocol.as_str(), i + 1);
            if observe(&run, None).is_break() {
                return Err(TrainError::Stopped);
            }
            let answers = match contestant {
                Contestant::Classic { parameters, table, .. } => {
                    vec![classic(table, parameters, division)?]
                }
                Contestant::Network { members, set, tracks, .. } => {
                    networks(members, set, tracks, division, config.threads, &|pass, metrics| {
                        observe(pass, Some(metrics))
                    })?
                }
            };
            for (entry, answers) in entries[first..].iter_mut().zip(answers) {
                entry.1.push(answers);
            }
        }
    }
    if entries.is_empty() {
        return Err(TrainError::config(
            "protocol",
            protocol.as_str(),
            "it divides the rows of a table, and no contestant has one",
        ));
    }
    let mut rows = Vec::new();
    for (name, foldings) in &entries {
        rows.push(row(config, name, foldings, labels.len(), groups)?);
    }
    // The first of those of equal accuracy.
    let best =
        (1..rows.len()).fold(0, |best, i| if rows[i].accuracy > rows[best].accuracy { i } else { best });
    for i in 0..rows.len() {
        if let (true, Some(a), Some(b)) = (i != best, entries[best].1.first(), entries[i].1.first()) {
            rows[i].against_best = Some(against(a, b)?);
        }
    }
    let hashes = divisions.iter().filter_map(|d| Some(d.folds.as_ref()?.content_hash()));
    let unit = if protocol == FoldProtocol::SegmentRandomLeaky { "window" } else { "track" };
    Ok(ComparisonTable {
        protocol: describe(divisions),
        leaky: protocol.is_leaky(),
        unit: unit.to_owned(),
        fold_hashes: hashes.collect(),
        rows,
    })
}

fn describe(divisions: &[Division]) -> String {
    let Some(first) = divisions.first() else {
        return String::new();
    };
    let n = first.n_folds;
    let what = match first.folds.as_ref().map(Folds::protocol) {
        Some(protocol) => match (first.protocol, protocol) {
            (_, crate::Protocol::Pinned { .. }) => {
                format!("{n} folds given from outside, no group on two sides")
            }
            (FoldProtocol::Groups, _) => format!("stratified {n}-fold, no group on two sides"),
            _ => format!("track-random {n}-fold (artist-leaky)"),
        },
        None => format!("segment-random, one {n}th tested on (leaky)"),
    };
    match divisions.len() {
        1 => what,
        many => format!("{what}, mean of {many} foldings"),
    }
}

fn classic(
    table: &FeatureTable,
    parameters: &PipelineParameters,
    division: &Division,
) -> Result<Answers, TrainError> {
    let labels = table.labels();
    let y = classes(table, &labels);
    let rows = answer_rows(table, parameters, &division.rows(table.tracks())?)?;
    let truth: Vec<usize> = rows.rows.iter().map(|&row| y[row]).collect();
    let ids: Vec<&str> = rows.rows.iter().map(|&row| table.tracks()[row].track_id.as_str()).collect();
    let mut answers = Answers {
        ids: Vec::new(),
        tracks: Vec::new(),
        truth: Vec::new(),
        predicted: rows.predicted,
        probabilities: rows.probabilities,
        fit_time: rows.fit_time,
        predict_time: rows.predict_time,
    };
    if division.folds.is_none() {
        // Windows of a track are on both sides, so that there is no answer to a track.
        answers.ids = rows.rows.iter().map(usize::to_string).collect();
        answers.tracks = ids.iter().map(|id| (*id).to_owned()).collect();
        answers.truth = truth;
        return Ok(answers);
    }
    let tracks = units_of(&ids);
    answers.ids = tracks.iter().filter_map(|rows| Some((*ids.get(*rows.first()?)?).to_owned())).collect();
    answers.tracks = answers.ids.clone();
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
    members: &[Member],
    set: &SpectrogramSet,
    tracks: &[TrackInfo],
    division: &Division,
    threads: usize,
    observe: &(impl Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
) -> Result<Vec<Answers>, TrainError> {
    let cv = cross_validate(members, set, &division.rows(tracks)?, threads, None, observe)?;
    let answers = |rows: &[Vec<f32>], fit_time, predict_time| -> Result<Answers, TrainError> {
        let predictions = cv.predictions(rows, set)?;
        let ids: Vec<&str> = cv.tracks.iter().map(|&track| tracks[track].track_id.as_str()).collect();
        let order: Vec<usize> = units_of(&ids).into_iter().flatten().collect();
        let predictions = predictions.select(&order)?;
        let ids: Vec<String> = order.iter().map(|&i| ids[i].to_owned()).collect();
        Ok(Answers {
            tracks: ids.clone(),
            ids,
            truth: predictions.truth().to_vec(),
            predicted: predictions.predicted(),
            probabilities: Some(predictions.probabilities().clone()),
            fit_time,
            predict_time,
        })
    };
    let CrossValidation { fit_times, predict_times, .. } = &cv;
    let mut all = vec![answers(&cv.ensemble, fit_times.iter().sum(), predict_times.iter().sum())?];
    if members.len() > 1 {
        for (i, rows) in cv.members.iter().enumerate() {
            all.push(answers(rows, fit_times[i], predict_times[i])?);
        }
    }
    Ok(all)
}

/// The scores of one learner: means over its foldings, with intervals over groups.
fn row(
    config: &CompareConfig,
    name: &str,
    foldings: &[Answers],
    n_classes: usize,
    groups: &HashMap<String, String>,
) -> Result<ComparisonRow, TrainError> {
    let Some(first) = foldings.first() else {
        return Err(TrainError::config("foldings", 0, "there is at least one"));
    };
    if foldings.iter().any(|f| f.ids.len() != first.ids.len()) {
        let given = format!("foldings of {name} over different tracks");
        return Err(TrainError::shape("folds", given, "all divide the same tracks"));
    }
    let n = first.ids.len();
    let mean = |of: &dyn Fn(&Answers) -> f64| foldings.iter().map(of).sum::<f64>() / foldings.len() as f64;
    let rankings: Option<Vec<Rankings>> =
        foldings.iter().map(|f| Some(Rankings::new(&f.truth, f.probabilities.as_ref()?))).collect();
    let right = |f: &Answers| f.truth.iter().zip(&f.predicted).map(|(t, p)| t == p).collect::<Vec<bool>>();
    let right: Vec<Vec<bool>> = foldings.iter().map(right).collect();
    let statistics = |rows: &[usize]| {
        let hits = |right: &Vec<bool>| rows.iter().filter(|&&row| right[row]).count();
        let hits: usize = right.iter().map(hits).sum();
        let accuracy = hits as f64 / (rows.len() * foldings.len()) as f64;
        let (mut area, mut precision) = (f64::NAN, f64::NAN);
        if let Some(rankings) = &rankings {
            let mut counts = vec![0; n];
            rows.iter().for_each(|&row| counts[row] += 1);
            let means = rankings.iter().map(|r| r.means(&counts));
            let sums = means.fold((0.0, 0.0), |sum, m| (sum.0 + m.0, sum.1 + m.1));
            (area, precision) = (sums.0 / foldings.len() as f64, sums.1 / foldings.len() as f64);
        }
        [accuracy, area, precision]
    };
    let names: Vec<&String> = first.tracks.iter().map(|id| groups.get(id).unwrap_or(id)).collect();
    let intervals = bootstrap_all(&units_of(&names), &config.bootstrap, statistics)?;
    let all: Vec<usize> = (0..n).collect();
    let [accuracy, area, precision] = statistics(&all);
    let known = |value: f64| Some(value).filter(|value| value.is_finite());
    let mut macro_f1 = 0.0;
    for f in foldings {
        let confusion = ConfusionMatrix::new(&f.truth, &f.predicted, n_classes)?;
        macro_f1 += confusion.macro_average().f1 / foldings.len() as f64;
    }
    let losses: Option<Vec<f64>> = foldings
        .iter()
        .map(|f| Some(Predictions::new(f.truth.clone(), f.probabilities.clone()?).ok()?.log_loss()))
        .collect();
    Ok(ComparisonRow {
        name: name.to_owned(),
        n_rows: n,
        accuracy,
        accuracies: right
            .iter()
            .map(|right| right.iter().filter(|r| **r).count() as f64 / n as f64)
            .collect(),
        accuracy_interval: intervals[0],
        macro_f1,
        average_precision: known(precision),
        average_precision_interval: known(precision).map(|_| intervals[2]),
        roc_auc: known(area),
        roc_auc_interval: known(area).map(|_| intervals[1]),
        log_loss: losses.map(|losses| losses.iter().sum::<f64>() / losses.len() as f64),
        fit_seconds: mean(&|f| f.fit_time.as_secs_f64()),
        predict_seconds: mean(&|f| f.predict_time.as_secs_f64()),
        against_best: None,
    })
}

/// McNemar's test on the rows that both answered.
fn against(best: &Answers, other: &Answers) -> Result<crate::McNemar, TrainError> {
    let place: HashMap<&str, usize> = other.ids.iter().enumerate().map(|(i, id)| (id.as_str(), i)).collect();
    let pairs = best.ids.iter().enumerate().filter_map(|(i, id)| {
        let j = *place.get(id.as_str())?;
        Some((best.truth[i] == best.predicted[i], other.truth[j] == other.predicted[j]))
    });
    let (first, second): (Vec<bool>, Vec<bool>) = pairs.unzip();
    mcnemar(&first, &second)
}
