use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarMap;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use timbral_model::{Architecture, Network};
use timbral_nn::{
    AdamW, AdamWConfig, CrossEntropyConfig, SeededInit, Target, TrainingClock, clip_gradient_norm,
    cross_entropy, named_variables, parameters, softmax,
};

use super::averaging::Averaging;
use super::checkpoint::{Checkpoint, Progress, checkpoint_path, remove_leftovers};
use super::config::TrainConfig;
use super::data::SpectrogramSet;
use super::history::EpochMetrics;
use crate::TrainError;
use crate::augment;

/// A training run: a network, the tracks it learns from, and where the run keeps its state.
#[derive(Debug)]
pub struct Trainer<'a> {
    architecture: &'a Architecture,
    config: &'a TrainConfig,
    data: &'a SpectrogramSet,
    folder: Option<PathBuf>,
    initial: BTreeMap<String, Tensor>,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Trained {
    /// Weights and running statistics by name: those of the best pass where there were validation tracks, else those of
    /// the last one.
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
    /// [`TrainError::Config`] and [`TrainError::Model`] for settings that break a rule or do not fit the data.
    pub fn new(
        architecture: &'a Architecture,
        config: &'a TrainConfig,
        data: &'a SpectrogramSet,
    ) -> Result<Self, TrainError> {
        config.validate()?;
        architecture.validate()?;
        if matches!(architecture, Architecture::Ensemble { .. }) {
            let rule = "its members are trained one by one";
            return Err(TrainError::config("architecture", "an ensemble", rule));
        }
        if architecture.bands() != data.bands() {
            let rule = format!("the spectrograms have {}", data.bands());
            return Err(TrainError::config("bands", architecture.bands(), rule));
        }
        augment::check(config, architecture.input(), data)?;
        Ok(Self {
            architecture,
            config,
            data,
            folder: None,
            initial: BTreeMap::new(),
        })
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
        mut observe: impl FnMut(&EpochMetrics) -> ControlFlow<()>,
    ) -> Result<Trained, TrainError> {
        self.check_tracks(train, valid)?;
        let mut state = State::new(self, train)?;
        let fingerprint = self.fingerprint(train, valid)?;
        let mut progress = Progress {
            fingerprint,
            epochs: 0,
            steps: 0,
            averaged: 0,
            best: None,
        };
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
                let (loss, accuracy) = self.judge(state.network.as_ref(), valid)?;
                (metrics.valid_loss, metrics.valid_accuracy) = (Some(loss), Some(accuracy));
                if progress.best.is_none_or(|(highest, _)| accuracy > highest) {
                    progress.best = Some((accuracy, progress.epochs));
                    best = state.weights()?;
                }
                if let Some(plain) = plain {
                    state.set_weights(&plain)?;
                }
            }
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
        Ok(Trained {
            tensors,
            history,
            epoch,
        })
    }

    fn check_tracks(&self, train: &[usize], valid: &[usize]) -> Result<(), TrainError> {
        self.data.check(train)?;
        self.data.check(valid)?;
        let shape = |what, given: String, rule: &str| {
            Err(TrainError::Shape {
                what,
                given,
                rule: rule.to_owned(),
            })
        };
        if train.is_empty() {
            return shape("training tracks", "none".into(), "at least one is needed");
        }
        let known: std::collections::BTreeSet<_> = train.iter().collect();
        match valid.iter().find(|track| known.contains(track)) {
            Some(track) => shape(
                "validation track",
                track.to_string(),
                "it is a training track as well",
            ),
            None => Ok(()),
        }
    }

    fn out_of_patience(&self, progress: &Progress) -> bool {
        let patience = self.config.patience;
        patience > 0
            && progress
                .best
                .is_some_and(|(_, epoch)| progress.epochs - epoch >= patience)
    }

    /// Mean cross-entropy and accuracy over whole tracks.
    fn judge(&self, network: &dyn Network, tracks: &[usize]) -> Result<(f64, f64), TrainError> {
        let (mut loss, mut right) = (0.0, 0);
        for (row, &track) in predict(network, self.data, tracks)?.iter().zip(tracks) {
            let class = self.data.class(track);
            // A probability below what a number can hold still has a finite loss.
            loss -= f64::from(row[class].max(f32::MIN_POSITIVE)).ln();
            right += usize::from(strongest(row) == class);
        }
        let count = tracks.len() as f64;
        Ok((loss / count, right as f64 / count))
    }

    /// A hash over everything that the result depends on.
    fn fingerprint(&self, train: &[usize], valid: &[usize]) -> Result<String, TrainError> {
        let mut hash = Sha256::new();
        hash.update(format!(
            "{:?}\n{:?}\n{:?} {:?}\n",
            self.architecture,
            self.config,
            self.data.labels(),
            self.data.sample_rate()
        ));
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
        Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }
}

