use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use ndarray::{Array2, ArrayView2, ArrayView3};
use timbral_nn::TrainingClock;

use crate::network::probabilities;
use crate::transfer::TRUNK;
use crate::{Header, ModelError, ModelFile, Network, StoredTensor, at_temperature};

/// A model ready to predict: network, labels and everything else that its file says.
///
/// Copies share everything, so that a model goes to as many threads as wanted.
#[derive(Debug, Clone)]
pub struct Model(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    header: Header,
    network: Box<dyn Network>,
    weights: usize,
}

impl Model {
    /// Opens a model file.
    ///
    /// # Errors
    /// All of [`ModelFile::open`] and [`from_file`](Self::from_file).
    pub fn open(path: impl AsRef<Path>) -> std::result::Result<Self, ModelError> {
        Self::from_file(&ModelFile::open(path)?)
    }

    /// Builds the network of a model file.
    ///
    /// # Errors
    /// [`ModelError::Config`] for an architecture that breaks its rules; [`ModelError::Shape`] for a tensor that is
    /// missing, has another shape than the architecture asks for, or belongs to no part of it.
    pub fn from_file(file: &ModelFile) -> std::result::Result<Self, ModelError> {
        file.header.validate()?;
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let backend = FileWeights { tensors: &file.tensors, taken: taken.clone() };
        let vb = VarBuilder::from_backend(Box::new(backend), DType::F32, Device::Cpu);
        let network = {
            // Inference draws nothing, so seed and step do not matter.
            let clock = TrainingClock::new(0);
            file.header.architecture.build(file.header.labels.len(), &clock, vb)?
        };
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = file.tensors.keys().find(|name| !taken.contains(*name)) {
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
    pub fn probabilities(&self, batch: ArrayView3<'_, f32>) -> std::result::Result<Array2<f32>, ModelError> {
        let values: Vec<f32> = batch.iter().copied().collect();
        let x = Tensor::from_vec(values, batch.dim(), &Device::Cpu)?;
        let rows = probabilities(self.0.network.as_ref(), &x)?;
        let shape = rows.dims2()?;
        Array2::from_shape_vec(shape, rows.flatten_all()?.to_vec1()?)
            .map_err(|_| ModelError::Shape(format!("the network gives rows of the shape {shape:?}")))
    }

    /// Class probabilities of a track from those of its windows, by the rule of the model and at its temperature.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when there is no window.
    pub fn aggregate(&self, windows: ArrayView2<'_, f32>) -> std::result::Result<Vec<f32>, ModelError> {
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
    /// The tensors below the last layer, named as a [`Transfer`](crate::Transfer) over this network names them: the
    /// initial weights of its trunk.
    ///
    /// # Errors
    /// As [`Model::from_file`].
    pub fn trunk_tensors(&self) -> std::result::Result<BTreeMap<String, StoredTensor>, ModelError> {
        self.header.validate()?;
        let taken = Arc::new(Mutex::new(BTreeSet::new()));
        let backend = FileWeights { tensors: &self.tensors, taken: taken.clone() };
        let vb = VarBuilder::from_backend(Box::new(backend), DType::F32, Device::Cpu);
        self.header.architecture.build_trunk(&TrainingClock::new(0), vb)?;
        let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(taken
            .iter()
            .filter_map(|name| Some((format!("{TRUNK}.{name}"), self.tensors.get(name)?.clone())))
            .collect())
    }
}

/// Gives out the tensors of a file, checks their shapes and notes which were asked for.
struct FileWeights<'a> {
    tensors: &'a BTreeMap<String, StoredTensor>,
    taken: Arc<Mutex<BTreeSet<String>>>,
}

impl SimpleBackend for FileWeights<'_> {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() != &shape {
            candle_core::bail!(
                "tensor {name} has shape {:?}, the architecture asks for {shape:?}",
                tensor.shape()
            );
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let Some(tensor) = self.tensors.get(name) else { candle_core::bail!("tensor {name} is missing") };
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        tensor.to_candle().map_err(candle_core::Error::wrap)?.to_dtype(dtype)?.to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }
}
