use std::fmt;

use serde::{Deserialize, Serialize};

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
