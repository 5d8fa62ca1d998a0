//! Element types of the CPU operations, and slices in and out of candle's storage.

use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, WithDType};

use crate::error::shape_error;
use crate::kernels::real::Real;

/// An element type that both the kernels and candle know.
pub(crate) trait Element: Real + WithDType {}

impl Element for f32 {}
impl Element for f64 {}

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
            other => Err($crate::error::shape_error(
                &format!("element type of the input of {}", $what),
                other,
                "f32 or f64",
            )),
        }
    };
}
pub(crate) use dispatch;

/// The elements of a contiguous CPU tensor, as a custom operation receives them.
pub(crate) fn slice<'a, T: Element>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let values = T::cpu_storage_as_slice(storage)?;
    match layout.contiguous_offsets() {
        Some((start, end)) if end <= values.len() => Ok(&values[start..end]),
        _ => Err(shape_error("memory layout", layout, "a contiguous tensor")),
    }
}

/// Hands the elements of a CPU tensor to `f`; copies first if they are not contiguous.
pub(crate) fn with_slice<T: Element, R>(tensor: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(slice::<T>(storage, layout)?),
        _ => Err(shape_error("device", tensor.device().location(), "the CPU")),
    }
}

/// A tensor of the given shape on the CPU, from its elements.
pub(crate) fn tensor<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// A CPU storage of the given elements.
pub(crate) fn storage<T: Element>(values: Vec<T>) -> CpuStorage {
    T::to_cpu_storage_owned(values)
}

/// The element type of a CPU storage.
pub(crate) fn element_type(storage: &CpuStorage) -> candle_core::DType {
    candle_core::backend::BackendStorage::dtype(storage)
}
