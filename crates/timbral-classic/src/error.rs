/// What can go wrong in fitting or applying a learner.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClassicError {
    /// A parameter breaks its rule.
    #[error("{parameter} is {given}, but {rule}")]
    Config {
        /// The parameter.
        parameter: &'static str,
        /// The value that was given.
        given: String,
        /// The rule that it breaks.
        rule: &'static str,
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
    pub(crate) fn config(parameter: &'static str, given: impl ToString, rule: &'static str) -> Self {
        Self::Config { parameter, given: given.to_string(), rule }
    }

    pub(crate) fn data(given: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Data { given: given.into(), rule: rule.into() }
    }
}
