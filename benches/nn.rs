//! Training and inference of small networks, beside stock candle and a bare matrix product.
//!
//! `benches/nn_pytorch.py` has the same networks in PyTorch and compares the two in turns, by way of the line protocol of
//! `cargo bench --bench nn -- serve` (one line `IMPLEMENTATION NETWORK KIND` in, one line `WALL_MS CPU_MS` out).

#![allow(clippy::unwrap_used, reason = "a bench says that this must hold")]
#![allow(clippy::print_stdout, reason = "the comparison reads the times from the standard output")]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use candle_core::{D, DType, Device, Module, ModuleT, Result, Tensor};
use candle_nn::{RNN, VarBuilder, VarMap};
use criterion::{Criterion, criterion_group};
use timbral_nn::attention::{MultiHeadAttention, multi_head_attention, sinusoidal_positions};
use timbral_nn::blocks::{PatchEmbedding, patch_embedding};
use timbral_nn::norm::{LayerNorm, layer_norm};
use timbral_nn::recurrent::{Gru, RecurrentConfig, gru};
use timbral_nn::{
    Activation, AdamW, AdamWConfig, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, CrossEntropyConfig,
    Linear, LinearConfig, Padding, SeededInit, Target, batch_norm_2d, conv2d, cross_entropy, linear,
    max_over, mean_over, parameters,
};

/// Names of the networks; `benches/nn_pytorch.py` knows the same.
const NETWORKS: [&str; 4] = ["cnn-24-48-96-128", "cnn-16-32-64-128", "gru", "transformer"];
const CLASSES: usize = 10;
const BATCH: usize = 32;
/// Mel bands and frames of an example.
const IMAGE: (usize, usize) = (64, 128);
/// State of each direction of the recurrent network.
const STATE: usize = 96;
/// Sizes of the transformer.
const PATCH: (usize, usize) = (8, 8);
const SIZE: usize = 128;
const HEADS: usize = 4;
const HIDDEN: usize = 256;
const DEPTH: usize = 4;

fn dense(in_features: usize, out_features: usize, vb: VarBuilder<'_>) -> Result<Linear> {
    linear(LinearConfig { in_features, out_features, bias: true }, vb)
}

fn channels(name: &str) -> Vec<usize> {
    name.split('-').filter_map(|part| part.parse().ok()).collect()
}

/// Blocks of convolution, batch normalisation, ReLU and max pooling; then the mean over frequency, mean and maximum
/// over time, and a linear layer.
struct Cnn {
    blocks: Vec<(Conv2d, BatchNorm)>,
    head: Linear,
}

impl Cnn {
    fn new(channels: &[usize], vb: &VarBuilder<'_>) -> Result<Self> {
        let mut blocks = Vec::new();
        let mut in_channels = 1;
        for (index, &out_channels) in channels.iter().enumerate() {
            let vb = vb.pp(index);
            let config = Conv2dConfig {
                in_channels,
                out_channels,
                padding: Padding::Same,
                bias: false,
                ..Conv2dConfig::default()
            };
            let norm = BatchNormConfig { channels: out_channels, ..BatchNormConfig::default() };
            blocks.push((conv2d(config, vb.pp("conv"))?, batch_norm_2d(norm, vb.pp("norm"))?));
            in_channels = out_channels;
        }
        Ok(Self { blocks, head: dense(2 * in_channels, CLASSES, vb.pp("head"))? })
    }
}

impl ModuleT for Cnn {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (2, 2))?;
        }
        let x = mean_over(&x, 2)?;
        self.head.forward(&Tensor::cat(&[mean_over(&x, 2)?, max_over(&x, 2)?], 1)?)
    }
}

/// The same from candle's own layers.
struct StockCnn {
    blocks: Vec<(candle_nn::Conv2d, candle_nn::BatchNorm)>,
    head: candle_nn::Linear,
}

impl StockCnn {
    fn new(channels: &[usize], vb: &VarBuilder<'_>) -> Result<Self> {
        let mut blocks = Vec::new();
        let mut last = 1;
        for (index, &out) in channels.iter().enumerate() {
            let vb = vb.pp(index);
            let config = candle_nn::Conv2dConfig { padding: 1, ..candle_nn::Conv2dConfig::default() };
            let norm = candle_nn::batch_norm(out, candle_nn::BatchNormConfig::default(), vb.pp("norm"))?;
            blocks.push((candle_nn::conv2d_no_bias(last, out, 3, config, vb.pp("conv"))?, norm));
            last = out;
        }
        Ok(Self { blocks, head: candle_nn::linear(2 * last, CLASSES, vb.pp("head"))? })
    }
}

