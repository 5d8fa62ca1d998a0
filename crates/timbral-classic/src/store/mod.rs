//! Fitted models as a description and named arrays, and back.

mod learners;
mod parts;
mod transformers;
mod values;

pub use parts::{PartArray, Parts};
pub(crate) use parts::{Reader, Writer};
pub use values::{PartValues, SharedBytes};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    ClassicError, FittedLearner, FittedModel, FittedTransformer, GaussianNaiveBayes, GradientBoosting,
    KNeighbors, LogisticRegression, MinMaxScaler, Pca, Pipeline, PowerTransformer, RandomForest, SelectKBest,
    Stacking, StandardScaler, Svc, Temperature, Voting,
};

/// Something fitted that can be taken apart and put together again.
pub(crate) trait Stored: Sized {
    fn write(&self, out: &mut Writer<'_>);

    /// Checks everything: what it gives never panics.
    fn read(from: &Reader<'_>) -> Result<Self, ClassicError>;

    fn to_parts(&self) -> Parts {
        Parts::collect(|out| self.write(out))
    }

    fn from_parts(parts: &Parts) -> Result<Self, ClassicError> {
        Self::read(&Reader::new(parts)?)
    }
}

macro_rules! stored {
    ($($name:ident),* $(,)?) => {$(
        impl $name {
            /// A description and named arrays that hold the model exactly, for any file format.
            #[must_use]
            pub fn to_parts(&self) -> Parts {
                Stored::to_parts(self)
            }

            /// Puts a model together that [`to_parts`](Self::to_parts) took apart.
            ///
            /// # Errors
            ///
            /// [`ClassicError::Data`] names what is missing, has another shape than the rest, or breaks a rule of the
            /// model. Nothing in `parts` is trusted: whatever it holds, there is no panic, and the model needs about as
            /// much memory as `parts`.
            pub fn from_parts(parts: &Parts) -> Result<Self, ClassicError> {
                Stored::from_parts(parts)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                Stored::to_parts(self).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let parts = Parts::deserialize(deserializer)?;
                Stored::from_parts(&parts).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

stored!(
    FittedLearner,
    FittedModel,
    FittedTransformer,
    GaussianNaiveBayes,
    GradientBoosting,
    KNeighbors,
    LogisticRegression,
    MinMaxScaler,
    Pca,
    Pipeline,
    PowerTransformer,
    RandomForest,
    SelectKBest,
    Stacking,
    StandardScaler,
    Svc,
    Temperature,
    Voting,
);
