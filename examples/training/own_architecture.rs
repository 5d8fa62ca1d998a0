//! Trains and serves a custom network: one graph of layers gives the summary, the module for training and the forward pass
//! that needs no candle.
//!
//! The toy task is to separate rising from falling spectrograms: `own_architecture model.safetensors`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use candle_core::{DType, Device, Tensor};
use candle_nn::Optimizer as _;
use ndarray::Array3;
use timbral_model::graph::{LayerGraph, Op};
use timbral_model::{Architecture, Header, Input, JsonValue, Model, ModelFile, from_candle};
use timbral_nn::{CrossEntropyConfig, SeededInit, Target, TrainingClock, cross_entropy, named_variables};

/// Ridges that rise in even examples and fall in odd ones, `(examples, 16 bands, 32 frames)`.
fn spectrograms(examples: usize) -> Array3<f32> {
    Array3::from_shape_fn((examples, 16, 32), |(i, band, frame)| {
        let ridge = if i % 2 == 0 { frame / 2 } else { 15 - frame / 2 };
        -3.0 * (band as f32 - ridge as f32).abs() - (i % 7) as f32
    })
}

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "own_architecture.safetensors".to_owned());
    let mut graph = LayerGraph::new(Input::LogMel { bands: 16 }).with_crop(32);
    graph.push("input", Op::BatchNorm { relu: false });
    graph.push("image", Op::Image);
    graph.push("stem.conv", Op::conv(8, (5, 5)));
    let stem = graph.push("stem.norm", Op::BatchNorm { relu: true });
    graph.push("branch.conv", Op::conv(8, (3, 3)));
    let branch = graph.push("branch.norm", Op::BatchNorm { relu: true });
    graph.push_from("sum", Op::Add, &[stem, branch]);
    graph.push("pool", Op::MeanMaxOverTime);
    let architecture = Architecture::Graph(graph);
    print!("{}", architecture.summary(2, 32)?);

    let weights = candle_nn::VarMap::new();
    let vb = SeededInit::new(&weights, 7).var_builder(DType::F32, &Device::Cpu);
    let network = architecture.build(2, &TrainingClock::new(7), vb)?;
    let x = spectrograms(16);
    let batch = Tensor::from_vec(x.iter().copied().collect(), x.dim(), &Device::Cpu)?;
    let classes: Vec<u32> = (0..16).map(|i| i % 2).collect();
    let mut optimizer = candle_nn::AdamW::new_lr(weights.all_vars(), 0.01)?;
    for _ in 0..30 {
        let logits = network.forward_t(&batch, true)?;
        let loss = cross_entropy(&logits, Target::Classes(&classes), &CrossEntropyConfig::default())?;
        optimizer.backward_step(&loss)?;
    }

    let labels = ["rising", "falling"].map(String::from).to_vec();
    let header = Header::new("toy", architecture, JsonValue::default(), labels);
    let tensors = named_variables(&weights);
    let tensors = from_candle(tensors.iter().map(|(name, var)| (name, var.as_tensor())))?;
    ModelFile { header, tensors }.save(&path)?;
    let probabilities = Model::open(&path)?.probabilities(spectrograms(2).view())?;
    println!("rising {:.3}, falling {:.3}", probabilities[[0, 0]], probabilities[[1, 1]]);
    Ok(())
}
