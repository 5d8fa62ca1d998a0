use candle_core::{Device, Tensor};
use ndarray::Array2;
use rand::Rng;
use sha2::{Digest, Sha256};

use crate::TrainError;
use crate::rng::SeededRng;
use timbral_data::TrackInfo;

/// Labelled log-mel spectrograms, or waveforms, of whole tracks, held in memory.
#[derive(Debug, Clone)]
pub struct SpectrogramSet {
    bands: usize,
    sample_rate: Option<u32>,
    /// Whether samples are held, and not spectrograms.
    waveforms: bool,
    labels: Vec<String>,
    tracks: Vec<(Values, usize)>,
}

/// What is held of a track.
#[derive(Debug, Clone)]
pub(super) enum Values {
    /// A spectrogram, in standard layout.
    Rows(Array2<f32>),
    /// A waveform, 32768 times its samples: half the memory, and no loss where the audio has 16 bits itself.
    Samples(Vec<i16>),
}

/// What an integer sample is a part of.
const FULL_SCALE: f32 = 32_768.0;

fn sample(value: i16) -> f32 {
    f32::from(value) / FULL_SCALE
}

impl Values {
    fn frames(&self) -> usize {
        match self {
            Self::Rows(values) => values.ncols(),
            Self::Samples(samples) => samples.len(),
        }
    }
}

impl SpectrogramSet {
    /// An empty set of spectrograms with `bands` bands, whose classes are `labels`.
    ///
    /// # Errors
    /// [`TrainError::Config`] for no bands or less than two labels.
    pub fn new(bands: usize, labels: Vec<String>) -> Result<Self, TrainError> {
        if bands == 0 {
            return Err(TrainError::config("bands", bands, "at least 1"));
        }
        if labels.len() < 2 {
            return Err(TrainError::config("labels", labels.len(), "at least 2"));
        }
        Ok(Self { bands, sample_rate: None, waveforms: false, labels, tracks: Vec::new() })
    }

    /// Sets the sample rate in Hz of the audio that the tracks come from, which changes of samples need.
    #[must_use]
    pub fn with_sample_rate(mut self, sample_rate: u32) -> Self {
        self.sample_rate = Some(sample_rate);
        self
    }

    /// An empty set of waveforms, whose classes are `labels`: one row of samples a track, within -1 and 1, held in 16 bits
    /// each. An hour at 22 050 Hz takes 159 MB.
    ///
    /// # Errors
    /// [`TrainError::Config`] for less than two labels.
    pub fn of_waveforms(labels: Vec<String>) -> Result<Self, TrainError> {
        Ok(Self { waveforms: true, ..Self::new(1, labels)? })
    }

    /// Adds a track of shape `(bands, frames)` in dB, or `(1, samples)` in a set of waveforms; samples beyond -1 and 1 are
    /// clipped.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when the bands differ, there is no frame, a value is not finite or the class is unknown.
    pub fn push(&mut self, values: &Array2<f32>, class: usize) -> Result<(), TrainError> {
        let values = self.kept(values.clone())?;
        self.push_kept(values, class)
    }

    /// What is held of a track.
    pub(super) fn kept(&self, values: Array2<f32>) -> Result<Values, TrainError> {
        let (bands, frames) = values.dim();
        if bands != self.bands || frames == 0 {
            return Err(TrainError::Shape {
                what: "spectrogram",
                given: format!("{bands} bands and {frames} frames"),
                rule: format!("{} bands and at least 1 frame are needed", self.bands),
            });
        }
        if values.iter().any(|v| !v.is_finite()) {
            return Err(TrainError::Shape {
                what: "spectrogram",
                given: "a value that is not finite".into(),
                rule: "decibels and samples must be finite".into(),
            });
        }
        Ok(if self.waveforms {
            // The cast saturates: 1 itself becomes the largest sample.
            Values::Samples(values.iter().map(|v| (v * FULL_SCALE).round() as i16).collect())
        } else if values.is_standard_layout() {
            Values::Rows(values)
        } else {
            Values::Rows(values.as_standard_layout().into_owned())
        })
    }

    /// Adds a track of which [`kept`](Self::kept) has made what is held.
    pub(super) fn push_kept(&mut self, values: Values, class: usize) -> Result<(), TrainError> {
        if class >= self.labels.len() {
            return Err(TrainError::Shape {
                what: "class",
                given: class.to_string(),
                rule: format!("it must be below {}", self.labels.len()),
            });
        }
        self.tracks.push((values, class));
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
        self.tracks[track].1
    }

    /// Checks that there is one of `tracks`, which describe the spectrograms, for each.
    pub(crate) fn check_told(&self, tracks: &[TrackInfo]) -> Result<(), TrainError> {
        if tracks.len() == self.len() {
            return Ok(());
        }
        let given = format!("{} for {} spectrograms", tracks.len(), self.len());
        Err(TrainError::shape("tracks", given, "there must be as many of both"))
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
        let (values, class) = &self.tracks[track];
        hash.update((*class as u64).to_le_bytes());
        hash.update((values.frames() as u64).to_le_bytes());
        match values {
            Values::Rows(values) => values.iter().for_each(|v| hash.update(v.to_le_bytes())),
            Values::Samples(samples) => samples.iter().for_each(|v| hash.update(v.to_le_bytes())),
        }
    }

    /// The whole track as a batch of one, `(1, bands, frames)` or `(1, 1, samples)`: what a network takes.
    ///
    /// # Errors
    /// [`TrainError::Shape`] when there is no such track.
    pub fn whole(&self, track: usize) -> Result<Tensor, TrainError> {
        self.check(&[track])?;
        let values = &self.tracks[track].0;
        let tensor = match values {
            Values::Rows(values) => Tensor::from_iter(values.iter().copied(), &Device::Cpu),
            Values::Samples(samples) => Tensor::from_iter(samples.iter().copied().map(sample), &Device::Cpu),
        };
        Ok(tensor?.reshape((1, self.bands, values.frames()))?)
    }

    /// Appends a crop of `frames` frames at a random place, band by band; a shorter track is repeated.
    pub(crate) fn random_crop(&self, track: usize, frames: usize, rng: &mut SeededRng, crop: &mut Vec<f32>) {
        let values = &self.tracks[track].0;
        let start = rng.random_range(0..=values.frames().saturating_sub(frames));
        match values {
            Values::Rows(values) => {
                for row in values.rows() {
                    crop.extend(row.iter().cycle().skip(start).take(frames));
                }
            }
            Values::Samples(samples) => {
                let repeated = samples[start..].iter().cycle();
                crop.extend(repeated.take(frames).map(|v| sample(*v)));
            }
        }
    }
}
