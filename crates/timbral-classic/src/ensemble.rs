use ndarray::{Array2, ArrayView2, Axis, concatenate};
use serde::{Deserialize, Serialize};

use crate::ClassicError;
use crate::learner::{Checked, Config, Learner, Predictor, check_input, check_training};
use crate::logistic::{LogisticRegression, LogisticRegressionConfig};
use crate::pipeline::{Pipeline, PipelineConfig};

/// Smallest probability whose logarithm a [`Stacking`] looks at.
const FLOOR: f64 = 1e-6;

/// Settings of [`Voting`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VotingConfig {
    /// The members, at least one.
    pub members: Vec<PipelineConfig>,
    /// Weight of each member, not negative, their sum above 0; none: all alike.
    #[serde(default)]
    pub weights: Option<Vec<f64>>,
}

impl Config for VotingConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if self.members.is_empty() {
            return Err(ClassicError::config("members", 0, "at least 1"));
        }
        if let Some(weights) = &self.weights {
            if weights.len() != self.members.len() {
                return Err(ClassicError::config("weights", weights.len(), "as many as there are members"));
            }
            let fine =
                weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().sum::<f64>() > 0.0;
            if !fine {
                let given = format!("{weights:?}");
                return Err(ClassicError::config(
                    "weights",
                    given,
                    "finite, none negative and at least one above 0",
                ));
            }
        }
        self.members.iter().try_for_each(Config::validate)
    }
}

/// Soft vote: the weighted mean of the members' probabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Voting {
    pub(crate) members: Vec<Pipeline>,
    pub(crate) weights: Vec<f64>,
}

impl Learner for Checked<VotingConfig> {
    type Model = Voting;

    fn fit(&self, x: ArrayView2<'_, f64>, y: &[usize], n_classes: usize) -> Result<Voting, ClassicError> {
        let members = fit_all(&self.0.members, x, y, n_classes)?;
        let weights = self.0.weights.clone().unwrap_or_else(|| vec![1.0; members.len()]);
        let sum: f64 = weights.iter().sum();
        Ok(Voting { members, weights: weights.iter().map(|w| w / sum).collect() })
    }
}

fn fit_all(
    members: &[PipelineConfig],
    x: ArrayView2<'_, f64>,
    y: &[usize],
    n_classes: usize,
) -> Result<Vec<Pipeline>, ClassicError> {
    members.iter().map(|p| Checked(p.clone()).fit(x, y, n_classes)).collect()
}

impl Predictor for Voting {
    fn n_classes(&self) -> usize {
        self.members.first().map_or(0, Predictor::n_classes)
    }

    fn n_features(&self) -> usize {
        self.members.first().map_or(0, Predictor::n_features)
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        let mut out = Array2::zeros((x.nrows(), self.n_classes()));
        for (member, weight) in self.members.iter().zip(&self.weights) {
            out.scaled_add(*weight, &member.predict_proba(x)?);
        }
        Ok(out)
    }
}

/// Settings of [`Stacking`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackingConfig {
    /// The members, at least one.
    pub members: Vec<PipelineConfig>,
    /// What learns from the members' answers. Default: logistic regression as it comes.
    #[serde(default)]
    pub combiner: LogisticRegressionConfig,
}

impl Config for StackingConfig {
    fn validate(&self) -> Result<(), ClassicError> {
        if self.members.is_empty() {
            return Err(ClassicError::config("members", 0, "at least 1"));
        }
        self.members.iter().try_for_each(Config::validate)?;
        self.combiner.validate()
    }
}

/// Stacked generalisation (Wolpert 1992): a logistic regression on the logarithms of the members' probabilities.
///
/// It learns from answers to rows that the members were not fitted on; the members themselves are then fitted on all rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Stacking {
    pub(crate) members: Vec<Pipeline>,
    pub(crate) combiner: LogisticRegression,
}

impl Checked<StackingConfig> {
    /// Fits with the given folds: the fold of each row, from 0. Rows of one track or artist belong in one fold.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] as [`Learner::fit`], and if there are not as many folds as rows, fewer than two folds, or a
    /// fold without which fewer than two classes are left; the members' errors.
    pub fn fit(
        &self,
        x: ArrayView2<'_, f64>,
        y: &[usize],
        n_classes: usize,
        folds: &[usize],
    ) -> Result<Stacking, ClassicError> {
        check_training(x, y, n_classes)?;
        if folds.len() != y.len() {
            return Err(ClassicError::data(
                format!("there are folds for {} rows", folds.len()),
                format!("there are {} rows", y.len()),
            ));
        }
        let mut names = folds.to_vec();
        names.sort_unstable();
        names.dedup();
        if names.len() < 2 {
            return Err(ClassicError::data(
                format!("there are {} folds", names.len()),
                "at least two are needed",
            ));
        }
        let width = self.0.members.len() * n_classes;
        let mut answers = Array2::zeros((x.nrows(), width));
        for fold in names {
            let (held, fitted): (Vec<usize>, Vec<usize>) = (0..y.len()).partition(|&i| folds[i] == fold);
            let (fit_x, held_x) = (x.select(Axis(0), &fitted), x.select(Axis(0), &held));
            let fit_y: Vec<usize> = fitted.iter().map(|&i| y[i]).collect();
            let members = fit_all(&self.0.members, fit_x.view(), &fit_y, n_classes)?;
            let given = member_answers(&members, held_x.view())?;
            for (row, &i) in given.rows().into_iter().zip(&held) {
                answers.row_mut(i).assign(&row);
            }
        }
        let combiner = Checked(self.0.combiner).fit(answers.view(), y, n_classes)?;
        Ok(Stacking { members: fit_all(&self.0.members, x, y, n_classes)?, combiner })
    }
}

/// Logarithms of the probabilities of all members, shape (rows, members x classes).
fn member_answers(members: &[Pipeline], x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
    let mut parts = Vec::with_capacity(members.len());
    for member in members {
        parts.push(member.predict_proba(x)?.mapv(|p| p.max(FLOOR).ln()));
    }
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    concatenate(Axis(1), &views).map_err(|e| ClassicError::data("the members' answers", e.to_string()))
}

impl Predictor for Stacking {
    fn n_classes(&self) -> usize {
        self.combiner.n_classes()
    }

    fn n_features(&self) -> usize {
        self.members.first().map_or(0, Predictor::n_features)
    }

    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError> {
        check_input(x, self.n_features())?;
        self.combiner.predict_proba(member_answers(&self.members, x)?.view())
    }
}
