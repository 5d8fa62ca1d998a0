use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, ArrayView2, ArrayView3};

use crate::inference::{Inference, Trunk};
use crate::transfer::TRUNK;
use crate::{Header, ModelError, ModelFile, StoredTensor, at_temperature};

/// A model ready to predict: network, labels and everything else that its file says.
///
/// Copies share everything, so that a model goes to as many threads as wanted.
#[derive(Debug, Clone)]
pub struct Model(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    header: Header,
    network: Inference,
    weights: usize,
}

impl Model {
    /// Opens a model file.
    ///
    /// # Errors
    /// All of [`ModelFile::open`] and [`from_file`](Self::from_file).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::from_file(&ModelFile::open(path)?)
    }

    /// Builds the network of a model file.
    ///
    /// # Errors
    /// [`ModelError::Config`] for an architecture that breaks its rules; [`ModelError::Shape`] for a tensor that is
    /// missing, has another shape than the architecture asks for, or belongs to no part of it.
    pub fn from_file(file: &ModelFile) -> Result<Self, ModelError> {
        file.header.validate()?;
        let tensors = Tensors::new(file);
        let (architecture, classes) = (&file.header.architecture, file.header.labels.len());
        let network = Inference::new(architecture, classes, &|name: &str| tensors.get(name))?;
        let used = tensors.used.into_inner();
        if let Some(name) = file.tensors.keys().find(|name| !used.contains(*name)) {
            return Err(ModelError::Shape(format!("tensor {name} belongs to no part of the architecture")));
        }
        let weights = file.tensors.values().map(StoredTensor::len).sum();
        Ok(Self(Arc::new(Parts { header: file.header.clone(), network, weights })))
    }

    /// What the file says of the model.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// Names of the classes, in the order of the probabilities.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.0.header.labels
    }

    /// Number of stored values.
    #[must_use]
    pub fn weights(&self) -> usize {
        self.0.weights
    }

    /// Class probabilities of a batch `(batch, rows, frames)`: one row for each input, summing to 1. They are those of the
    /// network, before the model's temperature, which belongs to tracks: [`aggregate`](Self::aggregate).
    ///
    /// # Errors
    /// [`ModelError::Shape`] and others when `batch` is not what the architecture takes.
    pub fn probabilities(&self, batch: ArrayView3<'_, f32>) -> Result<Array2<f32>, ModelError> {
        self.0.network.probabilities(batch)
    }

    /// Class probabilities of a track from those of its windows, by the rule of the model and at its temperature.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when there is no window.
    pub fn aggregate(&self, windows: ArrayView2<'_, f32>) -> Result<Vec<f32>, ModelError> {
        let rows: Vec<Vec<f32>> = windows.rows().into_iter().map(|row| row.to_vec()).collect();
        Ok(self.calibrated(&self.0.header.aggregation.aggregate(&rows)?))
    }

    /// Probabilities at the model's temperature; as they are where it has none.
    #[must_use]
    pub fn calibrated(&self, probabilities: &[f32]) -> Vec<f32> {
        match self.0.header.temperature {
            Some(temperature) => at_temperature(probabilities, temperature),
            None => probabilities.to_vec(),
        }
    }
}

impl ModelFile {
    /// The tensors below the last layer, named as a [`TransferConfig`](crate::TransferConfig) over this network names them: the
    /// initial weights of its trunk.
    ///
    /// # Errors
    /// As [`Model::from_file`].
    pub fn trunk_tensors(&self) -> Result<BTreeMap<String, StoredTensor>, ModelError> {
        self.header.validate()?;
        let tensors = Tensors::new(self);
        Trunk::new(&self.header.architecture, &|name: &str| tensors.get(name))?;
        let used = tensors.used.into_inner();
        Ok(used
            .iter()
            .filter_map(|name| Some((format!("{TRUNK}.{name}"), self.tensors.get(name)?.clone())))
            .collect())
    }
}

/// Gives out the tensors of a file and notes which were asked for.
struct Tensors<'a> {
    file: &'a ModelFile,
    used: RefCell<BTreeSet<String>>,
}

impl<'a> Tensors<'a> {
    fn new(file: &'a ModelFile) -> Self {
        Self { file, used: RefCell::default() }
    }

    fn get(&self, name: &str) -> Result<StoredTensor, ModelError> {
        let tensor = self.file.tensors.get(name);
        let tensor = tensor.ok_or_else(|| ModelError::Shape(format!("tensor {name} is missing")))?;
        self.used.borrow_mut().insert(name.to_owned());
        Ok(tensor.clone())
    }
}
