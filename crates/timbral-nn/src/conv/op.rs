//! Convolution as products of column matrices, with its own backward pass.

use std::ops::Range;

use candle_core::{CpuStorage, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use super::direct::{GradientPlan, InputGradient, weight_gradient};
use super::fold::fold;
use crate::custom_op::{Memory, Weighted};
use crate::dtype::{Element, slice, storage, tensor};
use crate::error::shape_error;
use crate::kernels::conv::{self, Geometry, Plan, Weights, row_blocks, unfold};
use crate::matrix::Matrix;

/// Images whose weight gradients are summed by one task. It depends on the batch alone, so that the order of the sum
/// does not depend on the number of threads.
fn images_per_task(batch: usize) -> usize {
    batch.div_ceil(16)
}

/// A weight matrix of a group, wherever it lies in its storage.
struct Weight<'a> {
    storage: &'a CpuStorage,
    offset: usize,
}

impl<'a> Weight<'a> {
    fn group(&self, geometry: &Geometry, group: usize) -> Matrix<'a> {
        let (rows, columns) = (geometry.group_out(), geometry.taps());
        Matrix::new(self.storage, self.offset + group * rows * columns, rows, columns)
    }
}

fn forward<T: Element>(
    (x, x_layout): Memory<'_>,
    (w, w_layout): Memory<'_>,
    bias: Option<Memory<'_>>,
    convolution: &Convolution,
) -> Result<(CpuStorage, Shape)> {
    let geometry = &convolution.geometry;
    let x = slice::<T>(x, x_layout)?;
    let weight = slice::<T>(w, w_layout)?;
    let bias = bias.map(|(storage, layout)| slice::<T>(storage, layout)).transpose()?;
    let weights = Weights::new(convolution.direct.is_some(), weight, geometry.group_out(), geometry.taps());
    let mut out = vec![T::default(); geometry.batch * geometry.out_image()];
    conv::forward(geometry, x, &weights, bias, &mut out)?;
    Ok((storage(out), Shape::from(geometry.out_shape().to_vec())))
}

/// The sums of one task: gradients of the weight and of the bias.
struct Sums<T> {
    weight: Vec<T>,
    bias: Vec<T>,
}

impl<T: Element> Sums<T> {
    fn add(&mut self, other: &Self) {
        for (sum, &x) in self.weight.iter_mut().zip(&other.weight) {
            *sum += x;
        }
        for (sum, &x) in self.bias.iter_mut().zip(&other.bias) {
            *sum += x;
        }
    }
}

/// What the backward pass needs of all images.
struct Backward<'a, T> {
    geometry: &'a Geometry,
    weight: Weight<'a>,
    grad: (&'a CpuStorage, usize),
    with_bias: bool,
    with_weight: bool,
    /// The plan of the direct way, and the kernels of the input gradient if somebody needs it.
    direct: Option<(GradientPlan, Option<InputGradient<T>>)>,
}

impl<T: Element> Backward<'_, T> {
    fn task(&self, images: Range<usize>, x: &[T], mut dx: Option<&mut [T]>) -> Result<Sums<T>> {
        let geometry = self.geometry;
        let taps = geometry.out_channels * geometry.taps();
        let mut sums = Sums {
            weight: vec![T::default(); if self.with_weight { taps } else { 0 }],
            bias: vec![T::default(); if self.with_bias { geometry.out_channels } else { 0 }],
        };
        let (mut padded, mut padded_grad) = (Vec::new(), Vec::new());
        let all_grads = &T::cpu_storage_as_slice(self.grad.0)?[self.grad.1..];
        for (step, index) in images.enumerate() {
            let image = &x[index * geometry.in_image()..(index + 1) * geometry.in_image()];
            let grad = &all_grads[index * geometry.out_image()..(index + 1) * geometry.out_image()];
            let dx = dx
                .as_deref_mut()
                .map(|dx| &mut dx[step * geometry.in_image()..(step + 1) * geometry.in_image()]);
            if self.with_bias {
                for (sum, plane) in sums.bias.iter_mut().zip(grad.chunks_exact(geometry.out_plane())) {
                    *sum += plane.iter().copied().sum::<T>();
                }
            }
            let Some((plan, kernel)) = &self.direct else {
                self.image(index, image, dx, &mut sums)?;
                continue;
            };
            plan.pad_gradient(geometry, grad, &mut padded_grad);
            if self.with_weight {
                plan.forward().pad_input(geometry, image, &mut padded);
                weight_gradient(plan, geometry, &padded, &padded_grad, &mut sums.weight);
            }
            if let (Some(dx), Some(kernel)) = (dx, kernel) {
                kernel.run(plan, geometry, &padded_grad, dx);
            }
        }
        Ok(sums)
    }

    fn image(&self, index: usize, image: &[T], mut dx: Option<&mut [T]>, sums: &mut Sums<T>) -> Result<()> {
        let geometry = self.geometry;
        let (plane, width, taps) = (geometry.out_plane(), geometry.width.output, geometry.taps());
        let (group_in, group_out) = (geometry.group_in() * geometry.in_plane(), geometry.group_out());
        let grad_start = self.grad.1 + index * geometry.out_image();
        let mut buffer: Vec<T> = Vec::new();
        for group in 0..geometry.groups {
            for rows in row_blocks(geometry) {
                let block = rows.len() * width;
                let grad = Matrix {
                    storage: self.grad.0,
                    offset: grad_start + group * group_out * plane + rows.start * width,
                    rows: group_out,
                    columns: block,
                    row_stride: plane,
                    column_stride: 1,
                };
                if self.with_weight {
                    buffer.resize(taps * block, T::default());
                    let planes = &image[group * group_in..(group + 1) * group_in];
                    unfold(planes, geometry, &rows, block, &mut buffer);
                    let columns = storage(buffer);
                    let product: Vec<T> =
                        grad.product(&Matrix::new(&columns, 0, taps, block).transposed())?;
                    buffer = T::cpu_storage_data(columns)?;
                    let sums = &mut sums.weight[group * group_out * taps..(group + 1) * group_out * taps];
                    for (sum, x) in sums.iter_mut().zip(product) {
                        *sum += x;
                    }
                }
                if let Some(dx) = dx.as_deref_mut() {
                    let product: Vec<T> = self.weight.group(geometry, group).transposed().product(&grad)?;
                    fold(&product, geometry, &rows, &mut dx[group * group_in..(group + 1) * group_in]);
                }
            }
        }
        Ok(())
    }
}

