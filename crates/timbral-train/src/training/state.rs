use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use candle_nn::VarMap;
use timbral_model::Network;
use timbral_nn::optim::{add_gradients, clip_gradient_norm, clip_gradient_value, scale_gradients};
use timbral_nn::{SeededInit, TrainingClock, named_variables, parameters};

use super::ahead::made_ahead;
use super::averaging::Averaging;
use super::checkpoint::{Checkpoint, Progress};
use super::evaluation::strongest;
use super::history::EpochMetrics;
use super::loss::Loss;
use super::optimizer::Optimizer;
use super::schedule::Course;
use super::trainer::{Batch, Batches, Trainer};
use crate::TrainError;

/// Network, optimizer and schedule of a run in progress.
pub(super) struct State<'a> {
    trainer: &'a Trainer<'a>,
    batches: Batches<'a>,
    clock: TrainingClock,
    map: VarMap,
    network: Box<dyn Network>,
    optimizer: Optimizer,
    course: Course,
    averaging: Option<Averaging>,
    loss: Loss<'a>,
}

impl<'a> State<'a> {
    pub(super) fn new(trainer: &'a Trainer<'a>, train: &[usize]) -> Result<Self, TrainError> {
        let (config, data) = (trainer.config, trainer.data);
        let classes = data.labels().len();
        let clock = TrainingClock::new(config.seed);
        let map = VarMap::new();
        let vb = SeededInit::new(&map, config.seed).var_builder(DType::F32, &Device::Cpu);
        let network = trainer.architecture.build(classes, &clock, vb)?;
        set_initial(&map, &trainer.initial)?;
        let trained = parameters(&map)
            .into_iter()
            .filter(|parameter| !trainer.architecture.is_frozen(&parameter.name))
            .collect();
        let class_weights = config.class_weights.then(|| {
            let mut counts = vec![0usize; classes];
            train.iter().for_each(|&track| counts[data.class(track)] += 1);
            // A class without tracks never is a target, so its weight does not matter.
            counts.iter().map(|&n| train.len() as f64 / (classes * n.max(1)) as f64).collect()
        });
        let steps = config.batches_per_pass(train.len()).div_ceil(config.accumulation);
        Ok(Self {
            trainer,
            batches: Batches { trainer },
            clock,
            optimizer: Optimizer::new(config, trained)?,
            course: Course::of(config, steps)?,
            averaging: Averaging::new(config, &map)?,
            loss: Loss::new(config, class_weights, trainer.teacher.as_ref()),
            map,
            network,
        })
    }

    pub(super) fn network(&self) -> &dyn Network {
        self.network.as_ref()
    }

    /// One pass: every track in a new order.
    pub(super) fn epoch(
        &mut self,
        progress: &mut Progress,
        train: &[usize],
    ) -> Result<EpochMetrics, TrainError> {
        let (config, batches) = (self.trainer.config, self.batches);
        let done = progress.epochs * config.batches_per_pass(train.len());
        let pass = batches.pass(train, progress.epochs as u64, done as u64);
        let (mut loss_sum, mut right, mut rate) = (0.0, 0, 0.0);
        let make = |(place, tracks)| Ok((place, batches.batch(tracks, place)?));
        made_ahead(pass.batches(), config.prefetch, make, |batches| {
            loop {
                let mut total: Option<GradStore> = None;
                let mut count = 0;
                for batch in (&mut *batches).take(config.accumulation) {
                    let (place, batch) = batch?;
                    let (loss, hits, gradients) = self.gradients(place, &batch)?;
                    loss_sum += loss;
                    right += hits;
                    count += 1;
                    match &mut total {
                        Some(total) => add_gradients(total, &gradients, self.optimizer.parameters())?,
                        None => total = Some(gradients),
                    }
                }
                let Some(mut gradients) = total else { return Ok(()) };
                if count > 1 {
                    let share = 1.0 / f64::from(count);
                    scale_gradients(&mut gradients, self.optimizer.parameters(), share)?;
                }
                rate = self.course.rate(progress.steps);
                self.step(gradients, rate)?;
                progress.steps += 1;
            }
        })?;
        progress.epochs += 1;
        if let Some(averaging) = &mut self.averaging {
            averaging.after_pass(progress.epochs)?;
        }
        Ok(EpochMetrics {
            epoch: progress.epochs,
            epochs: config.epochs,
            learning_rate: rate,
            train_loss: loss_sum / pass.len() as f64,
            train_accuracy: right as f64 / pass.crops() as f64,
            valid_loss: None,
            valid_accuracy: None,
            seconds: 0.0,
        })
    }

