//! Each kernel against the layer on tensors that has the same weights.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod common;

use candle_core::{DType, Device, Module, ModuleT, Tensor};
use candle_nn::VarMap;
use common::{builder, random};
use timbral_nn::activation::log_softmax;
use timbral_nn::attention::{attention_pooling, causal_mask, multi_head_attention, sinusoidal_positions};
use timbral_nn::blocks::{patch_embedding, squeeze_excitation};
use timbral_nn::conv::{Conv1dConfig, conv1d};
use timbral_nn::kernels::{
    self, AttentionPoolingPlan, BatchNormPlan, BatchNormWeights, Conv1dPlan, Conv2dPlan, DirectionWeights,
    GroupNormPlan, GruPlan, LayerNormPlan, LinearPlan, LstmPlan, MultiHeadAttentionPlan,
    MultiHeadAttentionWeights, PatchEmbeddingPlan, RmsNormPlan, SqueezeExcitationPlan,
    SqueezeExcitationWeights,
};
use timbral_nn::norm::{group_norm, layer_norm, rms_norm};
use timbral_nn::pool::{Pool2dConfig, adaptive_avg_pool2d, adaptive_max_pool2d, avg_pool2d, max_pool2d};
use timbral_nn::recurrent::{RecurrentConfig, gru, lstm};
use timbral_nn::{
    Activation, BatchNormConfig, Conv2dConfig, LinearConfig, Padding, batch_norm_2d, conv2d, linear,
    max_over, mean_over, softmax,
};

fn input(shape: &[usize]) -> Tensor {
    random(shape, 1).to_dtype(DType::F32).unwrap()
}

fn slice(x: &Tensor) -> Vec<f32> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// Gives every variable other values than its first ones, and returns how to read them.
fn weights(map: &VarMap) -> impl Fn(&str) -> Vec<f32> + use<> {
    let data = map.data().lock().unwrap();
    for (name, var) in data.iter() {
        let seed = name.bytes().map(u64::from).sum();
        let values = random(var.dims(), seed).to_dtype(DType::F32).unwrap();
        let values =
            if name.ends_with("running_var") { (values.sqr().unwrap() + 0.1).unwrap() } else { values };
        var.set(&values).unwrap();
    }
    let data = data.clone();
    move |name| slice(data[name].as_tensor())
}

fn same(given: &[f32], layer: &Tensor) {
    let expected = slice(layer);
    assert_eq!(given.len(), expected.len());
    let largest = expected.iter().fold(1e-12f32, |most, x| most.max(x.abs()));
    for (index, (a, b)) in given.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= 1e-6 * largest, "element {index}: {a}, not {b}");
    }
}

#[test]
fn convolutions() {
    for (stride, dilation, groups, padding) in [
        ((1, 1), (1, 1), 1, Padding::Same),
        ((1, 1), (2, 1), 2, Padding::Valid),
        ((1, 1), (1, 1), 6, Padding::Symmetric(3, 4)),
        ((2, 3), (1, 1), 1, Padding::Same),
        ((2, 1), (1, 2), 3, Padding::Explicit { top: 1, bottom: 0, left: 2, right: 5 }),
    ] {
        let config = Conv2dConfig {
            in_channels: 6,
            out_channels: 12,
            kernel: (3, 2),
            stride,
            padding,
            dilation,
            groups,
            bias: true,
        };
        let (map, vb) = builder(7, DType::F32);
        let layer = conv2d(config, vb).unwrap();
        let weight = weights(&map);
        let plan = Conv2dPlan::new(config, &weight("weight"), Some(&weight("bias"))).unwrap();
        for batch in [1, 7] {
            let x = input(&[batch, 6, 9, 14]);
            same(&plan.forward(&slice(&x), [batch, 6, 9, 14]).unwrap(), &layer.forward(&x).unwrap());
        }
    }
    let config =
        Conv1dConfig { in_channels: 3, out_channels: 5, stride: 2, padding: None, ..Default::default() };
    let (map, vb) = builder(7, DType::F32);
    let layer = conv1d(config, vb).unwrap();
    let weight = weights(&map);
    let plan = Conv1dPlan::new(config, &weight("weight"), Some(&weight("bias"))).unwrap();
    let x = input(&[2, 3, 21]);
    same(&plan.forward(&slice(&x), [2, 3, 21]).unwrap(), &layer.forward(&x).unwrap());
}