/// Gradients of a convolution. Those that nobody needs are left out: the first layer's data costs nothing.
fn backward<T: Element>(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    grad: &Tensor,
    convolution: &Convolution,
) -> Result<[Option<Tensor>; 3]> {
    let geometry = &convolution.geometry;
    let (x, w, grad) = (x.contiguous()?, weight.contiguous()?, grad.contiguous()?);
    let ((x_storage, x_layout), (w_storage, w_layout), (grad_storage, grad_layout)) =
        (x.storage_and_layout(), w.storage_and_layout(), grad.storage_and_layout());
    let (Storage::Cpu(x_storage), Storage::Cpu(w_storage), Storage::Cpu(grad_storage)) =
        (&*x_storage, &*w_storage, &*grad_storage)
    else {
        return Err(shape_error("device", x.device().location(), "the CPU"));
    };
    let values = slice::<T>(x_storage, x_layout)?;
    let weights = slice::<T>(w_storage, w_layout)?;
    slice::<T>(grad_storage, grad_layout)?;
    let direct = convolution.direct.and_then(|plan| GradientPlan::new(plan, geometry)).map(|plan| {
        let kernel = x.track_op().then(|| InputGradient::new(&plan, geometry, weights));
        (plan, kernel)
    });
    let pass = Backward {
        geometry,
        weight: Weight { storage: w_storage, offset: w_layout.start_offset() },
        grad: (grad_storage, grad_layout.start_offset()),
        with_bias: bias.is_some_and(Tensor::track_op),
        with_weight: weight.track_op(),
        direct,
    };
    let (per_task, image) = (images_per_task(geometry.batch), geometry.in_image());
    let images = |task: usize| task * per_task..((task + 1) * per_task).min(geometry.batch);
    let (dx, sums): (_, Vec<Sums<T>>) = if x.track_op() {
        let mut dx = vec![T::default(); geometry.batch * image];
        let tasks = dx.par_chunks_mut(per_task * image).enumerate();
        let sums =
            tasks.map(|(task, dx)| pass.task(images(task), values, Some(dx))).collect::<Result<_>>()?;
        (Some(tensor(dx, x.shape())?), sums)
    } else {
        let tasks = (0..geometry.batch.div_ceil(per_task)).into_par_iter();
        (None, tasks.map(|task| pass.task(images(task), values, None)).collect::<Result<_>>()?)
    };
    let mut sums = sums.into_iter();
    let Some(mut total) = sums.next() else {
        return Ok([dx, None, None]);
    };
    for part in sums {
        total.add(&part);
    }
    let dw = if pass.with_weight { Some(tensor(total.weight, weight.shape())?) } else { None };
    let db = if pass.with_bias { Some(tensor(total.bias, geometry.out_channels)?) } else { None };
    Ok([dx, dw, db])
}

/// The convolution as candle's custom operation, with or without a bias.
#[derive(Debug)]
pub(super) struct Convolution {
    geometry: Geometry,
    direct: Option<Plan>,
}

impl Convolution {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { geometry, direct: Plan::new(&geometry) }
    }
}

impl Weighted for Convolution {
    const NAME: &'static str = "timbral-conv2d";

    fn forward<T: Element>(
        &self,
        x: Memory<'_>,
        weight: Memory<'_>,
        bias: Option<Memory<'_>>,
    ) -> Result<(CpuStorage, Shape)> {
        forward::<T>(x, weight, bias, self)
    }

    fn backward<T: Element>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 3]> {
        backward::<T>(x, weight, bias, grad, self)
    }
}
