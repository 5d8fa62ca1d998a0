use ndarray::{Array1, Array2, Array3, Axis};
use serde::{Deserialize, Serialize};
use timbral_features::{
    FeatureError, FeaturePlan, FeatureSet, FeatureSetConfig, LogMelConfig, LogMelSpectrogram,
};
use timbral_model::JsonValue;
use timbral_segment::{Cut, LastWindow, SegmentConfig, Segmenter, Span};

use crate::Error;
use crate::level::level_dbfs;

/// Samples that a sound needs at least where the features do not say: one frame of the usual length.
const SHORTEST: usize = 2048;

/// The front end of a model: sample rate, windows and features. It stands in the model file, and serving is built from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct FrontEnd {
    /// Length of a window in seconds. A shorter sound is one window, as long as it is.
    pub window_seconds: f64,
    /// Distance between the starts of windows in seconds. What is left after the last whole window is not used.
    pub hop_seconds: f64,
    /// What is computed of each window; its sample rate is the rate that audio is resampled to.
    pub features: WindowFeatures,
}

/// What is computed of each window.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WindowFeatures {
    /// A log-mel spectrogram, `(bands, frames)`: `log_mel` in files.
    LogMel(LogMelConfig),
    /// One value for each column of a feature set, `(columns, 1)`: `feature_set` in files.
    FeatureSet(FeatureSetConfig),
    /// The samples themselves, `(1, samples)`: `waveform` in files.
    Waveform(WaveformConfig),
}

/// The samples of a window as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaveformConfig {
    /// Samples per second that audio is resampled to.
    pub sample_rate: u32,
}

/// A [`FrontEnd`] as files spell it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    window_seconds: f64,
    hop_seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log_mel: Option<LogMelConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    feature_set: Option<FeatureSetConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waveform: Option<WaveformConfig>,
}

impl TryFrom<Fields> for FrontEnd {
    type Error = &'static str;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        let features = match (fields.log_mel, fields.feature_set, fields.waveform) {
            (Some(config), None, None) => WindowFeatures::LogMel(config),
            (None, Some(config), None) => WindowFeatures::FeatureSet(config),
            (None, None, Some(config)) => WindowFeatures::Waveform(config),
            _ => return Err("a front end has one of log_mel, feature_set and waveform"),
        };
        Ok(Self { window_seconds: fields.window_seconds, hop_seconds: fields.hop_seconds, features })
    }
}

impl From<FrontEnd> for Fields {
    fn from(front_end: FrontEnd) -> Self {
        let mut fields = Self {
            window_seconds: front_end.window_seconds,
            hop_seconds: front_end.hop_seconds,
            log_mel: None,
            feature_set: None,
            waveform: None,
        };
        match front_end.features {
            WindowFeatures::LogMel(config) => fields.log_mel = Some(config),
            WindowFeatures::FeatureSet(config) => fields.feature_set = Some(config),
            WindowFeatures::Waveform(config) => fields.waveform = Some(config),
        }
        fields
    }
}

/// A [`FrontEnd`] made ready: immutable, to be shared between threads.
#[derive(Debug)]
pub struct FrontEndPlan {
    segmenter: Segmenter,
    window_samples: usize,
    min_samples: usize,
    sample_rate: u32,
    features: Plan,
}

#[derive(Debug)]
enum Plan {
    LogMel(Box<LogMelSpectrogram>),
    FeatureSet(FeatureSet),
    Waveform,
}

impl Plan {
    fn compute(&self, samples: &[f32]) -> Result<Array2<f32>, FeatureError> {
        match self {
            Self::LogMel(plan) => plan.compute(samples),
            Self::FeatureSet(set) => Ok(set.compute(samples)?.mapv(|v| v as f32).insert_axis(Axis(1))),
            Self::Waveform => Ok(Array1::from(samples.to_vec()).insert_axis(Axis(0))),
        }
    }
}

/// A window of a track as the model sees it.
#[derive(Debug, Clone)]
pub struct FeatureWindow {
    /// Start in seconds from the start of the samples.
    pub start: f64,
    /// End in seconds from the start of the samples.
    pub end: f64,
    /// Level of its samples around their mean, in decibels below full scale; minus infinity for a constant.
    pub level_dbfs: f64,
    /// Log-mel spectrogram in dB, `(bands, frames)`, columns of a feature set, `(columns, 1)`, or samples, `(1, samples)`.
    pub features: Array2<f32>,
}

impl FrontEnd {
    /// Reads the front end of a model's header.
    ///
    /// # Errors
    /// [`Error::FrontEnd`] when the value is no front end.
    pub fn from_json(value: &JsonValue) -> Result<Self, Error> {
        value.to().map_err(|e| Error::FrontEnd(e.to_string()))
    }

    /// The value that a model's header carries.
    ///
    /// # Errors
    /// [`Error::FrontEnd`] for numbers that JSON does not have.
    pub fn to_json(&self) -> Result<JsonValue, Error> {
        JsonValue::of(self).map_err(|e| Error::FrontEnd(e.to_string()))
    }

