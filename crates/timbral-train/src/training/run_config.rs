use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use timbral::FrontEnd;
use timbral_model::{Aggregation, Architecture, Header, Kind, ModelFile, SCHEMA_VERSION};

use super::cross_validation::Member;
use crate::TrainError;

/// Everything that a training run needs but the data, as it stands in a TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the model.
    pub name: String,
    /// Licence of the weights (SPDX expression).
    #[serde(default)]
    pub licence: String,
    /// What the weights are fitted to, for the model file.
    #[serde(default)]
    pub training_data: String,
    /// How the windows of a track are aggregated in use. Default: mean.
    #[serde(default)]
    pub aggregation: Aggregation,
    /// What the model hears.
    pub front_end: FrontEnd,
    /// The networks; their probabilities are averaged.
    pub members: Vec<Member>,
}

impl RunConfig {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be read, [`TrainError::Malformed`] with line and field when it is no run
    /// configuration.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        toml::from_str(&text).map_err(|e| TrainError::malformed(path, e.to_string()))
    }

    /// The model file of trained weights. `metrics` are figures to carry along.
    ///
    /// # Errors
    /// [`TrainError::Pipeline`] when the front end cannot be written.
    pub fn model_file(
        &self,
        labels: &[String],
        architecture: Architecture,
        tensors: BTreeMap<String, Tensor>,
        metrics: BTreeMap<String, f64>,
    ) -> Result<ModelFile, TrainError> {
        let header = Header {
            schema_version: SCHEMA_VERSION,
            kind: Kind::Network,
            name: self.name.clone(),
            architecture,
            front_end: self.front_end.to_json()?,
            labels: labels.to_vec(),
            aggregation: self.aggregation,
            metrics,
            licence: self.licence.clone(),
            training_data: self.training_data.clone(),
        };
        Ok(ModelFile { header, tensors })
    }
}
