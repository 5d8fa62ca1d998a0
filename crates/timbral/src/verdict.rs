use serde::Serialize;

/// Stands in the place of a genre where there is none: the sound is refused, or silence.
pub const UNKNOWN: &str = "unknown";

/// What the classifier says of a track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The most probable genre, or [`UNKNOWN`].
    pub genre: String,
    /// Whether the sound is refused: silence, or of none of the model's genres by its own rule. The closest genre then
    /// leads [`ranking`](Self::ranking).
    pub unknown: bool,
    /// Probability of the most probable genre, 0 to 1, at the model's temperature.
    pub confidence: f32,
    /// All genres, the most probable first. Of silence all are as probable as each other.
    pub ranking: Vec<Score>,
    /// How well known the sound is to the model, by the score of its rule (higher is better known); none where the model
    /// has no rule, and for silence.
    pub score: Option<f64>,
    /// The score below which the model refuses.
    pub threshold: Option<f64>,
    /// The windows in order of time: which part is which genre.
    pub windows: Vec<WindowVerdict>,
    /// What was wrong with the audio, if it could be decoded all the same, and what speaks against trusting the answer:
    /// silence, a very short or a clipped sound.
    pub warnings: Vec<String>,
}

impl Verdict {
    /// The most probable genre, also where the sound is refused; none for silence, of which nothing is more probable.
    #[must_use]
    pub fn closest(&self) -> Option<&Score> {
        self.ranking.first().filter(|_| !self.is_silent())
    }

    /// Whether every window is silence: nothing was heard.
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

/// A genre and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The genre.
    pub genre: String,
    /// Its probability, 0 to 1.
    pub probability: f32,
}

/// What the classifier says of one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowVerdict {
    /// Start in seconds.
    pub start: f64,
    /// End in seconds.
    pub end: f64,
    /// The most probable genre of the window, or [`UNKNOWN`] for silence.
    pub genre: String,
    /// Probabilities in the order of the model's labels, at its temperature; of silence all are the same.
    pub probabilities: Vec<f32>,
    /// Whether the window is silence, below [`SILENCE_DBFS`](crate::SILENCE_DBFS), and has no vote.
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