impl ModuleT for StockCnn {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.blocks {
            x = norm.forward_t(&conv.forward(&x)?, train)?.relu()?;
            let (batch, channels, height, width) = x.dims4()?;
            x = x.reshape((batch, channels, height / 2, 2, width / 2, 2))?.max(5)?.max(3)?;
        }
        let x = x.mean(2)?;
        self.head.forward(&Tensor::cat(&[x.mean(2)?, x.max(2)?], 1)?)
    }
}

/// A bidirectional gated recurrent unit over the frames, the mean over its states, and a linear layer.
struct Recurrent {
    gru: Gru,
    head: Linear,
}

impl Recurrent {
    fn new(vb: &VarBuilder<'_>) -> Result<Self> {
        let config = RecurrentConfig { input_size: IMAGE.0, hidden_size: STATE, bidirectional: true };
        Ok(Self { gru: gru(config, &vb.pp("gru"))?, head: dense(2 * STATE, CLASSES, vb.pp("head"))? })
    }
}

impl ModuleT for Recurrent {
    fn forward_t(&self, x: &Tensor, _: bool) -> Result<Tensor> {
        let states = self.gru.forward(&x.squeeze(1)?.transpose(1, 2)?)?;
        self.head.forward(&mean_over(&states, 1)?)
    }
}

/// The same from candle's own layers.
struct StockRecurrent {
    directions: [candle_nn::GRU; 2],
    head: candle_nn::Linear,
}

impl StockRecurrent {
    fn new(vb: &VarBuilder<'_>) -> Result<Self> {
        let direction = |name| candle_nn::gru(IMAGE.0, STATE, candle_nn::GRUConfig::default(), vb.pp(name));
        Ok(Self {
            directions: [direction("forward")?, direction("backward")?],
            head: candle_nn::linear(2 * STATE, CLASSES, vb.pp("head"))?,
        })
    }
}

impl ModuleT for StockRecurrent {
    fn forward_t(&self, x: &Tensor, _: bool) -> Result<Tensor> {
        let x = x.squeeze(1)?.transpose(1, 2)?.contiguous()?;
        let [forward, backward] = &self.directions;
        let states = |gru: &candle_nn::GRU, x: &Tensor| {
            gru.states_to_tensor(&gru.seq(x)?)?.reshape((BATCH, IMAGE.1, STATE))
        };
        let states = [states(forward, &x)?, states(backward, &x.flip(&[1])?)?.flip(&[1])?];
        self.head.forward(&Tensor::cat(&states, 2)?.mean(1)?)
    }
}

/// Patches, blocks of attention and two dense layers with the normalisation first, and the mean over all patches.
struct Transformer {
    patches: PatchEmbedding,
    positions: Tensor,
    blocks: Vec<(LayerNorm, MultiHeadAttention, LayerNorm, Linear, Linear)>,
    norm: LayerNorm,
    head: Linear,
}

impl Transformer {
    fn new(vb: &VarBuilder<'_>) -> Result<Self> {
        let count = (IMAGE.0 / PATCH.0) * (IMAGE.1 / PATCH.1);
        let like = Tensor::zeros(1, DType::F32, &Device::Cpu)?;
        let block = |index: usize| {
            let vb = vb.pp("blocks").pp(index);
            Ok((
                layer_norm(SIZE, 1e-5, vb.pp("norm1"))?,
                multi_head_attention(SIZE, HEADS, &vb.pp("attention"))?,
                layer_norm(SIZE, 1e-5, vb.pp("norm2"))?,
                dense(SIZE, HIDDEN, vb.pp("hidden"))?,
                dense(HIDDEN, SIZE, vb.pp("output"))?,
            ))
        };
        Ok(Self {
            patches: patch_embedding(1, SIZE, PATCH, &vb.pp("patches"))?,
            positions: sinusoidal_positions(count, SIZE, &like)?,
            blocks: (0..DEPTH).map(block).collect::<Result<_>>()?,
            norm: layer_norm(SIZE, 1e-5, vb.pp("norm"))?,
            head: dense(SIZE, CLASSES, vb.pp("head"))?,
        })
    }
}