/// Network, optimizer and schedule of a run in progress.
struct State<'a> {
    trainer: &'a Trainer<'a>,
    clock: TrainingClock,
    map: VarMap,
    network: Box<dyn Network>,
    optimizer: AdamW,
    averaging: Option<Averaging>,
    loss: CrossEntropyConfig,
    steps_per_epoch: usize,
}

impl<'a> State<'a> {
    fn new(trainer: &'a Trainer<'a>, train: &[usize]) -> Result<Self, TrainError> {
        let (config, data) = (trainer.config, trainer.data);
        let classes = data.labels().len();
        let clock = TrainingClock::new(config.seed);
        let map = VarMap::new();
        let vb = SeededInit::new(&map, config.seed).var_builder(DType::F32, &Device::Cpu);
        let network = trainer.architecture.build(classes, &clock, vb)?;
        let optimizer = AdamWConfig {
            weight_decay: config.weight_decay,
            ..AdamWConfig::default()
        };
        set_initial(&map, &trainer.initial)?;
        let trained = parameters(&map)
            .into_iter()
            .filter(|parameter| !trainer.architecture.is_frozen(&parameter.name))
            .collect();
        let optimizer = AdamW::new(trained, optimizer)?;
        let averaging = Averaging::new(config, &map)?;
        let class_weights = config.class_weights.then(|| {
            let mut counts = vec![0usize; classes];
            train.iter().for_each(|&track| counts[data.class(track)] += 1);
            // A class without tracks never is a target, so its weight does not matter.
            counts
                .iter()
                .map(|&n| train.len() as f64 / (classes * n.max(1)) as f64)
                .collect()
        });
        let loss = CrossEntropyConfig {
            label_smoothing: config.label_smoothing,
            class_weights,
        };
        let steps_per_epoch = config.steps_per_epoch(train.len());
        Ok(Self {
            trainer,
            clock,
            map,
            network,
            optimizer,
            averaging,
            loss,
            steps_per_epoch,
        })
    }

    /// One pass: every track in a new order.
    fn epoch(&mut self, progress: &mut Progress, train: &[usize]) -> Result<EpochMetrics, TrainError> {
        let config = self.trainer.config;
        let schedule = config.schedule(self.steps_per_epoch * config.epochs);
        schedule.check()?;
        let order = self.order(train, progress.epochs as u64);
        let batch_size = config.batch_size.min(order.len());
        let (mut loss_sum, mut right, mut rate) = (0.0, 0, 0.0);
        for tracks in order.chunks_exact(batch_size).take(self.steps_per_epoch) {
            rate = schedule.learning_rate(progress.steps);
            let (loss, hits) = self.step(tracks, progress.steps, rate)?;
            loss_sum += loss;
            right += hits;
            progress.steps += 1;
        }
        progress.epochs += 1;
        if let Some(averaging) = &mut self.averaging {
            averaging.after_pass(progress.epochs)?;
        }
        Ok(EpochMetrics {
            epoch: progress.epochs,
            epochs: config.epochs,
            learning_rate: rate,
            train_loss: loss_sum / self.steps_per_epoch as f64,
            train_accuracy: right as f64 / (self.steps_per_epoch * batch_size) as f64,
            valid_loss: None,
            valid_accuracy: None,
            seconds: 0.0,
        })
    }

