//! The plan of a set.

use std::fmt;

use ndarray::{Array1, Array2};

use super::config::{FEATURE_SET_VERSION, FeatureSetConfig};
use super::feature::Feature;
use super::graph::Graph;
use crate::delta::Delta;
use crate::error::FeatureError;
use crate::filters::MelFilterBank;
use crate::statistics::summarize;

/// A list of features computed together: each spectrum once, each intermediate once.
///
/// ```
/// use timbral_features::FeatureSet;
/// let set = FeatureSet::preset("gtzan57")?;
/// let samples: Vec<f32> = (0..66_150).map(|i| (i as f32 * 0.1).sin()).collect();
/// let values = set.compute(&samples)?;
/// assert_eq!((values.len(), set.columns()[17].as_str()), (57, "mfcc1_mean"));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone)]
pub struct FeatureSet {
    config: FeatureSetConfig,
    columns: Vec<String>,
    graph: Graph,
    outputs: Vec<Output>,
}

/// What becomes of a step's answer.
#[derive(Clone)]
struct Output {
    step: usize,
    delta: Option<Delta>,
    /// The first of its columns.
    column: usize,
}

impl fmt::Debug for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeatureSet").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Name, shape and columns of one feature of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureSummary {
    /// The name in columns.
    pub name: String,
    /// Number of rows of its frames.
    pub n_rows: usize,
    /// Number of columns.
    pub n_columns: usize,
}

