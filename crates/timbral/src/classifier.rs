use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Axis};

use timbral_decode::{Audio, DecodeConfig, decode_bytes, decode_file};
use timbral_model::{Input, Model, ModelFile};

use crate::Error;
use crate::front_end::{FeatureWindow, FrontEnd, FrontEndPlan, WindowFeatures, batch};
use crate::level::{self, SILENCE_DBFS};
use crate::verdict::{UNKNOWN, Verdict, WindowVerdict, ranking};

/// Windows given to the network at once: bounds memory on long files.
const WINDOWS_PER_BATCH: usize = 16;

/// A model with its front end: audio in, genre out. Copies share model and plans.
///
/// Decoding, windows and features are built from the model file and from nothing else.
#[derive(Debug, Clone)]
pub struct Classifier {
    model: Model,
    front_end: Arc<FrontEndPlan>,
    middle: Option<f64>,
    reject: bool,
}

impl Classifier {
    /// Opens a model file.
    ///
    /// # Errors
    /// [`Error::Model`] when the file is no model, [`Error::FrontEnd`] and others when its front end cannot be built.
    pub fn open(model: impl AsRef<Path>) -> Result<Self, Error> {
        Self::new(Model::open(model)?)
    }

    /// Reads a model from the bytes of its file: a vector is taken over, and bytes that live as long as the program, such as
    /// those of `include_bytes!`, are borrowed.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_bytes(model: impl Into<Cow<'static, [u8]>>) -> Result<Self, Error> {
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
            return Err(Error::FrontEnd(format!("{given} {kind} are computed, the network takes {needed}")));
        }
        Ok(Self { front_end: Arc::new(front_end), model, middle: None, reject: true })
    }

    /// Uses only this many seconds around the middle of each file, so that the time does not depend on its length.
    #[must_use]
    pub fn with_middle(mut self, seconds: Option<f64>) -> Self {
        self.middle = seconds;
        self
    }

    /// Whether inputs may be rejected as `unknown`. Default: true. Without rejection every input but a constant gets the
    /// closest genre, silence with a warning.
    #[must_use]
    pub fn with_rejection(mut self, reject: bool) -> Self {
        self.reject = reject;
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
        self.classify_audio(&decode_file(path, &self.decode_options())?, &path.display().to_string())
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
    /// [`Error::TooShort`] for less than one analysis frame, [`Error::Features`] when a sample is not
    /// finite, [`Error::Decode`] when the rate cannot be resampled from.
    pub fn classify_samples(&self, samples: &[f32], sample_rate: u32) -> Result<Verdict, Error> {
        let samples = timbral_decode::resample(samples, 1, sample_rate, self.front_end.sample_rate())?;
        self.verdict(&samples, "the sound", Vec::new())
    }

    fn decode_options(&self) -> DecodeConfig {
        let options = DecodeConfig::default().mono().sample_rate(self.front_end.sample_rate());
        match self.middle {
            Some(seconds) => options.middle(seconds),
            None => options,
        }
    }

    fn classify_audio(&self, audio: &Audio, what: &str) -> Result<Verdict, Error> {
        self.verdict(&audio.samples, what, audio.warnings.iter().map(ToString::to_string).collect())
    }

    fn verdict(&self, samples: &[f32], what: &str, mut warnings: Vec<String>) -> Result<Verdict, Error> {
        let window_seconds = self.front_end.window_seconds();
        warnings.extend(level::warnings(samples, self.front_end.sample_rate(), window_seconds));
        let windows = match self.front_end.windows(samples, what) {
            Err(Error::Silent { .. }) => {
                let seconds = samples.len() as f64 / f64::from(self.front_end.sample_rate());
                return Ok(self.silence(vec![(0.0, seconds)], warnings));
            }
            windows => windows?,
        };
        let is_heard = |window: &&FeatureWindow| !level::is_silent(window.level_dbfs);
        let mut heard: Vec<&FeatureWindow> = windows.iter().filter(is_heard).collect();
        if heard.is_empty() {
            // The warning about seconds may be missing where some of them are a little louder than their window.
            let all_windows = format!("silence: no window is above {SILENCE_DBFS} dBFS");
            if !warnings.iter().any(|warning| warning.contains("silence")) {
                warnings.push(all_windows);
            }
            if self.reject {
                let places = windows.iter().map(|window| (window.start, window.end)).collect();
                return Ok(self.silence(places, warnings));
            }
            heard = windows.iter().collect();
        } else if heard.len() < windows.len() {
            let silent = windows.len() - heard.len();
            warnings.push(format!("{silent} of {} windows are silent and do not count", windows.len()));
        }
        let mut rows = Array2::<f32>::zeros((0, self.model.labels().len()));
        for chunk in heard.chunks(WINDOWS_PER_BATCH) {
            let batch = self.model.probabilities(batch(chunk.iter().copied())?.view())?;
            rows.append(Axis(0), batch.view()).map_err(|e| Error::FrontEnd(e.to_string()))?;
        }
        let probabilities = self.model.aggregate(rows.view())?;
        let ranking = ranking(self.model.labels(), &probabilities);
        let rejection = self.model.header().rejection.as_ref();
        let features = heard.iter().map(|window| window.features.view());
        let score = rejection.and_then(|rule| rule.score.of(&probabilities, features));
        let unknown = self.reject && rejection.zip(score).is_some_and(|(rule, score)| rule.rejects(score));
        let mut rows = heard.iter().zip(rows.rows()).peekable();
        let windows = windows
            .iter()
            .map(|window| {
                let row = rows.next_if(|(heard, _)| heard.start == window.start);
                match row {
                    Some((_, row)) => self.window(window, &row.to_vec()),
                    None => self.silent_window(window.start, window.end),
                }
            })
            .collect();
        Ok(Verdict {
            genre: if unknown { UNKNOWN.to_owned() } else { ranking[0].genre.clone() },
            unknown,
            confidence: ranking[0].probability,
            ranking,
            score,
            threshold: rejection.map(|rule| rule.threshold),
            windows,
            warnings,
        })
    }

    fn window(&self, window: &FeatureWindow, probabilities: &[f32]) -> WindowVerdict {
        let probabilities = self.model.calibrated(probabilities);
        WindowVerdict {
            start: window.start,
            end: window.end,
            genre: ranking(self.model.labels(), &probabilities).swap_remove(0).genre,
            probabilities,
            silent: false,
        }
    }

    fn silent_window(&self, start: f64, end: f64) -> WindowVerdict {
        let n = self.model.labels().len();
        WindowVerdict {
            start,
            end,
            genre: UNKNOWN.to_owned(),
            probabilities: vec![1.0 / n as f32; n],
            silent: true,
        }
    }

    /// The verdict over silence, at these places in seconds.
    fn silence(&self, places: Vec<(f64, f64)>, warnings: Vec<String>) -> Verdict {
        let windows: Vec<_> = places.into_iter().map(|(start, end)| self.silent_window(start, end)).collect();
        let nothing = vec![1.0 / self.model.labels().len() as f32; self.model.labels().len()];
        let ranking = ranking(self.model.labels(), &nothing);
        Verdict {
            genre: UNKNOWN.to_owned(),
            unknown: true,
            confidence: ranking[0].probability,
            ranking,
            score: None,
            threshold: self.model.header().rejection.as_ref().map(|rule| rule.threshold),
            windows,
            warnings,
        }
    }
}
