//! The error of this crate, and its way into and out of candle's.

/// What can go wrong in this crate, sorted by who is at fault.
///
/// Layers and operations return [`candle_core::Result`], because candle's traits ask for it; there this error
/// travels as [`candle_core::Error::Wrapped`]. Optimizers, checks and schedules return it as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting breaks its rule.
    #[error("{what}: got {given}, but {rule}")]
    Config {
        /// The setting.
        what: &'static str,
        /// What was given.
        given: String,
        /// The rule.
        rule: &'static str,
    },
    /// A tensor has a shape or an element type that the operation cannot take.
    #[error("{what}: got {given}, expected {expected}")]
    Shape {
        /// The tensor, by its role.
        what: &'static str,
        /// What was given.
        given: String,
        /// What the operation takes.
        expected: String,
    },
    /// A trainable variable received no gradient.
    #[error(
        "variable {name:?} received no gradient: it is not part of the loss, or an operation drops gradients"
    )]
    MissingGradient {
        /// The name of the variable.
        name: String,
    },
    /// A gradient differs from the one found by finite differences.
    #[error(
        "gradient of input {input} differs from finite differences: relative error {error:e} at element {element}, \
         limit {limit:e} (analytic {analytic}, numeric {numeric})"
    )]
    WrongGradient {
        /// The index of the input.
        input: usize,
        /// The flat index of the worst element.
        element: usize,
        /// The gradient by back-propagation.
        analytic: f64,
        /// The gradient by finite differences.
        numeric: f64,
        /// The difference, relative to the largest numeric gradient of this input.
        error: f64,
        /// The limit that was set.
        limit: f64,
    },
    /// Saved state does not belong to the variables it is loaded into.
    #[error("saved state: {what} {name:?}")]
    State {
        /// What is wrong with the entry.
        what: &'static str,
        /// The name of the entry.
        name: String,
    },
    /// A gradient or a norm is not a finite number.
    #[error("the gradient norm is {norm}: a gradient overflowed or is not a number")]
    NotFinite {
        /// The norm that was found.
        norm: f64,
    },
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            other => Self::wrap(other),
        }
    }
}

/// An [`Error::Config`] inside candle's error.
pub(crate) fn config_error(
    what: &'static str,
    given: impl std::fmt::Debug,
    rule: &'static str,
) -> candle_core::Error {
    Error::Config { what, given: format!("{given:?}"), rule }.into()
}

/// An [`Error::Shape`] inside candle's error.
pub(crate) fn shape_error(
    what: &'static str,
    given: impl std::fmt::Debug,
    expected: impl Into<String>,
) -> candle_core::Error {
    Error::Shape { what, given: format!("{given:?}"), expected: expected.into() }.into()
}
