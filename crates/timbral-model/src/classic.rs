use std::collections::BTreeMap;
use std::fmt;

use candle_core::{DType, Device, ModuleT, Result, Tensor};
use candle_nn::VarBuilder;
use half::f16;
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use timbral_classic::{
    Classifier as _, FittedModel, Parameters as _, PartArray, PartValues, Parts, PipelineParameters,
    SharedBytes,
};

use crate::ModelError;
use crate::statistics::{LogMelStatistics, StatisticsConfig};

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
    pub statistics: Option<StatisticsConfig>,
    /// Scalers and learner with their settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<PipelineParameters>,
    /// How exactly large arrays are kept, as support vectors and principal components: each step halves the file.
    /// Default: double.
    #[serde(default, skip_serializing_if = "Precision::is_double")]
    pub precision: Precision,
    /// What the model is made of, as `timbral-classic` tells it; null before it is fitted.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub description: serde_json::Value,
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
    fn dtype(self) -> DType {
        match self {
            Self::F64 => DType::F64,
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::U32 => DType::U32,
        }
    }
}

/// The little-endian bytes of a flat tensor.
fn packed<T: candle_core::WithDType, const N: usize>(
    flat: &Tensor,
    to_bytes: impl Fn(T) -> [u8; N],
) -> Result<SharedBytes> {
    let values = flat.to_vec1::<T>()?;
    let mut bytes = vec![0; values.len() * N];
    bytes.as_chunks_mut().0.iter_mut().zip(values).for_each(|(to, value)| *to = to_bytes(value));
    Ok(bytes.into())
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
    /// [`ModelError::Tensor`] when a tensor cannot be made.
    pub fn store(model: &FittedModel) -> std::result::Result<(Self, BTreeMap<String, Tensor>), ModelError> {
        let unfitted = Self {
            columns: 0,
            statistics: None,
            pipeline: None,
            precision: Precision::Double,
            description: serde_json::Value::Null,
            arrays: BTreeMap::new(),
        };
        unfitted.fitted(model)
    }

    /// The same model after it was fitted, and the tensors for the file.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when a tensor cannot be made.
    pub fn fitted(
        &self,
        model: &FittedModel,
    ) -> std::result::Result<(Self, BTreeMap<String, Tensor>), ModelError> {
        let Parts { description, arrays } = model.to_parts();
        let mut kinds = BTreeMap::new();
        let mut tensors = BTreeMap::new();
        for (name, PartArray { shape, values }) in arrays {
            let (kind, tensor) = match values {
                PartValues::F64(values) => {
                    let kind = self.precision.kind(&values);
                    let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?;
                    (kind, tensor.to_dtype(kind.dtype())?)
                }
                PartValues::F32(bytes) => {
                    let values = bytes.as_slice().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b));
                    (ArrayKind::F32, Tensor::from_vec(values.collect(), shape, &Device::Cpu)?)
                }
                PartValues::F16(bytes) => {
                    let values = bytes.as_slice().as_chunks().0.iter().map(|&b| f16::from_le_bytes(b));
                    (ArrayKind::F16, Tensor::from_vec(values.collect(), shape, &Device::Cpu)?)
                }
                PartValues::U32(values) => (ArrayKind::U32, Tensor::from_vec(values, shape, &Device::Cpu)?),
            };
            kinds.insert(name.clone(), kind);
            tensors.insert(name, tensor);
        }
        let config = Self { columns: model.n_features(), description, arrays: kinds, ..self.clone() };
        Ok((config, tensors))
    }

    pub(crate) fn validate(&self) -> std::result::Result<(), ModelError> {
        if self.description.is_null() {
            return self.validate_unfitted();
        }
        if !(1..=MAX_COLUMNS).contains(&self.columns) {
            let given = self.columns;
            return Err(ModelError::Config(format!("{given} columns, 1 to {MAX_COLUMNS} are allowed")));
        }
        if let Some(statistics) = &self.statistics {
            statistics.validate()?;
            if statistics.len() != self.columns {
                let (given, columns) = (statistics.len(), self.columns);
                return Err(ModelError::Config(format!(
                    "{given} statistics for a model of {columns} columns"
                )));
            }
        }
        Ok(())
    }

    fn validate_unfitted(&self) -> std::result::Result<(), ModelError> {
        let (Some(statistics), Some(pipeline)) = (&self.statistics, &self.pipeline) else {
            return Err(ModelError::Config(
                "a classic model that is not fitted, it needs statistics and a pipeline".into(),
            ));
        };
        statistics.validate()?;
        pipeline.validate().map_err(|e| ModelError::Config(e.to_string()))
    }
}

