#![doc = include_str!("../README.md")]

mod aggregate;
mod architecture;
mod classic;
mod compact_cnn;
mod crnn;
mod error;
mod file;
pub mod graph;
mod header;
mod inference;
mod json;
mod level;
mod mfcc_cnn;
mod model;
#[cfg(feature = "candle")]
mod network;
mod rejection;
mod residual_cnn;
mod rules;
mod sample_cnn;
mod spectrogram_transformer;
#[cfg(feature = "candle")]
mod statistics;
mod statistics_net;
mod summary;
mod tensor;
mod tensor_file;
mod transfer;

pub use aggregate::Aggregation;
pub use architecture::{Architecture, Input, member_path};
pub use classic::{ArrayKind, ClassicConfig, Precision};
pub use compact_cnn::CompactCnnConfig;
pub use crnn::CrnnConfig;
pub use error::ModelError;
pub use file::ModelFile;
pub use header::{Header, Kind, SCHEMA_VERSION};
pub use json::JsonValue;
pub use level::LevelDistance;
pub use mfcc_cnn::MfccCnnConfig;
pub use model::Model;
#[cfg(feature = "candle")]
pub use network::{Network, Trunk};
pub use rejection::{Rejection, RejectionScore, at_temperature};
pub use residual_cnn::ResidualCnnConfig;
pub use sample_cnn::SampleCnnConfig;
pub use spectrogram_transformer::SpectrogramTransformerConfig;
pub use statistics_net::StatisticsNetConfig;
pub use summary::{LayerSummary, Summary};
pub use tensor::StoredTensor;
#[cfg(feature = "candle")]
pub use tensor::{from_candle, to_candle};
pub use tensor_file::TensorFile;
pub use transfer::TransferConfig;
