//! The numbers of PyTorch 2.15, stored by `tests/pytorch/make.py`: outputs and all gradients of layers and losses.

#![allow(clippy::unwrap_used, reason = "a test says that this must hold")]

mod common;

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use common::{assert_close, cases, values};
use timbral_nn::attention::{attention_pooling, causal_mask, multi_head_attention, padding_mask};
use timbral_nn::blocks::{ResidualBlockConfig, patch_embedding, residual_block, squeeze_excitation};
use timbral_nn::conv::{Conv1dConfig, conv1d};
use timbral_nn::loss::{binary_cross_entropy, distillation_loss, focal_loss};
use timbral_nn::norm::{group_norm, layer_norm, rms_norm};
use timbral_nn::pool::{
    Pool1dConfig, Pool2dConfig, adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_max_pool1d,
    adaptive_max_pool2d, avg_pool1d, avg_pool2d, max_pool1d, max_pool2d,
};
use timbral_nn::recurrent::{RecurrentConfig, gru, lstm};
use timbral_nn::{
    Activation, BatchNormConfig, Conv2dConfig, CrossEntropyConfig, LinearConfig, Padding, SeededInit, Target,
    TrainingClock, batch_norm_1d, batch_norm_2d, conv2d, cross_entropy, linear, named_variables,
};

