//! A graph on plain slices: inference without candle.

use ndarray::ArrayView2;
use timbral_nn::NnError;
use timbral_nn::kernels::{
    AttentionPoolingPlan, BatchNormConfig, BatchNormPlan, BatchNormWeights, Conv2dConfig, Conv2dPlan,
    DirectionWeights, GruPlan, LayerNormPlan, LinearConfig, LinearPlan, MultiHeadAttentionPlan,
    MultiHeadAttentionWeights, Padding, PatchEmbeddingPlan, Pool2dConfig, RecurrentConfig,
    SqueezeExcitationPlan, SqueezeExcitationWeights, add_positions, matmul, max_over, max_pool2d, mean_over,
    relu, sinusoidal_positions,
};

use super::{LAYER_NORM_EPSILON, LayerGraph, Op};
use timbral_features::log_mel_statistics::LogMelStatistics;

use crate::{ModelError, StoredTensor};

/// Where the tensors of a network come from: a tensor by its name.
pub(crate) type Source<'a> = dyn Fn(&str) -> Result<StoredTensor, ModelError> + 'a;

/// The tensors below a path.
pub(crate) struct Below<'a> {
    pub(crate) source: &'a Source<'a>,
    pub(crate) path: String,
}

impl<'a> Below<'a> {
    pub(crate) fn pp(&self, name: &str) -> Below<'a> {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Below { source: self.source, path }
    }

    pub(crate) fn get(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ModelError> {
        let path = self.pp(name).path;
        let tensor = (self.source)(&path)?;
        if tensor.shape() == shape {
            return Ok(tensor.to_f32());
        }
        let given = tensor.shape();
        Err(ModelError::Shape(format!("tensor {path} has the shape {given:?}; it must be {shape:?}")))
    }

    /// A dense layer with bias.
    pub(crate) fn linear(&self, in_features: usize, out_features: usize) -> Result<LinearPlan, ModelError> {
        let (weight, bias) =
            (self.get("weight", &[out_features, in_features])?, self.get("bias", &[out_features])?);
        let config = LinearConfig { in_features, out_features, bias: true };
        LinearPlan::new(config, &weight, Some(&bias)).map_err(kernel)
    }
}

/// A layer that cannot be computed.
fn kernel(error: NnError) -> ModelError {
    ModelError::Layer(error)
}

/// A layer with its weights in the order of its kernel.
#[derive(Debug, Clone)]
enum Step {
    Repeat(usize),
    Fit(usize),
    GroupRows(usize),
    /// The transform, `(coefficients, rows)`.
    Dct {
        cosines: Vec<f32>,
        coefficients: usize,
    },
    Statistics(Box<LogMelStatistics>),
    Image,
    Conv2d(Box<Conv2dPlan>),
    BatchNorm {
        norm: BatchNormPlan,
        relu: bool,
    },
    NormReluPool {
        norm: BatchNormPlan,
        window: (usize, usize),
    },
    MaxPool((usize, usize)),
    /// Nothing to do: of training alone, or the layer before it has done this one's work.
    Pass,
    SqueezeExcitation(SqueezeExcitationPlan),
    MeanMaxOverTime,
    GlobalMean,
    Sequence,
    MeanOverSteps,
    Gru(Box<GruPlan>),
    AttentionPooling(AttentionPoolingPlan),
    Patches(Box<PatchEmbeddingPlan>),
    PatchPositions {
        weight: Vec<f32>,
        rows: usize,
    },
    LayerNorm(LayerNormPlan),
    Attention(Box<MultiHeadAttentionPlan>),
    Flatten,
    Linear {
        linear: LinearPlan,
        relu: bool,
    },
    Add,
}

/// A tensor: its elements, row-major, and its shape with the batch in front.
#[derive(Debug, Clone)]
pub(crate) struct Array {
    pub(crate) values: Vec<f32>,
    pub(crate) shape: Vec<usize>,
}

/// A [`LayerGraph`] with its weights, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct GraphForward {
    rows: usize,
    pub(crate) crop: usize,
    steps: Vec<Step>,
    reads: Vec<Vec<usize>>,
    last_uses: Vec<usize>,
}

