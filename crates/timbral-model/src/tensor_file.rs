use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::ModelError;

/// Key of the text in the metadata of the safetensors file.
const TEXT_KEY: &str = "timbral";

/// Largest file that is read: 1 GiB.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Named tensors (`f16`, `f32`, `f64`, `u32`) and one text (JSON, by custom) in a `.safetensors` file: what model files and
/// checkpoints are.
///
/// Reading trusts nothing: the size is bounded, offsets are checked, and every number must be finite.
#[derive(Debug, Clone, Default)]
pub struct TensorFile {
    /// The text.
    pub text: String,
    /// The tensors by name, on the CPU.
    pub tensors: BTreeMap<String, Tensor>,
}

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the file cannot be read, else as [`from_bytes`](Self::from_bytes).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        // One byte more than allowed, so that a file that grows or lies about its size is noticed as well.
        File::open(path).map_err(io)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
        Self::from_bytes(&bytes)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// [`ModelError::Limit`] for more than 1 GiB; [`ModelError::Malformed`] for bytes that are no safetensors file, lack
    /// the text or hold a value that is not finite; [`ModelError::Unsupported`] for a type other than `f32`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() as u64 > MAX_FILE_BYTES {
            let given = bytes.len() as u64;
            return Err(ModelError::Limit {
                what: "size of the file in bytes",
                given,
                limit: MAX_FILE_BYTES,
            });
        }
        let malformed = |e: safetensors::SafeTensorError| ModelError::Malformed(format!("safetensors: {e}"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(malformed)?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(TEXT_KEY))
            .ok_or_else(|| ModelError::Malformed(format!("the metadata has no entry {TEXT_KEY:?}")))?
            .clone();
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(bytes).map_err(malformed)?.iter() {
            tensors.insert(name.to_owned(), read_tensor(name, &view)?);
        }
        Ok(Self { text, tensors })
    }

    /// The bytes of the file: the same content always gives the same bytes.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when a tensor cannot be read, [`ModelError::Malformed`] when safetensors refuses it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let mut data = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let flat = tensor.flatten_all()?;
            let (dtype, raw): (Dtype, Vec<u8>) = match tensor.dtype() {
                DType::F64 => {
                    (Dtype::F64, flat.to_vec1::<f64>()?.iter().flat_map(|v| v.to_le_bytes()).collect())
                }
                DType::F16 => {
                    (Dtype::F16, flat.to_vec1::<f16>()?.iter().flat_map(|v| v.to_le_bytes()).collect())
                }
                DType::U32 => {
                    (Dtype::U32, flat.to_vec1::<u32>()?.iter().flat_map(|v| v.to_le_bytes()).collect())
                }
                _ => {
                    let values = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
                    (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
                }
            };
            data.push((name.as_str(), dtype, tensor.dims().to_vec(), raw));
        }
        let malformed = |e| ModelError::Malformed(format!("safetensors: {e}"));
        let mut views = Vec::with_capacity(data.len());
        for (name, dtype, dims, raw) in &data {
            views.push((*name, TensorView::new(*dtype, dims.clone(), raw).map_err(malformed)?));
        }
        let metadata = HashMap::from([(TEXT_KEY.to_owned(), self.text.clone())]);
        safetensors::serialize(views, Some(metadata)).map_err(malformed)
    }

    /// Writes the file atomically, as [`write_atomically`] does.
    ///
    /// # Errors
    /// [`ModelError::Io`] when writing fails, else as [`to_bytes`](Self::to_bytes).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let path = path.as_ref();
        write_atomically(path, &self.to_bytes()?)
            .map_err(|source| ModelError::Io { path: path.to_owned(), source })
    }
}

fn read_tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor, ModelError> {
    let finite =
        |values: &mut dyn Iterator<Item = f64>| match values.enumerate().find(|(_, v)| !v.is_finite()) {
            None => Ok(()),
            Some((position, value)) => {
                Err(ModelError::Malformed(format!("tensor {name} holds {value} at {position}")))
            }
        };
    let (shape, device) = (view.shape(), &Device::Cpu);
    match view.dtype() {
        Dtype::F32 => {
            let chunks = view.data().as_chunks::<4>().0;
            let values: Vec<f32> = chunks.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            finite(&mut values.iter().map(|v| f64::from(*v)))?;
            Ok(Tensor::from_vec(values, shape, device)?)
        }
        Dtype::F16 => {
            let chunks = view.data().as_chunks::<2>().0;
            let values: Vec<f16> = chunks.iter().map(|&bytes| f16::from_le_bytes(bytes)).collect();
            finite(&mut values.iter().map(|v| f64::from(*v)))?;
            Ok(Tensor::from_vec(values, shape, device)?)
        }
        Dtype::F64 => {
            let chunks = view.data().as_chunks::<8>().0;
            let values: Vec<f64> = chunks.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
            finite(&mut values.iter().copied())?;
            Ok(Tensor::from_vec(values, shape, device)?)
        }
        Dtype::U32 => {
            let chunks = view.data().as_chunks::<4>().0;
            let values: Vec<u32> = chunks.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
            Ok(Tensor::from_vec(values, shape, device)?)
        }
        other => Err(ModelError::Unsupported(format!(
            "tensor {name} is {other:?}, F16, F32, F64 and U32 are read"
        ))),
    }
}

/// Writes a file so that a reader sees the old content or the new one, never a part, whatever interrupts.
///
/// The bytes go to a temporary file beside it, are flushed to the disk, and take the name in one step.
///
/// # Errors
/// What the system says; the old file, if any, is then untouched.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    // As any new file: readable for others if the user's mask says so, where a temporary file would be private.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".timbral-").suffix(".tmp").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself lasts once the folder is on the disk; only Unix lets a folder be opened and synced.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}
