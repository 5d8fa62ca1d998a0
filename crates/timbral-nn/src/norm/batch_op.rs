//! Batch normalisation, ReLU and max pooling as one custom operation.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::dtype::{Element, dispatch, element_type, slice, storage, tensor, with_slice};
use crate::kernels::batch_norm::{self, Channel, Step, inverse_deviation};
use crate::kernels::simd::widened;

/// Partial sums kept side by side, so that the compiler may use vector registers.
const LANES: usize = 16;

/// Mean and biased variance of each channel.
#[derive(Debug)]
pub(super) struct Statistics {
    pub(super) mean: Vec<f64>,
    pub(super) variance: Vec<f64>,
}

/// Statistics over all axes but the second of a contiguous tensor. Each plane is reduced around its own mean and the
/// planes are joined in order (Chan, Golub and LeVeque 1979): one pass over memory, no cancellation, and the same result
/// for any number of threads.
pub(super) fn channel_statistics(x: &Tensor) -> Result<Statistics> {
    dispatch!(x.dtype(), "batch normalisation", T => with_slice::<T, _>(x, |values| {
        let (channels, plane) = (x.dim(1)?, x.dims()[2..].iter().product::<usize>());
        Ok(statistics(values, channels, plane))
    }))
}

#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
fn statistics<T: Element>(values: &[T], channels: usize, plane: usize) -> Statistics {
    let count = plane as f64;
    let images: Vec<Vec<(f64, f64)>> = values
        .par_chunks(channels * plane)
        .map(|image| {
            image
                .chunks_exact(plane)
                .map(|values| {
                    widened(
                        #[inline(always)]
                        || moments(values),
                    )
                })
                .collect()
        })
        .collect();
    let (mut mean, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
    for (index, image) in images.iter().enumerate() {
        let seen = index as f64 * count;
        for ((mean, squares), &(plane_mean, plane_squares)) in mean.iter_mut().zip(&mut squares).zip(image) {
            let delta = plane_mean - *mean;
            *mean += delta * count / (seen + count);
            *squares += plane_squares + delta * delta * seen * count / (seen + count);
        }
    }
    let total = count * images.len() as f64;
    Statistics { mean, variance: squares.into_iter().map(|squares| squares / total).collect() }
}

/// Mean, and sum of squared differences from it.
#[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
#[inline(always)]
fn moments<T: Element>(values: &[T]) -> (f64, f64) {
    let mean = sum(
        values,
        #[inline(always)]
        |x| x,
    )
    .as_f64()
        / values.len() as f64;
    let center = T::of(mean);
    (
        mean,
        sum(
            values,
            #[inline(always)]
            |x| (x - center) * (x - center),
        )
        .as_f64(),
    )
}

#[inline(always)]
fn sum<T: Element>(values: &[T], f: impl Fn(T) -> T) -> T {
    let mut lanes = [T::default(); LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: T = chunks.remainder().iter().map(|&x| f(x)).sum();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane += f(x);
        }
    }
    lanes.into_iter().sum::<T>() + rest
}

/// Sums of the gradient, and of the gradient times the centred input.
#[derive(Clone, Copy, Default)]
struct Sums {
    grad: f64,
    grad_x: f64,
}

#[derive(Debug)]
pub(super) struct BatchNormOp {
    mean: Vec<f64>,
    inverse: Vec<f64>,
    /// Whether mean and variance are functions of the input.
    batch_statistics: bool,
    relu: bool,
    pool: Option<(usize, usize)>,
    dims: Vec<usize>,
}

impl BatchNormOp {
    pub(super) fn new(
        dims: &[usize],
        statistics: &Statistics,
        epsilon: f64,
        batch_statistics: bool,
        relu: bool,
        pool: Option<(usize, usize)>,
    ) -> Self {
        let inverse =
            statistics.variance.iter().map(|&variance| inverse_deviation(variance, epsilon)).collect();
        Self { mean: statistics.mean.clone(), inverse, batch_statistics, relu, pool, dims: dims.to_vec() }
    }

    fn plane(&self) -> usize {
        self.dims[2..].iter().product()
    }

    fn out_dims(&self) -> Vec<usize> {
        match self.pool {
            Some((height, width)) => {
                vec![self.dims[0], self.dims[1], self.dims[2] / height, self.dims[3] / width]
            }
            None => self.dims.clone(),
        }
    }

    fn channels<T: Element>(&self, weight: &[T], bias: &[T]) -> Vec<Channel<T>> {
        let parameters = weight.iter().zip(bias).zip(self.mean.iter().zip(&self.inverse));
        parameters
            .map(|((&weight, &bias), (&mean, &inverse))| Channel::new(weight, bias, mean, inverse))
            .collect()
    }