    /// The tracks of a pass in their order: each as often as crops are taken of it.
    fn order(&self, train: &[usize], pass: u64) -> Vec<usize> {
        let config = self.trainer.config;
        let mut order: Vec<usize> = train.repeat(config.crops_per_track);
        order.shuffle(&mut generator(config.seed, Draw::Order, pass));
        order
    }

    /// Puts the average of the weights in their place, where there is one by now, and gives back the weights themselves.
    fn use_average(&self, train: &[usize]) -> Result<Option<BTreeMap<String, Tensor>>, TrainError> {
        let Some((mut average, stale)) = self.averaging.as_ref().and_then(Averaging::in_use) else {
            return Ok(None);
        };
        let plain = self.weights()?;
        // The mean of equal numbers may differ from them in the last bit, and a frozen trunk stays as it is.
        average.retain(|name, _| !self.trainer.architecture.is_frozen(name));
        self.set_weights(&average)?;
        if stale {
            self.estimate_statistics(train)?;
        }
        Ok(Some(plain))
    }

    /// Moves running statistics by one pass of training crops, as training does; everything else stays.
    fn estimate_statistics(&self, train: &[usize]) -> Result<(), TrainError> {
        // Random numbers of their own, always the same: the result depends on nothing but the weights.
        let apart = 1 << 39;
        let order = self.order(train, apart);
        let batch_size = self.trainer.config.batch_size.min(order.len());
        for (step, tracks) in (apart..).zip(order.chunks_exact(batch_size).take(self.steps_per_epoch)) {
            let (x, _, _) = self.batch(tracks, step)?;
            self.clock.set_step(step);
            self.network.forward_t(&x, true)?;
        }
        Ok(())
    }

