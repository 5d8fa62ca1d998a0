//! Shapes, weights and cost of every layer, before any memory is asked for.

use super::{LayerGraph, Op};
use crate::rules::{check_divides, check_size, rule};
use crate::summary::LayerSummary;
use crate::{ModelError, Summary};

/// Most trainable weights of a network: 512 MB of `f32`.
const MAX_WEIGHTS: u64 = 1 << 27;

/// Most values that a layer may put out for one input: 512 MB of `f32`.
const MAX_OUTPUT: u64 = 1 << 27;

/// Follows the shape of one input through networks, without any tensor. All arithmetic saturates.
#[derive(Debug)]
pub(crate) struct Trace {
    /// Shape after the last layer, the batch left out.
    shape: Vec<usize>,
    path: String,
    input: Vec<usize>,
    layers: Vec<LayerSummary>,
}

/// What a layer makes of its inputs.
struct Row {
    kind: String,
    output: Vec<usize>,
    weights: u64,
    statistics: u64,
    multiply_adds: u64,
}

impl Row {
    fn new(kind: impl Into<String>, output: &[usize]) -> Self {
        Self { kind: kind.into(), output: output.to_vec(), weights: 0, statistics: 0, multiply_adds: 0 }
    }

    fn costs(self, weights: u64, multiply_adds: u64) -> Self {
        Self { weights, multiply_adds, ..self }
    }
}

impl Trace {
    pub(crate) fn new(input: &[usize]) -> Self {
        Self { shape: input.to_vec(), path: String::new(), input: input.to_vec(), layers: Vec::new() }
    }

    pub(crate) fn finish(self) -> Summary {
        Summary { input: self.input, layers: self.layers }
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Size of the last axis: what a head reads.
    pub(crate) fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(0)
    }

    /// Goes through a part whose tensors are below `name`.
    pub(crate) fn within<T>(&mut self, name: &str, part: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(name);
        self.path.push('.');
        let result = part(self);
        self.path.truncate(length);
        result
    }

    /// Sets the shape back, for a branch.
    pub(crate) fn branch_from(&mut self, shape: &[usize]) {
        self.shape = shape.to_vec();
    }

    /// A step without weights that is not a layer of a graph.
    pub(crate) fn step(&mut self, name: &str, kind: &str, output: &[usize]) {
        self.add(name, Row::new(kind, output));
    }

    /// A dense layer on the last shape.
    pub(crate) fn linear(&mut self, name: &str, units: usize) -> Result<(), ModelError> {
        let row = row(&Op::Linear { units, relu: false }, std::slice::from_ref(&self.shape))?;
        self.add(name, row);
        Ok(())
    }

    fn add(&mut self, name: &str, row: Row) {
        let Row { kind, output, weights, statistics, multiply_adds } = row;
        self.shape.clone_from(&output);
        self.layers.push(LayerSummary {
            name: format!("{}{name}", self.path),
            kind,
            output,
            weights,
            statistics,
            multiply_adds,
        });
    }

    /// Goes through a graph from the last shape on; returns the shape of each of its values.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a layer that reads what is not before it, or a shape that it cannot take.
    pub(crate) fn graph(&mut self, graph: &LayerGraph) -> Result<Vec<Vec<usize>>, ModelError> {
        let mut shapes = vec![self.shape.clone()];
        for (index, layer) in graph.layers().iter().enumerate() {
            let name = &layer.name;
            let mut inputs = Vec::new();
            for value in graph.reads(index) {
                let shape = shapes.get(value).ok_or_else(|| {
                    ModelError::config(format!("input of layer {name}"), value, "a value computed before it")
                })?;
                inputs.push(shape.clone());
            }
            let row = row(&layer.op, &inputs).map_err(|error| match error {
                ModelError::Config { field, given, rule } => {
                    ModelError::Config { field: format!("{field} of layer {}{name}", self.path), given, rule }
                }
                other => other,
            })?;
            shapes.push(row.output.clone());
            // Neither computes anything that a reader of the summary looks for.
            if !matches!(layer.op, Op::Repeat { .. } | Op::Image) {
                self.add(name, row);
            }
        }
        self.shape = shapes.last().cloned().unwrap_or_default();
        let shape = format!("{:?}", self.shape);
        rule(self.shape.len() == 1, "shape of the features", shape, || "of one axis".into())?;
        Ok(shapes)
    }

