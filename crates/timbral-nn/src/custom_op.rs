//! The frame of operations with a weight and perhaps a bias: candle has one trait for each number of arguments.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use crate::dtype::{Element, dispatch, element_type};

/// A tensor's memory, as an operation receives it.
pub(crate) type Memory<'a> = (&'a CpuStorage, &'a Layout);

/// An operation on an input and a weight, to which a bias may be added.
pub(crate) trait Weighted: Send + Sync {
    /// Name in error messages.
    const NAME: &'static str;

    fn forward<T: Element>(
        &self,
        x: Memory<'_>,
        weight: Memory<'_>,
        bias: Option<Memory<'_>>,
    ) -> Result<(CpuStorage, Shape)>;

    /// Gradients of input, weight and bias; those that nobody needs may be left out.
    fn backward<T: Element>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]>;
}

/// Applies the operation; all tensors must be contiguous.
pub(crate) fn apply<O: Weighted + 'static>(
    op: O,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    match bias {
        Some(bias) => x.apply_op3(weight, bias, Framed(op)),
        None => x.apply_op2(weight, Framed(op)),
    }
}

struct Framed<O>(O);

impl<O: Weighted> CustomOp2 for Framed<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), O::NAME, T => self.0.forward::<T>((x, lx), (w, lw), None))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, _] = dispatch!(x.dtype(), O::NAME, T => self.0.backward::<T>(x, w, None, grad))?;
        Ok((dx, dw))
    }
}

impl<O: Weighted> CustomOp3 for Framed<O> {
    fn name(&self) -> &'static str {
        O::NAME
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        dispatch!(element_type(x), O::NAME, T => {
            self.0.forward::<T>((x, lx), (w, lw), Some((b, lb)))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, dw, db] = dispatch!(x.dtype(), O::NAME, T => self.0.backward::<T>(x, w, Some(b), grad))?;
        Ok((dx, dw, db))
    }
}