/// A model of `timbral-classic` behind the interface of a network: features `(batch, columns)` or `(batch, columns, 1)`, or
/// log-mel spectrograms `(batch, bands, frames)` of which it takes statistics, to logits, which are the logarithms of its
/// probabilities. It is fitted, not trained: gradients end here.
pub struct ClassicNet {
    model: FittedModel,
    statistics: Option<LogMelStatistics>,
    columns: usize,
}

impl fmt::Debug for ClassicNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassicNet").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl ClassicNet {
    /// Puts the model together from the tensors that `vb` gives.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when `vb` lacks a tensor, or when the tensors are no such model or one of other classes.
    pub fn new(
        config: &ClassicConfig,
        classes: usize,
        vb: &VarBuilder<'_>,
    ) -> std::result::Result<Self, ModelError> {
        if config.description.is_null() {
            return Err(ModelError::Config("a classic model that is not fitted".into()));
        }
        let wrong = |e: candle_core::Error| ModelError::Shape(e.to_string());
        let mut arrays = BTreeMap::new();
        for (name, kind) in &config.arrays {
            let tensor = vb.get_unchecked_dtype(name, kind.dtype()).map_err(wrong)?;
            let flat = tensor.flatten_all().map_err(wrong)?;
            let values = match kind {
                ArrayKind::U32 => PartValues::U32(flat.to_vec1().map_err(wrong)?),
                ArrayKind::F64 => PartValues::F64(flat.to_vec1().map_err(wrong)?),
                ArrayKind::F32 => PartValues::F32(packed(&flat, f32::to_le_bytes).map_err(wrong)?),
                ArrayKind::F16 => PartValues::F16(packed(&flat, f16::to_le_bytes).map_err(wrong)?),
            };
            let shape = tensor.dims().to_vec();
            arrays.insert(name.clone(), PartArray { shape, values });
        }
        let parts = Parts { description: config.description.clone(), arrays };
        let model = FittedModel::from_parts(&parts).map_err(|e| ModelError::Shape(e.to_string()))?;
        let given = (model.n_features(), model.n_classes());
        if given != (config.columns, classes) {
            return Err(ModelError::Shape(format!(
                "the stored model takes {} features to {} classes, the header says {} and {classes}",
                given.0, given.1, config.columns
            )));
        }
        Ok(Self {
            model,
            statistics: config.statistics.as_ref().map(LogMelStatistics::new).transpose()?,
            columns: config.columns,
        })
    }
}

impl ModuleT for ClassicNet {
    fn forward_t(&self, x: &Tensor, _train: bool) -> Result<Tensor> {
        let rows = match &self.statistics {
            Some(statistics) => statistics.forward(x)?,
            None => x.flatten_from(1)?,
        };
        let (batch, columns) = rows.dims2()?;
        if columns != self.columns {
            candle_core::bail!("{columns} features were given, the model takes {}", self.columns);
        }
        let values = rows.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        let rows = Array2::from_shape_vec((batch, columns), values).map_err(candle_core::Error::wrap)?;
        let probabilities = self.model.predict_proba(rows.view()).map_err(candle_core::Error::wrap)?;
        let classes = probabilities.ncols();
        let flat: Vec<f32> = probabilities.iter().map(|p| *p as f32).collect();
        let probabilities = Tensor::from_vec(flat, (batch, classes), x.device())?;
        crate::architecture::log_probabilities(&probabilities)
    }
}
