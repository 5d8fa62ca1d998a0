#![doc = include_str!("../README.md")]

mod audio;
mod config;
mod contained;
#[cfg(any(feature = "au", feature = "caf", feature = "wav"))]
mod containers;
mod decoder;
mod engine;
mod error;
mod excerpt;
mod folder;
mod formats;
mod matroska;
mod mp4;
#[cfg(feature = "opus")]
mod opus;
mod probe;
mod resample;
mod source;
mod tags;
mod timeline;
mod write;

pub use audio::{Audio, Warning, WarningKind};
pub use config::{DecodeConfig, Excerpt};
pub use decoder::{Decoder, decode_bytes, decode_file, decode_reader};
pub use error::DecodeError;
pub use folder::{audio_files, is_audio_file};
pub use probe::{Probe, probe_bytes, probe_file, probe_reader};
pub use resample::resample;
pub use tags::{Picture, Tags};
pub use write::{WavFormat, write_wav};
