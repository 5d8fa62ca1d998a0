use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use timbral_model::{ModelError, TensorFile, from_candle, to_candle};

use crate::TrainError;

/// State of a run after a pass: enough to go on as if it had never stopped.
#[derive(Debug, Clone)]
pub(super) struct Checkpoint {
    pub(super) progress: Progress,
    /// Weights and running statistics.
    pub(super) weights: BTreeMap<String, Tensor>,
    /// Moments of the optimizer.
    pub(super) optimizer: BTreeMap<String, Tensor>,
    /// Average of the weights; empty where the run keeps none.
    pub(super) average: BTreeMap<String, Tensor>,
    /// Weights of the best pass; empty without validation tracks.
    pub(super) best: BTreeMap<String, Tensor>,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// What was trained on what, and how: a checkpoint of another run is rejected.
    pub(super) fingerprint: String,
    /// Passes done.
    pub(super) epochs: usize,
    /// Steps of the optimizer done.
    pub(super) steps: u64,
    /// Loss of each pass that a learning rate goes by; empty where it goes by none.
    pub(super) losses: Vec<f64>,
    /// Updates of the average of the weights.
    pub(super) averaged: u64,
    /// Best validation accuracy and its pass.
    pub(super) best: Option<(f64, usize)>,
}

impl Checkpoint {
    pub(super) fn save(&self, path: &Path) -> Result<(), TrainError> {
        let text = serde_json::to_string(&self.progress)
            .map_err(|e| TrainError::malformed(path, format!("progress: {e}")))?;
        let mut tensors = BTreeMap::new();
        for (part, map) in [
            ("weights", &self.weights),
            ("optimizer", &self.optimizer),
            ("average", &self.average),
            ("best", &self.best),
        ] {
            tensors.extend(map.iter().map(|(name, tensor)| (format!("{part}/{name}"), tensor.clone())));
        }
        Ok(TensorFile { text, tensors: from_candle(&tensors)? }.save(path)?)
    }

    /// Reads a checkpoint of the run that `fingerprint` names; `None` when there is no file.
    pub(super) fn load(path: &Path, fingerprint: &str) -> Result<Option<Self>, TrainError> {
        if !path.exists() {
            return Ok(None);
        }
        let file = TensorFile::open(path).map_err(|e| match e {
            ModelError::Io { .. } => TrainError::Model(e),
            damaged => TrainError::malformed(path, format!("{damaged}; remove the file to start anew")),
        })?;
        let progress: Progress = serde_json::from_str(&file.text)
            .map_err(|e| TrainError::malformed(path, format!("progress: {e}")))?;
        if progress.fingerprint != fingerprint {
            let message = "it belongs to a run with another configuration, architecture or data set: \
                           choose another folder, or remove it to start anew";
            return Err(TrainError::malformed(path, message.to_owned()));
        }
        let tensors = to_candle(&file.tensors)?;
        let part = |part: &str| -> BTreeMap<String, Tensor> {
            tensors
                .iter()
                .filter_map(|(name, tensor)| {
                    let name = name.strip_prefix(part)?.strip_prefix('/')?;
                    Some((name.to_owned(), tensor.clone()))
                })
                .collect()
        };
        Ok(Some(Self {
            weights: part("weights"),
            optimizer: part("optimizer"),
            average: part("average"),
            best: part("best"),
            progress,
        }))
    }
}

/// Removes what writes of a killed run have left half done in its folder. That this fails is no reason to stop.
pub(super) fn remove_leftovers(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
        if name.starts_with(".timbral-") && name.ends_with(".tmp") {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// The checkpoint in the folder of a run.
pub(super) fn checkpoint_path(folder: &Path) -> PathBuf {
    folder.join("last.safetensors")
}