impl ModuleT for Transformer {
    fn forward_t(&self, x: &Tensor, _: bool) -> Result<Tensor> {
        let mut x = self.patches.forward(x)?.broadcast_add(&self.positions)?;
        for (norm1, attention, norm2, hidden, output) in &self.blocks {
            x = (&x + attention.forward(&norm1.forward(&x)?)?)?;
            let y = Activation::Gelu.forward(&hidden.forward(&norm2.forward(&x)?)?)?;
            x = (&x + output.forward(&y)?)?;
        }
        self.head.forward(&mean_over(&self.norm.forward(&x)?, 1)?)
    }
}

/// The same from candle's own layers, with those of its functions that have a gradient.
struct StockTransformer {
    patches: candle_nn::Conv2d,
    positions: Tensor,
    blocks: Vec<StockBlock>,
    norm: (Tensor, Tensor),
    head: candle_nn::Linear,
}

struct StockBlock {
    norms: [(Tensor, Tensor); 2],
    input: candle_nn::Linear,
    projection: candle_nn::Linear,
    hidden: candle_nn::Linear,
    output: candle_nn::Linear,
}

impl StockTransformer {
    fn new(vb: &VarBuilder<'_>) -> Result<Self> {
        let count = (IMAGE.0 / PATCH.0) * (IMAGE.1 / PATCH.1);
        let norm = |vb: VarBuilder<'_>| -> Result<(Tensor, Tensor)> {
            let one = vb.get_with_hints(SIZE, "weight", candle_nn::Init::Const(1.0))?;
            Ok((one, vb.get_with_hints(SIZE, "bias", candle_nn::Init::Const(0.0))?))
        };
        let block = |index: usize| {
            let vb = vb.pp("blocks").pp(index);
            Ok(StockBlock {
                norms: [norm(vb.pp("norm1"))?, norm(vb.pp("norm2"))?],
                input: candle_nn::linear(SIZE, 3 * SIZE, vb.pp("input"))?,
                projection: candle_nn::linear(SIZE, SIZE, vb.pp("projection"))?,
                hidden: candle_nn::linear(SIZE, HIDDEN, vb.pp("hidden"))?,
                output: candle_nn::linear(HIDDEN, SIZE, vb.pp("output"))?,
            })
        };
        let config = candle_nn::Conv2dConfig { stride: PATCH.0, ..candle_nn::Conv2dConfig::default() };
        let like = Tensor::zeros(1, DType::F32, &Device::Cpu)?;
        Ok(Self {
            patches: candle_nn::conv2d(1, SIZE, PATCH.0, config, vb.pp("patches"))?,
            positions: sinusoidal_positions(count, SIZE, &like)?,
            blocks: (0..DEPTH).map(block).collect::<Result<_>>()?,
            norm: norm(vb.pp("norm"))?,
            head: candle_nn::linear(SIZE, CLASSES, vb.pp("head"))?,
        })
    }
}

impl ModuleT for StockTransformer {
    fn forward_t(&self, x: &Tensor, _: bool) -> Result<Tensor> {
        let norm = |x: &Tensor, (weight, bias): &(Tensor, Tensor)| {
            candle_nn::ops::layer_norm_slow(x, weight, bias, 1e-5)
        };
        let x = self.patches.forward(x)?.flatten_from(2)?.transpose(1, 2)?;
        let mut x = x.broadcast_add(&self.positions)?;
        let (batch, length, size) = x.dims3()?;
        for block in &self.blocks {
            let parts = block.input.forward(&norm(&x, &block.norms[0])?)?;
            let parts = parts.reshape((batch, length, 3, HEADS, size / HEADS))?.permute((2, 0, 3, 1, 4))?;
            let part = |index: usize| parts.narrow(0, index, 1)?.squeeze(0)?.contiguous();
            let scores = part(0)?.matmul(&part(1)?.t()?.contiguous()?)?;
            let scores = (scores / ((size / HEADS) as f64).sqrt())?;
            let seen = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&part(2)?)?;
            let seen = seen.transpose(1, 2)?.reshape((batch, length, size))?;
            x = (x + block.projection.forward(&seen)?)?;
            let y = block.hidden.forward(&norm(&x, &block.norms[1])?)?.gelu_erf()?;
            x = (x + block.output.forward(&y)?)?;
        }
        self.head.forward(&norm(&x, &self.norm)?.mean(1)?)
    }
}

