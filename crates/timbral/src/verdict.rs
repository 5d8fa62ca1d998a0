use serde::Serialize;

/// What the classifier says of a track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The most probable genre.
    pub genre: String,
    /// Its probability, 0 to 1.
    pub confidence: f32,
    /// All genres, the most probable first.
    pub ranking: Vec<Score>,
    /// The windows in order of time: which part is which genre.
    pub windows: Vec<WindowVerdict>,
    /// What was wrong with the audio, if it could be classified all the same.
    pub warnings: Vec<String>,
}

impl Verdict {
    /// The probabilities in the order of `labels`; 0 for a label that the model does not know.
    #[must_use]
    pub fn probabilities(&self, labels: &[String]) -> Vec<f32> {
        let of = |label: &String| self.ranking.iter().find(|score| score.genre == *label);
        labels
            .iter()
            .map(|label| of(label).map_or(0.0, |score| score.probability))
            .collect()
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
    /// The most probable genre of the window.
    pub genre: String,
    /// Probabilities in the order of the model's labels.
    pub probabilities: Vec<f32>,
}

/// Labels with their probabilities, the most probable first; equal ones keep the order of the labels.
pub(crate) fn ranking(labels: &[String], probabilities: &[f32]) -> Vec<Score> {
    let mut scores: Vec<Score> = labels
        .iter()
        .zip(probabilities)
        .map(|(genre, &probability)| Score {
            genre: genre.clone(),
            probability,
        })
        .collect();
    scores.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    scores
}
