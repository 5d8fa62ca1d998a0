//! The one error type of the crate.

/// What went wrong in a feature computation.
///
/// Every message states what was given and the rule that it breaks.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A setting, or a combination of settings, is not valid.
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The name of the setting, as the configuration spells it.
        field: String,
        /// The value given.
        given: String,
        /// What completes "it must be ...".
        rule: String,
    },
    /// An array does not have the shape that the plan or the function needs.
    #[error("{array} has the shape {given:?}; it must be {expected}")]
    Shape {
        /// Which array.
        array: &'static str,
        /// The shape given.
        given: Vec<usize>,
        /// The shape needed, in words or numbers.
        expected: String,
    },
    /// The signal is shorter than the computation needs.
    #[error("the signal has {samples} samples; it must have at least {needed} {reason}")]
    TooShort {
        /// Samples (or frames) given.
        samples: usize,
        /// Samples (or frames) needed.
        needed: usize,
        /// Why so many are needed.
        reason: &'static str,
    },
    /// A value is NaN or infinite.
    #[error("{array} holds {value} at index {index}; all values must be finite")]
    NonFinite {
        /// Which array.
        array: &'static str,
        /// Position of the first such value, in the array's logical order.
        index: usize,
        /// The value found.
        value: f32,
    },
    /// A value of the input lies outside the domain of the function.
    #[error("invalid input: {0}")]
    Input(String),
    /// A feature of a set cannot be planned.
    #[error("cannot plan the feature {name}")]
    Feature {
        /// Its name in columns.
        name: String,
        /// What is wrong with it.
        source: Box<FeatureError>,
    },
    /// The request is larger than what this machine can hold.
    #[error("{what} needs {requested}; the limit is {maximum}")]
    Limit {
        /// What is too large.
        what: &'static str,
        /// The size asked for, saturating at `u64::MAX`.
        requested: u64,
        /// The largest size allowed.
        maximum: u64,
    },
}

impl FeatureError {
    pub(crate) fn config(field: &str, given: impl ToString, rule: impl Into<String>) -> Self {
        Self::Config { field: field.to_owned(), given: given.to_string(), rule: rule.into() }
    }

    pub(crate) fn shape(array: &'static str, given: &[usize], expected: impl Into<String>) -> Self {
        Self::Shape { array, given: given.to_vec(), expected: expected.into() }
    }
}

/// Checks that every sample is finite.
pub(crate) fn check_finite(array: &'static str, values: &[f32]) -> Result<(), FeatureError> {
    // Whole blocks are tested without a branch, so that the compiler can use vector instructions.
    for (block, chunk) in values.chunks(256).enumerate() {
        if chunk.iter().fold(true, |ok, v| ok & v.is_finite()) {
            continue;
        }
        if let Some((i, &value)) = chunk.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(FeatureError::NonFinite { array, index: block * 256 + i, value });
        }
    }
    Ok(())
}