impl GraphForward {
    /// Takes the weights of a graph; `shapes` are those of the values for one input, the batch left out.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when a tensor is missing or has another shape.
    pub(crate) fn new(
        graph: &LayerGraph,
        shapes: &[Vec<usize>],
        weights: &Below<'_>,
    ) -> Result<Self, ModelError> {
        let mut steps = Vec::with_capacity(graph.layers().len());
        for index in 0..graph.layers().len() {
            let input = graph.reads(index).next().map_or(&[][..], |value| shapes[value].as_slice());
            let done = index > 0 && graph.fused_pool(index - 1).is_some();
            steps.push(if done { Step::Pass } else { step(graph, index, input, weights)? });
        }
        let reads = (0..steps.len()).map(|index| graph.reads(index).collect()).collect();
        Ok(Self { rows: graph.rows(), crop: graph.crop, steps, reads, last_uses: graph.last_uses() })
    }

    /// Features `(batch, width)` of a batch `(batch, rows, frames)`.
    ///
    /// # Errors
    /// [`ModelError::Shape`] when `x` is not what the network takes.
    pub(crate) fn features(&self, x: Array) -> Result<Array, ModelError> {
        match *x.shape.as_slice() {
            [_, rows, frames] if rows == self.rows && frames > 0 => {}
            _ => {
                return Err(ModelError::Shape(format!(
                    "the input has the shape {:?}; it must be (batch, {}, frames) with at least 1 frame",
                    x.shape, self.rows
                )));
            }
        }
        self.run(x)
    }

    /// The features of an input whose shape has been checked.
    pub(crate) fn run(&self, x: Array) -> Result<Array, ModelError> {
        let mut values: Vec<Option<Array>> = vec![Some(x)];
        for (index, step) in self.steps.iter().enumerate() {
            let mut inputs = self.reads[index].iter().filter_map(|&value| {
                // The last reader takes it and may write into it.
                if self.last_uses[value] == index { values[value].take() } else { values[value].clone() }
            });
            let (first, second) = (inputs.next(), inputs.next());
            let output = match (first, second) {
                (Some(x), None) => step.forward(x)?,
                (Some(mut a), Some(b)) => {
                    a.values.iter_mut().zip(&b.values).for_each(|(a, b)| *a += b);
                    a
                }
                _ => return Err(ModelError::Shape(format!("layer {index} reads a value that is not there"))),
            };
            values.push(Some(output));
        }
        values.pop().flatten().ok_or_else(|| ModelError::Shape("the graph has no layers".into()))
    }
}

