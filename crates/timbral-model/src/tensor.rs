use std::borrow::Cow;
#[cfg(feature = "candle")]
use std::collections::BTreeMap;
use std::sync::Arc;

use half::f16;
use timbral_classic::SharedBytes;

use crate::{ArrayKind, ModelError};

/// A tensor as a file holds it: element type, shape and bytes. Bytes of a file are shared, not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTensor {
    kind: ArrayKind,
    shape: Vec<usize>,
    /// Little-endian, row-major; as many as the shape asks for.
    bytes: SharedBytes,
}

impl StoredTensor {
    /// A tensor of `f32` values in row-major order.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when there are not as many values as the shape has places.
    pub fn from_f32(shape: impl Into<Vec<usize>>, values: &[f32]) -> Result<Self, ModelError> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::new(ArrayKind::F32, shape.into(), bytes.into())
    }

    /// A tensor of little-endian bytes.
    pub(crate) fn new(kind: ArrayKind, shape: Vec<usize>, bytes: SharedBytes) -> Result<Self, ModelError> {
        let values = shape.iter().try_fold(kind.bytes(), |product, size| product.checked_mul(*size));
        if values != Some(bytes.as_slice().len()) {
            let given = format!("{} bytes", bytes.as_slice().len());
            return Err(ModelError::Shape(format!("a tensor of the shape {shape:?} has {given}")));
        }
        Ok(Self { kind, shape, bytes })
    }

    /// Bytes of a file that lie in `range`.
    pub(crate) fn part_of(
        file: &Arc<Cow<'static, [u8]>>,
        kind: ArrayKind,
        shape: &[usize],
        range: std::ops::Range<usize>,
    ) -> Result<Self, ModelError> {
        let bytes = SharedBytes::part_of(file.clone(), range)
            .ok_or_else(|| ModelError::Malformed("a tensor lies outside of the file".into()))?;
        Self::new(kind, shape.to_vec(), bytes)
    }

    /// Type of the elements.
    #[must_use]
    pub fn kind(&self) -> ArrayKind {
        self.kind
    }

    /// Length of each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.as_slice().len() / self.kind.bytes()
    }

    /// Whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.as_slice().is_empty()
    }

    /// The bytes, little-endian and row-major.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    pub(crate) fn shared_bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// The values in single precision.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self.kind {
            ArrayKind::F32 => self.chunks().iter().map(|&b| f32::from_le_bytes(b)).collect(),
            ArrayKind::F16 => self.chunks().iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            ArrayKind::F64 => self.chunks().iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            ArrayKind::U32 => self.chunks().iter().map(|&b| u32::from_le_bytes(b) as f32).collect(),
        }
    }

    /// The values in double precision.
    #[must_use]
    pub fn to_f64(&self) -> Vec<f64> {
        match self.kind {
            ArrayKind::F64 => self.chunks().iter().map(|&b| f64::from_le_bytes(b)).collect(),
            ArrayKind::U32 => self.chunks().iter().map(|&b| f64::from(u32::from_le_bytes(b))).collect(),
            _ => self.to_f32().into_iter().map(f64::from).collect(),
        }
    }

    /// The values as indices; none of other types.
    #[must_use]
    pub fn to_u32(&self) -> Option<Vec<u32>> {
        let values = || self.chunks().iter().map(|&b| u32::from_le_bytes(b)).collect();
        (self.kind == ArrayKind::U32).then(values)
    }

    /// Place and value of the first number that is not finite.
    pub(crate) fn not_finite(&self) -> Option<(usize, f64)> {
        // The exponent tells, without a conversion: all ones are infinity or not a number. No early exit, so that the
        // compiler looks at many at once.
        let all_finite = match self.kind {
            ArrayKind::F32 => {
                let finite = |b: &[u8; 4]| u32::from_le_bytes(*b) & 0x7f80_0000 != 0x7f80_0000;
                self.chunks().iter().fold(true, |all, b| all & finite(b))
            }
            ArrayKind::F16 => {
                let finite = |b: &[u8; 2]| u16::from_le_bytes(*b) & 0x7c00 != 0x7c00;
                self.chunks().iter().fold(true, |all, b| all & finite(b))
            }
            ArrayKind::F64 => {
                let finite = |b: &[u8; 8]| f64::from_le_bytes(*b).is_finite();
                self.chunks().iter().fold(true, |all, b| all & finite(b))
            }
            ArrayKind::U32 => true,
        };
        if all_finite {
            None
        } else {
            self.to_f64().into_iter().enumerate().find(|(_, value)| !value.is_finite())
        }
    }

    fn chunks<const N: usize>(&self) -> &[[u8; N]] {
        self.bytes.as_slice().as_chunks().0
    }
}

#[cfg(feature = "candle")]
impl StoredTensor {
    /// The values of a candle tensor: `f64`, `f16` and `u32` as they are, all others as `f32`.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when they cannot be copied to the CPU.
    pub fn from_candle(tensor: &candle_core::Tensor) -> Result<Self, ModelError> {
        use candle_core::DType;
        let flat = tensor.flatten_all()?;
        let (kind, bytes): (ArrayKind, Vec<u8>) = match tensor.dtype() {
            DType::F64 => {
                (ArrayKind::F64, flat.to_vec1::<f64>()?.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            DType::F16 => {
                (ArrayKind::F16, flat.to_vec1::<f16>()?.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            DType::U32 => {
                (ArrayKind::U32, flat.to_vec1::<u32>()?.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
            _ => {
                let values = flat.to_dtype(DType::F32)?.to_vec1::<f32>()?;
                (ArrayKind::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
            }
        };
        Self::new(kind, tensor.dims().to_vec(), bytes.into())
    }

    /// A candle tensor on the CPU.
    ///
    /// # Errors
    /// [`ModelError::Tensor`] when candle rejects the values.
    pub fn to_candle(&self) -> Result<candle_core::Tensor, ModelError> {
        use candle_core::{Device, Tensor};
        let (shape, device) = (self.shape.as_slice(), &Device::Cpu);
        Ok(match self.kind {
            ArrayKind::F32 => Tensor::from_vec(self.to_f32(), shape, device)?,
            ArrayKind::F64 => Tensor::from_vec(self.to_f64(), shape, device)?,
            ArrayKind::U32 => Tensor::from_vec(self.to_u32().unwrap_or_default(), shape, device)?,
            ArrayKind::F16 => {
                let values: Vec<f16> = self.chunks().iter().map(|&b| f16::from_le_bytes(b)).collect();
                Tensor::from_vec(values, shape, device)?
            }
        })
    }
}

/// Candle tensors of stored ones, by the same names.
///
/// # Errors
/// As [`StoredTensor::to_candle`].
#[cfg(feature = "candle")]
pub fn to_candle(
    tensors: &BTreeMap<String, StoredTensor>,
) -> Result<BTreeMap<String, candle_core::Tensor>, ModelError> {
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensor.to_candle()?))).collect()
}

/// Stored tensors of candle ones, by the same names.
///
/// # Errors
/// As [`StoredTensor::from_candle`].
#[cfg(feature = "candle")]
pub fn from_candle<'a>(
    tensors: impl IntoIterator<Item = (&'a String, &'a candle_core::Tensor)>,
) -> Result<BTreeMap<String, StoredTensor>, ModelError> {
    tensors.into_iter().map(|(name, tensor)| Ok((name.clone(), StoredTensor::from_candle(tensor)?))).collect()
}
