//! Convolution of one and two dimensions.

mod columns;
mod config;
mod direct;
mod geometry;

use std::ops::Range;

use rayon::prelude::*;

pub(crate) use self::columns::unfold;
pub use self::config::{Conv1dConfig, Conv2dConfig, Padding};
pub(crate) use self::direct::{Kernel, Panels, Plan};
#[cfg(feature = "candle")]
pub(crate) use self::direct::{SLACK, pad, reach};
pub(crate) use self::geometry::{Axis, Geometry, axes};
use super::matmul::{Left, Product, Start, padded};
use super::real::Real;
use super::{check_length, volume};
use crate::NnError;

/// Elements of one block of columns: it stays in the second-level cache.
const BLOCK: usize = 96 * 1024;

/// Output channels whose products with a block of columns are one task, where images alone do not keep all threads busy.
const CHANNELS: usize = 16;

/// The output rows whose columns exist at once.
pub(crate) fn row_blocks(geometry: &Geometry) -> impl Iterator<Item = Range<usize>> + use<> {
    let per_row = geometry.taps().saturating_mul(geometry.width.output).max(1);
    let step = (BLOCK / per_row).clamp(1, geometry.height.output);
    let output = geometry.height.output;
    (0..output).step_by(step).map(move |start| start..(start + step).min(output))
}

/// Weights in the order in which one of the two ways reads them.
#[derive(Debug, Clone)]
pub(crate) enum Weights<T> {
    /// Straight from the padded image: the panels of each group.
    Direct(Vec<Panels<T>>),
    /// As products with columns of patches: the weights as they are.
    Columns(Vec<T>),
}

impl<T: Real> Weights<T> {
    /// Puts weights (out, in / groups, height, width) in order; `outputs` and `taps` are those of one group.
    pub(crate) fn new(direct: bool, weight: &[T], outputs: usize, taps: usize) -> Self {
        if direct {
            Self::Direct(Panels::groups(weight, outputs, taps))
        } else {
            Self::Columns(weight.to_vec())
        }
    }
}

/// Convolves a batch of images. Images in parallel, or output channels where there are too few images; the result is the
/// same for any number of threads.
pub(crate) fn forward<T: Real>(
    geometry: &Geometry,
    x: &[T],
    weights: &Weights<T>,
    bias: Option<&[T]>,
    out: &mut [T],
) -> Result<(), NnError> {
    match weights {
        Weights::Direct(panels) => {
            let plan = Plan::new(geometry).ok_or_else(|| {
                NnError::shape("size of a convolution", geometry, "small enough to be padded in memory")
            })?;
            forward_direct(geometry, &plan, x, panels, bias, out);
        }
        Weights::Columns(weight) => forward_columns(geometry, x, weight, bias, out),
    }
    Ok(())
}

fn many_images(geometry: &Geometry) -> bool {
    geometry.batch >= 2 * rayon::current_num_threads()
}

fn forward_direct<T: Real>(
    geometry: &Geometry,
    plan: &Plan,
    x: &[T],
    panels: &[Panels<T>],
    bias: Option<&[T]>,
    out: &mut [T],
) {
    let offsets = plan.offsets(geometry, geometry.group_in(), plan.in_plane);
    let kernel = |group: usize| Kernel {
        panels: &panels[group],
        offsets: &offsets,
        base: group * geometry.group_in() * plan.in_plane,
        stride: plan.stride,
        height: geometry.height.output,
        width: geometry.width.output,
    };
    let group = geometry.group_out() * geometry.out_plane();
    let group_bias = |index: usize| bias.map(|bias| &bias[index * geometry.group_out()..]);
    if many_images(geometry) {
        out.par_chunks_mut(geometry.out_image()).zip(x.par_chunks(geometry.in_image())).for_each_init(
            Vec::new,
            |padded, (out, image)| {
                plan.pad_input(geometry, image, padded);
                for (index, out) in out.chunks_exact_mut(group).enumerate() {
                    kernel(index).run(padded, group_bias(index), 0, out);
                }
            },
        );
        return;
    }
    // Too few images to keep all threads busy: tiles of output channels in parallel.
    let mut padded = Vec::new();
    for (out, image) in out.chunks_exact_mut(geometry.out_image()).zip(x.chunks_exact(geometry.in_image())) {
        plan.pad_input(geometry, image, &mut padded);
        out.par_chunks_mut(group).enumerate().for_each(|(index, out)| {
            let planes = panels[index].planes_per_task();
            out.par_chunks_mut(planes * geometry.out_plane()).enumerate().for_each(|(task, out)| {
                kernel(index).run(&padded, group_bias(index), task * planes, out);
            });
        });
    }
}

