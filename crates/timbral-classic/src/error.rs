/// What can go wrong in fitting or applying a learner.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassicError {
    /// A setting breaks its rule.
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The field of the configuration.
        field: String,
        /// The value that was given.
        given: String,
        /// What it must be.
        rule: String,
    },
    /// The data do not fit each other, the model, or the learner.
    #[error("{given}, but {rule}")]
    Data {
        /// What was given.
        given: String,
        /// What the rule is.
        rule: String,
    },
    /// A search ended without the promised precision.
    #[error("{learner} did not converge in {iterations} iterations: {detail}")]
    NotConverged {
        /// The learner.
        learner: &'static str,
        /// Iterations made.
        iterations: usize,
        /// How far it came.
        detail: String,
    },
}

impl ClassicError {
    pub(crate) fn config(field: &str, given: impl ToString, rule: &str) -> Self {
        Self::Config { field: field.to_owned(), given: given.to_string(), rule: rule.to_owned() }
    }

    pub(crate) fn data(given: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Data { given: given.into(), rule: rule.into() }
    }
}
