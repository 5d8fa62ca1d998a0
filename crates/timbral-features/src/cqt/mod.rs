//! Constant-Q and variable-Q transforms, whose bins lie at equal musical intervals, and the chroma made from them.
//!
//! | take | for |
//! |---|---|
//! | [`Cqt`] | complex values, the same number of bins in every octave |
//! | [`Vqt`] | shorter filters in the bass (`gamma`), other tunings ([`Intervals`]) |
//! | [`PseudoCqt`], [`HybridCqt`] | magnitudes only, at a lower cost |
//! | [`ChromaCqt`], [`ChromaVqt`], [`ChromaCens`] | twelve pitch classes; CENS smooths and quantises them |
//! | [`tonnetz`] | six coordinates of fifths and thirds |
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::cqt::{Cqt, CqtConfig};
//! let a4: Vec<f32> = (0..22_050).map(|i| (i as f32 * std::f32::consts::TAU * 440.0 / 22_050.0).sin()).collect();
//! let cqt = Cqt::new(CqtConfig::default())?.compute(&a4)?;
//! let frame = cqt.column(20).mapv(|x| x.norm());
//! // 45 semitones above C1 is A4.
//! assert_eq!((0..84).max_by(|&a, &b| frame[a].total_cmp(&frame[b])), Some(45));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod basis;
mod cens;
mod chroma;
mod config;
mod decimate;
mod fold;
mod intervals;
mod octaves;
mod pseudo;
mod tonnetz;
mod vqt;

pub use cens::{ChromaCens, ChromaCensConfig};
pub use chroma::{ChromaCqt, ChromaCqtConfig, ChromaVqt, ChromaVqtConfig, CqtMode};
pub use config::{CqtConfig, VqtConfig};
pub use fold::FoldConfig;
pub use intervals::{Intervals, interval_frequencies};
pub use octaves::CqtScratch;
pub use pseudo::{HybridCqt, PseudoCqt};
pub use tonnetz::tonnetz;
pub use vqt::{Cqt, Vqt};
