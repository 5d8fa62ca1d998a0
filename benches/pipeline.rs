//! The network and the whole pipeline: the forward pass beside a bare matrix product of as many multiply-adds, and a
//! verdict from samples.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarMap;
use criterion::{Criterion, criterion_group, criterion_main};
use timbral::Classifier;
use timbral_model::{Architecture, CompactCnnConfig};
use timbral_nn::{SeededInit, TrainingClock};

const MODEL: &[u8] = include_bytes!("../models/gtzan.safetensors");

/// The default network over crops of 128 frames: 64 x 128 cells, halved four times.
fn network(c: &mut Criterion) {
    let config = CompactCnnConfig::default();
    let channels = config.channels.clone();
    let map = VarMap::new();
    let vb = SeededInit::new(&map, 1).var_builder(DType::F32, &Device::Cpu);
    let Ok(network) = Architecture::CompactCnn(config).build(10, &TrainingClock::new(1), vb) else {
        return;
    };
    let Ok(x) = Tensor::zeros((1, 128, 128), DType::F32, &Device::Cpu) else {
        return;
    };
    let mut group = c.benchmark_group("network");
    group.bench_function("compact_cnn/timbral", |b| b.iter(|| network.forward_t(black_box(&x), false)));

    // Each convolution as the product (out, in * 9) x (in * 9, cells), the columns given.
    let mut products = Vec::new();
    let (mut inputs, mut cells) = (1, 64 * 128);
    for outputs in channels {
        let zeros = |rows, columns| Tensor::zeros((rows, columns), DType::F32, &Device::Cpu);
        let (Ok(kernel), Ok(columns)) = (zeros(outputs, inputs * 9), zeros(inputs * 9, cells)) else {
            return;
        };
        products.push((kernel, columns));
        (inputs, cells) = (outputs, cells / 4);
    }
    group.bench_function("compact_cnn/floor", |b| {
        b.iter(|| {
            products.iter().map(|(kernel, columns)| kernel.matmul(black_box(columns))).collect::<Vec<_>>()
        });
    });
    group.finish();
}

/// Thirty seconds of a chord with noise, at the model's rate and at a compact disc's.
fn classify(c: &mut Criterion) {
    let Ok(classifier) = Classifier::from_bytes(MODEL) else {
        return;
    };
    let mut group = c.benchmark_group("classify");
    group.sample_size(20);
    for rate in [22_050u32, 44_100] {
        let samples: Vec<f32> = (0..30 * rate)
            .map(|i| {
                let t = i as f32 / rate as f32;
                let chord: f32 =
                    [220.0, 277.2, 329.6].iter().map(|f| (std::f32::consts::TAU * f * t).sin()).sum();
                0.2 * chord + ((i.wrapping_mul(2_654_435_761)) >> 16) as f32 / 655_360.0
            })
            .collect();
        group.bench_function(format!("samples_30s/{rate}"), |b| {
            b.iter(|| classifier.classify_samples(black_box(&samples), rate));
        });
    }
    group.bench_function("open_model", |b| b.iter(|| Classifier::from_bytes(black_box(MODEL))));
    group.finish();
}

criterion_group!(benches, network, classify);
criterion_main!(benches);