fn step(graph: &LayerGraph, index: usize, input: &[usize], weights: &Below<'_>) -> Result<Step, ModelError> {
    let layer = &graph.layers()[index];
    let weights = weights.pp(&layer.name);
    let (first, last) = (input.first().copied().unwrap_or(0), input.last().copied().unwrap_or(0));
    Ok(match &layer.op {
        Op::Repeat { least } => Step::Repeat(*least),
        Op::Fit { frames } => Step::Fit(*frames),
        Op::GroupRows { size } => Step::GroupRows(*size),
        Op::Dct { coefficients } => {
            Step::Dct { cosines: cosines(first, *coefficients), coefficients: *coefficients }
        }
        Op::Statistics(config) => Step::Statistics(Box::new(LogMelStatistics::new(config.clone())?)),
        Op::Image => Step::Image,
        Op::Conv2d { channels, kernel: size, stride, same, bias } => {
            let config = Conv2dConfig {
                in_channels: first,
                out_channels: *channels,
                kernel: *size,
                stride: *stride,
                padding: if *same { Padding::Same } else { Padding::Valid },
                bias: *bias,
                ..Conv2dConfig::default()
            };
            let weight = weights.get("weight", &[*channels, first, size.0, size.1])?;
            let bias = if *bias { Some(weights.get("bias", &[*channels])?) } else { None };
            Step::Conv2d(Box::new(Conv2dPlan::new(config, &weight, bias.as_deref()).map_err(kernel)?))
        }
        Op::BatchNorm { relu } => {
            let get = |name| weights.get(name, &[first]);
            let (weight, bias, mean, variance) =
                (get("weight")?, get("bias")?, get("running_mean")?, get("running_var")?);
            let parts = BatchNormWeights {
                weight: &weight,
                bias: &bias,
                running_mean: &mean,
                running_var: &variance,
            };
            let config = BatchNormConfig { channels: first, ..BatchNormConfig::default() };
            let norm = BatchNormPlan::new(config, parts).map_err(kernel)?;
            match graph.fused_pool(index) {
                Some(window) => Step::NormReluPool { norm, window },
                None => Step::BatchNorm { norm, relu: *relu },
            }
        }
        Op::MaxPool { window } => Step::MaxPool(*window),
        Op::SqueezeExcitation { hidden } => {
            let (reduce, expand) = (weights.pp("reduce"), weights.pp("expand"));
            let parts = [
                reduce.get("weight", &[*hidden, first])?,
                reduce.get("bias", &[*hidden])?,
                expand.get("weight", &[first, *hidden])?,
                expand.get("bias", &[first])?,
            ];
            let [reduce_weight, reduce_bias, expand_weight, expand_bias] = &parts;
            let parts = SqueezeExcitationWeights { reduce_weight, reduce_bias, expand_weight, expand_bias };
            Step::SqueezeExcitation(SqueezeExcitationPlan::new(first, *hidden, parts).map_err(kernel)?)
        }
        Op::MeanMaxOverTime => Step::MeanMaxOverTime,
        Op::GlobalMean => Step::GlobalMean,
        Op::Sequence => Step::Sequence,
        Op::MeanOverSteps => Step::MeanOverSteps,
        Op::Gru { hidden, bidirectional } => gru(last, *hidden, *bidirectional, &weights)?,
        Op::AttentionPooling => {
            let score = weights.pp("score");
            let (weight, bias) = (score.get("weight", &[1, last])?, score.get("bias", &[1])?);
            Step::AttentionPooling(AttentionPoolingPlan::new(&weight, &bias).map_err(kernel)?)
        }
        Op::Patches { patch, size } => {
            let projection = weights.pp("proj");
            let (weight, bias) =
                (projection.get("weight", &[*size, 1, patch.0, patch.1])?, projection.get("bias", &[*size])?);
            Step::Patches(Box::new(
                PatchEmbeddingPlan::new(1, *size, *patch, &weight, &bias).map_err(kernel)?,
            ))
        }
        Op::PatchPositions { rows } => {
            Step::PatchPositions { weight: weights.get("weight", &[*rows, last])?, rows: *rows }
        }
        Op::LayerNorm => {
            let (weight, bias) = (weights.get("weight", &[last])?, weights.get("bias", &[last])?);
            Step::LayerNorm(LayerNormPlan::new(&weight, &bias, LAYER_NORM_EPSILON).map_err(kernel)?)
        }
        Op::Attention { heads } => {
            let out = weights.pp("out_proj");
            let parts = [
                weights.get("in_proj_weight", &[3 * last, last])?,
                weights.get("in_proj_bias", &[3 * last])?,
                out.get("weight", &[last, last])?,
                out.get("bias", &[last])?,
            ];
            let [in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias] = &parts;
            let parts =
                MultiHeadAttentionWeights { in_proj_weight, in_proj_bias, out_proj_weight, out_proj_bias };
            Step::Attention(Box::new(MultiHeadAttentionPlan::new(last, *heads, parts).map_err(kernel)?))
        }
        Op::Flatten => Step::Flatten,
        Op::Linear { units, relu } => Step::Linear { linear: weights.linear(last, *units)?, relu: *relu },
        Op::Add => Step::Add,
        Op::Dropout { .. } | Op::StochasticDepth { .. } => Step::Pass,
    })
}

