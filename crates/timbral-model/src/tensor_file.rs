use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{ArrayKind, ModelError, StoredTensor};

/// Key of the text in the metadata of the safetensors file.
const TEXT_KEY: &str = "timbral";

/// Largest file that is read: 1 GiB.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Named tensors (`f16`, `f32`, `f64`, `u32`) and one text (JSON, by custom) in a `.safetensors` file: what model files and
/// checkpoints are.
///
/// Reading trusts nothing: the size is bounded, offsets are checked, and every number must be finite. The tensors share the
/// bytes that were read.
#[derive(Debug, Clone, Default)]
pub struct TensorFile {
    /// The text.
    pub text: String,
    /// The tensors by name.
    pub tensors: BTreeMap<String, StoredTensor>,
}

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read, else as [`from_bytes`](Self::from_bytes).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let io = |source| ModelError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_or(0, |metadata| metadata.len().min(MAX_FILE_BYTES));
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1);
        // One byte more than allowed, so that a file that grows or lies about its size is noticed as well.
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        Self::from_bytes(bytes)
    }

    /// Reads the bytes of a file: a vector is taken over, and bytes that live as long as the program, such as those of
    /// `include_bytes!`, are borrowed. Neither is copied.
    ///
    /// # Errors
    /// [`ModelError::Limit`] for more than 1 GiB; [`ModelError::Malformed`] for bytes that are no safetensors file, lack
    /// the text or hold a value that is not finite; [`ModelError::Unsupported`] for other types of numbers.
    pub fn from_bytes(bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, ModelError> {
        let bytes = Arc::new(bytes.into());
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let given = bytes.len() as u64;
            return Err(ModelError::Limit {
                what: "size of the file in bytes",
                given,
                limit: MAX_FILE_BYTES,
            });
        }
        let malformed = |e: safetensors::SafeTensorError| ModelError::Malformed(format!("safetensors: {e}"));
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(malformed)?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(TEXT_KEY))
            .ok_or_else(|| ModelError::Malformed(format!("the metadata has no entry {TEXT_KEY:?}")))?
            .clone();
        // The data follow eight bytes that hold the length of the header, and the header.
        let start = header + 8;
        if metadata.data_len() != bytes.len() - start {
            return Err(ModelError::Malformed("the file is truncated or has bytes after its tensors".into()));
        }
        let mut tensors = BTreeMap::new();
        for (name, info) in metadata.tensors() {
            let kind = match info.dtype {
                Dtype::F16 => ArrayKind::F16,
                Dtype::F32 => ArrayKind::F32,
                Dtype::F64 => ArrayKind::F64,
                Dtype::U32 => ArrayKind::U32,
                other => {
                    let message = format!("tensor {name} holds {other:?}; it must hold F16, F32, F64 or U32");
                    return Err(ModelError::Unsupported(message));
                }
            };
            let (from, to) = info.data_offsets;
            let tensor = StoredTensor::part_of(&bytes, kind, &info.shape, start + from..start + to)?;
            if let Some((position, value)) = tensor.not_finite() {
                return Err(ModelError::Malformed(format!("tensor {name} holds {value} at {position}")));
            }
            tensors.insert(name, tensor);
        }
        Ok(Self { text, tensors })
    }

    /// The bytes of the file: the same content always gives the same bytes.
    ///
    /// # Errors
    /// [`ModelError::Malformed`] when safetensors rejects a tensor.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let malformed = |e| ModelError::Malformed(format!("safetensors: {e}"));
        let mut views = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let dtype = match tensor.kind() {
                ArrayKind::F16 => Dtype::F16,
                ArrayKind::F32 => Dtype::F32,
                ArrayKind::F64 => Dtype::F64,
                ArrayKind::U32 => Dtype::U32,
            };
            let view = TensorView::new(dtype, tensor.shape().to_vec(), tensor.bytes()).map_err(malformed)?;
            views.push((name.as_str(), view));
        }
        let metadata = HashMap::from([(TEXT_KEY.to_owned(), self.text.clone())]);
        safetensors::serialize(views, Some(metadata)).map_err(malformed)
    }

    /// Writes the file atomically: a reader sees the old content or the new one.
    ///
    /// # Errors
    /// [`ModelError::Io`] when writing fails, else as [`to_bytes`](Self::to_bytes).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let path = path.as_ref();
        timbral_atomic::write(path, [self.to_bytes()?]).map_err(|source| ModelError::Io {
            action: "write",
            path: path.to_owned(),
            source,
        })
    }
}
