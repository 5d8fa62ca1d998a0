use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::ModelError;

/// A JSON value whose meaning belongs to another crate, such as the front end of a model: a model file carries it as it is.
///
/// ```
/// use timbral_model::JsonValue;
///
/// let rate = JsonValue::of(&std::collections::BTreeMap::from([("sample_rate", 22_050)]))?;
/// assert_eq!(rate.to_string(), r#"{"sample_rate":22050}"#);
/// # Ok::<(), timbral_model::ModelError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JsonValue(serde_json::Value);

impl JsonValue {
    /// The value that serde makes of `value`.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] for what JSON cannot hold, such as numbers that are not finite as keys.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, ModelError> {
        serde_json::to_value(value).map(Self).map_err(|e| ModelError::Malformed(e.to_string()))
    }

    /// The value as a type that serde reads.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] when it is no such type.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, ModelError> {
        T::deserialize(&self.0).map_err(|e| ModelError::Malformed(e.to_string()))
    }

    /// Whether nothing is there: the default.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    pub(crate) fn new(value: serde_json::Value) -> Self {
        Self(value)
    }

    pub(crate) fn value(&self) -> &serde_json::Value {
        &self.0
    }
}

impl fmt::Display for JsonValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
