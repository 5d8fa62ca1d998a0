use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::simd::{all_finite, dispatch, half_to_f64, single_to_f64};

/// Values of a [`PartArray`](super::PartArray).
///
/// A fitted model keeps large arrays (principal components, support vectors, neighbours) as they are given here, and widens
/// them while it predicts; so opening a model of half precision touches no value but to see that it is finite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartValues {
    /// Numbers in double precision; all are finite.
    F64(Vec<f64>),
    /// Numbers in single precision, four bytes each in little-endian order; all are finite. Serde sees numbers.
    #[serde(with = "single")]
    F32(SharedBytes),
    /// Numbers in half precision (IEEE 754 binary16), two bytes each in little-endian order; all are finite. Serde sees
    /// their bit patterns.
    #[serde(with = "half")]
    F16(SharedBytes),
    /// Indices.
    U32(Vec<u32>),
}

impl PartValues {
    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F64(values) => values.len(),
            Self::F32(bytes) => bytes.as_slice().len() / 4,
            Self::F16(bytes) => bytes.as_slice().len() / 2,
            Self::U32(values) => values.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers in double precision, which holds each exactly; `None` of indices.
    #[must_use]
    pub fn to_f64(&self) -> Option<Cow<'_, [f64]>> {
        match self {
            Self::F64(values) => Some(Cow::Borrowed(values)),
            Self::F32(bytes) => Some(Cow::Owned(widened(bytes.chunks::<4>(), single_to_f64))),
            Self::F16(bytes) => Some(Cow::Owned(widened(bytes.chunks::<2>(), half_to_f64))),
            Self::U32(_) => None,
        }
    }

    /// Whether all numbers are finite and all bytes belong to one; indices always are.
    pub(crate) fn are_finite(&self) -> bool {
        match self {
            Self::F64(values) => all_finite(values),
            Self::F32(bytes) => bytes.are_finite::<4>(|b| u32::from_le_bytes(b) & 0x7f80_0000 != 0x7f80_0000),
            Self::F16(bytes) => bytes.are_finite::<2>(|b| u16::from_le_bytes(b) & 0x7c00 != 0x7c00),
            Self::U32(_) => true,
        }
    }
}

fn widened<const N: usize>(values: &[[u8; N]], widen: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    dispatch(
        #[inline(always)]
        || values.iter().map(|&bytes| widen(bytes)).collect(),
    )
}

/// Bytes of numbers that may lie inside a larger buffer, such as a model file, which is shared instead of copied.
#[derive(Clone)]
pub struct SharedBytes {
    buffer: Arc<Cow<'static, [u8]>>,
    range: Range<usize>,
}

impl SharedBytes {
    /// The bytes in `range` of a buffer; `None` if they do not all lie in it.
    #[must_use]
    pub fn part_of(buffer: Arc<Cow<'static, [u8]>>, range: Range<usize>) -> Option<Self> {
        buffer.get(range.clone())?;
        Some(Self { buffer, range })
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // The range was checked when the value was made.
        self.buffer.get(self.range.clone()).unwrap_or_default()
    }

    /// The bytes of each number; what does not make a whole one is left out.
    pub(crate) fn chunks<const N: usize>(&self) -> &[[u8; N]] {
        self.as_slice().as_chunks().0
    }

    fn are_finite<const N: usize>(&self, is_finite: impl Fn([u8; N]) -> bool) -> bool {
        let (values, rest) = self.as_slice().as_chunks::<N>();
        // No early exit, so that many are looked at together.
        let all = dispatch(
            #[inline(always)]
            || values.iter().fold(true, |all, &bytes| all & is_finite(bytes)),
        );
        all && rest.is_empty()
    }
}

impl From<Vec<u8>> for SharedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Self { buffer: Arc::new(Cow::Owned(bytes)), range }
    }
}

impl PartialEq for SharedBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SharedBytes {}

impl fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.range.len())
    }
}

/// Single precision for serde: a list of numbers.
mod single {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::SharedBytes;

    pub(super) fn serialize<S: Serializer>(bytes: &SharedBytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(bytes.chunks().iter().map(|&value| f32::from_le_bytes(value)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SharedBytes, D::Error> {
        let values = Vec::<f32>::deserialize(deserializer)?;
        Ok(values.into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into())
    }
}

/// Half precision for serde: a list of bit patterns.
mod half {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::SharedBytes;

    pub(super) fn serialize<S: Serializer>(bytes: &SharedBytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(bytes.chunks().iter().map(|&bits| u16::from_le_bytes(bits)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SharedBytes, D::Error> {
        let values = Vec::<u16>::deserialize(deserializer)?;
        Ok(values.into_iter().flat_map(u16::to_le_bytes).collect::<Vec<u8>>().into())
    }
}
