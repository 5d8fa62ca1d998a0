//! Lists of named features with statistics, computed together.

mod config;
mod feature;
mod graph;
mod plan;
mod presets;
mod spectral;

pub use config::{ColumnNaming, FEATURE_SET_VERSION, FeatureSetConfig, FeatureSpec, Precision};
pub use feature::{Feature, PcenMelConfig, TempoFeatureConfig, TempogramFeatureConfig};
pub use plan::{FeatureSet, FeatureSummary};
