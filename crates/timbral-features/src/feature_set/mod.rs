//! Lists of named features with statistics, computed together: each spectrum and each intermediate once.
//!
//! A [`FeatureSet`] is what a table of features is made with: one row per signal, one column per statistic. It comes from
//! a preset (`gtzan57`, `fma518`), from a file, or from code. For one feature, take its plan instead.
//!
//! ```
//! use timbral_features::feature_set::{Feature, FeatureSet, FeatureSetConfig, FeatureSpec, Statistic};
//! let level = FeatureSpec::new(Feature::Rms(Default::default()), [Statistic::Mean, Statistic::Std]);
//! let set = FeatureSet::new(FeatureSetConfig::new("level", vec![level]))?;
//! assert_eq!(set.compute(&[0.1; 22_050])?.len(), 2);
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

mod config;
mod feature;
mod graph;
mod plan;
mod presets;
mod spectral;

pub use crate::statistics::Statistic;
pub use config::{ColumnNaming, FEATURE_SET_VERSION, FeatureSetConfig, FeatureSpec, Precision};
pub use feature::{Feature, PcenMelConfig, TempoFeatureConfig, TempogramFeatureConfig};
pub use plan::{FeatureSet, FeatureSummary};
