//! Fundamental frequency.

mod beta;
mod difference;
mod pyin;
mod yin;

pub use difference::PitchScratch;
pub use pyin::{PitchTrack, Pyin, PyinConfig};
pub use yin::{Yin, YinConfig};