    fn forward<T: Element>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let mut out = vec![T::default(); self.out_dims().iter().product()];
        let width = self.dims.last().copied().unwrap_or(1);
        batch_norm::forward(x, &self.channels(weight, bias), self.plane(), width, self.step(), &mut out);
        out
    }

    fn step(&self) -> Step {
        match self.pool {
            Some(pool) => Step::ReluMaxPool(pool),
            None if self.relu => Step::Relu,
            None => Step::Scale,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
    fn backward<T: Element>(
        &self,
        x: &[T],
        weight: &[T],
        bias: &[T],
        grad: &[T],
        with_input: bool,
    ) -> Result<Gradients<T>> {
        let channels = self.channels(weight, bias);
        let (count, plane) = (self.dims[1], self.plane());
        let out_plane = self.out_dims()[2..].iter().product::<usize>();
        let images: Vec<Vec<Sums>> = x
            .par_chunks(count * plane)
            .zip(grad.par_chunks(count * out_plane))
            .map(|(image, grad)| {
                let planes = image.chunks_exact(plane).zip(grad.chunks_exact(out_plane));
                planes
                    .zip(&channels)
                    .map(|((image, grad), channel)| match self.pool {
                        Some(pool) => widened(
                            #[inline(always)]
                            || pooled_sums(image, self.dims[3], pool, *channel, grad),
                        ),
                        None => widened(
                            #[inline(always)]
                            || plane_sums(image, *channel, self.relu, grad),
                        ),
                    })
                    .collect()
            })
            .collect();
        let mut sums = vec![Sums::default(); count];
        for image in &images {
            for (sum, part) in sums.iter_mut().zip(image) {
                sum.grad += part.grad;
                sum.grad_x += part.grad_x;
            }
        }
        let dweight =
            sums.iter().zip(&self.inverse).map(|(sum, inverse)| T::of(sum.grad_x * inverse)).collect();
        let dbias = sums.iter().map(|sum| T::of(sum.grad)).collect();
        if !with_input {
            return Ok((None, dweight, dbias));
        }
        // dx = scale * (dy - mean(dy) - x_hat * mean(dy * x_hat)), written as scale * dy + offset + slope * x.
        let total = (self.dims[0] * plane) as f64;
        let lines: Vec<(T, T)> = (0..count)
            .map(|c| {
                if !self.batch_statistics {
                    return (T::default(), T::default());
                }
                let scale = weight[c].as_f64() * self.inverse[c];
                let slope = -scale * self.inverse[c] * self.inverse[c] * sums[c].grad_x / total;
                (T::of(-scale * sums[c].grad / total - slope * self.mean[c]), T::of(slope))
            })
            .collect();
        let mut dx = vec![T::default(); x.len()];
        dx.par_chunks_mut(count * plane)
            .zip(x.par_chunks(count * plane))
            .zip(grad.par_chunks(count * out_plane))
            .for_each(|((dx, image), grad)| {
                let planes = dx
                    .chunks_exact_mut(plane)
                    .zip(image.chunks_exact(plane))
                    .zip(grad.chunks_exact(out_plane));
                for (((dx, image), grad), (channel, &line)) in planes.zip(channels.iter().zip(&lines)) {
                    match self.pool {
                        Some(pool) => widened(
                            #[inline(always)]
                            || pooled_gradient(image, self.dims[3], pool, *channel, grad, line, dx),
                        ),
                        None => widened(
                            #[inline(always)]
                            || plane_gradient(image, *channel, self.relu, grad, line, dx),
                        ),
                    }
                }
            });
        Ok((Some(dx), dweight, dbias))
    }
}

type Gradients<T> = (Option<Vec<T>>, Vec<T>, Vec<T>);

/// Sums of the gradient over one plane without pooling.
#[inline(always)]
fn plane_sums<T: Element>(x: &[T], channel: Channel<T>, relu: bool, grad: &[T]) -> Sums {
    let (mut plain, mut centred) = ([T::default(); LANES], [T::default(); LANES]);
    for (x, grad) in x.chunks(LANES).zip(grad.chunks(LANES)) {
        for (((&x, &grad), plain), centred) in x.iter().zip(grad).zip(&mut plain).zip(&mut centred) {
            let dead = relu && x * channel.scale + channel.shift <= T::default();
            let grad = if dead { T::default() } else { grad };
            *plain += grad;
            *centred += grad * (x - channel.mean);
        }
    }
    Sums { grad: plain.into_iter().sum::<T>().as_f64(), grad_x: centred.into_iter().sum::<T>().as_f64() }
}

#[inline(always)]
fn plane_gradient<T: Element>(
    x: &[T],
    channel: Channel<T>,
    relu: bool,
    grad: &[T],
    (offset, slope): (T, T),
    dx: &mut [T],
) {
    for ((dx, &x), &grad) in dx.iter_mut().zip(x).zip(grad) {
        let dead = relu && x * channel.scale + channel.shift <= T::default();
        let grad = if dead { T::default() } else { grad };
        *dx = grad * channel.scale + offset + slope * x;
    }
}

/// Calls `f(index of the winner, gradient)` for each window whose maximum is positive; the first of equal values wins.
/// Windows without a positive value call `f` with a gradient of zero: a branch would cost more.
#[inline(always)]
fn winners<T: Element>(
    x: &[T],
    width: usize,
    pool: (usize, usize),
    channel: Channel<T>,
    grad: &[T],
    mut f: impl FnMut(usize, T),
) {
    let out_width = width / pool.1;
    for (row, (rows, grad)) in x.chunks_exact(pool.0 * width).zip(grad.chunks_exact(out_width)).enumerate() {
        let first = row * pool.0 * width;
        if pool == (2, 2) {
            let (upper, lower) = rows.split_at(width);
            let windows = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
            for (column, (&grad, (&[a, b], &[c, d]))) in grad.iter().zip(windows).enumerate() {
                let (a, b) = (channel.apply(a), channel.apply(b));
                let (c, d) = (channel.apply(c), channel.apply(d));
                let (top, top_index) = if b > a { (b, 1) } else { (a, 0) };
                let (bottom, bottom_index) = if d > c { (d, width + 1) } else { (c, width) };
                let (best, index) = if bottom > top { (bottom, bottom_index) } else { (top, top_index) };
                let grad = if best > T::default() { grad } else { T::default() };
                f(first + 2 * column + index, grad);
            }
            continue;
        }
        for (column, &grad) in grad.iter().enumerate() {
            let start = column * pool.1;
            let (mut best, mut winner) = (T::default(), start);
            for y in 0..pool.0 {
                let start = y * width + start;
                for (offset, &x) in rows[start..start + pool.1].iter().enumerate() {
                    let value = channel.apply(x);
                    let better = value > best;
                    winner = if better { start + offset } else { winner };
                    best = if better { value } else { best };
                }
            }
            f(first + winner, if best > T::default() { grad } else { T::default() });
        }
    }
}

#[inline(always)]
fn pooled_sums<T: Element>(
    x: &[T],
    width: usize,
    pool: (usize, usize),
    channel: Channel<T>,
    grad: &[T],
) -> Sums {
    let (mut plain, mut centred) = (T::default(), T::default());
    let mut sums = Sums::default();
    // Row by row, so that long planes do not lose digits in f32.
    let out_width = width / pool.1;
    for (rows, grad) in x.chunks_exact(pool.0 * width).zip(grad.chunks_exact(out_width)) {
        winners(
            rows,
            width,
            pool,
            channel,
            grad,
            #[inline(always)]
            |index, grad| {
                plain += grad;
                centred += grad * (rows[index] - channel.mean);
            },
        );
        sums.grad += std::mem::take(&mut plain).as_f64();
        sums.grad_x += std::mem::take(&mut centred).as_f64();
    }
    sums
}

#[inline(always)]
fn pooled_gradient<T: Element>(
    x: &[T],
    width: usize,
    pool: (usize, usize),
    channel: Channel<T>,
    grad: &[T],
    (offset, slope): (T, T),
    dx: &mut [T],
) {
    for (dx, &x) in dx.iter_mut().zip(x) {
        *dx = offset + slope * x;
    }
    winners(
        x,
        width,
        pool,
        channel,
        grad,
        #[inline(always)]
        |index, grad| dx[index] += grad * channel.scale,
    );
}

impl CustomOp3 for BatchNormOp {
    fn name(&self) -> &'static str {
        "timbral-batch-norm"
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
        dispatch!(element_type(x), "batch normalisation", T => {
            let out = self.forward::<T>(slice(x, lx)?, slice(w, lw)?, slice(b, lb)?);
            Ok((storage(out), self.out_dims().into()))
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
        dispatch!(x.dtype(), "batch normalisation", T => {
            let (dx, dw, db) = with_slice::<T, _>(x, |values| with_slice(w, |w| with_slice(b, |b| {
                with_slice(grad, |grad| self.backward(values, w, b, grad, x.track_op()))
            })))?;
            let dx = dx.map(|dx| tensor(dx, x.shape())).transpose()?;
            Ok((dx, Some(tensor(dw, w.shape())?), Some(tensor(db, b.shape())?)))
        })
    }
}
