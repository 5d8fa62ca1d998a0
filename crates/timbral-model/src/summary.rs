use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Most trainable weights of a network: 512 MB of `f32`.
const MAX_WEIGHTS: u64 = 1 << 27;

/// Most values that a layer may put out for one input: 512 MB of `f32`.
const MAX_OUTPUT: u64 = 1 << 27;

/// One layer of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSummary {
    /// Path of the layer: what stands before the names of its tensors in a model file. Layers without tensors have a
    /// name all the same.
    pub name: String,
    /// What the layer is.
    pub kind: String,
    /// Shape of its output for one input, the batch left out.
    pub output: Vec<usize>,
    /// Trainable values.
    pub weights: u64,
    /// Stored values that are not trained: running means and variances.
    pub statistics: u64,
    /// Products of two numbers that are summed up, for one input: those of convolutions, dense and recurrent layers and
    /// attention. Normalisation, activations and pooling count as none.
    pub multiply_adds: u64,
}

/// The layers of a network with their sizes; [`Display`](fmt::Display) writes it as a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Shape of one input, the batch left out.
    pub input: Vec<usize>,
    /// The layers, in the order of the data.
    pub layers: Vec<LayerSummary>,
}

impl Summary {
    /// Trainable values of all layers.
    #[must_use]
    pub fn weights(&self) -> u64 {
        self.total(|layer| layer.weights)
    }

    /// Stored values that are not trained, of all layers.
    #[must_use]
    pub fn statistics(&self) -> u64 {
        self.total(|layer| layer.statistics)
    }

    /// Multiply-adds of all layers for one input.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        self.total(|layer| layer.multiply_adds)
    }

    fn total(&self, value: impl Fn(&LayerSummary) -> u64) -> u64 {
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(value(layer)))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["layer", "kind", "output", "weights", "multiply-adds"].map(String::from)];
        rows.push(["input".into(), String::new(), shape(&self.input), String::new(), String::new()]);
        for layer in &self.layers {
            rows.push([
                layer.name.clone(),
                layer.kind.clone(),
                shape(&layer.output),
                grouped(layer.weights),
                grouped(layer.multiply_adds),
            ]);
        }
        let kind = match self.statistics() {
            0 => String::new(),
            n => format!("and {} running statistics", grouped(n)),
        };
        rows.push([
            "total".into(),
            kind,
            String::new(),
            grouped(self.weights()),
            grouped(self.multiply_adds()),
        ]);
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let rule: usize = widths.iter().sum::<usize>() + 8;
        let last = rows.len() - 1;
        for (i, [name, kind, output, weights, products]) in rows.iter().enumerate() {
            if i == 1 || i == last {
                writeln!(f, "{}", "-".repeat(rule))?;
            }
            let [a, b, c, d, e] = widths;
            let line = format!("{name:a$}  {kind:b$}  {output:c$}  {weights:>d$}  {products:>e$}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn shape(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    sizes.join(" x ")
}

/// Digits in groups of three.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Follows the shape of one input through a network, without any tensor: sizes are known, and refused, before memory is
/// asked for. All arithmetic saturates.
#[derive(Debug)]
pub(crate) struct Walker {
    /// Shape after the last layer, the batch left out.
    shape: Vec<usize>,
    path: String,
    input: Vec<usize>,
    layers: Vec<LayerSummary>,
}

impl Walker {
    pub(crate) fn new(input: &[usize]) -> Self {
        Self { shape: input.to_vec(), path: String::new(), input: input.to_vec(), layers: Vec::new() }
    }

    pub(crate) fn finish(self) -> Summary {
        Summary { input: self.input, layers: self.layers }
    }

    /// Refuses what would ask for too much memory.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        let weights = self.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.weights));
        let largest = self.layers.iter().map(|layer| count(&layer.output)).max();
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

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Size of the last axis: what a head sees.
    pub(crate) fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(0)
    }

    /// Goes through a part whose tensors are below `name`.
    pub(crate) fn within(&mut self, name: &str, part: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(name);
        self.path.push('.');
        part(self);
        self.path.truncate(length);
    }

    /// Sets the shape back, for a branch.
    pub(crate) fn branch_from(&mut self, shape: &[usize]) {
        self.shape = shape.to_vec();
    }

    pub(crate) fn row(&mut self, name: &str, kind: &str, output: &[usize], weights: u64, multiply_adds: u64) {
        self.shape = output.to_vec();
        self.layers.push(LayerSummary {
            name: format!("{}{name}", self.path),
            kind: kind.to_owned(),
            output: output.to_vec(),
            weights,
            statistics: 0,
            multiply_adds,
        });
    }

    /// A layer without weights that only changes the shape.
    pub(crate) fn reshape(&mut self, name: &str, kind: &str, output: &[usize]) {
        self.row(name, kind, output, 0, 0);
    }

    /// A convolution without bias over (channels, height, width), padded so that stride 1 keeps the size.
    pub(crate) fn conv2d(
        &mut self,
        name: &str,
        channels: usize,
        kernel: (usize, usize),
        stride: (usize, usize),
    ) {
        let &[inputs, height, width] = self.shape.as_slice() else {
            return;
        };
        let output = [channels, height.div_ceil(stride.0), width.div_ceil(stride.1)];
        let weights = count(&[channels, inputs, kernel.0, kernel.1]);
        let cells = count(&output[1..]);
        let kind = if stride == (1, 1) {
            format!("conv {}x{}", kernel.0, kernel.1)
        } else {
            format!("conv {}x{} / {}x{}", kernel.0, kernel.1, stride.0, stride.1)
        };
        self.row(name, &kind, &output, weights, weights.saturating_mul(cells));
    }

    /// Batch normalisation over the first axis, and the ReLU that may follow.
    pub(crate) fn batch_norm(&mut self, name: &str, relu: bool) {
        let shape = self.shape.clone();
        let values = (shape.first().copied().unwrap_or(0) as u64).saturating_mul(2);
        let kind = if relu { "batch norm, ReLU" } else { "batch norm" };
        self.row(name, kind, &shape, values, 0);
        if let Some(layer) = self.layers.last_mut() {
            layer.statistics = values;
        }
    }

    /// The maximum of windows beside each other over the last two axes.
    pub(crate) fn max_pool(&mut self, name: &str, window: (usize, usize)) {
        if let &[channels, height, width] = self.shape.as_slice() {
            let output = [channels, height / window.0.max(1), width / window.1.max(1)];
            self.reshape(name, &format!("max pool {}x{}", window.0, window.1), &output);
        }
    }

    /// Layer normalisation over the last axis.
    pub(crate) fn layer_norm(&mut self, name: &str) {
        let shape = self.shape.clone();
        self.row(name, "layer norm", &shape, count(&[2, self.width()]), 0);
    }

    /// A dense layer with bias over the last axis.
    pub(crate) fn linear(&mut self, name: &str, outputs: usize, kind: &str) {
        let inputs = self.width();
        let mut output = self.shape.clone();
        if let Some(last) = output.last_mut() {
            *last = outputs;
        }
        let products = count(&output).saturating_mul(inputs as u64);
        let weights = count(&[inputs, outputs]).saturating_add(outputs as u64);
        self.row(name, kind, &output, weights, products);
    }
}

/// Product of sizes.
pub(crate) fn count(sizes: &[usize]) -> u64 {
    sizes.iter().fold(1, |product: u64, &size| product.saturating_mul(size as u64))
}