#[test]
fn dense_layers_and_normalisations() {
    let config = LinearConfig { in_features: 37, out_features: 45, bias: true };
    let (map, vb) = builder(7, DType::F32);
    let layer = linear(config, vb).unwrap();
    let weight = weights(&map);
    let plan = LinearPlan::new(config, &weight("weight"), Some(&weight("bias"))).unwrap();
    let x = input(&[3, 50, 37]);
    same(&plan.forward(&slice(&x)).unwrap(), &layer.forward(&x).unwrap());

    let config = BatchNormConfig { channels: 6, ..Default::default() };
    let (map, vb) = builder(7, DType::F32);
    let layer = batch_norm_2d(config, vb).unwrap();
    let weight = weights(&map);
    let plan = BatchNormPlan::new(
        config,
        BatchNormWeights {
            weight: &weight("weight"),
            bias: &weight("bias"),
            running_mean: &weight("running_mean"),
            running_var: &weight("running_var"),
        },
    )
    .unwrap();
    let (x, shape) = (input(&[2, 6, 9, 7]), [2, 6, 9, 7]);
    same(&plan.forward(&slice(&x), &shape).unwrap(), &layer.forward_t(&x, false).unwrap());
    same(&plan.forward_relu(&slice(&x), &shape).unwrap(), &layer.forward_relu_t(&x, false).unwrap());
    for pool in [(2, 2), (3, 1)] {
        let y = plan.forward_relu_max_pool(&slice(&x), shape, pool).unwrap();
        same(&y, &layer.forward_relu_max_pool_t(&x, false, pool).unwrap());
    }

    let (map, vb) = builder(7, DType::F32);
    let (layers, rms) =
        (layer_norm(7, 1e-5, vb.pp("layer")).unwrap(), rms_norm(7, 1e-6, vb.pp("rms")).unwrap());
    let groups = group_norm(3, 6, 1e-5, vb.pp("group")).unwrap();
    let weight = weights(&map);
    let plan = LayerNormPlan::new(&weight("layer.weight"), &weight("layer.bias"), 1e-5).unwrap();
    same(&plan.forward(&slice(&x)).unwrap(), &layers.forward(&x).unwrap());
    let plan = RmsNormPlan::new(&weight("rms.weight"), 1e-6).unwrap();
    same(&plan.forward(&slice(&x)).unwrap(), &rms.forward(&x).unwrap());
    let plan = GroupNormPlan::new(3, &weight("group.weight"), &weight("group.bias"), 1e-5).unwrap();
    same(&plan.forward(&slice(&x), &shape).unwrap(), &groups.forward(&x).unwrap());
}

#[test]
fn functions_without_weights() {
    let (x, shape) = (input(&[2, 6, 9, 7]), [2, 6, 9, 7]);
    let values = slice(&x);
    for activation in [
        Activation::Relu,
        Activation::LeakyRelu(0.1),
        Activation::Elu(1.0),
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Sigmoid,
        Activation::Tanh,
        Activation::Softplus,
        Activation::Mish,
        Activation::HardSwish,
    ] {
        same(&activation.apply(&values).unwrap(), &activation.forward(&x).unwrap());
    }
    let mut y = values.clone();
    kernels::softmax(&mut y, 7).unwrap();
    same(&y, &softmax(&x, 3).unwrap());
    let mut y = values.clone();
    kernels::log_softmax(&mut y, 7).unwrap();
    same(&y, &log_softmax(&x, 3).unwrap());

    let config = Pool2dConfig { kernel: (3, 2), stride: (2, 1), padding: (1, 1) };
    same(&kernels::max_pool2d(&values, shape, config).unwrap().0, &max_pool2d(&x, config).unwrap());
    same(&kernels::avg_pool2d(&values, shape, config).unwrap().0, &avg_pool2d(&x, config).unwrap());
    let size = (4, 3);
    same(
        &kernels::adaptive_avg_pool2d(&values, shape, size).unwrap(),
        &adaptive_avg_pool2d(&x, size).unwrap(),
    );
    same(
        &kernels::adaptive_max_pool2d(&values, shape, size).unwrap(),
        &adaptive_max_pool2d(&x, size).unwrap(),
    );
    for axis in 0..4 {
        same(&kernels::mean_over(&values, &shape, axis).unwrap(), &mean_over(&x, axis).unwrap());
        same(&kernels::max_over(&values, &shape, axis).unwrap(), &max_over(&x, axis).unwrap());
    }
    let like = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
    same(&kernels::sinusoidal_positions(40, 9), &sinusoidal_positions(40, 9, &like).unwrap());
}

