use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crate::{Header, ModelError, StoredTensor, TensorFile};

/// A model on disk: one `.safetensors` file ([`TensorFile`]) whose text is the JSON of a [`Header`].
///
/// [`Model`](crate::Model) checks names and shapes of the tensors against the architecture.
#[derive(Debug, Clone)]
pub struct ModelFile {
    /// What the file says of itself.
    pub header: Header,
    /// The tensors by name.
    pub tensors: BTreeMap<String, StoredTensor>,
}

impl ModelFile {
    /// Reads a model file.
    ///
    /// # Errors
    /// All of [`TensorFile::open`] and [`Header::from_json`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Self::from_tensor_file(TensorFile::open(path)?)
    }

    /// Reads a model from the bytes of its file; see [`TensorFile::from_bytes`] for which are copied.
    ///
    /// # Errors
    /// All of [`TensorFile::from_bytes`] and [`Header::from_json`].
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, ModelError> {
        Self::from_tensor_file(TensorFile::from_bytes(bytes)?)
    }

    fn from_tensor_file(file: TensorFile) -> Result<Self, ModelError> {
        Ok(Self { header: Header::from_json(&file.text)?, tensors: file.tensors })
    }

    /// The bytes of the file: the same model always gives the same bytes.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] when the header cannot be written as JSON, else as [`TensorFile::to_bytes`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        self.to_tensor_file()?.to_bytes()
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// As [`to_bytes`](Self::to_bytes) and [`TensorFile::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        self.to_tensor_file()?.save(path)
    }

    fn to_tensor_file(&self) -> Result<TensorFile, ModelError> {
        let text =
            serde_json::to_string(&self.header).map_err(|e| ModelError::Malformed(format!("header: {e}")))?;
        Ok(TensorFile { text, tensors: self.tensors.clone() })
    }
}
