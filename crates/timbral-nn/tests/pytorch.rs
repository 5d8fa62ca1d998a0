//! The numbers of PyTorch 2.15, stored by `tests/pytorch/make.py`: outputs, all gradients, optimizer runs, schedules.

#![allow(clippy::unwrap_used, reason = "a test says that this must hold")]

mod common;

use std::collections::HashMap;

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use common::{assert_close, values};
use timbral_nn::{
    AdamW, AdamWConfig, BatchNormConfig, Conv1dConfig, Conv2dConfig, CrossEntropyConfig, Padding, Parameter,
    Plateau, Pool2dConfig, RecurrentConfig, Schedule, SeededInit, Sgd, SgdConfig, Target, avg_pool2d,
    batch_norm_2d, binary_cross_entropy, causal_mask, conv1d, conv2d, cross_entropy, distillation_loss,
    group_norm, gru, layer_norm, lstm, max_pool2d, multi_head_attention, named_variables, rms_norm,
};

fn cases() -> HashMap<String, Tensor> {
    candle_core::safetensors::load_buffer(include_bytes!("pytorch/cases.safetensors"), &Device::Cpu).unwrap()
}

/// Loads the weights of a case by their names, runs `build` on its input and compares the output and all gradients.
fn check<F: Fn(&Tensor) -> Result<Tensor>>(name: &str, build: impl FnOnce(VarBuilder<'static>) -> F) {
    let cases = cases();
    let map = VarMap::new();
    for (key, tensor) in &cases {
        if let Some(weight) = key.strip_prefix(&format!("{name}/w/")) {
            map.data()
                .lock()
                .unwrap()
                .insert(weight.to_owned(), Var::from_tensor(tensor).unwrap());
        }
    }
    let stored = named_variables(&map).len();
    let module = build(SeededInit::new(&map, 0).var_builder(DType::F64, &Device::Cpu));
    assert_eq!(
        named_variables(&map).len(),
        stored,
        "{name}: a variable has another name than PyTorch's"
    );
    let x = Var::from_tensor(&cases[&format!("{name}/in/x")]).unwrap();
    let out = module(x.as_tensor()).unwrap();
    assert_close(
        &out,
        &cases[&format!("{name}/out")].reshape(out.shape()).unwrap(),
        1e-10,
    );
    let count = out.elem_count();
    let weights: Vec<f64> = (0..count)
        .map(|i| 0.5 + i as f64 / (count.max(2) - 1) as f64)
        .collect();
    let weights = Tensor::from_vec(weights, out.shape(), &Device::Cpu).unwrap();
    let grads = (out * weights).unwrap().sum_all().unwrap().backward().unwrap();
    assert_close(grads.get(&x).unwrap(), &cases[&format!("{name}/grad/x")], 1e-9);
    for (weight, var) in named_variables(&map) {
        if let Some(expected) = cases.get(&format!("{name}/dw/{weight}")) {
            assert_close(grads.get(&var).unwrap(), expected, 1e-9);
        }
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
        let layer = batch_norm_2d(
            BatchNormConfig {
                channels: 3,
                ..BatchNormConfig::default()
            },
            vb,
        )
        .unwrap();
        move |x: &Tensor| layer.forward_t(x, true)
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
    let config = RecurrentConfig {
        input_size: 3,
        hidden_size: 4,
        bidirectional: true,
    };
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
fn attention_with_a_causal_mask() {
    check("attention", |vb| {
        let layer = multi_head_attention(6, 2, &vb).unwrap();
        move |x: &Tensor| layer.attend(x, Some(&causal_mask(5, x)?))
    });
}

#[test]
fn pooling() {
    let config = Pool2dConfig {
        kernel: (3, 3),
        stride: (2, 2),
        padding: (1, 1),
    };
    check("max_pool", |_| move |x: &Tensor| max_pool2d(x, config));
    check("avg_pool", |_| move |x: &Tensor| avg_pool2d(x, config));
}

#[test]
fn losses() {
    let cases = cases();
    let config = CrossEntropyConfig {
        label_smoothing: 0.1,
        class_weights: Some(vec![1.0, 0.5, 2.0, 0.25]),
    };
    let smooth = |target: Target<'_>, x: &Tensor| cross_entropy(x, target, &config)?.reshape(1);
    check("loss_classes", |_| {
        |x: &Tensor| smooth(Target::Classes(&[2, 0, 1, 3]), x)
    });
    check("loss_soft", |_| {
        |x: &Tensor| smooth(Target::Probabilities(&cases["loss/soft"]), x)
    });
    check("loss_binary", |_| {
        |x: &Tensor| binary_cross_entropy(x, &cases["loss/labels"])?.reshape(1)
    });
    check("loss_distillation", |_| {
        |x: &Tensor| distillation_loss(x, &cases["loss/teacher"], 3.0)?.reshape(1)
    });
}

type Make = Box<dyn Fn(Vec<Parameter>) -> Any>;

enum Any {
    Sgd(Sgd),
    AdamW(AdamW),
}

#[test]
fn optimizers_over_twenty_steps() {
    let cases = cases();
    let sgd = |config| move |list| Any::Sgd(Sgd::new(list, config).unwrap());
    let adam = |decoupled| {
        move |list| {
            let config = AdamWConfig {
                weight_decay: 0.1,
                decoupled,
                ..AdamWConfig::default()
            };
            Any::AdamW(AdamW::new(list, config).unwrap())
        }
    };
    let runs: [(&str, Make); 4] = [
        (
            "sgd",
            Box::new(sgd(SgdConfig {
                momentum: 0.9,
                nesterov: false,
                weight_decay: 0.1,
            })),
        ),
        (
            "nesterov",
            Box::new(sgd(SgdConfig {
                momentum: 0.9,
                nesterov: true,
                weight_decay: 0.0,
            })),
        ),
        ("adam", Box::new(adam(false))),
        ("adamw", Box::new(adam(true))),
    ];
    for (name, make) in runs {
        let var = Var::from_tensor(&cases["optim/start"]).unwrap();
        let parameter = Parameter {
            name: "x".into(),
            var: var.clone(),
            decay: true,
            learning_rate_scale: 1.0,
        };
        let mut optimizer = make(vec![parameter]);
        for step in 0..20 {
            let loss = cases["optim/data"]
                .matmul(var.as_tensor())
                .unwrap()
                .tanh()
                .unwrap()
                .sqr()
                .unwrap();
            let grads = loss.sum_all().unwrap().backward().unwrap();
            match &mut optimizer {
                Any::Sgd(optimizer) => optimizer.step(&grads, 0.05).unwrap(),
                Any::AdamW(optimizer) => optimizer.step(&grads, 0.05).unwrap(),
            }
            assert_close(
                var.as_tensor(),
                &cases[&format!("optim/{name}")].get(step).unwrap(),
                1e-10,
            );
        }
    }
}

#[test]
fn schedules() {
    let cases = cases();
    for (name, schedule) in [
        (
            "one_cycle",
            Schedule::OneCycle {
                peak: 0.1,
                total_steps: 20,
                rise: 0.3,
                first_divisor: 25.0,
                last_divisor: 1e4,
            },
        ),
        (
            "restarts",
            Schedule::CosineRestarts {
                peak: 1.0,
                last: 0.01,
                period: 3,
                growth: 2,
            },
        ),
        (
            "step",
            Schedule::Step {
                first: 1.0,
                factor: 0.5,
                every: 4,
            },
        ),
    ] {
        schedule.check().unwrap();
        for (step, expected) in (0..20).zip(values(&cases[&format!("schedule/{name}")])) {
            let rate = schedule.learning_rate(step);
            assert!(
                (rate - expected).abs() < 1e-12,
                "{name} at {step}: {rate} against {expected}"
            );
        }
    }
    let mut plateau = Plateau::new(1.0, 0.5, 2, 0.2).unwrap();
    for (measure, expected) in values(&cases["schedule/measures"])
        .into_iter()
        .zip(values(&cases["schedule/plateau"]))
    {
        assert!((plateau.update(measure) - expected).abs() < 1e-12);
    }
}