    /// Rejects what would ask for too much memory.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let layers = &self.layers;
        let weights = layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.weights));
        let largest = layers.iter().map(|layer| count(&layer.output)).max();
        for (what, given, limit) in [
            ("number of weights of the architecture", weights, MAX_WEIGHTS),
            ("number of values that a layer puts out", largest.unwrap_or(0), MAX_OUTPUT),
        ] {
            if given > limit {
                return Err(ModelError::Limit { what, given, limit });
            }
        }
        Ok(())
    }
}

/// Product of sizes.
fn count(sizes: &[usize]) -> u64 {
    sizes.iter().fold(1, |product: u64, &size| product.saturating_mul(size as u64))
}

fn wrong<T>(op: &str, given: &[Vec<usize>], needed: &str) -> Result<T, ModelError> {
    let shapes: Vec<String> = given.iter().map(|shape| format!("{shape:?}")).collect();
    Err(ModelError::config(format!("input of {op}"), shapes.join(" and "), needed))
}

fn at_least_one(what: &str, sizes: &[usize]) -> Result<(), ModelError> {
    rule(!sizes.contains(&0), what, format!("{sizes:?}"), || "at least 1".into())
}

fn fraction(probability: f64) -> Result<(), ModelError> {
    crate::rules::check_fraction("probability", probability)
}

/// The smallest multiple of `frames` that is at least `least`.
pub(super) fn repeated(frames: usize, least: usize) -> usize {
    if frames == 0 { 0 } else { frames.saturating_mul(least.div_ceil(frames).max(1)) }
}

