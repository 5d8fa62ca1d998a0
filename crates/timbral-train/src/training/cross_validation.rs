use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use candle_core::Tensor;
use ndarray::{Array2, Array3, ArrayView2, Axis, Slice};
use serde::{Deserialize, Serialize};
use timbral_features::log_mel_statistics::{CONTOUR_VALUES, level_contour};
use timbral_model::{Architecture, ModelFile, Network, member_path, to_candle};
use timbral_nn::TrainingClock;

use super::config::TrainConfig;
use super::data::SpectrogramSet;
use super::evaluation::predict;
use super::history::EpochMetrics;
use super::statistics::fit_on_statistics;
use super::trainer::Trainer;
use crate::TrainError;
use crate::rejection::{ModelCalibration, fold_of};
use timbral_data::{Folds, Part, Split, TrackInfo};
use timbral_eval::{BootstrapConfig, Predictions, Report, ReportSource};

/// A network of an ensemble and how it is trained, or a classic model of log-mel statistics, which is fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Name in tables and folders.
    pub name: String,
    /// The network.
    pub architecture: Architecture,
    /// Its training. Copy `i` is trained with the seed raised by `i`.
    #[serde(default)]
    pub training: TrainConfig,
    /// Model file whose network is the trunk that a transfer network starts from. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trunk: Option<PathBuf>,
    /// How many are trained, each with another seed. Default: 1.
    #[serde(default = "one")]
    pub copies: usize,
    /// Excerpts of equal length that each training track is cut into, as further rows beside the whole track: for classic
    /// models alone, since networks are trained on random crops anyway. 1 leaves it at whole tracks. Default: 1.
    #[serde(default = "one")]
    pub excerpts: usize,
}

impl Member {
    /// Passes that training makes over the tracks, all copies together; a classic model is fitted without.
    #[must_use]
    pub fn passes(&self) -> usize {
        match self.architecture {
            Architecture::Classic(_) => 0,
            _ => self.copies * self.training.epochs,
        }
    }
}

fn one() -> usize {
    1
}

/// Probabilities for tracks by models that were not trained on them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CrossValidation {
    /// The tracks, in the order of the folds: the rows of every table of probabilities.
    pub tracks: Vec<usize>,
    /// Predictions of each member.
    pub members: Vec<MemberPredictions>,
    /// Mean probabilities over all networks, shape (tracks, classes).
    pub ensemble: Array2<f32>,
    /// For each member, the time of all its trainings, as if they had run one after the other on one thread; what was done
    /// before an interruption does not count.
    pub fit_times: Vec<Duration>,
    /// For each member, the time of all its predictions, in the same sense.
    pub predict_times: Vec<Duration>,
}

/// What one member of an ensemble predicted in a cross-validation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MemberPredictions {
    /// Mean probabilities over its seeds, shape (tracks, classes).
    pub mean: Array2<f32>,
    /// Probabilities by each of its seeds, shape (seeds, tracks, classes).
    pub seeds: Array3<f32>,
}

impl CrossValidation {
    /// The probabilities of a member or of the ensemble, shape (tracks, classes), beside the true classes.
    ///
    /// # Errors
    /// [`TrainError::Eval`] when there is not one row per track.
    pub fn predictions(
        &self,
        probabilities: ArrayView2<'_, f32>,
        data: &SpectrogramSet,
    ) -> Result<Predictions, TrainError> {
        let truth = self.tracks.iter().map(|&track| data.class(track)).collect();
        Ok(Predictions::new(truth, probabilities.mapv(f64::from))?)
    }

    /// Everything that is measured of the ensemble; `tracks` has the artists, `folds` made the split.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when `tracks` are not those of `data`.
    pub fn report(
        &self,
        title: &str,
        data: &SpectrogramSet,
        tracks: &[TrackInfo],
        folds: &Folds,
    ) -> Result<Report, TrainError> {
        data.check_told(tracks)?;
        let groups: Vec<String> = self.tracks.iter().map(|&track| tracks[track].group_key()).collect();
        let (protocol, hash) = (folds.protocol(), folds.content_hash());
        let source = ReportSource {
            title,
            unit: "track",
            labels: data.labels(),
            groups: &groups,
            protocol: Some(&protocol.to_string()),
            leaky: protocol.is_leaky(),
            split_hash: Some(&hash),
        };
        let report = Report::new(
            &self.predictions(self.ensemble.view(), data)?,
            &source,
            &BootstrapConfig::default(),
        )?;
        let (fit, predict) = (self.fit_times.iter().sum(), self.predict_times.iter().sum());
        Ok(report.with_times(Some(fit), Some(predict)))
    }

