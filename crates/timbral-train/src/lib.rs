#![doc = include_str!("../README.md")]

mod atomic;
pub mod augment;
pub mod classic;
pub mod comparison;
mod distance;
mod error;
mod model_card;
pub mod rejection;
mod rng;
pub mod search;
pub mod training;

pub use augment::{Augmentation, WaveformAugmentation};
pub use classic::{cross_validate_classic, fit_classic};
pub use comparison::{Candidate, CompareConfig, compare};
pub use error::TrainError;
pub use model_card::model_card;
pub use rejection::ModelCalibration;
pub use rng::SeededRng;
pub use search::{SearchConfig, search};
pub use training::{
    CrossValidation, Member, RunConfig, SpectrogramSet, TrainConfig, Trainer, TrainingTracks, cross_validate,
    fit_ensemble,
};