    /// Loss and gradients of a batch, and how many of its crops were recognised. `place` is that of the batch in the run.
    fn gradients(&self, place: u64, batch: &Batch) -> Result<(f64, usize, GradStore), TrainError> {
        let (x, target, classes) = batch;
        self.clock.set_step(place);
        let scores = self.network.forward_t(x, true)?;
        let loss = self.loss.of(x, &scores, target)?;
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            let rule = "it must be finite: lower the learning rate or clip gradients";
            return Err(TrainError::shape("loss", format!("{value} in batch {place}"), rule));
        }
        let rows: Vec<Vec<f32>> = scores.detach().to_vec2()?;
        let hits = rows.iter().zip(classes).filter(|(row, class)| strongest(row) == **class).count();
        Ok((value, hits, loss.backward()?))
    }

    /// Moves the weights once.
    fn step(&mut self, mut gradients: GradStore, rate: f64) -> Result<(), TrainError> {
        let config = self.trainer.config;
        if config.clip_value > 0.0 {
            clip_gradient_value(&mut gradients, self.optimizer.parameters(), config.clip_value)?;
        }
        if config.clip_norm > 0.0 {
            clip_gradient_norm(&mut gradients, self.optimizer.parameters(), config.clip_norm)?;
        }
        self.optimizer.step(&gradients, rate)?;
        match &mut self.averaging {
            Some(averaging) => averaging.after_step(),
            None => Ok(()),
        }
    }

    /// Takes in the loss that the learning rate may go by.
    pub(super) fn after_pass(&mut self, progress: &mut Progress, loss: f64) {
        if let Course::Plateau(_) = self.course {
            self.course.after_pass(loss);
            progress.losses.push(loss);
        }
    }

    /// Puts the average of the weights in their place, where there is one by now, and gives back the weights themselves.
    pub(super) fn use_average(
        &self,
        train: &[usize],
    ) -> Result<Option<BTreeMap<String, Tensor>>, TrainError> {
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
        let (batches, pass) = (self.batches, self.batches.pass(train, apart, apart));
        let make = |(place, tracks)| Ok((place, batches.batch(tracks, place)?));
        made_ahead(pass.batches(), self.trainer.config.prefetch, make, |batches| {
            for batch in batches {
                let (place, (x, _, _)) = batch?;
                self.clock.set_step(place);
                self.network.forward_t(&x, true)?;
            }
            Ok(())
        })
    }

    pub(super) fn weights(&self) -> Result<BTreeMap<String, Tensor>, TrainError> {
        named_variables(&self.map)
            .into_iter()
            .map(|(name, var)| Ok((name, var.as_tensor().copy()?.detach())))
            .collect()
    }

    pub(super) fn checkpoint(
        &self,
        progress: &Progress,
        best: &BTreeMap<String, Tensor>,
    ) -> Result<Checkpoint, TrainError> {
        let (average, averaged) = self.averaging.as_ref().map(Averaging::state).unwrap_or_default();
        Ok(Checkpoint {
            progress: Progress { averaged, ..progress.clone() },
            weights: self.weights()?,
            optimizer: self.optimizer.state(),
            average,
            best: best.clone(),
        })
    }

    pub(super) fn set_weights(&self, weights: &BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        for (name, var) in named_variables(&self.map) {
            if let Some(tensor) = weights.get(&name) {
                var.set(tensor)?;
            }
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, saved: &Checkpoint) -> Result<(), TrainError> {
        for (name, var) in named_variables(&self.map) {
            let tensor = saved.weights.get(&name).ok_or_else(|| TrainError::Shape {
                what: "checkpoint",
                given: format!("no tensor {name}"),
                rule: "every weight of the network is needed".into(),
            })?;
            var.set(tensor)?;
        }
        for &loss in &saved.progress.losses {
            self.course.after_pass(loss);
        }
        if let Some(averaging) = &mut self.averaging {
            averaging.load(&saved.average, saved.progress.averaged)?;
        }
        self.optimizer.load(&saved.optimizer, saved.progress.steps)
    }
}

/// Sets the named variables; each must be there, in the same shape.
fn set_initial(map: &VarMap, weights: &BTreeMap<String, Tensor>) -> Result<(), TrainError> {
    let variables: BTreeMap<_, _> = named_variables(map).into_iter().collect();
    for (name, tensor) in weights {
        let var = variables.get(name).filter(|var| var.shape() == tensor.shape());
        let Some(var) = var else {
            let given = format!("{name} of shape {:?}", tensor.dims());
            let rule = "it must be a weight of the network: is the trunk that of another model?";
            return Err(TrainError::shape("initial weight", given, rule));
        };
        var.set(tensor)?;
    }
    Ok(())
}
