use std::collections::BTreeMap;
use std::fmt;

use half::f16;
use ndarray::{Array2, ArrayView3, Axis};
use serde::{Deserialize, Serialize};
use timbral_classic::{
    Config as _, FittedModel, PartArray, PartValues, Parts, PipelineConfig, Predictor as _,
};
use timbral_features::log_mel_statistics::{LogMelStatistics, LogMelStatisticsConfig};

use crate::{JsonValue, ModelError, StoredTensor};

/// A model of `timbral-classic` as a model file describes it: everything but its arrays, which are tensors of the file.
///
/// In a training configuration the model is not fitted yet: [`statistics`](Self::statistics) and
/// [`pipeline`](Self::pipeline) say all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassicConfig {
    /// Number of features that the model takes; 0 before it is fitted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub columns: usize,
    /// The features are these statistics of a log-mel spectrogram, so that the model can stand beside networks in an
    /// ensemble. None: they are the columns of a feature set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<LogMelStatisticsConfig>,
    /// Scalers and learner with their settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineConfig>,
    /// How exactly large arrays are kept, as support vectors and principal components: each step halves the file.
    /// Default: double.
    #[serde(default, skip_serializing_if = "Precision::is_double")]
    pub precision: Precision,
    /// What the model is made of, as `timbral-classic` describes it; null before it is fitted.
    #[serde(default, skip_serializing_if = "JsonValue::is_null")]
    pub description: JsonValue,
    /// The arrays by name, each a tensor of that name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arrays: BTreeMap<String, ArrayKind>,
}

/// How exactly the large arrays of a [`ClassicConfig`] are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 64 bits a number: exactly as it was fitted.
    #[default]
    Double,
    /// 32 bits: to seven digits.
    Single,
    /// 16 bits: to three digits, for numbers up to 65504; an array that holds larger ones is kept in single precision.
    Half,
}

impl Precision {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    fn is_double(&self) -> bool {
        *self == Self::Double
    }

    /// What an array of these values is kept as.
    fn kind(self, values: &[f64]) -> ArrayKind {
        let fits_half = || values.iter().all(|value| value.abs() <= LARGEST_HALF);
        match self {
            _ if values.len() < LARGE => ArrayKind::F64,
            Self::Double => ArrayKind::F64,
            Self::Half if fits_half() => ArrayKind::F16,
            Self::Single | Self::Half => ArrayKind::F32,
        }
    }
}

/// What an array holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrayKind {
    /// Numbers in double precision.
    F64,
    /// Numbers in single precision.
    F32,
    /// Numbers in half precision.
    F16,
    /// Indices.
    U32,
}

impl ArrayKind {
    /// Bytes of a number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 | Self::U32 => 4,
            Self::F16 => 2,
        }
    }
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Smallest array that is kept in less than double precision where that is asked for: smaller ones weigh little and decide
/// much.
const LARGE: usize = 1 << 16;

/// The largest number of half precision.
const LARGEST_HALF: f64 = 65_504.0;

/// Most features that a classic model may take.
const MAX_COLUMNS: usize = 1 << 20;

impl ClassicConfig {
    /// A model of a feature set's columns, taken apart: the configuration for the header, and the tensors for the file.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when an array has not as many values as its shape says.
    pub fn store(model: &FittedModel) -> Result<(Self, BTreeMap<String, StoredTensor>), ModelError> {
        let unfitted = Self {
            columns: 0,
            statistics: None,
            pipeline: None,
            precision: Precision::Double,
            description: JsonValue::default(),
            arrays: BTreeMap::new(),
        };
        unfitted.fitted(model)
    }

    /// The same model after it was fitted, and the tensors for the file.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when an array has not as many values as its shape says.
    pub fn fitted(&self, model: &FittedModel) -> Result<(Self, BTreeMap<String, StoredTensor>), ModelError> {
        let Parts { description, arrays } = model.to_parts();
        let mut kinds = BTreeMap::new();
        let mut tensors = BTreeMap::new();
        for (name, PartArray { shape, values }) in arrays {
            let (kind, bytes) = match values {
                PartValues::U32(values) => {
                    (ArrayKind::U32, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into())
                }
                // What is in less than double precision already was opened from a file, and stays as it is.
                PartValues::F32(bytes) => (ArrayKind::F32, bytes),
                PartValues::F16(bytes) => (ArrayKind::F16, bytes),
                other => {
                    let values = other.to_f64().unwrap_or_default();
                    let kind = self.precision.kind(&values);
                    let bytes: Vec<u8> = match kind {
                        ArrayKind::F16 => {
                            values.iter().flat_map(|v| f16::from_f64(*v).to_le_bytes()).collect()
                        }
                        ArrayKind::F32 => values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect(),
                        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                    };
                    (kind, bytes.into())
                }
            };
            let tensor = StoredTensor::new(kind, shape, bytes)?;
            kinds.insert(name.clone(), kind);
            tensors.insert(name, tensor);
        }
        let description = JsonValue::new(description);
        let config = Self { columns: model.n_features(), description, arrays: kinds, ..self.clone() };
        Ok((config, tensors))
    }

    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        if self.description.is_null() {
            return self.validate_unfitted();
        }
        crate::rules::check_size("columns", self.columns, 1, MAX_COLUMNS)?;
        if let Some(statistics) = &self.statistics {
            statistics.validate()?;
            if statistics.len() != self.columns {
                let rule = format!("{}, the number of statistics", statistics.len());
                return Err(ModelError::config("columns", self.columns, rule));
            }
        }
        Ok(())
    }

    fn validate_unfitted(&self) -> Result<(), ModelError> {
        let (Some(statistics), Some(pipeline)) = (&self.statistics, &self.pipeline) else {
            let rule = "fitted, or have statistics and a pipeline";
            return Err(ModelError::config("classic model", "not fitted", rule));
        };
        statistics.validate()?;
        Ok(pipeline.validate()?)
    }
}