/// Loads the weights of a case by their names, runs `build` on its input and compares the output and all gradients.
fn check<F: Fn(&Tensor) -> Result<Tensor>>(name: &str, build: impl FnOnce(VarBuilder<'static>) -> F) {
    let cases = cases();
    let map = VarMap::new();
    for (key, tensor) in &cases {
        if let Some(weight) = key.strip_prefix(&format!("{name}/w/")) {
            map.data().lock().unwrap().insert(weight.to_owned(), Var::from_tensor(tensor).unwrap());
        }
    }
    let stored = named_variables(&map).len();
    let module = build(SeededInit::new(&map, 0).var_builder(DType::F64, &Device::Cpu));
    assert_eq!(named_variables(&map).len(), stored, "{name}: a variable has another name than PyTorch's");
    let x = Var::from_tensor(&cases[&format!("{name}/in/x")]).unwrap();
    let out = module(x.as_tensor()).unwrap();
    assert_close(&out, &cases[&format!("{name}/out")].reshape(out.shape()).unwrap(), 1e-10);
    let count = out.elem_count();
    let weights: Vec<f64> = (0..count).map(|i| 0.5 + i as f64 / (count.max(2) - 1) as f64).collect();
    let weights = Tensor::from_vec(weights, out.shape(), &Device::Cpu).unwrap();
    let grads = (out * weights).unwrap().sum_all().unwrap().backward().unwrap();
    assert_close(grads.get(&x).unwrap(), &cases[&format!("{name}/grad/x")], 1e-9);
    for (weight, var) in named_variables(&map) {
        let Some(expected) = cases.get(&format!("{name}/dw/{weight}")) else {
            continue;
        };
        let gradient = grads.get(&var).unwrap();
        if values(expected).iter().all(|value| value.abs() < 1e-14) {
            // The exact gradient is zero, as that of a shift before a softmax: only rounding is left to compare.
            assert!(values(gradient).iter().all(|value| value.abs() < 1e-14));
            continue;
        }
        assert_close(gradient, expected, 1e-9);
    }
}

#[test]
fn convolutions() {
    check("conv2d", |vb| {
        let config = Conv2dConfig {
            in_channels: 2,
            out_channels: 4,
            kernel: (3, 2),
            stride: (2, 1),
            padding: Padding::Symmetric(1, 1),
            dilation: (1, 2),
            groups: 2,
            bias: true,
        };
        let layer = conv2d(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("conv2d_direct", |vb| {
        let config = Conv2dConfig {
            in_channels: 3,
            out_channels: 7,
            padding: Padding::Same,
            ..Conv2dConfig::default()
        };
        let layer = conv2d(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("conv2d_same", |vb| {
        let config = Conv2dConfig {
            in_channels: 2,
            out_channels: 3,
            padding: Padding::Same,
            dilation: (1, 2),
            ..Conv2dConfig::default()
        };
        let layer = conv2d(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("conv2d_depthwise", |vb| {
        let config = Conv2dConfig {
            in_channels: 4,
            out_channels: 8,
            padding: Padding::Symmetric(1, 1),
            groups: 4,
            ..Conv2dConfig::default()
        };
        let layer = conv2d(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("conv2d_uneven", |vb| {
        let padding = Padding::Explicit { top: 0, bottom: 1, left: 2, right: 0 };
        let config = Conv2dConfig { in_channels: 2, out_channels: 3, padding, ..Conv2dConfig::default() };
        let layer = conv2d(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("conv1d_groups", |vb| {
        let config = Conv1dConfig {
            in_channels: 4,
            out_channels: 6,
            padding: Some((2, 2)),
            dilation: 2,
            groups: 2,
            ..Conv1dConfig::default()
        };
        let layer = conv1d(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("conv1d", |vb| {
        let config = Conv1dConfig {
            in_channels: 3,
            out_channels: 4,
            kernel: 5,
            stride: 2,
            padding: Some((2, 2)),
            ..Conv1dConfig::default()
        };
        let layer = conv1d(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
}

#[test]
fn normalisations() {
    check("batch_norm", |vb| {
        let layer = batch_norm_2d(BatchNormConfig { channels: 3, ..BatchNormConfig::default() }, vb).unwrap();
        move |x: &Tensor| layer.forward_t(x, true)
    });
    for (name, channels) in [("batch_norm_1d", 3), ("batch_norm_flat", 4)] {
        check(name, |vb| {
            let config = BatchNormConfig { channels, ..BatchNormConfig::default() };
            let layer = batch_norm_1d(config, vb).unwrap();
            move |x: &Tensor| layer.forward_t(x, true)
        });
    }
    check("group_norm_image", |vb| {
        let layer = group_norm(3, 6, 1e-5, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("layer_norm", |vb| {
        let layer = layer_norm(6, 1e-5, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("rms_norm", |vb| {
        let layer = rms_norm(6, 1e-6, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("group_norm", |vb| {
        let layer = group_norm(2, 6, 1e-5, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
}

#[test]
fn recurrent_layers() {
    let config = RecurrentConfig { input_size: 3, hidden_size: 4, bidirectional: true };
    check("gru", |vb| {
        let layer = gru(config, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("lstm", |vb| {
        let layer = lstm(config, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
}

#[test]
fn recurrent_layers_of_one_direction() {
    let config = RecurrentConfig { input_size: 5, hidden_size: 19, bidirectional: false };
    check("gru_single", |vb| {
        let layer = gru(config, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("lstm_single", |vb| {
        let layer = lstm(config, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
}

#[test]
fn attention_without_and_with_padding() {
    check("attention_plain", |vb| {
        let layer = multi_head_attention(12, 3, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("attention_padding", |vb| {
        let layer = multi_head_attention(12, 3, &vb).unwrap();
        move |x: &Tensor| layer.attend(x, Some(&padding_mask(&[9, 5, 8], 9, x)?))
    });
    check("attention_pooling", |vb| {
        let layer = attention_pooling(4, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
}

#[test]
fn activations() {
    for (name, activation) in [
        ("relu", Activation::Relu),
        ("leaky_relu", Activation::LeakyRelu(0.2)),
        ("elu", Activation::Elu(0.7)),
        ("gelu", Activation::Gelu),
        ("gelu_tanh", Activation::GeluTanh),
        ("silu", Activation::Silu),
        ("sigmoid", Activation::Sigmoid),
        ("tanh", Activation::Tanh),
        ("softplus", Activation::Softplus),
        ("mish", Activation::Mish),
        ("hard_swish", Activation::HardSwish),
    ] {
        check(&format!("activation_{name}"), |_| move |x: &Tensor| activation.forward(&(x * 3.0)?));
    }
}

#[test]
fn blocks() {
    check("linear", |vb| {
        let config = LinearConfig { in_features: 5, out_features: 3, bias: true };
        let layer = linear(config, vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("excitation", |vb| {
        let layer = squeeze_excitation(6, 2, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check("patches", |vb| {
        let layer = patch_embedding(2, 5, (2, 3), &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    for (name, in_channels, out_channels, stride) in [("residual", 2, 4, 2), ("residual_plain", 3, 3, 1)] {
        check(name, |vb| {
            let config =
                ResidualBlockConfig { in_channels, out_channels, stride, ..ResidualBlockConfig::default() };
            let layer = residual_block(config, &TrainingClock::new(0), &vb).unwrap();
            move |x: &Tensor| layer.forward_t(x, true)
        });
    }
}

#[test]
fn attention_with_a_causal_mask() {
    check("attention", |vb| {
        let layer = multi_head_attention(6, 2, &vb).unwrap();
        move |x: &Tensor| layer.attend(x, Some(&causal_mask(5, x)?))
    });
}

#[test]
fn pooling() {
    let config = Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) };
    check("max_pool", |_| move |x: &Tensor| max_pool2d(x, config));
    check("avg_pool", |_| move |x: &Tensor| avg_pool2d(x, config));
    check("max_pool_rest", |_| |x: &Tensor| max_pool2d(x, Pool2dConfig::tiled((2, 3))));
    check("avg_pool_rest", |_| |x: &Tensor| avg_pool2d(x, Pool2dConfig::tiled((3, 2))));
    let line = Pool1dConfig { kernel: 3, stride: 2, padding: 1 };
    check("max_pool_1d", |_| move |x: &Tensor| max_pool1d(x, line));
    check("avg_pool_1d", |_| move |x: &Tensor| avg_pool1d(x, line));
    check("adaptive_avg", |_| |x: &Tensor| adaptive_avg_pool2d(x, (3, 4)));
    check("adaptive_max", |_| |x: &Tensor| adaptive_max_pool2d(x, (3, 4)));
    check("adaptive_avg_1d", |_| |x: &Tensor| adaptive_avg_pool1d(x, 4));
    check("adaptive_max_1d", |_| |x: &Tensor| adaptive_max_pool1d(x, 4));
}

#[test]
fn losses() {
    let cases = cases();
    let config = CrossEntropyConfig { label_smoothing: 0.1, class_weights: Some(vec![1.0, 0.5, 2.0, 0.25]) };
    let smooth = |target: Target<'_>, x: &Tensor| cross_entropy(x, target, &config)?.reshape(1);
    check("loss_classes", |_| |x: &Tensor| smooth(Target::Classes(&[2, 0, 1, 3]), x));
    check("loss_soft", |_| |x: &Tensor| smooth(Target::Probabilities(&cases["loss/soft"]), x));
    check("loss_binary", |_| |x: &Tensor| binary_cross_entropy(x, &cases["loss/labels"])?.reshape(1));
    check("loss_distillation", |_| {
        |x: &Tensor| distillation_loss(x, &cases["loss/teacher"], 3.0)?.reshape(1)
    });
    check("loss_focal", |_| |x: &Tensor| focal_loss(x, &[2, 0, 1, 3], 2.0)?.reshape(1));
}
