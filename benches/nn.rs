//! Training and inference of compact networks, beside stock candle and a bare matrix product.
//!
//! `benches/nn_pytorch.py` runs the same networks in PyTorch.

#![allow(clippy::unwrap_used, reason = "a bench says that this must hold")]

use std::hint::black_box;

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor};
use candle_nn::VarMap;
use criterion::{Criterion, criterion_group, criterion_main};
use timbral_nn::{
    AdamW, AdamWConfig, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, CrossEntropyConfig, Linear,
    LinearConfig, Padding, SeededInit, Target, batch_norm_2d, conv2d, cross_entropy, linear, max_over,
    mean_over, parameters,
};

/// Blocks of convolution, batch normalisation, ReLU and max pooling; then the mean over frequency, mean and maximum
/// over time, and a linear layer.
struct Network {
    blocks: Vec<(Conv2d, BatchNorm)>,
    head: Linear,
}

impl Network {
    fn new(map: &VarMap, channels: &[usize]) -> Result<Self> {
        let vb = SeededInit::new(map, 1).var_builder(DType::F32, &Device::Cpu);
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
            let norm = BatchNormConfig {
                channels: out_channels,
                ..BatchNormConfig::default()
            };
            blocks.push((
                conv2d(config, vb.pp("conv"))?,
                batch_norm_2d(norm, vb.pp("norm"))?,
            ));
            in_channels = out_channels;
        }
        let head = LinearConfig {
            in_features: 2 * in_channels,
            out_features: 10,
            bias: true,
        };
        Ok(Self {
            blocks,
            head: linear(head, vb.pp("head"))?,
        })
    }
}

impl ModuleT for Network {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (2, 2))?;
        }
        let x = mean_over(&x, 2)?;
        self.head
            .forward(&Tensor::cat(&[mean_over(&x, 2)?, max_over(&x, 2)?], 1)?)
    }
}

/// The same from candle's own layers.
struct Stock {
    blocks: Vec<(candle_nn::Conv2d, candle_nn::BatchNorm)>,
    head: candle_nn::Linear,
}

impl Stock {
    fn new(map: &VarMap, channels: &[usize]) -> Result<Self> {
        let vb = SeededInit::new(map, 1).var_builder(DType::F32, &Device::Cpu);
        let mut blocks = Vec::new();
        let mut last = 1;
        for (index, &out) in channels.iter().enumerate() {
            let vb = vb.pp(index);
            let config = candle_nn::Conv2dConfig {
                padding: 1,
                ..candle_nn::Conv2dConfig::default()
            };
            let norm = candle_nn::batch_norm(out, candle_nn::BatchNormConfig::default(), vb.pp("norm"))?;
            blocks.push((
                candle_nn::conv2d_no_bias(last, out, 3, config, vb.pp("conv"))?,
                norm,
            ));
            last = out;
        }
        Ok(Self {
            blocks,
            head: candle_nn::linear(2 * last, 10, vb.pp("head"))?,
        })
    }
}

impl ModuleT for Stock {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.blocks {
            x = norm.forward_t(&conv.forward(&x)?, train)?.relu()?;
            let (batch, channels, height, width) = x.dims4()?;
            x = x
                .reshape((batch, channels, height / 2, 2, width / 2, 2))?
                .max(5)?
                .max(3)?;
        }
        let x = x.mean(2)?;
        self.head.forward(&Tensor::cat(&[x.mean(2)?, x.max(2)?], 1)?)
    }
}

fn step(network: &impl ModuleT, optimizer: &mut AdamW, x: &Tensor, classes: &[u32]) {
    let scores = network.forward_t(x, true).unwrap();
    let loss = cross_entropy(&scores, Target::Classes(classes), &CrossEntropyConfig::default()).unwrap();
    optimizer.step(&loss.backward().unwrap(), 1e-3).unwrap();
}

fn networks(criterion: &mut Criterion) {
    let x = Tensor::rand(-1f32, 1., (32, 1, 64, 128), &Device::Cpu).unwrap();
    let one = x.narrow(0, 0, 1).unwrap().contiguous().unwrap();
    let classes: Vec<u32> = (0..32).map(|row| row % 10).collect();
    let mut group = criterion.benchmark_group("nn");
    group.sample_size(10);
    for channels in [[24, 48, 96, 128], [16, 32, 64, 128]] {
        let name = format!("cnn-{}", channels.map(|count| count.to_string()).join("-"));
        let map = VarMap::new();
        let network = Network::new(&map, &channels).unwrap();
        let mut optimizer = AdamW::new(parameters(&map), AdamWConfig::default()).unwrap();
        group.bench_function(format!("{name}/step-32"), |b| {
            b.iter(|| step(&network, &mut optimizer, &x, &classes))
        });
        group.bench_function(format!("{name}/infer-32"), |b| {
            b.iter(|| black_box(network.forward_t(&x, false)))
        });
        group.bench_function(format!("{name}/infer-1"), |b| {
            b.iter(|| black_box(network.forward_t(&one, false)))
        });
        let map = VarMap::new();
        let stock = Stock::new(&map, &channels).unwrap();
        let mut optimizer = AdamW::new(parameters(&map), AdamWConfig::default()).unwrap();
        group.bench_function(format!("{name}/candle-step-32"), |b| {
            b.iter(|| step(&stock, &mut optimizer, &x, &classes))
        });
    }
    let square = Tensor::rand(-1f32, 1., (1024, 1024), &Device::Cpu).unwrap();
    group.bench_function("floor/gemm-1024", |b| {
        b.iter(|| black_box(square.matmul(&square)))
    });
    group.finish();
}

criterion_group!(benches, networks);
criterion_main!(benches);
