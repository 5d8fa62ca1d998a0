//! Front ends of other libraries and of well-known models, number for number.
//!
//! Everything else in this crate has librosa's numbers. Take one of these to feed a model that was trained on another
//! front end, or to check against another program; names in a module are those of its original.
//!
//! | module | reproduces |
//! |---|---|
//! | [`kaldi`] | `torchaudio.compliance.kaldi`: speech models, AST |
//! | [`torchaudio`] | `torchaudio.transforms` |
//! | [`whisper`] | the log-mel input of Whisper |
//! | [`musicnn`] | the log-mel input of MusiCNN |
//! | [`python_speech_features`] | the package of that name |
//!
//! ```
//! use timbral_features::FeaturePlan;
//! use timbral_features::compat::kaldi;
//! let plan = kaldi::Fbank::new(kaldi::FbankConfig { num_mel_bins: 80, ..kaldi::FbankConfig::default() })?;
//! assert_eq!(plan.compute(&[0.1; 16_000])?.dim(), (80, 98));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

pub mod kaldi;
pub mod musicnn;
pub mod python_speech_features;
pub mod torchaudio;
pub mod whisper;
