use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use crate::ClassicError;
use crate::simd::all_finite;

/// A configuration that passed its checks: the only form that can be fitted.
///
/// Made by [`Config::check`], so a mistake is reported before any data is touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked<P>(pub(crate) P);

impl<P> Checked<P> {
    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &P {
        &self.0
    }
}

/// Settings of a learner or a transformer: a plain struct with documented fields and defaults.
pub trait Config: Sized {
    /// Checks that every value keeps its rule.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Config`] names the first field that does not.
    fn validate(&self) -> Result<(), ClassicError>;

    /// Checks the configuration, once.
    ///
    /// # Errors
    ///
    /// As [`Config::validate`].
    fn check(self) -> Result<Checked<Self>, ClassicError> {
        self.validate()?;
        Ok(Checked(self))
    }
}

/// Learns to predict the class of a row.
pub trait Learner {
    /// The fitted model.
    type Model: Predictor;

    /// Learns from rows `x` (samples, features) of the classes `y`, which are counted from 0 and below `n_classes`.
    ///
    /// A class may have no rows; the model then never chooses it.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if there are no rows, not as many classes as rows, a class out of range, fewer than two
    /// classes with rows, or a feature that is not finite; [`ClassicError::NotConverged`] if a search ends early.
    fn fit(&self, x: ArrayView2<'_, f64>, y: &[usize], n_classes: usize)
    -> Result<Self::Model, ClassicError>;
}

/// A fitted model that predicts classes and their probabilities.
pub trait Predictor {
    /// Number of classes, with or without rows in training.
    fn n_classes(&self) -> usize;

    /// Number of features of a row.
    fn n_features(&self) -> usize;

    /// Probability of each class for each row of `x`; shape (rows, classes), rows sum to 1.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if `x` has another number of features than the training data, or a value that is not finite.
    fn predict_proba(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError>;

    /// The most likely class of each row, the first of equal ones.
    ///
    /// # Errors
    ///
    /// As [`Predictor::predict_proba`].
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Vec<usize>, ClassicError> {
        Ok(self.predict_proba(x)?.rows().into_iter().map(argmax).collect())
    }
}

/// A fitted change of features.
pub trait Transformer {
    /// The changed rows.
    ///
    /// # Errors
    ///
    /// [`ClassicError::Data`] if `x` has another number of features than the training data, or a value that is not finite.
    fn transform(&self, x: ArrayView2<'_, f64>) -> Result<Array2<f64>, ClassicError>;
}

/// Score of a class without rows: its probability is 0, and unlike an infinity every file format can hold it.
pub(crate) const ABSENT: f64 = -1e300;

/// Index of the first largest value; 0 of none.
pub(crate) fn argmax(row: ArrayView1<'_, f64>) -> usize {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = i;
        }
    }
    best
}

/// Turns scores into probabilities in place, row by row.
pub(crate) fn softmax_rows(scores: &mut Array2<f64>) {
    for mut row in scores.rows_mut() {
        let top = row.fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        row.mapv_inplace(|s| (s - top).exp());
        let sum = row.sum();
        row.mapv_inplace(|e| e / sum);
    }
}

pub(crate) fn check_rows(x: ArrayView2<'_, f64>) -> Result<(), ClassicError> {
    let (rows, features) = x.dim();
    if rows == 0 || features == 0 {
        return Err(ClassicError::data(
            format!("there are {rows} rows of {features} features"),
            "at least one of each is needed",
        ));
    }
    if x.as_slice().is_some_and(all_finite) {
        return Ok(());
    }
    match x.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some(((row, column), value)) => Err(ClassicError::data(
            format!("feature {column} of row {row} is {value}"),
            "features must be finite",
        )),
    }
}

/// Checks rows that a fitted model is applied to; no rows are fine.
pub(crate) fn check_input(x: ArrayView2<'_, f64>, n_features: usize) -> Result<(), ClassicError> {
    if x.ncols() != n_features {
        return Err(ClassicError::data(
            format!("the rows have {} features", x.ncols()),
            format!("the model was fitted on {n_features}"),
        ));
    }
    if x.nrows() == 0 { Ok(()) } else { check_rows(x) }
}

/// Checks training data and counts the rows of each class.
pub(crate) fn check_training(
    x: ArrayView2<'_, f64>,
    y: &[usize],
    n_classes: usize,
) -> Result<Vec<usize>, ClassicError> {
    check_rows(x)?;
    if y.len() != x.nrows() {
        return Err(ClassicError::data(
            format!("there are {} classes for {} rows", y.len(), x.nrows()),
            "there must be as many of both",
        ));
    }
    if n_classes > y.len().max(2) * 1024 {
        return Err(ClassicError::data(
            format!("there are {n_classes} classes for {} rows", y.len()),
            "most classes must have rows",
        ));
    }
    let mut counts = vec![0; n_classes];
    for class in y {
        match counts.get_mut(*class) {
            Some(count) => *count += 1,
            None => {
                return Err(ClassicError::data(
                    format!("a row has the class {class}"),
                    format!("there are {n_classes} classes, counted from 0"),
                ));
            }
        }
    }
    let present = counts.iter().filter(|count| **count > 0).count();
    if present < 2 {
        return Err(ClassicError::data(format!("{present} classes have rows"), "at least two must"));
    }
    Ok(counts)
}

/// Column means: a second pass takes back what the first lost to rounding.
pub(crate) fn column_means(x: ArrayView2<'_, f64>) -> Array1<f64> {
    column_moments(x).0
}

/// Column means, and the sums of squared distances from them.
pub(crate) fn column_moments(x: ArrayView2<'_, f64>) -> (Array1<f64>, Array1<f64>) {
    let n = x.nrows().max(1) as f64;
    let first = x.sum_axis(ndarray::Axis(0)) / n;
    let (mut rest, mut squares) = (Array1::zeros(x.ncols()), Array1::zeros(x.ncols()));
    for row in x.rows() {
        ndarray::Zip::from(&mut rest).and(&mut squares).and(&row).and(&first).for_each(
            |rest: &mut f64, square: &mut f64, &v, &first| {
                let distance = v - first;
                *rest += distance;
                *square += distance * distance;
            },
        );
    }
    (first + rest / n, squares)
}