fn forward_columns<T: Real>(geometry: &Geometry, x: &[T], weight: &[T], bias: Option<&[T]>, out: &mut [T]) {
    let across_images = many_images(geometry);
    let images =
        |(out, image): (&mut [T], &[T])| forward_image(geometry, image, weight, bias, !across_images, out);
    if across_images {
        out.par_chunks_mut(geometry.out_image()).zip(x.par_chunks(geometry.in_image())).for_each(images);
    } else {
        out.chunks_exact_mut(geometry.out_image()).zip(x.chunks_exact(geometry.in_image())).for_each(images);
    }
}

fn forward_image<T: Real>(
    geometry: &Geometry,
    image: &[T],
    weight: &[T],
    bias: Option<&[T]>,
    parallel: bool,
    out: &mut [T],
) {
    let (plane, width) = (geometry.out_plane(), geometry.width.output);
    let (taps, outputs) = (geometry.taps(), geometry.group_out());
    let group_planes = geometry.group_in() * geometry.in_plane();
    let mut columns: Vec<T> = Vec::new();
    for (group, out) in out.chunks_exact_mut(outputs * plane).enumerate() {
        let planes = &image[group * group_planes..(group + 1) * group_planes];
        let weight = &weight[group * outputs * taps..(group + 1) * outputs * taps];
        let bias = bias.map(|bias| &bias[group * outputs..(group + 1) * outputs]);
        for rows in row_blocks(geometry) {
            let block = rows.len() * width;
            let distance = padded(block);
            columns.resize(taps * distance, T::default());
            unfold(planes, geometry, &rows, distance, &mut columns);
            let product = |(task, out): (usize, &mut [T])| {
                let first = task * CHANNELS;
                Product {
                    left: Left::Rows(&weight[first * taps..], taps),
                    right: &columns,
                    distance,
                    inner: taps,
                    rows: out.len() / plane,
                    columns: block,
                    start: bias.map_or(Start::Zero, |bias| Start::Column(&bias[first..])),
                    out: &mut out[rows.start * width..],
                    out_distance: plane,
                }
                .run();
            };
            if parallel {
                out.par_chunks_mut(CHANNELS * plane).enumerate().for_each(product);
            } else {
                out.chunks_mut(CHANNELS * plane).enumerate().for_each(product);
            }
        }
    }
}

/// A two-dimensional cross-correlation with its weights put in order once.
///
/// ```
/// use timbral_nn::kernels::{Conv2dConfig, Conv2dPlan};
///
/// let config = Conv2dConfig { kernel: (1, 2), bias: false, ..Conv2dConfig::default() };
/// let plan = Conv2dPlan::new(config, &[1., -1.], None)?;
/// assert_eq!(plan.output_shape([1, 1, 1, 3])?, [1, 1, 1, 2]);
/// assert_eq!(plan.forward(&[1., 4., 9.], [1, 1, 1, 3])?, [-3., -5.]);
/// # Ok::<(), timbral_nn::NnError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Conv2dPlan {
    config: Conv2dConfig,
    weights: Weights<f32>,
    bias: Option<Vec<f32>>,
}