    /// Temperature and rejection of the ensemble, from its predictions for tracks that it was not trained on; `tracks` are
    /// those of `data`, `folds` made the folds.
    ///
    /// The rejection score is the distance of the level contour where `data` holds spectrograms, else the margin.
    ///
    /// # Errors
    ///
    /// As [`ModelCalibration::fit`]; [`TrainError::Shape`] when `tracks` are not those of `data`.
    pub fn calibrate(
        &self,
        data: &SpectrogramSet,
        tracks: &[TrackInfo],
        folds: &Folds,
        tpr: f64,
    ) -> Result<ModelCalibration, TrainError> {
        let mut contours = Vec::with_capacity(self.tracks.len());
        let mut of_row = Vec::with_capacity(self.tracks.len());
        for &track in &self.tracks {
            of_row.push(fold_of(folds, tracks.get(track).map(|t| t.track_id.as_str()))?);
            if data.bands() > 1 {
                contours.extend(contour(data, track)?);
            }
        }
        let known = (contours.len() == self.tracks.len()).then_some(contours.as_slice());
        ModelCalibration::fit(&self.predictions(self.ensemble.view(), data)?, &of_row, known, tpr)
    }

    /// Every answer as CSV: `track_id,label,network`, then the probability of each class. Networks are the copies of the
    /// members (`cnn-0`, `cnn-1`, …) and their mean, `ensemble`.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when `members` or `tracks` are not those that were measured.
    pub fn to_csv(
        &self,
        members: &[Member],
        data: &SpectrogramSet,
        tracks: &[TrackInfo],
    ) -> Result<String, TrainError> {
        data.check_told(tracks)?;
        if members.len() != self.members.len() {
            let rule = format!("there must be {}, as many as were measured", self.members.len());
            return Err(TrainError::shape("members", members.len().to_string(), rule));
        }
        let networks = members.iter().zip(&self.members).flat_map(|(member, predictions)| {
            let name = |(seed, rows)| (format!("{}-{seed}", member.name), rows);
            predictions.seeds.outer_iter().enumerate().map(name)
        });
        let mut table = csv::Writer::from_writer(Vec::new());
        let failed =
            |e: csv::Error| TrainError::shape("predictions", e.to_string(), "all rows must have one length");
        let head = ["track_id", "label", "network"].map(str::to_owned);
        table.write_record(head.iter().chain(data.labels())).map_err(failed)?;
        for (name, rows) in networks.chain([("ensemble".to_owned(), self.ensemble.view())]) {
            for (&track, row) in self.tracks.iter().zip(rows.rows()) {
                let track = &tracks[track];
                let head = [track.track_id.clone(), track.label.clone(), name.clone()];
                let probabilities = row.iter().map(ToString::to_string);
                table.write_record(head.into_iter().chain(probabilities)).map_err(failed)?;
            }
        }
        let bytes = table.into_inner().map_err(|e| failed(e.into_error().into()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Trains every member on each fold's training tracks and applies it to the fold's test tracks, which nothing else sees:
/// no epoch is chosen by them. `tracks` are those of `data`, in the same order.
///
/// `threads` runs go on at once, on one thread each; the result does not depend on their number. With `folder`, each run
/// keeps its checkpoint in a folder of its own there, and an interrupted cross-validation is resumed. `observe` sees each
/// epoch with the name of its run and may stop everything.
///
/// # Errors
/// [`TrainError::Shape`] when there are not as many tracks as spectrograms; [`TrainError::Stopped`] when `observe` stops;
/// all of [`Trainer::run`].
pub fn cross_validate(
    members: &[Member],
    (data, tracks): (&SpectrogramSet, &[TrackInfo]),
    folds: &Folds,
    threads: usize,
    folder: Option<&Path>,
    observe: &(dyn Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
) -> Result<CrossValidation, TrainError> {
    data.check_told(tracks)?;
    let rows = |split: Split| (split.rows(tracks, Part::Train), split.rows(tracks, Part::Test));
    let rows: Vec<_> = folds.splits().map(rows).collect();
    cross_validate_unchecked(members, data, &rows, threads, folder, observe)
}

/// As [`cross_validate`], over bare indices of training and test tracks, fold by fold. Nothing checks that no group is in
/// both: that is up to the caller.
///
/// # Errors
/// As [`cross_validate`].
pub fn cross_validate_unchecked(
    members: &[Member],
    data: &SpectrogramSet,
    folds: &[(Vec<usize>, Vec<usize>)],
    threads: usize,
    folder: Option<&Path>,
    observe: &(dyn Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
) -> Result<CrossValidation, TrainError> {
    check(members)?;
    let jobs = jobs(members, folds.len());
    let done = run_all(&jobs, threads, |&job| {
        let member = &members[job.member];
        let (train, test) = &folds[job.fold];
        let name = format!("{}-{}-fold{}", member.name, job.copy, job.fold);
        let start = Instant::now();
        let (architecture, tensors) =
            train_one(member, job.copy, data, (train, &[]), &name, folder, observe)?;
        let fit_time = start.elapsed();
        let start = Instant::now();
        let network = rebuild(&architecture, data.labels().len(), tensors)?;
        Ok((predict(network.as_ref(), data, test)?, fit_time, start.elapsed()))
    })?;

    let tracks: Vec<usize> = folds.iter().flat_map(|(_, test)| test.iter().copied()).collect();
    let shape = |member: &Member| Array3::zeros((member.copies, tracks.len(), data.labels().len()));
    let mut seeds: Vec<Array3<f32>> = members.iter().map(shape).collect();
    // Where the rows of a fold begin.
    let starts: Vec<usize> = folds
        .iter()
        .scan(0, |next, (_, test)| {
            let start = *next;
            *next += test.len();
            Some(start)
        })
        .collect();
    let mut fit_times = vec![Duration::ZERO; members.len()];
    let mut predict_times = fit_times.clone();
    for (job, (rows, fit_time, predict_time)) in jobs.iter().zip(done) {
        fit_times[job.member] += fit_time;
        predict_times[job.member] += predict_time;
        let start = starts[job.fold];
        let mut of_seed = seeds[job.member].index_axis_mut(Axis(0), job.copy);
        of_seed.slice_axis_mut(Axis(0), Slice::from(start..start + rows.nrows())).assign(&rows);
    }
    let ensemble = mean(&seeds.iter().flat_map(|seeds| seeds.outer_iter()).collect::<Vec<_>>());
    let members = seeds
        .into_iter()
        .map(|seeds| MemberPredictions { mean: mean(&seeds.outer_iter().collect::<Vec<_>>()), seeds })
        .collect();
    Ok(CrossValidation { tracks, members, ensemble, fit_times, predict_times })
}

/// Trains every member on all of `tracks` and joins them: architecture and tensors of the ensemble's model file. A single
/// network stays itself.
///
/// # Errors
/// As [`cross_validate`].
pub fn fit_ensemble(
    members: &[Member],
    data: &SpectrogramSet,
    tracks: &[usize],
    threads: usize,
    folder: Option<&Path>,
    observe: &(dyn Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
) -> Result<(Architecture, BTreeMap<String, Tensor>), TrainError> {
    fit_ensemble_validated(members, data, (tracks, &[]), threads, folder, observe)
}

/// As [`fit_ensemble`], with tracks to train on and others to validate on: of each network the pass with the best accuracy
/// over those is kept.
///
/// # Errors
/// As [`cross_validate`].
pub fn fit_ensemble_validated(
    members: &[Member],
    data: &SpectrogramSet,
    tracks: (&[usize], &[usize]),
    threads: usize,
    folder: Option<&Path>,
    observe: &(dyn Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
) -> Result<(Architecture, BTreeMap<String, Tensor>), TrainError> {
    check(members)?;
    let jobs = jobs(members, 1);
    let done = run_all(&jobs, threads, |&job| {
        let member = &members[job.member];
        let name = format!("{}-{}", member.name, job.copy);
        train_one(member, job.copy, data, tracks, &name, folder, observe)
    })?;
    let mut done = done;
    if done.len() == 1 {
        return Ok(done.remove(0));
    }
    let mut architectures = Vec::with_capacity(done.len());
    let mut tensors = BTreeMap::new();
    for (i, (architecture, of_member)) in done.into_iter().enumerate() {
        let path = member_path(i);
        architectures.push(architecture);
        tensors.extend(of_member.into_iter().map(|(name, tensor)| (format!("{path}.{name}"), tensor)));
    }
    Ok((Architecture::Ensemble { members: architectures }, tensors))
}

fn contour(data: &SpectrogramSet, track: usize) -> Result<Option<[f64; CONTOUR_VALUES]>, TrainError> {
    let whole = data.whole(track)?;
    let (_, bands, frames) = whole.dims3()?;
    let values = whole.flatten_all()?.to_vec1::<f32>()?;
    let values = Array2::from_shape_vec((bands, frames), values)
        .map_err(|e| TrainError::shape("spectrogram", e.to_string(), "it must be a matrix"))?;
    Ok(level_contour(values.view()))
}

/// One training run among many.
#[derive(Debug, Clone, Copy)]
struct Job {
    fold: usize,
    member: usize,
    copy: usize,
}

fn check(members: &[Member]) -> Result<(), TrainError> {
    if members.is_empty() {
        return Err(TrainError::config("members", "none", "at least one"));
    }
    for member in members {
        let (most, rule) = match member.architecture {
            Architecture::Classic(_) => (1, "1: a classic model is the same each time"),
            _ => (64, "between 1 and 64"),
        };
        if !(1..=most).contains(&member.copies) {
            return Err(TrainError::config("copies", member.copies, rule));
        }
        let (most, rule) = match member.architecture {
            Architecture::Classic(_) => (16, "between 1 and 16"),
            _ => (1, "1: a network is trained on random crops"),
        };
        if !(1..=most).contains(&member.excerpts) {
            return Err(TrainError::config("excerpts", member.excerpts, rule));
        }
    }
    Ok(())
}

fn jobs(members: &[Member], folds: usize) -> Vec<Job> {
    let of_fold = |fold| {
        members
            .iter()
            .enumerate()
            .flat_map(move |(member, m)| (0..m.copies).map(move |copy| Job { fold, member, copy }))
    };
    (0..folds).flat_map(of_fold).collect()
}

fn train_one(
    member: &Member,
    copy: usize,
    data: &SpectrogramSet,
    (train, valid): (&[usize], &[usize]),
    name: &str,
    folder: Option<&Path>,
    observe: &(dyn Fn(&str, &EpochMetrics) -> ControlFlow<()> + Sync),
) -> Result<(Architecture, BTreeMap<String, Tensor>), TrainError> {
    if let Architecture::Classic(config) = &member.architecture {
        let (config, tensors) = fit_on_statistics(config, data, train, member.excerpts)?;
        return Ok((Architecture::Classic(config), tensors));
    }
    let config = TrainConfig { seed: member.training.seed + copy as u64, ..member.training.clone() };
    let mut trainer = Trainer::new(&member.architecture, &config, data)?;
    if let Some(path) = &member.trunk {
        trainer = trainer.with_initial_weights(to_candle(&ModelFile::open(path)?.trunk_tensors()?)?);
    }
    if let Some(folder) = folder {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).map_err(TrainError::io(&folder))?;
        trainer = trainer.with_checkpoints(&folder);
    }
    let mut stopped = false;
    let trained = trainer.run(train, valid, &mut |metrics| {
        let flow = observe(name, metrics);
        stopped = flow.is_break();
        flow
    })?;
    if stopped { Err(TrainError::Stopped) } else { Ok((member.architecture.clone(), trained.tensors)) }
}

fn rebuild(
    architecture: &Architecture,
    classes: usize,
    tensors: BTreeMap<String, Tensor>,
) -> Result<Box<dyn Network>, TrainError> {
    let tensors = tensors.into_iter().collect();
    let vb = candle_nn::VarBuilder::from_tensors(tensors, candle_core::DType::F32, &candle_core::Device::Cpu);
    Ok(architecture.build(classes, &TrainingClock::new(0), vb)?)
}

/// Runs every job on `threads` workers, each with a thread pool of one, and returns the results in the order of the
/// jobs. One thread a run wastes none: several runs side by side scale better than one over several threads.
pub(crate) fn run_all<J: Sync, T: Send>(
    jobs: &[J],
    threads: usize,
    run: impl Fn(&J) -> Result<T, TrainError> + Sync,
) -> Result<Vec<T>, TrainError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let work = || -> Result<(), TrainError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .map_err(|e| TrainError::config("threads", threads, e.to_string()))?;
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { break };
            let result = pool.install(|| run(job)).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, result));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, jobs.len().max(1))).map(|_| scope.spawn(work)).collect();
        let mut outcome = Ok(());
        for worker in workers {
            // A worker that panicked has printed why; the scope would panic with it, an error is kinder.
            let ended = worker.join().unwrap_or(Err(TrainError::Stopped));
            outcome = outcome.and(ended);
        }
        outcome
    })?;
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Mean of tables of the same shape, summed in double precision.
fn mean(tables: &[ArrayView2<'_, f32>]) -> Array2<f32> {
    let Some(first) = tables.first() else {
        return Array2::zeros((0, 0));
    };
    Array2::from_shape_fn(first.raw_dim(), |cell| {
        (tables.iter().map(|table| f64::from(table[cell])).sum::<f64>() / tables.len() as f64) as f32
    })
}
