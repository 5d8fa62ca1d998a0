use candle_core::{Device, Tensor};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use timbral_features::{LogMelConfig, LogMelSpectrogram};
use timbral_segment::{Cut, LastWindow, SegmentConfig, Segmenter, Span};

use crate::Error;

/// What a model hears: sample rate, windows and features. It stands in the model file, and serving is built from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEnd {
    /// Length of a window in seconds. A shorter sound is one window, as long as it is.
    pub window_seconds: f64,
    /// Distance between the starts of windows in seconds. What is left after the last whole window is not used.
    pub hop_seconds: f64,
    /// Log-mel spectrogram of each window; its sample rate is the rate that audio is resampled to.
    pub log_mel: LogMelConfig,
}

/// A [`FrontEnd`] made ready: immutable, to be shared between threads.
#[derive(Debug)]
pub struct FrontEndPlan {
    segmenter: Segmenter,
    window_samples: usize,
    min_samples: usize,
    sample_rate: u32,
    log_mel: LogMelSpectrogram,
}

/// A window of a track as the model sees it.
#[derive(Debug, Clone)]
pub struct FeatureWindow {
    /// Start in seconds from the start of the samples.
    pub start: f64,
    /// End in seconds from the start of the samples.
    pub end: f64,
    /// Log-mel spectrogram in dB, `(bands, frames)`, each frame contiguous in memory.
    pub log_mel: Array2<f32>,
}

impl FrontEnd {
    /// Reads the front end of a model's header.
    ///
    /// # Errors
    /// [`Error::FrontEnd`] when the value is no front end.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, Error> {
        Self::deserialize(value).map_err(|e| Error::FrontEnd(e.to_string()))
    }

    /// The value that a model's header carries.
    ///
    /// # Errors
    /// [`Error::FrontEnd`] for numbers that JSON does not have.
    pub fn to_json(&self) -> Result<serde_json::Value, Error> {
        serde_json::to_value(self).map_err(|e| Error::FrontEnd(e.to_string()))
    }

    /// Checks everything once and prepares windows and filters.
    ///
    /// # Errors
    /// [`Error::Segment`] or [`Error::Features`] with the rule that is broken, [`Error::FrontEnd`] for a window shorter
    /// than one analysis frame.
    pub fn plan(&self) -> Result<FrontEndPlan, Error> {
        let sample_rate = self.log_mel.mel.sample_rate;
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
        let min_samples = self.log_mel.mel.n_fft;
        if window_samples < min_samples {
            return Err(Error::FrontEnd(format!(
                "a window of {window_samples} samples is shorter than an analysis frame of {min_samples}"
            )));
        }
        let log_mel = LogMelSpectrogram::new(self.log_mel.clone())?;
        Ok(FrontEndPlan {
            segmenter,
            window_samples,
            min_samples,
            sample_rate,
            log_mel,
        })
    }
}

impl FrontEndPlan {
    /// The sample rate that [`windows`](Self::windows) takes, in hertz.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// The features of mono samples at [`sample_rate`](Self::sample_rate) without cutting windows, `(bands, frames)`: what
    /// training takes its crops from. `what` names the sound in errors.
    ///
    /// # Errors
    /// As [`windows`](Self::windows).
    pub fn spectrogram(&self, samples: &[f32], what: &str) -> Result<Array2<f32>, Error> {
        self.check(samples, what)?;
        Ok(self.log_mel.compute(samples)?)
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
                log_mel: self.log_mel.compute(window)?,
            })
        };
        if samples.len() <= self.window_samples {
            return Ok(vec![compute(0, samples)?]);
        }
        self.segmenter
            .windows(samples)
            .map(|window| compute(window.start, &window.samples))
            .collect()
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
            return Err(Error::Silent {
                what: what.to_owned(),
            });
        }
        Ok(())
    }
}

/// Stacks windows of one length into the batch that a network takes, `(windows, bands, frames)`.
///
/// # Errors
/// [`Error::FrontEnd`] when the windows differ in shape or there is none.
pub fn batch(windows: &[FeatureWindow]) -> Result<Tensor, Error> {
    let Some(first) = windows.first() else {
        return Err(Error::FrontEnd("a batch of no windows".into()));
    };
    let (bands, frames) = first.log_mel.dim();
    let mut values: Vec<f32> = Vec::with_capacity(windows.len() * bands * frames);
    for window in windows {
        if window.log_mel.dim() != (bands, frames) {
            let other = window.log_mel.dim();
            return Err(Error::FrontEnd(format!(
                "windows of shape {:?} and {other:?}",
                (bands, frames)
            )));
        }
        values.extend(&window.log_mel);
    }
    Tensor::from_vec(values, (windows.len(), bands, frames), &Device::Cpu)
        .map_err(|e| Error::FrontEnd(e.to_string()))
}