/// A network with its optimizer and data.
struct Run {
    network: Box<dyn ModuleT>,
    optimizer: AdamW,
    x: Tensor,
    classes: Vec<u32>,
}

impl Run {
    fn new(stock: bool, name: &str) -> Self {
        let map = VarMap::new();
        let vb = SeededInit::new(&map, 1).var_builder(DType::F32, &Device::Cpu);
        let network: Box<dyn ModuleT> = match (stock, name) {
            (false, "gru") => Box::new(Recurrent::new(&vb).unwrap()),
            (true, "gru") => Box::new(StockRecurrent::new(&vb).unwrap()),
            (false, "transformer") => Box::new(Transformer::new(&vb).unwrap()),
            (true, "transformer") => Box::new(StockTransformer::new(&vb).unwrap()),
            (false, _) => Box::new(Cnn::new(&channels(name), &vb).unwrap()),
            (true, _) => Box::new(StockCnn::new(&channels(name), &vb).unwrap()),
        };
        Self {
            network,
            optimizer: AdamW::new(parameters(&map), AdamWConfig::default()).unwrap(),
            x: Tensor::rand(-1f32, 1., (BATCH, 1, IMAGE.0, IMAGE.1), &Device::Cpu).unwrap(),
            classes: (0..BATCH).map(|row| (row % CLASSES) as u32).collect(),
        }
    }

    /// Does one training step, or infers a whole batch or one example.
    fn go(&mut self, kind: &str) {
        match kind {
            "step" => {
                let scores = self.network.forward_t(&self.x, true).unwrap();
                let target = Target::Classes(&self.classes);
                let loss = cross_entropy(&scores, target, &CrossEntropyConfig::default()).unwrap();
                self.optimizer.step(&loss.backward().unwrap(), 1e-3).unwrap();
            }
            "infer-1" => {
                let one = self.x.narrow(0, 0, 1).unwrap();
                black_box(self.network.forward_t(&one, false).unwrap());
            }
            _ => {
                black_box(self.network.forward_t(&self.x, false).unwrap());
            }
        }
    }
}

fn networks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nn");
    group.sample_size(10);
    for name in NETWORKS {
        let mut run = Run::new(false, name);
        for kind in ["step", "infer-32", "infer-1"] {
            group.bench_function(format!("{name}/{kind}"), |b| b.iter(|| run.go(kind)));
        }
        let mut stock = Run::new(true, name);
        group.bench_function(format!("{name}/candle-step"), |b| b.iter(|| stock.go("step")));
    }
    let square = Tensor::rand(-1f32, 1., (1024, 1024), &Device::Cpu).unwrap();
    group.bench_function("floor/gemm-1024", |b| b.iter(|| black_box(square.matmul(&square))));
    group.finish();
}

/// Processor time of all threads of this program.
#[cfg(unix)]
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Time on the wall, where that of the processor is not to be had.
#[cfg(not(unix))]
fn processor_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// An entry of Linux's `/proc/self/status` in MiB.
fn memory(entry: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(entry)).unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<f64>().unwrap() / 1024.0
}

/// Answers each line `IMPLEMENTATION NETWORK KIND` (timbral or candle) by the time of one go in milliseconds, on the wall
/// and of all processors. The kind `memory` runs five steps and answers by the growth of the largest resident size in MiB.
fn serve() {
    let mut runs: HashMap<(bool, String), Run> = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let [implementation, name, kind] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            continue;
        };
        let key = (implementation == "candle", name.to_owned());
        let run = runs.entry(key).or_insert_with_key(|(stock, name)| Run::new(*stock, name));
        if kind == "memory" {
            let before = memory("VmRSS");
            (0..5).for_each(|_| run.go("step"));
            println!("{} 0", memory("VmHWM") - before);
        } else {
            let (wall, processor) = (Instant::now(), processor_time());
            run.go(kind);
            let processor = (processor_time() - processor).as_secs_f64() * 1e3;
            println!("{} {processor}", wall.elapsed().as_secs_f64() * 1e3);
        }
        std::io::stdout().flush().unwrap();
    }
}

criterion_group!(benches, networks);

fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        serve();
    } else {
        benches();
        Criterion::default().configure_from_args().final_summary();
    }
}