/// The output of an op and its cost.
#[allow(clippy::too_many_lines, reason = "one arm per op")]
fn row(op: &Op, inputs: &[Vec<usize>]) -> Result<Row, ModelError> {
    use Op::{
        Add, Attention, AttentionPooling, BatchNorm, Conv2d, Dct, Dropout, Fit, Flatten, GlobalMean,
        GroupRows, Gru, Image, LayerNorm, Linear, MaxPool, MeanMaxOverTime, MeanOverSteps, PatchPositions,
        Patches, Repeat, Sequence, SqueezeExcitation, Statistics, StochasticDepth,
    };
    if let Add = op {
        return match inputs {
            [a, b] if a == b => Ok(Row::new("sum", a)),
            _ => wrong("a sum", inputs, "two values of one shape"),
        };
    }
    let [input] = inputs else {
        return wrong("a layer", inputs, "one value");
    };
    let row = match (op, input.as_slice()) {
        (Repeat { least }, &[rows, frames]) => Row::new("repeat", &[rows, repeated(frames, *least)]),
        (Fit { frames }, &[rows, _]) => {
            at_least_one("frames", &[*frames])?;
            Row::new("repeat or cut", &[rows, *frames])
        }
        (GroupRows { size }, &[rows, frames]) => {
            check_divides("size of a group", *size, rows, "rows")?;
            Row::new("mean of bands", &[rows / size, frames])
        }
        (Dct { coefficients }, &[rows, frames]) => {
            check_size("coefficients", *coefficients, 1, rows)?;
            Row::new("DCT-II", &[*coefficients, frames]).costs(0, count(&[rows, *coefficients, frames]))
        }
        (Statistics(config), &[rows, _]) => {
            config.validate()?;
            rule(rows == config.bands, "bands", config.bands, || format!("{rows}, as the input"))?;
            Row::new("statistics over time", &[config.len()])
        }
        (Image, &[rows, frames]) => Row::new("image", &[1, rows, frames]),
        (Conv2d { channels, kernel, stride, same, bias }, &[inputs, height, width]) => {
            at_least_one("channels, kernel or stride", &[*channels, kernel.0, kernel.1, stride.0, stride.1])?;
            let size = |length: usize, kernel: usize, stride: usize| {
                if *same {
                    Some(length.div_ceil(stride))
                } else {
                    length.checked_sub(kernel).map(|room| room / stride + 1)
                }
            };
            let (Some(height), Some(width)) =
                (size(height, kernel.0, stride.0), size(width, kernel.1, stride.1))
            else {
                return wrong(
                    "a convolution",
                    std::slice::from_ref(input),
                    &format!("at least the kernel, {kernel:?}"),
                );
            };
            let weights = count(&[*channels, inputs, kernel.0, kernel.1]);
            let kind = match stride {
                (1, 1) => format!("conv {}x{}", kernel.0, kernel.1),
                stride => format!("conv {}x{} / {}x{}", kernel.0, kernel.1, stride.0, stride.1),
            };
            let products = weights.saturating_mul(count(&[height, width]));
            let biases = if *bias { *channels as u64 } else { 0 };
            Row::new(kind, &[*channels, height, width]).costs(weights.saturating_add(biases), products)
        }
        (BatchNorm { relu }, &[channels, ..]) => {
            let values = count(&[channels, 2]);
            let kind = if *relu { "batch norm, ReLU" } else { "batch norm" };
            Row { statistics: values, ..Row::new(kind, input).costs(values, 0) }
        }
        (MaxPool { window }, &[channels, height, width]) => {
            at_least_one("window", &[window.0, window.1])?;
            rule(height >= window.0 && width >= window.1, "window", format!("{window:?}"), || {
                format!("at most the image, ({height}, {width})")
            })?;
            let kind = format!("max pool {}x{}", window.0, window.1);
            Row::new(kind, &[channels, height / window.0, width / window.1])
        }
        (SqueezeExcitation { hidden }, &[channels, _, _]) => {
            at_least_one("hidden", &[*hidden])?;
            let products = count(&[2, channels, *hidden]);
            let weights = products.saturating_add(hidden.saturating_add(channels) as u64);
            Row::new("squeeze-excitation", input).costs(weights, products.saturating_add(count(input)))
        }
        (MeanMaxOverTime, &[channels, _, _]) => {
            Row::new("mean and max over time", &[channels.saturating_mul(2)])
        }
        (GlobalMean, &[channels, _, ..]) => Row::new("mean over time", &[channels]),
        (Sequence, &[channels, height, width]) => {
            Row::new("steps", &[width, channels.saturating_mul(height)])
        }
        (MeanOverSteps, &[_, size]) => Row::new("mean over steps", &[size]),
        (Gru { hidden, bidirectional }, &[steps, size]) => {
            at_least_one("hidden", &[*hidden])?;
            let states = hidden.saturating_mul(if *bidirectional { 2 } else { 1 });
            let (inner, kind) =
                (size.saturating_add(*hidden), if *bidirectional { "bidirectional GRU" } else { "GRU" });
            Row::new(kind, &[steps, states])
                .costs(count(&[3, states, inner.saturating_add(2)]), count(&[3, states, inner, steps]))
        }
        (AttentionPooling, &[steps, size]) => Row::new("attention pooling", &[size])
            .costs((size as u64).saturating_add(1), count(&[2, steps, size])),
        (Patches { patch, size }, &[1, height, width]) => {
            at_least_one("patch or size", &[patch.0, patch.1, *size])?;
            rule(height >= patch.0 && width >= patch.1, "patch", format!("{patch:?}"), || {
                format!("at most the image, ({height}, {width})")
            })?;
            let patches = (height / patch.0).saturating_mul(width / patch.1);
            let kernel = count(&[patch.0, patch.1, *size]);
            Row::new(format!("patches {}x{}", patch.0, patch.1), &[patches, *size])
                .costs(kernel.saturating_add(*size as u64), kernel.saturating_mul(patches as u64))
        }
        (PatchPositions { rows }, &[patches, size]) => {
            check_divides("rows", *rows, patches, "patches")?;
            Row::new("positions", input).costs(count(&[*rows, size]), 0)
        }
        (LayerNorm, &[_, size]) => Row::new("layer norm", input).costs(count(&[2, size]), 0),
        (Attention { heads }, &[steps, size]) => {
            check_divides("heads", *heads, size, "size")?;
            let matrices = count(&[4, size, size]);
            let products =
                matrices.saturating_mul(steps as u64).saturating_add(count(&[2, steps, steps, size]));
            Row::new(format!("attention, {heads} heads"), input)
                .costs(matrices.saturating_add(count(&[4, size])), products)
        }
        (Flatten, shape) => {
            let length = usize::try_from(count(shape)).unwrap_or(usize::MAX);
            Row::new("flatten", &[length])
        }
        (Linear { units, relu }, &[.., size]) => {
            at_least_one("units", &[*units])?;
            let mut output = input.clone();
            output.pop();
            output.push(*units);
            let kind = if *relu { "dense, ReLU" } else { "dense" };
            let products = count(&output).saturating_mul(size as u64);
            Row::new(kind, &output).costs(count(&[size, *units]).saturating_add(*units as u64), products)
        }
        (Dropout { probability }, _) => {
            fraction(*probability)?;
            Row::new("dropout", input)
        }
        (StochasticDepth { probability }, _) => {
            fraction(*probability)?;
            Row::new("stochastic depth", input)
        }
        (op, _) => return wrong(&format!("{op:?}"), inputs, "a value of another number of axes"),
    };
    Ok(row)
}
