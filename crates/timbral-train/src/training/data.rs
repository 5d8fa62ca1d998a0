use candle_core::{Device, Tensor};
use ndarray::Array2;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::TrainError;

/// Labelled log-mel spectrograms of whole tracks, held in memory.
#[derive(Debug, Clone)]
pub struct SpectrogramSet {
    bands: usize,
    sample_rate: Option<u32>,
    labels: Vec<String>,
    tracks: Vec<LabelledSpectrogram>,
}

#[derive(Debug, Clone)]
struct LabelledSpectrogram {
    /// In standard layout.
    values: Array2<f32>,
    class: usize,
}

impl SpectrogramSet {
    /// An empty set of spectrograms with `bands` bands, whose classes are `labels`.
    ///
    /// # Errors
    /// [`TrainError::Config`] for no bands or less than two labels.
    pub fn new(bands: usize, labels: Vec<String>) -> Result<Self, TrainError> {
        if bands == 0 {
            return Err(TrainError::config("bands", bands, "it must be at least 1"));
        }
        if labels.len() < 2 {
            return Err(TrainError::config(
                "labels",
                labels.len(),
                "a classifier has at least 2",
            ));
        }
        Ok(Self {
            bands,
            sample_rate: None,
            labels,
            tracks: Vec::new(),
        })
    }

    /// Tells the sample rate in Hz of the audio that the tracks come from, which changes of samples need.
    #[must_use]
    pub fn with_sample_rate(mut self, sample_rate: u32) -> Self {
        self.sample_rate = Some(sample_rate);
        self
    }

    /// Adds a track of shape `(bands, frames)` in dB.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when the bands differ, there is no frame, a value is not finite or the class is unknown.
    pub fn push(&mut self, values: &Array2<f32>, class: usize) -> Result<(), TrainError> {
        let (bands, frames) = values.dim();
        if bands != self.bands || frames == 0 {
            return Err(TrainError::Shape {
                what: "spectrogram",
                given: format!("{bands} bands and {frames} frames"),
                rule: format!("{} bands and at least 1 frame are needed", self.bands),
            });
        }
        if class >= self.labels.len() {
            return Err(TrainError::Shape {
                what: "class",
                given: class.to_string(),
                rule: format!("there are {} labels", self.labels.len()),
            });
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(TrainError::Shape {
                what: "spectrogram",
                given: "a value that is not finite".into(),
                rule: "decibels must be finite".into(),
            });
        }
        self.tracks.push(LabelledSpectrogram {
            values: values.as_standard_layout().into_owned(),
            class,
        });
        Ok(())
    }

    /// Number of tracks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is no track.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Bands of each spectrogram.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Sample rate in Hz of the audio, where it is known.
    #[must_use]
    pub fn sample_rate(&self) -> Option<u32> {
        self.sample_rate
    }

    /// Names of the classes.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Class of a track.
    ///
    /// # Panics
    /// When there is no such track.
    #[must_use]
    pub fn class(&self, track: usize) -> usize {
        self.tracks[track].class
    }

    /// Checks that each of `tracks` exists.
    pub(crate) fn check(&self, tracks: &[usize]) -> Result<(), TrainError> {
        match tracks.iter().find(|track| **track >= self.tracks.len()) {
            None => Ok(()),
            Some(track) => Err(TrainError::Shape {
                what: "track",
                given: track.to_string(),
                rule: format!("the set has {} tracks", self.tracks.len()),
            }),
        }
    }

    /// Feeds class and values of a track to a hash.
    pub(crate) fn hash_track(&self, track: usize, hash: &mut Sha256) {
        let LabelledSpectrogram { values, class } = &self.tracks[track];
        hash.update((*class as u64).to_le_bytes());
        hash.update((values.ncols() as u64).to_le_bytes());
        for value in values {
            hash.update(value.to_le_bytes());
        }
    }

    /// The whole spectrogram of a track as a batch of one, `(1, bands, frames)`: what a network takes.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when there is no such track.
    pub fn whole(&self, track: usize) -> Result<Tensor, TrainError> {
        self.check(&[track])?;
        let values = &self.tracks[track].values;
        let tensor = Tensor::from_iter(values.iter().copied(), &Device::Cpu)?;
        Ok(tensor.reshape((1, self.bands, values.ncols()))?)
    }

    /// Appends a crop of `frames` frames at a random place, band by band; a shorter track is repeated.
    pub(crate) fn random_crop(&self, track: usize, frames: usize, rng: &mut ChaCha8Rng, crop: &mut Vec<f32>) {
        let values = &self.tracks[track].values;
        let available = values.ncols();
        let start = rng.random_range(0..=available.saturating_sub(frames));
        for row in values.rows() {
            crop.extend(row.iter().cycle().skip(start).take(frames));
        }
    }
}
