//! The error of this crate, and its way into and out of candle's.

/// What can go wrong in this crate, sorted by who is at fault.
///
/// Kernels, optimizers, checks and schedules return it as it is. Layers and operations on tensors return
/// `candle_core::Result`, because candle's traits ask for it; there this error travels as candle's `Error::Wrapped`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// A setting breaks its rule.
    #[error("{field} is {given}; it must be {rule}")]
    Config {
        /// The setting.
        field: String,
        /// What was given.
        given: String,
        /// The rule, completing "it must be".
        rule: String,
    },
    /// A tensor has a shape, an element type or a device that the operation cannot take.
    #[error("{tensor} is {given}; it must be {rule}")]
    Shape {
        /// The property of the tensor, such as "shape of the input".
        tensor: String,
        /// What was given.
        given: String,
        /// What the operation takes, completing "it must be".
        rule: String,
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
    #[error("the saved state does not fit the variables: {what} {name:?}")]
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
    #[cfg(feature = "candle")]
    #[error("a tensor operation failed")]
    Candle(#[from] candle_core::Error),
}

impl NnError {
    /// A setting that breaks its rule.
    pub(crate) fn config(
        field: impl Into<String>,
        given: impl std::fmt::Debug,
        rule: impl Into<String>,
    ) -> Self {
        Self::Config { field: field.into(), given: format!("{given:?}"), rule: rule.into() }
    }

    /// A tensor that does not fit.
    pub(crate) fn shape(
        tensor: impl Into<String>,
        given: impl std::fmt::Debug,
        rule: impl Into<String>,
    ) -> Self {
        Self::Shape { tensor: tensor.into(), given: format!("{given:?}"), rule: rule.into() }
    }
}

#[cfg(feature = "candle")]
impl From<NnError> for candle_core::Error {
    fn from(error: NnError) -> Self {
        match error {
            NnError::Candle(error) => error,
            other => Self::wrap(other),
        }
    }
}

/// A [`NnError::Config`] inside candle's error.
#[cfg(feature = "candle")]
pub(crate) fn config_error(
    field: &str,
    given: impl std::fmt::Debug,
    rule: impl Into<String>,
) -> candle_core::Error {
    NnError::config(field, given, rule).into()
}

/// A [`NnError::Shape`] inside candle's error.
#[cfg(feature = "candle")]
pub(crate) fn shape_error(
    tensor: &str,
    given: impl std::fmt::Debug,
    rule: impl Into<String>,
) -> candle_core::Error {
    NnError::shape(tensor, given, rule).into()
}