/// A fitted model with the statistics that it takes, ready to serve.
pub(crate) struct ClassicMember {
    model: FittedModel,
    statistics: Option<LogMelStatistics>,
    columns: usize,
}

impl fmt::Debug for ClassicMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The model itself would print every support vector.
        f.debug_struct("ClassicMember").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl ClassicMember {
    /// Puts the model together from its arrays, which `get` gives by name. Arrays in half and single precision share the
    /// bytes of the file.
    pub(crate) fn new(
        config: &ClassicConfig,
        classes: usize,
        get: impl Fn(&str) -> Result<StoredTensor, ModelError>,
    ) -> Result<Self, ModelError> {
        if config.description.is_null() {
            return Err(ModelError::config("classic model", "not fitted", "fitted before it is built"));
        }
        let mut arrays = BTreeMap::new();
        for (name, kind) in &config.arrays {
            let tensor = get(name)?;
            if tensor.kind() != *kind {
                let given = tensor.kind();
                return Err(ModelError::Shape(format!(
                    "tensor {name} holds {given:?}, the header says {kind:?}"
                )));
            }
            let values = match kind {
                ArrayKind::F64 => PartValues::F64(tensor.to_f64()),
                ArrayKind::F32 => PartValues::F32(tensor.shared_bytes().clone()),
                ArrayKind::F16 => PartValues::F16(tensor.shared_bytes().clone()),
                ArrayKind::U32 => PartValues::U32(tensor.to_u32().unwrap_or_default()),
            };
            arrays.insert(name.clone(), PartArray { shape: tensor.shape().to_vec(), values });
        }
        let parts = Parts { description: config.description.value().clone(), arrays };
        let model = FittedModel::from_parts(&parts)?;
        let given = (model.n_features(), model.n_classes());
        if given != (config.columns, classes) {
            return Err(ModelError::Shape(format!(
                "the stored model takes {} features to {} classes, the header says {} and {classes}",
                given.0, given.1, config.columns
            )));
        }
        let statistics = config.statistics.clone().map(LogMelStatistics::new).transpose()?;
        Ok(Self { model, statistics, columns: config.columns })
    }

    /// The rows that it takes, `(batch, columns)`: statistics of spectrograms `(batch, bands, frames)`, or the columns
    /// `(batch, columns, 1)` themselves.
    pub(crate) fn rows(&self, x: ArrayView3<'_, f32>) -> Result<Array2<f64>, ModelError> {
        let (batch, rows, frames) = x.dim();
        let mut values = Vec::with_capacity(batch * self.columns);
        for example in x.axis_iter(Axis(0)) {
            match &self.statistics {
                Some(plan) => values.extend(plan.compute(example)?.into_iter().map(f64::from)),
                None => values.extend(example.iter().map(|value| f64::from(*value))),
            }
        }
        Array2::from_shape_vec((batch, self.columns), values).map_err(|_| {
            ModelError::Shape(format!(
                "{rows} x {frames} features were given, the model takes {}",
                self.columns
            ))
        })
    }

    /// Class probabilities of rows `(batch, columns)`.
    pub(crate) fn probabilities_of_rows(&self, rows: &Array2<f64>) -> Result<Array2<f32>, ModelError> {
        Ok(self.model.predict_proba(rows.view())?.mapv(|p| p as f32))
    }

    /// Class probabilities of a batch, `(batch, classes)`.
    pub(crate) fn probabilities(&self, x: ArrayView3<'_, f32>) -> Result<Array2<f32>, ModelError> {
        self.probabilities_of_rows(&self.rows(x)?)
    }

    /// As [`probabilities`](Self::probabilities). Members of an ensemble that take the same statistics of the same batch
    /// compute them once: `computed` holds those so far.
    pub(crate) fn probabilities_sharing(
        &self,
        x: ArrayView3<'_, f32>,
        computed: &mut Vec<(LogMelStatisticsConfig, Array2<f64>)>,
    ) -> Result<Array2<f32>, ModelError> {
        let Some(config) = self.statistics.as_ref().map(LogMelStatistics::config) else {
            return self.probabilities(x);
        };
        if let Some((_, rows)) = computed.iter().find(|(other, _)| other == config) {
            return self.probabilities_of_rows(rows);
        }
        let rows = self.rows(x)?;
        let probabilities = self.probabilities_of_rows(&rows)?;
        computed.push((config.clone(), rows));
        Ok(probabilities)
    }
}