fn gru(size: usize, hidden: usize, bidirectional: bool, weights: &Below<'_>) -> Result<Step, ModelError> {
    let suffixes: &[&str] = if bidirectional { &["", "_reverse"] } else { &[""] };
    let mut directions = Vec::new();
    for suffix in suffixes {
        directions.push([
            weights.get(&format!("weight_ih_l0{suffix}"), &[3 * hidden, size])?,
            weights.get(&format!("weight_hh_l0{suffix}"), &[3 * hidden, hidden])?,
            weights.get(&format!("bias_ih_l0{suffix}"), &[3 * hidden])?,
            weights.get(&format!("bias_hh_l0{suffix}"), &[3 * hidden])?,
        ]);
    }
    let directions: Vec<DirectionWeights<'_>> = directions
        .iter()
        .map(|[weight_ih, weight_hh, bias_ih, bias_hh]| DirectionWeights {
            weight_ih,
            weight_hh,
            bias_ih,
            bias_hh,
        })
        .collect();
    let config = RecurrentConfig { input_size: size, hidden_size: hidden, bidirectional };
    Ok(Step::Gru(Box::new(GruPlan::new(config, &directions).map_err(kernel)?)))
}

/// The orthonormal DCT-II over `rows` values, `(coefficients, rows)`.
fn cosines(rows: usize, coefficients: usize) -> Vec<f32> {
    let value = |k: usize, row: usize| {
        let scale = if k == 0 { (1.0 / rows as f64).sqrt() } else { (2.0 / rows as f64).sqrt() };
        (scale * (std::f64::consts::PI * k as f64 * (row as f64 + 0.5) / rows as f64).cos()) as f32
    };
    (0..coefficients).flat_map(|k| (0..rows).map(move |row| value(k, row))).collect()
}

