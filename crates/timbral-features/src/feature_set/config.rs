//! What a set holds, as code and files give it.

use serde::{Deserialize, Serialize};

use super::feature::Feature;
use crate::delta::DeltaConfig;
use crate::statistics::Statistic;

/// The version of the numbers that this release computes. It rises when a feature of some name and parameters, or the name
/// of a column, changes; a set of another version is rejected.
pub const FEATURE_SET_VERSION: u32 = 1;

/// A list of named features with statistics.
///
/// ```
/// use timbral_features::FeatureSetConfig;
/// let config: FeatureSetConfig = toml::from_str(r#"
///     version = 1
///     name = "timbre"
///     sample_rate = 22050
///     [[features]]
///     feature.mfcc = { n_mfcc = 13 }
///     statistics = ["mean", "std"]
///     [[features]]
///     feature = "spectral_centroid"
///     statistics = ["median"]
/// "#)?;
/// assert_eq!(config.features.len(), 2);
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSetConfig {
    /// Must be [`FEATURE_SET_VERSION`].
    pub version: u32,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// Samples per second of the signals, for every feature of the set. Default: 22 050 Hz.
    #[serde(default = "default_sample_rate")]
    pub sample_rate: u32,
    /// Precision of the Fourier transforms of frames. Default: [`Precision::Single`].
    #[serde(default)]
    pub precision: Precision,
    /// How columns are named and ordered. Default: [`ColumnNaming::Standard`].
    #[serde(default)]
    pub columns: ColumnNaming,
    /// The features, in the order of their columns.
    pub features: Vec<FeatureSpec>,
}

fn default_sample_rate() -> u32 {
    22_050
}

impl FeatureSetConfig {
    /// A set of this release's version at 22 050 Hz with the standard column names.
    #[must_use]
    pub fn new(name: impl Into<String>, features: Vec<FeatureSpec>) -> Self {
        Self {
            version: FEATURE_SET_VERSION,
            name: name.into(),
            sample_rate: default_sample_rate(),
            precision: Precision::default(),
            columns: ColumnNaming::default(),
            features,
        }
    }
}

/// A feature of a set: its parameters, and what becomes of its frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// The name in columns. Default: that of the feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The feature with its parameters.
    pub feature: Feature,
    /// Statistics over time, of each row. None only for a feature of one value, which then is a column of its own.
    #[serde(default)]
    pub statistics: Vec<Statistic>,
    /// The derivative along time is taken first. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaConfig>,
    /// Statistics are taken over all rows and frames together, not of each row. Default: false.
    #[serde(default)]
    pub pooled: bool,
}

impl FeatureSpec {
    /// A feature under its own name, with these statistics of each row.
    #[must_use]
    pub fn new(feature: Feature, statistics: impl Into<Vec<Statistic>>) -> Self {
        Self { name: None, feature, statistics: statistics.into(), delta: None, pooled: false }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The same with statistics over all rows together.
    #[must_use]
    pub fn pooled(mut self) -> Self {
        self.pooled = true;
        self
    }

    /// The same of the derivative along time.
    #[must_use]
    pub fn delta(mut self, delta: DeltaConfig) -> Self {
        self.delta = Some(delta);
        self
    }

    /// The name in columns.
    #[must_use]
    pub fn column_name(&self) -> &str {
        self.name.as_deref().unwrap_or_else(|| self.feature.name())
    }
}

/// Precision inside the Fourier transforms of frames; answers are single in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Errors near 1e-7 of a frame's loudest bin. The default.
    #[default]
    Single,
    /// Twice the cost. Quiet bins beside loud ones keep their digits, as in librosa, on which the higher statistics of
    /// spectral contrast depend.
    Double,
}

/// How columns are named and ordered. A feature of one row has no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ColumnNaming {
    /// `mfcc_01_mean`, `mfcc_01_std`, `mfcc_02_mean`: row by row, numbers of at least two digits. The default.
    #[default]
    Standard,
    /// `mfcc1_mean`, `mfcc1_var`, `mfcc2_mean`: as the feature tables that circulate with GTZAN.
    Gtzan,
    /// `mfcc_kurtosis_01`, `mfcc_kurtosis_02`: statistic by statistic, as FMA's table; one row is `_01` too.
    Fma,
}

impl ColumnNaming {
    /// The columns of one feature.
    pub(super) fn of(self, spec: &FeatureSpec, n_rows: usize) -> Vec<String> {
        let name = spec.column_name();
        if spec.statistics.is_empty() {
            return vec![name.to_owned()];
        }
        let statistics = spec.statistics.iter().map(|statistic| statistic.name());
        if spec.pooled {
            return statistics.map(|s| format!("{name}_{s}")).collect();
        }
        let digits = n_rows.to_string().len().max(2);
        let rows = 1..=n_rows;
        match self {
            Self::Fma => statistics
                .flat_map(|s| rows.clone().map(move |row| format!("{name}_{s}_{row:0digits$}")))
                .collect(),
            _ if n_rows == 1 => statistics.map(|s| format!("{name}_{s}")).collect(),
            Self::Standard => rows
                .flat_map(|row| statistics.clone().map(move |s| format!("{name}_{row:0digits$}_{s}")))
                .collect(),
            Self::Gtzan => {
                rows.flat_map(|row| statistics.clone().map(move |s| format!("{name}{row}_{s}"))).collect()
            }
        }
    }

    /// The statistics of one feature, in the order of its columns.
    pub(super) fn order(self, n_rows: usize, n_statistics: usize) -> impl Iterator<Item = (usize, usize)> {
        (0..n_rows * n_statistics).map(move |i| match self {
            Self::Fma => (i % n_rows.max(1), i / n_rows.max(1)),
            _ => (i / n_statistics.max(1), i % n_statistics.max(1)),
        })
    }
}
