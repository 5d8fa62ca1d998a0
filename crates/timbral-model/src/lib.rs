#![doc = include_str!("../README.md")]

mod aggregate;
mod architecture;
mod classic;
mod compact_cnn;
mod ensemble;
mod error;
mod file;
mod header;
mod model;
mod statistics;
mod statistics_net;
mod tensor_file;

pub use aggregate::Aggregation;
pub use architecture::{Architecture, Network, member_path};
pub use classic::{ArrayKind, ClassicConfig, ClassicNet};
pub use compact_cnn::{CompactCnn, CompactCnnConfig};
pub use ensemble::Ensemble;
pub use error::ModelError;
pub use file::ModelFile;
pub use header::{Header, Kind, SCHEMA_VERSION};
pub use model::Model;
pub use statistics::{LogMelStatistics, StatisticsConfig};
pub use statistics_net::{StatisticsNet, StatisticsNetConfig};
pub use tensor_file::{TensorFile, write_atomically};
