use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::batch;
use super::checkpoint::{Checkpoint, Progress, checkpoint_path, remove_leftovers};
use super::config::TrainConfig;
use super::data::SpectrogramSet;
use super::evaluation::{judge, strongest};
use super::history::EpochMetrics;
use super::loss::Teacher;
use super::state::State;
use crate::TrainError;
use crate::rng::SeededRng;
use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use serde::Serialize;
use sha2::{Digest, Sha256};
use timbral_model::Architecture;

/// A training run: a network, the tracks it learns from, and where the run keeps its state.
#[derive(Debug)]
pub struct Trainer<'a> {
    pub(super) architecture: &'a Architecture,
    pub(super) config: &'a TrainConfig,
    pub(super) data: &'a SpectrogramSet,
    pub(super) initial: BTreeMap<String, Tensor>,
    pub(super) teacher: Option<Teacher>,
    folder: Option<PathBuf>,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Weights and running statistics by name, or their average where the configuration asks for one: those of the best
    /// pass where there were validation tracks, else those of the last one.
    pub tensors: BTreeMap<String, Tensor>,
    /// The passes made by this call; a resumed run has made others before.
    pub history: Vec<EpochMetrics>,
    /// The pass that the weights come from, counted from 1.
    pub epoch: usize,
}

impl<'a> Trainer<'a> {
    /// A run of `architecture` over `data`.
    ///
    /// # Errors
    /// [`TrainError::Config`] and [`TrainError::Model`] for settings that break a rule or do not fit the data;
    /// [`TrainError::Io`] and [`TrainError::Malformed`] for a teacher that cannot be read or knows something else.
    pub fn new(
        architecture: &'a Architecture,
        config: &'a TrainConfig,
        data: &'a SpectrogramSet,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        architecture.validate()?;
        if matches!(architecture, Architecture::Ensemble { .. }) {
            let rule = "a network: the members of an ensemble are trained one by one";
            return Err(TrainError::config("architecture", "an ensemble", rule));
        }
        if architecture.bands() != data.bands() {
            let rule = format!("{}, as the spectrograms have", data.bands());
            return Err(TrainError::config("bands", architecture.bands(), rule));
        }
        batch::check(config, architecture.input(), data)?;
        let open = |path: &Path| Teacher::open(path, architecture, data.labels());
        let teacher = config.distillation.as_ref().map(|d| open(&d.teacher)).transpose()?;
        Ok(Self { architecture, config, data, initial: BTreeMap::new(), teacher, folder: None })
    }