impl Step {
    fn forward(&self, x: Array) -> Result<Array, ModelError> {
        let Array { mut values, shape } = x;
        let (batch, last) = (shape.first().copied().unwrap_or(0), shape.last().copied().unwrap_or(0));
        Ok(match self {
            Self::Pass | Self::Add => Array { values, shape },
            Self::Repeat(least) => {
                repeat(&values, shape, *least, last.max(super::trace::repeated(last, *least)))
            }
            Self::Fit(frames) => {
                if last > *frames {
                    return Err(ModelError::Shape(format!(
                        "the input has {last} frames; it must have at most {frames}"
                    )));
                }
                repeat(&values, shape, *frames, *frames)
            }
            Self::GroupRows(size) => {
                let grouped = [batch, shape[1] / size, *size, last];
                Array { values: mean_over(&values, &grouped, 2)?, shape: vec![batch, shape[1] / size, last] }
            }
            Self::Dct { cosines, coefficients } => {
                let (rows, frames) = (shape[1], last);
                let mut out = Vec::with_capacity(batch * coefficients * frames);
                for example in values.chunks_exact(rows * frames) {
                    out.extend(matmul(cosines, example, [*coefficients, rows, frames])?);
                }
                Array { values: out, shape: vec![batch, *coefficients, frames] }
            }
            Self::Statistics(statistics) => {
                let mut out = Vec::new();
                for example in values.chunks_exact(shape[1] * last) {
                    let example = ArrayView2::from_shape((shape[1], last), example)
                        .map_err(|error| ModelError::Shape(error.to_string()))?;
                    out.extend(statistics.compute(example)?);
                }
                let width = out.len() / batch.max(1);
                Array { values: out, shape: vec![batch, width] }
            }
            Self::Image => Array { values, shape: vec![batch, 1, shape[1], last] },
            Self::Conv2d(conv) => {
                let shape = image(&shape);
                Array { values: conv.forward(&values, shape)?, shape: conv.output_shape(shape)?.to_vec() }
            }
            Self::BatchNorm { norm, relu: true } => {
                Array { values: norm.forward_relu(&values, &shape)?, shape }
            }
            Self::BatchNorm { norm, relu: false } => Array { values: norm.forward(&values, &shape)?, shape },
            Self::NormReluPool { norm, window } => {
                let [batch, channels, height, width] = image(&shape);
                let values = norm.forward_relu_max_pool(&values, image(&shape), *window)?;
                Array { values, shape: vec![batch, channels, height / window.0, width / window.1] }
            }
            Self::MaxPool(window) => {
                let (values, shape) = max_pool2d(&values, image(&shape), Pool2dConfig::tiled(*window))?;
                Array { values, shape: shape.to_vec() }
            }
            Self::SqueezeExcitation(excitation) => {
                excitation.apply_in_place(&mut values, image(&shape))?;
                Array { values, shape }
            }
            Self::MeanMaxOverTime => {
                let channels = shape[1];
                let rows = mean_over(&values, &shape, 2)?;
                let flat = [batch, channels, last];
                let (mean, max) = (mean_over(&rows, &flat, 2)?, max_over(&rows, &flat, 2)?);
                let both = mean.chunks_exact(channels).zip(max.chunks_exact(channels));
                let values = both.flat_map(|(mean, max)| mean.iter().chain(max).copied()).collect();
                Array { values, shape: vec![batch, 2 * channels] }
            }
            Self::GlobalMean => {
                let rest = shape[2..].iter().product();
                Array {
                    values: mean_over(&values, &[batch, shape[1], rest], 2)?,
                    shape: vec![batch, shape[1]],
                }
            }
            Self::Sequence => {
                let size = shape[1] * shape[2];
                let mut out = Vec::with_capacity(values.len());
                for example in values.chunks_exact(size * last) {
                    for step in 0..last {
                        out.extend(example[step..].iter().step_by(last));
                    }
                }
                Array { values: out, shape: vec![batch, last, size] }
            }
            Self::MeanOverSteps => Array { values: mean_over(&values, &shape, 1)?, shape: vec![batch, last] },
            Self::Gru(gru) => {
                let values = gru.forward(&values, sequence(&shape))?;
                let states = values.len() / (batch * shape[1]).max(1);
                Array { values, shape: vec![batch, shape[1], states] }
            }
            Self::AttentionPooling(pooling) => {
                Array { values: pooling.forward(&values, sequence(&shape))?, shape: vec![batch, last] }
            }
            Self::Patches(patches) => {
                let (values, shape) = patches.forward(&values, image(&shape))?;
                Array { values, shape: shape.to_vec() }
            }
            Self::PatchPositions { weight, rows } => {
                let columns = shape[1] / rows;
                let times = sinusoidal_positions(columns, last);
                let mut places = Vec::with_capacity(shape[1] * last);
                for row in weight.chunks_exact(last) {
                    for time in times.chunks_exact(last) {
                        places.extend(row.iter().zip(time).map(|(row, time)| row + time));
                    }
                }
                add_positions(&mut values, sequence(&shape), &places)?;
                Array { values, shape }
            }
            Self::LayerNorm(norm) => Array { values: norm.forward(&values)?, shape },
            Self::Attention(attention) => {
                Array { values: attention.forward(&values, sequence(&shape))?, shape }
            }
            Self::Flatten => Array { shape: vec![batch, shape[1..].iter().product()], values },
            Self::Linear { linear, relu: then_relu } => {
                let mut values = linear.forward(&values)?;
                if *then_relu {
                    relu(&mut values);
                }
                let mut shape = shape;
                shape.pop();
                shape.push(linear.out_features());
                Array { values, shape }
            }
        })
    }
}

/// The shape of an image, which the trace of the graph has checked.
fn image(shape: &[usize]) -> [usize; 4] {
    <[usize; 4]>::try_from(shape).unwrap_or_default()
}

/// The shape of a sequence, which the trace of the graph has checked.
fn sequence(shape: &[usize]) -> [usize; 3] {
    <[usize; 3]>::try_from(shape).unwrap_or_default()
}

/// Each row repeated from its start until it has `frames` values, where it has fewer than `least`.
fn repeat(values: &[f32], mut shape: Vec<usize>, least: usize, frames: usize) -> Array {
    let given = shape.last().copied().unwrap_or(0);
    if given >= least || given == 0 {
        return Array { values: values.to_vec(), shape };
    }
    let rows = values.chunks_exact(given);
    let values = rows.flat_map(|row| row.iter().copied().cycle().take(frames)).collect();
    shape.pop();
    shape.push(frames);
    Array { values, shape }
}
