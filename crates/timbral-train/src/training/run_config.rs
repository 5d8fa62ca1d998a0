use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use timbral::FrontEnd;
use timbral_model::{Aggregation, Architecture, Header, ModelFile};
use toml::{Table, Value};

use super::cross_validation::Member;
use super::overrides;
use crate::TrainError;
use crate::atomic::write_atomically;

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
    /// Front end of the model.
    pub front_end: FrontEnd,
    /// The networks; their probabilities are averaged.
    pub members: Vec<Member>,
}

impl RunConfig {
    /// Reads a TOML file. A member with a `trunk` may leave out the architecture of its trunk: it stands in that file.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be read, [`TrainError::Malformed`] with line and field when it is no run
    /// configuration; an unknown field is an error that names the nearest known one. [`TrainError::Model`] for a trunk
    /// that is no model file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TrainError> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(TrainError::io(path))?;
        let malformed =
            |e: toml::de::Error| TrainError::malformed(path, overrides::with_nearest(&e.to_string()));
        let mut table: Table = toml::from_str(&text).map_err(malformed)?;
        if add_trunks(&mut table)? {
            table.try_into().map_err(malformed)
        } else {
            // From the text, errors tell line and column.
            toml::from_str(&text).map_err(malformed)
        }
    }

    /// Sets one field: `name=value`, with the dotted name of the field and a value in TOML (a word needs no quotes).
    ///
    /// `front_end.window_seconds=10` sets that field; `members.cnn.training.epochs=5` (or `members.0.…`) one of the
    /// member `cnn`; `training.epochs=5`, `architecture.dropout=0.3`, `copies=2` and `trunk=FILE` those of every member.
    /// A new `architecture.type` takes the defaults of that architecture.
    ///
    /// # Errors
    /// [`TrainError::Config`] with the assignment and what is wrong with it; an unknown name is an error that names the
    /// nearest one that is. Nothing is changed then.
    pub fn set(&mut self, assignment: &str) -> Result<(), TrainError> {
        let refused = |rule: String| {
            TrainError::config("override", assignment, format!("one that the configuration takes: {rule}"))
        };
        let (name, value) = overrides::parse(assignment).map_err(refused)?;
        self.set_value(name, &value).map_err(|rule| {
            TrainError::config("override", assignment, format!("one that the configuration takes: {rule}"))
        })
    }

    fn set_value(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let mut table = Table::try_from(&*self).map_err(|e| e.to_string())?;
        let before = table.clone();
        overrides::set(&mut table, name, value)?;
        forget_changed_trunks(&before, &mut table);
        add_trunks(&mut table).map_err(|e| e.to_string())?;
        *self = table.try_into().map_err(|e: toml::de::Error| overrides::with_nearest(&e.to_string()))?;
        Ok(())
    }

    /// The configuration with every default written out, as TOML.
    ///
    /// # Errors
    /// [`TrainError::Config`] for a number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string(self).map_err(|e| TrainError::config("configuration", &self.name, e.to_string()))
    }

    /// Writes [`to_toml`](Self::to_toml) as a file, atomically.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written; as [`to_toml`](Self::to_toml).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TrainError> {
        write_atomically(path.as_ref(), &[self.to_toml()?.as_bytes()])
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
        let mut header =
            Header::new(self.name.as_str(), architecture, self.front_end.to_json()?, labels.to_vec());
        header.aggregation = self.aggregation;
        header.metrics = metrics;
        header.licence.clone_from(&self.licence);
        header.training_data.clone_from(&self.training_data);
        Ok(ModelFile { header, tensors: timbral_model::from_candle(&tensors)? })
    }
}

/// Takes the architecture of the trunk from members that name another model file than before: it may have another one.
fn forget_changed_trunks(before: &Table, after: &mut Table) {
    let (Some(Value::Array(before)), Some(Value::Array(after))) =
        (before.get("members"), after.get_mut("members"))
    else {
        return;
    };
    for (before, after) in before.iter().zip(after) {
        if before.get("trunk") != after.get("trunk")
            && let Some(Value::Table(architecture)) = after.get_mut("architecture")
        {
            architecture.remove("trunk");
        }
    }
}

/// Gives transfer networks that name a model file, and no architecture of their trunk, the one of the file. Returns whether
/// there was one.
fn add_trunks(config: &mut Table) -> Result<bool, TrainError> {
    let Some(Value::Array(members)) = config.get_mut("members") else {
        return Ok(false);
    };
    let mut added = false;
    for member in members {
        let Some(path) = member.get("trunk").and_then(Value::as_str).map(str::to_owned) else {
            continue;
        };
        let Some(Value::Table(architecture)) = member.get_mut("architecture") else {
            continue;
        };
        if architecture.get("type").and_then(Value::as_str) != Some("transfer")
            || architecture.contains_key("trunk")
        {
            continue;
        }
        let file = ModelFile::open(&path)?;
        let trunk = Value::try_from(&file.header.architecture)
            .map_err(|e| TrainError::malformed(Path::new(&path), e.to_string()))?;
        architecture.insert("trunk".into(), trunk);
        added = true;
    }
    Ok(added)
}