    /// Keeps a checkpoint in `folder`, which must exist, after each pass, and goes on from one that lies there.
    #[must_use]
    pub fn with_checkpoints(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Starts from these weights instead of fresh ones; those that are not named stay fresh. A transfer network takes what
    /// [`ModelFile::trunk_tensors`](timbral_model::ModelFile::trunk_tensors) gives.
    #[must_use]
    pub fn with_initial_weights(mut self, weights: BTreeMap<String, Tensor>) -> Self {
        self.initial = weights;
        self
    }

    /// Trains on the tracks `train`. `valid` is looked at after each pass, to choose the best one; it may be empty, and
    /// must not hold tracks that the result is to be judged by. `observe` sees each pass, before its checkpoint is written,
    /// and may stop the run after that.
    ///
    /// # Errors
    /// [`TrainError::Shape`] for unknown, missing or shared tracks; [`TrainError::Network`] when the loss or a gradient
    /// stops being finite; [`TrainError::Io`] and [`TrainError::Malformed`] for checkpoints.
    pub fn run(
        &self,
        train: &[usize],
        valid: &[usize],
        observe: &mut dyn FnMut(&EpochMetrics) -> ControlFlow<()>,
    ) -> Result<Trained, TrainError> {
        self.check_tracks(train, valid)?;
        let mut state = State::new(self, train)?;
        let fingerprint = self.fingerprint(train, valid)?;
        let mut progress =
            Progress { fingerprint, epochs: 0, steps: 0, losses: Vec::new(), averaged: 0, best: None };
        let mut best = BTreeMap::new();
        let checkpoint = self.folder.as_deref().map(checkpoint_path);
        self.folder.as_deref().into_iter().for_each(remove_leftovers);
        if let Some(path) = &checkpoint
            && let Some(saved) = Checkpoint::load(path, &progress.fingerprint)?
        {
            state.restore(&saved)?;
            (progress, best) = (saved.progress, saved.best);
        }
        let mut history = Vec::new();
        while progress.epochs < self.config.epochs && !self.out_of_patience(&progress) {
            let started = Instant::now();
            let mut metrics = state.epoch(&mut progress, train)?;
            if !valid.is_empty() {
                let plain = state.use_average(train)?;
                let (loss, accuracy) = judge(state.network(), self.data, valid)?;
                (metrics.valid_loss, metrics.valid_accuracy) = (Some(loss), Some(accuracy));
                if progress.best.is_none_or(|(highest, _)| accuracy > highest) {
                    progress.best = Some((accuracy, progress.epochs));
                    best = state.weights()?;
                }
                if let Some(plain) = plain {
                    state.set_weights(&plain)?;
                }
            }
            state.after_pass(&mut progress, metrics.valid_loss.unwrap_or(metrics.train_loss));
            metrics.seconds = started.elapsed().as_secs_f64();
            // What the observer keeps of a pass is there before the checkpoint: a run that is killed between the two makes
            // the pass again, and none is missing.
            let flow = observe(&metrics);
            if let Some(path) = &checkpoint {
                state.checkpoint(&progress, &best)?.save(path)?;
            }
            history.push(metrics);
            if flow.is_break() {
                break;
            }
        }
        let (tensors, epoch) = match progress.best {
            Some((_, epoch)) => (best, epoch),
            None => {
                state.use_average(train)?;
                (state.weights()?, progress.epochs)
            }
        };
        Ok(Trained { tensors, history, epoch })
    }

    fn check_tracks(&self, train: &[usize], valid: &[usize]) -> Result<(), TrainError> {
        self.data.check(train)?;
        self.data.check(valid)?;
        let shape =
            |what, given: String, rule: &str| Err(TrainError::Shape { what, given, rule: rule.to_owned() });
        if train.is_empty() {
            return shape("training tracks", "none".into(), "there must be at least one");
        }
        let known: std::collections::BTreeSet<_> = train.iter().collect();
        match valid.iter().find(|track| known.contains(track)) {
            Some(track) => {
                shape("validation track", track.to_string(), "it must not be a training track as well")
            }
            None => Ok(()),
        }
    }

    fn out_of_patience(&self, progress: &Progress) -> bool {
        let patience = self.config.patience;
        patience > 0 && progress.best.is_some_and(|(_, epoch)| progress.epochs - epoch >= patience)
    }

    /// A hash over everything that the result depends on.
    fn fingerprint(&self, train: &[usize], valid: &[usize]) -> Result<String, TrainError> {
        let mut hash = Sha256::new();
        // What a run may be gone on with in another way is left out.
        let config = TrainConfig { prefetch: 0, ..self.config.clone() };
        hash.update(canonical(self.architecture)?);
        hash.update(canonical(&config)?);
        hash.update(canonical(&(self.data.labels(), self.data.sample_rate()))?);
        if let Some(teacher) = &self.teacher {
            hash.update(teacher.hash);
        }
        for (name, tensor) in &self.initial {
            hash.update(format!("{name} {:?}\n", tensor.dims()));
            for value in tensor.flatten_all()?.to_vec1::<f32>()? {
                hash.update(value.to_le_bytes());
            }
        }
        for (name, tracks) in [("train", train), ("valid", valid)] {
            hash.update(name);
            for &track in tracks {
                self.data.hash_track(track, &mut hash);
            }
        }
        Ok(format!("{:x}", hash.finalize()))
    }
}

/// JSON with sorted keys and a line break behind it: what is hashed does not depend on the order of fields in the code.
pub(crate) fn canonical(value: &impl Serialize) -> Result<String, TrainError> {
    let value = serde_json::to_value(value)
        .map_err(|e| TrainError::config("configuration", "not serialisable", e.to_string()))?;
    Ok(format!("{value}\n"))
}

/// The batches of one pass.
#[derive(Debug)]
pub(super) struct Pass {
    order: Vec<usize>,
    batch_size: usize,
    count: usize,
    first: u64,
}

impl Pass {
    /// The tracks of each batch, with its place in the run, which its random numbers go by.
    pub(super) fn batches(&self) -> impl Iterator<Item = (u64, &[usize])> + Send {
        (self.first..).zip(self.order.chunks_exact(self.batch_size).take(self.count))
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn crops(&self) -> usize {
        self.count * self.batch_size
    }
}

/// Makes the batches of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batches<'a> {
    pub(super) trainer: &'a Trainer<'a>,
}

/// Inputs, target probabilities, class of the stronger part.
pub(super) type Batch = (Tensor, Tensor, Vec<usize>);

impl Batches<'_> {
    /// The batches of pass `pass`: every track in a new order. `first` is the place of the first one in the run.
    pub(super) fn pass(&self, train: &[usize], pass: u64, first: u64) -> Pass {
        let config = self.trainer.config;
        let mut order: Vec<usize> = train.repeat(config.crops_per_track);
        order.shuffle(&mut generator(config.seed, Draw::Order, pass));
        Pass {
            batch_size: config.batch_size.min(order.len()),
            count: config.batches_per_pass(train.len()),
            order,
            first,
        }
    }

    /// Crops of the tracks, augmented and mixed: inputs, target probabilities, class of the stronger part.
    pub(super) fn batch(&self, tracks: &[usize], step: u64) -> Result<Batch, TrainError> {
        let (config, data) = (self.trainer.config, self.trainer.data);
        let (bands, frames, classes) = (data.bands(), config.crop_frames, data.labels().len());
        let input = self.trainer.architecture.input();
        let mut values = Vec::with_capacity(tracks.len() * bands * frames);
        let mut targets = vec![0.0f32; tracks.len() * classes];
        for (i, &track) in tracks.iter().enumerate() {
            let mut rng = generator(config.seed, Draw::Crop(i as u32), step);
            batch::draw_crop(data, track, input, config, &mut rng, &mut values)?;
            targets[i * classes + data.class(track)] = 1.0;
        }
        let mut rng = generator(config.seed, Draw::Mix, step);
        batch::mix_batch(&mut values, &mut targets, (bands, frames, classes), input, config, &mut rng)?;
        let stronger = targets.chunks_exact(classes).map(strongest).collect();
        let x = Tensor::from_vec(values, (tracks.len(), bands, frames), &Device::Cpu)?;
        Ok((x, Tensor::from_vec(targets, (tracks.len(), classes), &Device::Cpu)?, stronger))
    }
}

/// What a random number is drawn for. Each has a generator of its own, so a run that goes on at any step draws what an
/// uninterrupted one would.
enum Draw {
    Order,
    Mix,
    Crop(u32),
}

fn generator(seed: u64, draw: Draw, time: u64) -> SeededRng {
    let kind = match draw {
        Draw::Order => 0,
        Draw::Mix => 1,
        Draw::Crop(place) => 2 + u64::from(place),
    };
    SeededRng::with_stream(seed, kind << 40 | time)
}
