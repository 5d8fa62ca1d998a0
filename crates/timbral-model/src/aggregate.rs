use serde::{Deserialize, Serialize};

use crate::ModelError;

/// How the class probabilities of a track's windows become those of the track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Aggregation {
    /// Arithmetic mean of the probabilities; the default.
    #[default]
    Mean,
    /// Fraction of the windows that a class wins. Among classes with as many votes the higher mean probability leads.
    Majority,
    /// Median of each class over the windows, divided by the sum of the medians.
    Median,
}

impl Aggregation {
    /// Aggregates one row of probabilities a window into one row, which sums to 1.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when there is no window, no class, or rows of different length.
    pub fn aggregate<R: AsRef<[f32]>>(self, windows: &[R]) -> Result<Vec<f32>, ModelError> {
        let classes = windows.first().map_or(0, |row| row.as_ref().len());
        if classes == 0 {
            return Err(ModelError::Shape("no window or no class to aggregate".into()));
        }
        if let Some(row) = windows.iter().find(|row| row.as_ref().len() != classes) {
            let given = row.as_ref().len();
            return Err(ModelError::Shape(format!("windows have {classes} and {given} classes")));
        }
        let mean: Vec<f64> = (0..classes)
            .map(|c| windows.iter().map(|row| f64::from(row.as_ref()[c])).sum::<f64>() / windows.len() as f64)
            .collect();
        let scores = match self {
            Self::Mean => mean,
            Self::Majority => majority(windows, &mean),
            Self::Median => {
                let medians: Vec<f64> = (0..classes).map(|c| median(windows, c)).collect();
                // All medians are 0 when no class is likely in more than half of the windows.
                if medians.iter().sum::<f64>() > 0.0 { medians } else { mean }
            }
        };
        let total: f64 = scores.iter().sum();
        Ok(scores.iter().map(|s| (s / total) as f32).collect())
    }
}

fn majority<R: AsRef<[f32]>>(windows: &[R], mean: &[f64]) -> Vec<f64> {
    let mut votes = vec![0.0; mean.len()];
    for row in windows {
        votes[argmax(row.as_ref())] += 1.0;
    }
    // Far less than a vote, so it orders ties and nothing else.
    votes.iter().zip(mean).map(|(v, m)| v + 1e-6 * m).collect()
}

fn median<R: AsRef<[f32]>>(windows: &[R], class: usize) -> f64 {
    let mut values: Vec<f32> = windows.iter().map(|row| row.as_ref()[class]).collect();
    values.sort_by(f32::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        f64::from(values[middle])
    } else {
        (f64::from(values[middle - 1]) + f64::from(values[middle])) / 2.0
    }
}

/// Index of the largest value, the first one among equals; 0 for an empty slice.
pub(crate) fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if value.total_cmp(&row[best]).is_gt() {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: [[f32; 3]; 3] = [[0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.0, 0.9, 0.1]];

    #[test]
    fn each_rule_by_hand() {
        let close = |a: Vec<f32>, b: [f32; 3]| {
            assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() < 1e-6), "{a:?} {b:?}");
        };
        close(Aggregation::Mean.aggregate(&WINDOWS).unwrap(), [1.0 / 3.0, 1.7 / 3.0, 0.1]);
        close(Aggregation::Majority.aggregate(&WINDOWS).unwrap(), [2.0 / 3.0, 1.0 / 3.0, 0.0]);
        close(Aggregation::Median.aggregate(&WINDOWS).unwrap(), [0.5, 0.4, 0.1]);
    }

    #[test]
    fn a_tie_of_votes_goes_to_the_higher_mean() {
        let p = Aggregation::Majority.aggregate(&[[0.9f32, 0.1], [0.4, 0.6]]).unwrap();
        assert!(p[0] > p[1]);
    }

    #[test]
    fn medians_of_zero_fall_back_to_the_mean() {
        let p =
            Aggregation::Median.aggregate(&[[1.0f32, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).unwrap();
        assert!(p.iter().all(|x| (x - 1.0 / 3.0).abs() < 1e-6));
    }

    #[test]
    fn refuses_nothing_and_ragged_rows() {
        assert!(Aggregation::Mean.aggregate::<Vec<f32>>(&[]).is_err());
        assert!(Aggregation::Mean.aggregate(&[vec![]]).is_err());
        assert!(Aggregation::Mean.aggregate(&[vec![1.0], vec![0.5, 0.5]]).is_err());
    }
}