#[test]
fn sequences() {
    let (x, shape) = (input(&[9, 11, 12]), [9, 11, 12]);
    for bidirectional in [false, true] {
        let config = RecurrentConfig { input_size: 12, hidden_size: 10, bidirectional };
        let (map, vb) = builder(7, DType::F32);
        let (units, memories) = (gru(config, &vb.pp("gru")).unwrap(), lstm(config, &vb.pp("lstm")).unwrap());
        let weight = weights(&map);
        let of = |cell: &str| -> Vec<[Vec<f32>; 4]> {
            let suffixes: &[&str] = if bidirectional { &["", "_reverse"] } else { &[""] };
            let names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"];
            suffixes
                .iter()
                .map(|suffix| names.map(|name| weight(&format!("{cell}.{name}{suffix}"))))
                .collect()
        };
        let (own_gru, own_lstm) = (of("gru"), of("lstm"));
        let directions = |weights: &'static [[Vec<f32>; 4]]| -> Vec<DirectionWeights<'static>> {
            weights
                .iter()
                .map(|[weight_ih, weight_hh, bias_ih, bias_hh]| DirectionWeights {
                    weight_ih,
                    weight_hh,
                    bias_ih,
                    bias_hh,
                })
                .collect()
        };
        let plan = GruPlan::new(config, &directions(own_gru.leak())).unwrap();
        same(&plan.forward(&slice(&x), shape).unwrap(), &units.forward(&x).unwrap());
        let plan = LstmPlan::new(config, &directions(own_lstm.leak())).unwrap();
        same(&plan.forward(&slice(&x), shape).unwrap(), &memories.forward(&x).unwrap());
    }

    let (map, vb) = builder(7, DType::F32);
    let heads = multi_head_attention(12, 3, &vb.pp("heads")).unwrap();
    let pooling = attention_pooling(12, &vb.pp("pool")).unwrap();
    let weight = weights(&map);
    let plan = MultiHeadAttentionPlan::new(
        12,
        3,
        MultiHeadAttentionWeights {
            in_proj_weight: &weight("heads.in_proj_weight"),
            in_proj_bias: &weight("heads.in_proj_bias"),
            out_proj_weight: &weight("heads.out_proj.weight"),
            out_proj_bias: &weight("heads.out_proj.bias"),
        },
    )
    .unwrap();
    same(&plan.forward(&slice(&x), shape).unwrap(), &heads.forward(&x).unwrap());
    let mask = causal_mask(11, &x).unwrap();
    let y = plan.forward_masked(&slice(&x), shape, &slice(&mask), [1, 1, 11, 11]).unwrap();
    same(&y, &heads.attend(&x, Some(&mask)).unwrap());
    let plan = AttentionPoolingPlan::new(&weight("pool.score.weight"), &weight("pool.score.bias")).unwrap();
    same(&plan.forward(&slice(&x), shape).unwrap(), &pooling.forward(&x).unwrap());
}

#[test]
fn blocks() {
    let (x, shape) = (input(&[2, 6, 9, 7]), [2, 6, 9, 7]);
    let (map, vb) = builder(7, DType::F32);
    let excitation = squeeze_excitation(6, 4, &vb.pp("se")).unwrap();
    let patches = patch_embedding(6, 10, (4, 3), &vb.pp("patches")).unwrap();
    let weight = weights(&map);
    let plan = SqueezeExcitationPlan::new(
        6,
        4,
        SqueezeExcitationWeights {
            reduce_weight: &weight("se.reduce.weight"),
            reduce_bias: &weight("se.reduce.bias"),
            expand_weight: &weight("se.expand.weight"),
            expand_bias: &weight("se.expand.bias"),
        },
    )
    .unwrap();
    let mut y = slice(&x);
    plan.apply_in_place(&mut y, shape).unwrap();
    same(&y, &excitation.forward(&x).unwrap());
    let (weight, bias) = (weight("patches.proj.weight"), weight("patches.proj.bias"));
    let plan = PatchEmbeddingPlan::new(6, 10, (4, 3), &weight, &bias).unwrap();
    let (y, out) = plan.forward(&slice(&x), shape).unwrap();
    assert_eq!(out, [2, 4, 10]);
    same(&y, &patches.forward(&x).unwrap());
}
