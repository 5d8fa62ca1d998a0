use serde::{Deserialize, Serialize};

use super::loss::{Distillation, LossKind};
use super::named::named;
use super::optimizer::OptimizerKind;
use super::schedule::ScheduleKind;
use crate::TrainError;
use crate::augment::{Augmentation, WaveformAugmentation};

/// How a network is trained. `Default` is what the shipped convolutional network was trained with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Fixes initial weights, order, crops, masks and dropout: same machine, same seed, same bytes. Default: 0.
    pub seed: u64,
    /// Passes over the tracks. Default: 60.
    pub epochs: usize,
    /// Random crops of each track in a pass. Default: 1.
    pub crops_per_track: usize,
    /// Crops in a batch. The rest of a pass that does not fill one is left out (another rest each pass). Default: 32.
    pub batch_size: usize,
    /// Batches whose gradients are averaged for one step of the optimizer, as if one had held all their crops; but batch
    /// normalisation sees each by itself. The last step of a pass may have fewer. Default: 1.
    pub accumulation: usize,
    /// Frames of a crop, or samples where the network takes the waveform; shorter tracks are repeated to that length.
    /// Default: 128.
    pub crop_frames: usize,
    /// Optimizer. Default: AdamW.
    #[serde(deserialize_with = "named")]
    pub optimizer: OptimizerKind,
    /// Learning-rate schedule. Default: one cycle.
    #[serde(deserialize_with = "named")]
    pub schedule: ScheduleKind,
    /// The highest learning rate. Default: 2e-3.
    pub learning_rate: f64,
    /// Weight decay of weight matrices and kernels; biases and the scales and shifts of normalisations do not decay.
    /// Default: 0.01.
    pub weight_decay: f64,
    /// Largest absolute value of a single gradient; 0 does not clip. Default: 0.
    pub clip_value: f64,
    /// Largest norm of the gradient over all weights, once single ones are clipped; 0 does not clip. Default: 5.
    pub clip_norm: f64,
    /// Loss function. Default: cross-entropy.
    #[serde(deserialize_with = "named")]
    pub loss: LossKind,
    /// A model to learn from beside the labels. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distillation: Option<Distillation>,
    /// Fraction of the target spread over all classes, in `[0, 1)`. Default: 0.1.
    pub label_smoothing: f64,
    /// Weigh classes by the inverse of their number of tracks. Default: false.
    pub class_weights: bool,
    /// Decay of an exponential moving average of the weights, moved after each step, in `[0, 1)`; 0 keeps none. The
    /// average moves faster in the first steps, so that the initial weights are soon forgotten. Where there is one, it is
    /// what is validated and what the run gives. Running statistics are averaged alike: they follow the weights slowly
    /// enough for that, and training moves them on the same way. Default: 0.
    pub ema: f64,
    /// Fraction of the passes, the last ones, whose weights are averaged with equal parts (stochastic weight averaging,
    /// Izmailov et al. 2018), in `[0, 1]`; 0 keeps no average. Once there is one, it is what is validated and what the run
    /// gives. Weights of passes lie far apart, so the mean of their running statistics is not what the mean of the weights
    /// sees: for each use they are estimated anew from one pass of training crops. Not together with `ema`. Default: 0.
    pub swa: f64,
    /// Random changes of the crops.
    pub augmentation: Augmentation,
    /// Random changes of crops of samples, for networks that take the waveform. Default: none.
    pub waveform_augmentation: WaveformAugmentation,
    /// Prefetch queue length: batches prepared on a background thread while the network computes. 0 prepares each when it is
    /// needed. The result does not depend on it. Default: 2.
    pub prefetch: usize,
    /// Early-stopping patience: epochs without a better validation accuracy after which training stops; 0 never stops early.
    /// Either way, given validation tracks, the weights of the best epoch are kept. Default: 0.
    pub patience: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            epochs: 60,
            crops_per_track: 1,
            batch_size: 32,
            accumulation: 1,
            crop_frames: 128,
            optimizer: OptimizerKind::default(),
            schedule: ScheduleKind::default(),
            learning_rate: 2e-3,
            weight_decay: 0.01,
            clip_value: 0.0,
            clip_norm: 5.0,
            loss: LossKind::default(),
            distillation: None,
            label_smoothing: 0.1,
            class_weights: false,
            ema: 0.0,
            swa: 0.0,
            augmentation: Augmentation::default(),
            waveform_augmentation: WaveformAugmentation::default(),
            prefetch: 2,
            patience: 0,
        }
    }
}

impl TrainConfig {
    /// Checks every field.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the field, its value and the rule that it breaks.
    pub fn validate(&self) -> Result<(), TrainError> {
        for (field, value, most) in [
            ("epochs", self.epochs, 1_000_000),
            ("crops_per_track", self.crops_per_track, 10_000),
            ("accumulation", self.accumulation, 10_000),
            ("crop_frames", self.crop_frames, 1_000_000),
        ] {
            if !(1..=most).contains(&value) {
                return Err(TrainError::config(field, value, format!("between 1 and {most}")));
            }
        }
        if !(2..=65_536).contains(&self.batch_size) {
            let rule = "between 2, which batch normalisation needs, and 65536";
            return Err(TrainError::config("batch_size", self.batch_size, rule));
        }
        for (field, value) in [
            ("learning_rate", self.learning_rate),
            ("weight_decay", self.weight_decay),
            ("clip_value", self.clip_value),
            ("clip_norm", self.clip_norm),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(TrainError::config(field, value, "finite and not negative"));
            }
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return Err(TrainError::config(
                "label_smoothing",
                self.label_smoothing,
                "at least 0 and below 1",
            ));
        }
        if !(0.0..1.0).contains(&self.ema) {
            return Err(TrainError::config("ema", self.ema, "at least 0 and below 1"));
        }
        if !(0.0..=1.0).contains(&self.swa) {
            return Err(TrainError::config("swa", self.swa, "between 0 and 1"));
        }
        if self.ema > 0.0 && self.swa > 0.0 {
            let rule = "0 where ema is set: a run keeps one average";
            return Err(TrainError::config("swa", self.swa, rule));
        }
        if self.prefetch > 1000 {
            return Err(TrainError::config("prefetch", self.prefetch, "at most 1000"));
        }
        self.schedule.validate()?;
        self.loss.validate()?;
        if let Some(distillation) = &self.distillation {
            distillation.validate()?;
        }
        self.augmentation.validate()?;
        self.waveform_augmentation.validate()
    }

    /// Batches of a pass over `tracks` tracks: at least one.
    pub(crate) fn batches_per_pass(&self, tracks: usize) -> usize {
        (tracks * self.crops_per_track / self.batch_size).max(1)
    }
}
