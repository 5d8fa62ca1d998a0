//! Chroma from the short-time Fourier transform: the energy of each of twelve pitch classes.
//!
//! [`ChromaStft`] is fast, and what most tables of features contain. For harmony, take
//! [`cqt::ChromaCqt`](crate::cqt::ChromaCqt), whose bins are semitones also in the bass; to compare performances,
//! [`cqt::ChromaCens`](crate::cqt::ChromaCens), which dynamics and articulation change little.
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::chroma::{ChromaStft, ChromaStftConfig};
//! let a4: Vec<f32> = (0..22_050).map(|i| (i as f32 * std::f32::consts::TAU * 440.0 / 22_050.0).sin()).collect();
//! let chroma = ChromaStft::new(ChromaStftConfig::default())?.compute(&a4)?;
//! let frame = chroma.column(20);
//! assert_eq!((0..12).max_by(|&a, &b| frame[a].total_cmp(&frame[b])), Some(9)); // C is 0, A is 9
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod stft;

pub(crate) use stft::normalize_frame;
pub use stft::{ChromaStft, ChromaStftConfig, ChromaStftScratch};