impl Conv2dPlan {
    /// Puts the weights (out, in / groups, height, width) in order for the kernel.
    ///
    /// # Errors
    /// [`NnError::Config`] if a setting breaks its rule, [`NnError::Shape`] if weight or bias have not the length that
    /// follows from `config`, or there is a bias and `config.bias` is not set or the other way round.
    pub fn new(config: Conv2dConfig, weight: &[f32], bias: Option<&[f32]>) -> Result<Self, NnError> {
        let shape = config.weight_shape()?;
        check_length("length of the weight", weight, &shape)?;
        check_bias(bias, config.bias, config.out_channels)?;
        let taps = shape[1..].iter().product();
        let outputs = config.out_channels / config.groups;
        let weights = Weights::new(Plan::applies(&config), weight, outputs, taps);
        Ok(Self { config, weights, bias: bias.map(<[f32]>::to_vec) })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Conv2dConfig {
        &self.config
    }

    /// The shape (batch, channels, height, width) of the output for an input of such a shape.
    ///
    /// # Errors
    /// [`NnError::Shape`] if the input has other channels, is empty or smaller than the kernel.
    pub fn output_shape(&self, input: [usize; 4]) -> Result<[usize; 4], NnError> {
        Ok(self.geometry(input)?.out_shape())
    }

    fn geometry(&self, input: [usize; 4]) -> Result<Geometry, NnError> {
        let weight = self.config.weight_shape()?;
        Geometry::new(&input, &weight, &self.config)
    }

    /// Convolves a batch of images (batch, channels, height, width).
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape), and if `x` has not the length of its shape.
    pub fn forward(&self, x: &[f32], shape: [usize; 4]) -> Result<Vec<f32>, NnError> {
        let mut out = vec![0.0; volume(&self.output_shape(shape)?)?];
        self.forward_into(x, shape, &mut out)?;
        Ok(out)
    }

    /// Convolves a batch of images (batch, channels, height, width) into `out`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward), and if `out` has not the length of the output.
    pub fn forward_into(&self, x: &[f32], shape: [usize; 4], out: &mut [f32]) -> Result<(), NnError> {
        let geometry = self.geometry(shape)?;
        check_length("length of the input", x, &shape)?;
        check_length("length of the output", out, &geometry.out_shape())?;
        forward(&geometry, x, &self.weights, self.bias.as_deref(), out)
    }
}

/// A one-dimensional cross-correlation with its weights put in order once: a [`Conv2dPlan`] of height one.
#[derive(Debug, Clone)]
pub struct Conv1dPlan(Conv2dPlan);

impl Conv1dPlan {
    /// Puts the weights (out, in / groups, kernel) in order for the kernel.
    ///
    /// # Errors
    /// As [`Conv2dPlan::new`].
    pub fn new(config: Conv1dConfig, weight: &[f32], bias: Option<&[f32]>) -> Result<Self, NnError> {
        Conv2dPlan::new(config.flat(), weight, bias).map(Self)
    }

    /// The shape (batch, channels, length) of the output for an input of such a shape.
    ///
    /// # Errors
    /// [`NnError::Shape`] if the input has other channels, is empty or shorter than the kernel.
    pub fn output_shape(&self, [batch, channels, length]: [usize; 3]) -> Result<[usize; 3], NnError> {
        let [batch, channels, _, length] = self.0.output_shape([batch, channels, 1, length])?;
        Ok([batch, channels, length])
    }

    /// Convolves a batch of sequences (batch, channels, length).
    ///
    /// # Errors
    /// As [`output_shape`](Self::output_shape), and if `x` has not the length of its shape.
    pub fn forward(&self, x: &[f32], [batch, channels, length]: [usize; 3]) -> Result<Vec<f32>, NnError> {
        self.0.forward(x, [batch, channels, 1, length])
    }
}

/// Checks that there is a bias of `size` elements if `wanted`, and none else.
pub(crate) fn check_bias(bias: Option<&[f32]>, wanted: bool, size: usize) -> Result<(), NnError> {
    if bias.map(<[f32]>::len) == wanted.then_some(size) {
        return Ok(());
    }
    let rule = if wanted { format!("Some({size})") } else { "None, as the config has none".into() };
    Err(NnError::shape("length of the bias", bias.map(<[f32]>::len), rule))
}
