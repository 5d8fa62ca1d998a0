//! Element types of the CPU operations, and slices in and out of candle's storage.

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, WithDType};

use crate::error::shape_error;

/// `f32` or `f64`: what the CPU operations of this crate compute in.
pub(crate) trait Real:
    WithDType + crate::math::Math + crate::simd::Lanes + std::ops::Neg<Output = Self> + std::iter::Sum + Default
{
    fn of(value: f64) -> Self;
    fn lowest() -> Self;
    fn not_a_number(self) -> bool;
}

macro_rules! real {
    ($t:ty) => {
        impl Real for $t {
            #[inline]
            #[allow(clippy::cast_possible_truncation, reason = "f32 arithmetic is what the caller asked for")]
            fn of(value: f64) -> Self {
                value as $t
            }
            #[inline]
            fn lowest() -> Self {
                <$t>::NEG_INFINITY
            }
            #[inline]
            fn not_a_number(self) -> bool {
                self.is_nan()
            }
        }
    };
}

real!(f32);
real!(f64);

/// Runs an expression with `$t` bound to the element type of a `DType`.
macro_rules! dispatch {
    ($dtype:expr, $what:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => Err($crate::error::shape_error($what, other, "f32 or f64")),
        }
    };
}
pub(crate) use dispatch;

/// The elements of a contiguous CPU tensor, as a custom operation receives them.
pub(crate) fn slice<'a, T: Real>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let values = T::cpu_storage_as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((start, end)) if end <= values.len() => Ok(&values[start..end]),
        _ => Err(shape_error("memory layout", layout, "a contiguous tensor")),
    }
}

/// Hands the elements of a CPU tensor to `f`; copies first if they are not contiguous.
pub(crate) fn with_slice<T: Real, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(slice::<T>(storage, layout)?),
        _ => Err(shape_error("device", tensor.device().location(), "the CPU")),
    }
}

/// A tensor of the given shape on the CPU, from its elements.
pub(crate) fn tensor<T: Real>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// A CPU storage of the given elements.
pub(crate) fn storage<T: Real>(values: Vec<T>) -> CpuStorage {
    T::to_cpu_storage_owned(values)
}

/// The element type of a CPU storage.
pub(crate) fn element_type(storage: &CpuStorage) -> candle_core::DType {
    candle_core::backend::BackendStorage::dtype(storage)
}