    /// One step: loss, and how many crops were recognised.
    fn step(&mut self, tracks: &[usize], step: u64, rate: f64) -> Result<(f64, usize), TrainError> {
        let config = self.trainer.config;
        let (x, target, classes) = self.batch(tracks, step)?;
        self.clock.set_step(step);
        let scores = self.network.forward_t(&x, true)?;
        let loss = cross_entropy(&scores, Target::Probabilities(&target), &self.loss)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            let rule = "it must be finite: lower the learning rate or clip gradients";
            return Err(TrainError::shape("loss", format!("{value} at step {step}"), rule));
        }
        let mut gradients = loss.backward()?;
        if config.clip_norm > 0.0 {
            clip_gradient_norm(&mut gradients, self.optimizer.parameters(), config.clip_norm)?;
        }
        self.optimizer.step(&gradients, rate)?;
        if let Some(averaging) = &mut self.averaging {
            averaging.after_step()?;
        }
        let rows: Vec<Vec<f32>> = scores.detach().to_vec2()?;
        let hits = rows
            .iter()
            .zip(&classes)
            .filter(|(row, class)| strongest(row) == **class)
            .count();
        Ok((value, hits))
    }

    /// Crops of the tracks, augmented and mixed: inputs, target probabilities, class of the stronger part.
    fn batch(&self, tracks: &[usize], step: u64) -> Result<(Tensor, Tensor, Vec<usize>), TrainError> {
        let (config, data) = (self.trainer.config, self.trainer.data);
        let (bands, frames, classes) = (data.bands(), config.crop_frames, data.labels().len());
        let input = self.trainer.architecture.input();
        let mut values = Vec::with_capacity(tracks.len() * bands * frames);
        let mut targets = vec![0.0f32; tracks.len() * classes];
        for (i, &track) in tracks.iter().enumerate() {
            let mut rng = generator(config.seed, Draw::Crop(i as u32), step);
            augment::draw_crop(data, track, input, config, &mut rng, &mut values)?;
            targets[i * classes + data.class(track)] = 1.0;
        }
        let mut rng = generator(config.seed, Draw::Mix, step);
        augment::mix_batch(
            &mut values,
            &mut targets,
            (bands, frames, classes),
            input,
            config,
            &mut rng,
        );
        let stronger = targets.chunks_exact(classes).map(strongest).collect();
        let x = Tensor::from_vec(values, (tracks.len(), bands, frames), &Device::Cpu)?;
        Ok((
            x,
            Tensor::from_vec(targets, (tracks.len(), classes), &Device::Cpu)?,
            stronger,
        ))
    }

    fn weights(&self) -> Result<BTreeMap<String, Tensor>, TrainError> {
        named_variables(&self.map)
            .into_iter()
            .map(|(name, var)| Ok((name, var.as_tensor().copy()?.detach())))
            .collect()
    }

    fn checkpoint(
        &self,
        progress: &Progress,
        best: &BTreeMap<String, Tensor>,
    ) -> Result<Checkpoint, TrainError> {
        let (average, averaged) = self.averaging.as_ref().map(Averaging::state).unwrap_or_default();
        Ok(Checkpoint {
            progress: Progress {
                averaged,
                ..progress.clone()
            },
            weights: self.weights()?,
            optimizer: self.optimizer.state(),
            average,
            best: best.clone(),
        })
    }

    fn set_weights(&self, weights: &BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        for (name, var) in named_variables(&self.map) {
            if let Some(tensor) = weights.get(&name) {
                var.set(tensor)?;
            }
        }
        Ok(())
    }

    fn restore(&mut self, saved: &Checkpoint) -> Result<(), TrainError> {
        for (name, var) in named_variables(&self.map) {
            let tensor = saved.weights.get(&name).ok_or_else(|| TrainError::Shape {
                what: "checkpoint",
                given: format!("no tensor {name}"),
                rule: "every weight of the network is needed".into(),
            })?;
            var.set(tensor)?;
        }
        if let Some(averaging) = &mut self.averaging {
            averaging.load(&saved.average, saved.progress.averaged)?;
        }
        Ok(self.optimizer.load(&saved.optimizer, saved.progress.steps)?)
    }
}

/// Sets the named variables; each must be there, in the same shape.
fn set_initial(map: &VarMap, weights: &BTreeMap<String, Tensor>) -> Result<(), TrainError> {
    let variables: BTreeMap<_, _> = named_variables(map).into_iter().collect();
    for (name, tensor) in weights {
        let var = variables.get(name).filter(|var| var.shape() == tensor.shape());
        let Some(var) = var else {
            let given = format!("{name} of shape {:?}", tensor.dims());
            let rule = "the network has no such weight: is the trunk that of another model?";
            return Err(TrainError::shape("initial weight", given, rule));
        };
        var.set(tensor)?;
    }
    Ok(())
}

/// Class probabilities of whole tracks, one row each, as a network gives them in use.
///
/// # Errors
/// [`TrainError::Shape`] for an unknown track, [`TrainError::Tensor`] when the network does not take the spectrograms.
pub fn predict(
    network: &dyn Network,
    data: &SpectrogramSet,
    tracks: &[usize],
) -> Result<Vec<Vec<f32>>, TrainError> {
    data.check(tracks)?;
    tracks
        .iter()
        .map(|&track| {
            let scores = network.forward_t(&data.whole(track)?, false)?;
            Ok(softmax(&scores, 1)?.squeeze(0)?.to_vec1()?)
        })
        .collect()
}

fn strongest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// What a random number is drawn for. Each has a generator of its own, so a run that goes on at any step draws what an
/// uninterrupted one would.
enum Draw {
    Order,
    Mix,
    Crop(u32),
}

fn generator(seed: u64, draw: Draw, time: u64) -> ChaCha8Rng {
    let kind = match draw {
        Draw::Order => 0,
        Draw::Mix => 1,
        Draw::Crop(place) => 2 + u64::from(place),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(kind << 40 | time);
    rng
}