impl FeatureSet {
    /// Checks the configuration and plans every step.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] for another version, no features, names that are empty or given twice, or a feature of more
    /// than one value without statistics; [`FeatureError::Feature`] around what a feature finds wrong with its parameters.
    pub fn new(config: FeatureSetConfig) -> Result<Self, FeatureError> {
        if config.version != FEATURE_SET_VERSION {
            let rule = format!("{FEATURE_SET_VERSION}, the version that this release computes");
            return Err(FeatureError::config("version", config.version, rule));
        }
        if config.features.is_empty() {
            return Err(FeatureError::config("features", "none", "at least one feature"));
        }
        let mut graph = Graph::new(config.precision);
        let mut columns: Vec<String> = Vec::new();
        let mut outputs = Vec::with_capacity(config.features.len());
        for spec in &config.features {
            let in_feature = |source| FeatureError::Feature {
                name: spec.column_name().to_owned(),
                source: Box::new(source),
            };
            let feature = spec.feature.clone().at_sample_rate(config.sample_rate);
            let step = graph.add(&feature).map_err(in_feature)?;
            let delta = spec.delta.clone().map(Delta::new).transpose().map_err(in_feature)?;
            if spec.statistics.is_empty() && !matches!(feature, Feature::Tempo(_)) {
                return Err(in_feature(FeatureError::config(
                    "statistics",
                    "none",
                    "at least one statistic unless the feature has a single value",
                )));
            }
            outputs.push(Output { step, delta, column: columns.len() });
            columns.extend(config.columns.of(spec, graph.n_rows(step)));
        }
        let mut sorted: Vec<&String> = columns.iter().collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            let given = format!("that of two features, which makes the column {} twice", twice[0]);
            return Err(FeatureError::config("name", given, "another one for each feature"));
        }
        Ok(Self { config, columns, graph, outputs })
    }

    /// The preset of this name, one of [`FeatureSetConfig::PRESETS`].
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if there is none.
    pub fn preset(name: &str) -> Result<Self, FeatureError> {
        let config = FeatureSetConfig::preset(name).ok_or_else(|| {
            let known = FeatureSetConfig::PRESETS.join(", ");
            FeatureError::config("preset", format!("{name:?}"), format!("one of {known}"))
        })?;
        Self::new(config)
    }

    /// The configuration of the plan.
    #[must_use]
    pub fn config(&self) -> &FeatureSetConfig {
        &self.config
    }

    /// The names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Name, rows and number of columns of each feature, in the order of the set.
    #[must_use]
    pub fn features(&self) -> Vec<FeatureSummary> {
        let ends = self.outputs.iter().skip(1).map(|output| output.column);
        let ends = ends.chain([self.columns.len()]);
        let specs = self.config.features.iter().zip(&self.outputs).zip(ends);
        specs
            .map(|((spec, output), end)| FeatureSummary {
                name: spec.column_name().to_owned(),
                n_rows: self.graph.n_rows(output.step),
                n_columns: end - output.column,
            })
            .collect()
    }

    /// What is allowed but probably not meant, such as mel bands so narrow that they hold no bin; one line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let rate = self.config.sample_rate;
        let mut warnings = Vec::new();
        for spec in &self.config.features {
            let filters = match spec.feature.clone().at_sample_rate(rate) {
                Feature::Mel(c) => c.filters(),
                Feature::LogMel(c) => c.mel.filters(),
                Feature::Mfcc(c) => c.log_mel.mel.filters(),
                Feature::Pcen(c) => c.mel.filters(),
                _ => continue,
            };
            let (n_mels, n_fft) = (filters.n_mels, filters.n_fft);
            let empty = MelFilterBank::new(filters).map_or(0, |bank| bank.n_empty());
            if empty > 0 {
                warnings.push(format!(
                    "{}: {empty} of {n_mels} mel bands hold no bin at {rate} Hz with n_fft {n_fft} and are always 0",
                    spec.column_name()
                ));
            }
        }
        warnings
    }

    /// One value for each of [`columns`](Self::columns), of a mono signal at the set's sample rate.
    ///
    /// # Errors
    ///
    /// [`FeatureError::NonFinite`] for NaN or infinite samples, [`FeatureError::TooShort`] if a feature has no frame,
    /// [`FeatureError::Limit`] if something does not fit in memory.
    pub fn compute(&self, samples: &[f32]) -> Result<Array1<f64>, FeatureError> {
        let mut values = Array1::zeros(self.columns.len());
        self.visit(samples, |index, frames| {
            let spec = &self.config.features[index];
            let from = self.outputs[index].column;
            if spec.statistics.is_empty() {
                values[from] = frames.first().copied().map_or(0.0, f64::from);
            } else if spec.pooled {
                let all: Array1<f32> = frames.t().iter().copied().collect();
                let answers = summarize(all.view(), &spec.statistics);
                values.iter_mut().skip(from).zip(answers).for_each(|(to, v)| *to = v);
            } else {
                let n = spec.statistics.len();
                let answers: Vec<f64> =
                    frames.rows().into_iter().flat_map(|row| summarize(row, &spec.statistics)).collect();
                let order = self.config.columns.order(frames.nrows(), n);
                for (to, (row, statistic)) in values.iter_mut().skip(from).zip(order) {
                    *to = answers[row * n + statistic];
                }
            }
        })?;
        Ok(values)
    }

    /// The frames of each feature, of shape `(n_rows, n_frames)`, by the name in columns and in the order of the set.
    ///
    /// # Errors
    ///
    /// As [`compute`](Self::compute).
    pub fn compute_frames(&self, samples: &[f32]) -> Result<Vec<(String, Array2<f32>)>, FeatureError> {
        let mut answers = vec![Array2::zeros((0, 0)); self.outputs.len()];
        self.visit(samples, |index, frames| answers[index].clone_from(frames))?;
        let names = self.config.features.iter().map(|spec| spec.column_name().to_owned());
        Ok(names.zip(answers).collect())
    }

    /// Gives the frames of each feature to `take`, with its place in the set.
    fn visit(&self, samples: &[f32], mut take: impl FnMut(usize, &Array2<f32>)) -> Result<(), FeatureError> {
        self.graph.run(samples, |step, frames| {
            for (index, output) in self.outputs.iter().enumerate() {
                if output.step == step {
                    match &output.delta {
                        Some(delta) => take(index, &delta.compute(frames.view())?),
                        None => take(index, frames),
                    }
                }
            }
            Ok(())
        })
    }
}
