/// What can be wrong with a segmentation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// A value of the configuration breaks its rule.
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The field, as it is written in the configuration.
        field: String,
        /// The value that was given.
        given: String,
        /// What it must be.
        rule: String,
    },
    /// A window would be too long to hold in memory.
    #[error("{field} is {samples} samples; it must be at most {limit}")]
    Limit {
        /// The field, as it is written in the configuration.
        field: &'static str,
        /// The length asked for.
        samples: u64,
        /// The longest that is allowed.
        limit: u64,
    },
    /// The cut depends on the length of the signal, which a stream does not know.
    #[error("{what} needs the length of the signal, so it cannot be cut from a stream")]
    NotStreamable {
        /// The part of the configuration that needs the length.
        what: &'static str,
    },
}

impl SegmentError {
    pub(crate) fn config(field: &str, given: impl Into<String>, rule: &str) -> Self {
        Self::Config { field: field.to_owned(), given: given.into(), rule: rule.to_owned() }
    }
}
