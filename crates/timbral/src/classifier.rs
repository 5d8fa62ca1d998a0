use std::path::Path;

use timbral_decode::{Audio, DecodeOptions, decode_bytes, decode_file};
use timbral_model::{Input, Model, ModelFile};

use crate::Error;
use crate::front_end::{FrontEnd, FrontEndPlan, WindowFeatures, batch};
use crate::verdict::{Verdict, WindowVerdict, ranking};

/// Windows given to the network at once: bounds memory on long files.
const WINDOWS_PER_BATCH: usize = 16;

/// A model with its front end: audio in, genre out. Shared between threads by reference or `Arc`.
///
/// Decoding, windows and features are built from the model file and from nothing else.
#[derive(Debug)]
pub struct Classifier {
    model: Model,
    front_end: FrontEndPlan,
    middle: Option<f64>,
}

impl Classifier {
    /// Opens a model file.
    ///
    /// # Errors
    /// [`Error::Model`] when the file is no model, [`Error::FrontEnd`] and others when its front end cannot be built.
    pub fn open(model: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(Model::open(model)?)
    }

    /// Reads a model from the bytes of its file.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(model: &[u8]) -> Result<Self, Error> {
        Self::new(Model::from_file(&ModelFile::from_bytes(model)?)?)
    }

    /// A classifier of a model in memory.
    ///
    /// # Errors
    /// [`Error::FrontEnd`] when the header's front end is unknown or does not fit the network, [`Error::Segment`] and
    /// [`Error::Features`] when it is impossible.
    pub fn new(model: Model) -> Result<Self, Error> {
        let front_end = FrontEnd::from_json(&model.header().front_end)?;
        let kind = match (&front_end.features, model.header().architecture.input()) {
            (WindowFeatures::LogMel(_), Input::LogMel { .. }) => "mel bands",
            (WindowFeatures::FeatureSet(_), Input::Features { .. }) => "features",
            (WindowFeatures::Waveform(_), Input::Waveform) => "channels",
            (_, input) => {
                return Err(Error::FrontEnd(format!(
                    "it computes something else than {input}, which the model takes"
                )));
            }
        };
        let front_end = front_end.plan()?;
        let (given, needed) = (front_end.n_rows(), model.header().architecture.bands());
        if given != needed {
            return Err(Error::FrontEnd(format!(
                "{given} {kind} are computed, the network takes {needed}"
            )));
        }
        Ok(Self {
            front_end,
            model,
            middle: None,
        })
    }

    /// Looks only at this many seconds around the middle of each file, so that the time does not depend on its length.
    #[must_use]
    pub fn with_middle(mut self, seconds: Option<f64>) -> Self {
        self.middle = seconds;
        self
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Decodes and classifies a file.
    ///
    /// # Errors
    /// [`Error::Decode`] when the file cannot be decoded, else as [`classify_samples`](Self::classify_samples).
    pub fn classify_file(&self, path: impl AsRef<Path>) -> Result<Verdict, Error> {
        let path = path.as_ref();
        self.classify_audio(
            &decode_file(path, &self.decode_options())?,
            &path.display().to_string(),
        )
    }

    /// Decodes and classifies the bytes of a file.
    ///
    /// # Errors
    /// As [`classify_file`](Self::classify_file).
    pub fn classify_bytes(&self, bytes: &[u8]) -> Result<Verdict, Error> {
        self.classify_audio(&decode_bytes(bytes, &self.decode_options())?, "the sound")
    }

    /// Classifies mono samples of any rate, in hertz.
    ///
    /// # Errors
    /// [`Error::TooShort`] and [`Error::Silent`] where nothing can be said, [`Error::Features`] when a sample is not
    /// finite, [`Error::Decode`] when the rate cannot be resampled from.
    pub fn classify_samples(&self, samples: &[f32], sample_rate: u32) -> Result<Verdict, Error> {
        let samples = timbral_decode::resample(samples, 1, sample_rate, self.front_end.sample_rate())?;
        self.verdict(&samples, "the sound", Vec::new())
    }

    fn decode_options(&self) -> DecodeOptions {
        let options = DecodeOptions::default()
            .mono()
            .sample_rate(self.front_end.sample_rate());
        match self.middle {
            Some(seconds) => options.middle(seconds),
            None => options,
        }
    }

    fn classify_audio(&self, audio: &Audio, what: &str) -> Result<Verdict, Error> {
        self.verdict(
            &audio.samples,
            what,
            audio.warnings.iter().map(ToString::to_string).collect(),
        )
    }

    fn verdict(&self, samples: &[f32], what: &str, warnings: Vec<String>) -> Result<Verdict, Error> {
        let windows = self.front_end.windows(samples, what)?;
        let mut rows = Vec::with_capacity(windows.len());
        for chunk in windows.chunks(WINDOWS_PER_BATCH) {
            rows.extend(self.model.probabilities(&batch(chunk)?)?);
        }
        let ranking_of = |row: &[f32]| ranking(self.model.labels(), row);
        let track = ranking_of(&self.model.aggregate(&rows)?);
        let windows = windows
            .iter()
            .zip(rows)
            .map(|(window, row)| WindowVerdict {
                start: window.start,
                end: window.end,
                genre: ranking_of(&row).swap_remove(0).genre,
                probabilities: row,
            })
            .collect();
        Ok(Verdict {
            genre: track[0].genre.clone(),
            confidence: track[0].probability,
            ranking: track,
            windows,
            warnings,
        })
    }
}
