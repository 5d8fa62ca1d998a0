/// What can be wrong with a segmentation.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SegmentError {
    /// A value of the configuration breaks its rule.
    #[error("{field} is {given}, but {rule}")]
    Config {
        /// The field, as it is written in the configuration.
        field: &'static str,
        /// The value that was given.
        given: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A window would be too long to hold in memory.
    #[error("{field} is {samples} samples long, but at most {limit} are allowed")]
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
