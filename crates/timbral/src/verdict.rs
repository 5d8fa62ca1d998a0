use std::fmt;

use serde::Serialize;

/// Stands in the place of a genre where there is none: the input is rejected, or silence.
pub const UNKNOWN: &str = "unknown";

/// The prediction for a track; its `Display` is the genre with its confidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The most probable genre, or [`UNKNOWN`].
    pub genre: String,
    /// Whether the input is rejected: silence, or none of the model's genres by its rejection score. The closest genre then
    /// leads [`ranking`](Self::ranking).
    pub unknown: bool,
    /// Probability of the most probable genre, 0 to 1, at the model's temperature.
    pub confidence: f32,
    /// All genres, the most probable first. Of silence all are as probable as each other.
    pub ranking: Vec<Score>,
    /// The model's rejection score: the lower, the farther from everything it was trained on. None where the model rejects
    /// nothing, and for silence.
    pub score: Option<f64>,
    /// The rejection threshold: inputs that score below it are rejected.
    pub threshold: Option<f64>,
    /// The windows in order of time: which part is which genre.
    pub windows: Vec<WindowVerdict>,
    /// Non-fatal problems of the audio, and what speaks against trusting the prediction: silence, a very short or a
    /// clipped sound.
    pub warnings: Vec<String>,
}

impl Verdict {
    /// The most probable genre, also where the input is rejected; none for silence, of which nothing is more probable.
    #[must_use]
    pub fn closest(&self) -> Option<&Score> {
        self.ranking.first().filter(|_| !self.is_silent())
    }

    /// Whether every window is silence.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.windows.iter().all(|window| window.silent)
    }

    /// The probabilities in the order of `labels`; 0 for a label that the model does not know.
    #[must_use]
    pub fn probabilities(&self, labels: &[String]) -> Vec<f32> {
        let of = |label: &String| self.ranking.iter().find(|score| score.genre == *label);
        labels.iter().map(|label| of(label).map_or(0.0, |score| score.probability)).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.closest() {
            Some(Score { genre, probability }) if self.unknown => {
                write!(f, "{} (closest: {genre} {:.0} %)", self.genre, 100.0 * probability)
            }
            Some(_) => write!(f, "{} ({:.0} %)", self.genre, 100.0 * self.confidence),
            None => f.write_str(&self.genre),
        }
    }
}

/// A genre and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Score {
    /// The genre.
    pub genre: String,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// The prediction for one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WindowVerdict {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// The most probable genre of the window, or [`UNKNOWN`] for silence.
    pub genre: String,
    /// Probabilities in the order of the model's labels, at its temperature; of silence all are the same.
    pub probabilities: Vec<f32>,
    /// Whether the window is silence, below [`SILENCE_DBFS`](crate::SILENCE_DBFS), and does not count.
    pub silent: bool,
}

/// Labels with their probabilities, the most probable first; equal ones keep the order of the labels.
pub(crate) fn ranking(labels: &[String], probabilities: &[f32]) -> Vec<Score> {
    let mut scores: Vec<Score> = labels
        .iter()
        .zip(probabilities)
        .map(|(genre, &probability)| Score { genre: genre.clone(), probability })
        .collect();
    scores.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    scores
}