    /// Checks everything once and prepares windows and filters.
    ///
    /// # Errors
    /// [`Error::Segment`] or [`Error::Features`] with the rule that is broken, [`Error::FrontEnd`] for a window shorter
    /// than one analysis frame.
    pub fn plan(&self) -> Result<FrontEndPlan, Error> {
        let (sample_rate, min_samples) = match &self.features {
            WindowFeatures::LogMel(config) => (config.mel.sample_rate, config.mel.n_fft),
            WindowFeatures::FeatureSet(config) => (config.sample_rate, SHORTEST),
            WindowFeatures::Waveform(config) => (config.sample_rate, SHORTEST),
        };
        let config = SegmentConfig {
            cut: Cut::Sliding {
                length: Span::Seconds(self.window_seconds),
                hop: Span::Seconds(self.hop_seconds),
            },
            last: LastWindow::Drop,
            ..SegmentConfig::default()
        };
        let segmenter = Segmenter::new(config, sample_rate)?;
        let window_samples = segmenter.window_length().unwrap_or_default();
        if window_samples < min_samples {
            return Err(Error::FrontEnd(format!(
                "a window of {window_samples} samples is shorter than an analysis frame of {min_samples}"
            )));
        }
        let features = match &self.features {
            WindowFeatures::LogMel(config) => Plan::LogMel(Box::new(LogMelSpectrogram::new(config.clone())?)),
            WindowFeatures::FeatureSet(config) => Plan::FeatureSet(FeatureSet::new(config.clone())?),
            WindowFeatures::Waveform(_) => Plan::Waveform,
        };
        Ok(FrontEndPlan { segmenter, window_samples, min_samples, sample_rate, features })
    }
}

impl FrontEndPlan {
    /// Number of rows of each window's features: mel bands, columns of a feature set, or 1 for samples.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        match &self.features {
            Plan::LogMel(plan) => plan.n_mels(),
            Plan::FeatureSet(set) => set.columns().len(),
            Plan::Waveform => 1,
        }
    }

    /// The sample rate that [`windows`](Self::windows) takes, in hertz.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Length of a window in seconds.
    #[must_use]
    pub fn window_seconds(&self) -> f64 {
        self.seconds(self.window_samples)
    }

    /// The features of mono samples at [`sample_rate`](Self::sample_rate) without cutting windows, `(bands, frames)`: what
    /// training takes its crops from. `what` names the sound in errors.
    ///
    /// # Errors
    /// As [`windows`](Self::windows).
    pub fn spectrogram(&self, samples: &[f32], what: &str) -> Result<Array2<f32>, Error> {
        self.check(samples, what)?;
        Ok(self.features.compute(samples)?)
    }

    /// Cuts mono samples at [`sample_rate`](Self::sample_rate) into windows and computes the features of each.
    ///
    /// `what` names the sound in errors.
    ///
    /// # Errors
    /// [`Error::TooShort`] for less than one analysis frame, [`Error::Silent`] when all samples are equal,
    /// [`Error::Features`] when a sample is not finite.
    pub fn windows(&self, samples: &[f32], what: &str) -> Result<Vec<FeatureWindow>, Error> {
        self.check(samples, what)?;
        let compute = |start: usize, window: &[f32]| -> Result<FeatureWindow, Error> {
            Ok(FeatureWindow {
                start: self.seconds(start),
                end: self.seconds(start + window.len()),
                level_dbfs: level_dbfs(window),
                features: self.features.compute(window)?,
            })
        };
        if samples.len() <= self.window_samples {
            return Ok(vec![compute(0, samples)?]);
        }
        self.segmenter.windows(samples).map(|window| compute(window.start, &window.samples)).collect()
    }

    fn seconds(&self, samples: usize) -> f64 {
        samples as f64 / f64::from(self.sample_rate)
    }

    fn check(&self, samples: &[f32], what: &str) -> Result<(), Error> {
        if samples.len() < self.min_samples {
            return Err(Error::TooShort {
                what: what.to_owned(),
                seconds: self.seconds(samples.len()),
                needed: self.seconds(self.min_samples),
            });
        }
        if samples.iter().all(|s| *s == samples[0]) {
            return Err(Error::Silent { what: what.to_owned() });
        }
        Ok(())
    }
}

/// Stacks windows of one length into the batch that a network takes, `(windows, bands, frames)`.
///
/// # Errors
/// [`Error::FrontEnd`] when the windows differ in shape or there is none.
pub fn batch<'a>(windows: impl IntoIterator<Item = &'a FeatureWindow>) -> Result<Array3<f32>, Error> {
    let mut windows = windows.into_iter().peekable();
    let Some(first) = windows.peek() else {
        return Err(Error::FrontEnd("a batch of no windows".into()));
    };
    let (bands, frames) = first.features.dim();
    let mut values: Vec<f32> = Vec::new();
    let mut count = 0;
    for window in windows {
        if window.features.dim() != (bands, frames) {
            let other = window.features.dim();
            return Err(Error::FrontEnd(format!("windows of shape {:?} and {other:?}", (bands, frames))));
        }
        values.extend(&window.features);
        count += 1;
    }
    Array3::from_shape_vec((count, bands, frames), values).map_err(|e| Error::FrontEnd(e.to_string()))
}

/// The batch of [`batch`] as a tensor on the CPU.
///
/// # Errors
/// As [`batch`].
#[cfg(feature = "candle")]
pub fn batch_tensor<'a>(
    windows: impl IntoIterator<Item = &'a FeatureWindow>,
) -> Result<candle_core::Tensor, Error> {
    let batch = batch(windows)?;
    let shape = batch.dim();
    let values = batch.into_raw_vec_and_offset().0;
    candle_core::Tensor::from_vec(values, shape, &candle_core::Device::Cpu)
        .map_err(|e| Error::Model(e.into()))
}
