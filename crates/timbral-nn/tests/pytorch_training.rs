//! The numbers of PyTorch 2.15, stored by `tests/pytorch/make.py`: optimizers, clipping, accumulation, averages and
//! schedules over 20 steps, and a whole network under a stranger's names.

#![allow(clippy::unwrap_used, reason = "a test says that this must hold")]

mod common;

use std::collections::HashMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Module, Tensor, Var};
use candle_nn::VarMap;
use common::{assert_close, builder, cases, values};
use timbral_nn::optim::{
    ExponentialMovingAverage, Lion, LionConfig, Plateau, Schedule, Sgd, SgdConfig, add_gradients,
    clip_gradient_norm, clip_gradient_value, scale_gradients,
};
use timbral_nn::parameters::{Parameter, load_weights};
use timbral_nn::recurrent::{RecurrentConfig, gru};
use timbral_nn::{
    AdamW, AdamWConfig, BatchNormConfig, Conv2dConfig, LinearConfig, Padding, batch_norm_2d, conv2d, linear,
    mean_over, parameters,
};

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
            let config = AdamWConfig { weight_decay: 0.1, decoupled, ..AdamWConfig::default() };
            Any::AdamW(AdamW::new(list, config).unwrap())
        }
    };
    let runs: [(&str, Make); 4] = [
        ("sgd", Box::new(sgd(SgdConfig { momentum: 0.9, nesterov: false, weight_decay: 0.1 }))),
        ("nesterov", Box::new(sgd(SgdConfig { momentum: 0.9, nesterov: true, weight_decay: 0.0 }))),
        ("adam", Box::new(adam(false))),
        ("adamw", Box::new(adam(true))),
    ];
    for (name, make) in runs {
        let var = Var::from_tensor(&cases["optim/start"]).unwrap();
        let parameter =
            Parameter { name: "x".into(), var: var.clone(), decay: true, learning_rate_scale: 1.0 };
        let mut optimizer = make(vec![parameter]);
        for step in 0..20 {
            let loss = cases["optim/data"].matmul(var.as_tensor()).unwrap().tanh().unwrap().sqr().unwrap();
            let grads = loss.sum_all().unwrap().backward().unwrap();
            match &mut optimizer {
                Any::Sgd(optimizer) => optimizer.step(&grads, 0.05).unwrap(),
                Any::AdamW(optimizer) => optimizer.step(&grads, 0.05).unwrap(),
            }
            assert_close(var.as_tensor(), &cases[&format!("optim/{name}")].get(step).unwrap(), 1e-10);
        }
    }
}

#[test]
fn schedules_over_twenty_steps() {
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
        ("restarts", Schedule::CosineRestarts { peak: 1.0, last: 0.01, period: 3, growth: 2 }),
        ("constant", Schedule::Constant { learning_rate: 1.0 }),
        ("warmup_cosine", Schedule::WarmupCosine { peak: 1.0, last: 0.1, warmup_steps: 4, total_steps: 20 }),
        (
            "warmup_restarts",
            Schedule::WarmupRestarts { peak: 1.0, last: 0.1, warmup_steps: 4, period: 3, growth: 2 },
        ),
        ("step", Schedule::Step { first: 1.0, factor: 0.5, every: 4 }),
    ] {
        schedule.check().unwrap();
        for (step, expected) in (0..20).zip(values(&cases[&format!("schedule/{name}")])) {
            let rate = schedule.learning_rate(step);
            assert!((rate - expected).abs() < 1e-12, "{name} at {step}: {rate} against {expected}");
        }
    }
    let mut plateau = Plateau::new(1.0, 0.5, 2, 0.2).unwrap();
    for (measure, expected) in
        values(&cases["schedule/measures"]).into_iter().zip(values(&cases["schedule/plateau"]))
    {
        assert!((plateau.update(measure) - expected).abs() < 1e-12);
    }
}

/// Two parameters, of which one decays and the other learns half as fast where `groups` is set.
fn start(cases: &HashMap<String, Tensor>, groups: bool) -> (VarMap, Vec<Parameter>) {
    let map = VarMap::new();
    for name in ["decayed", "free"] {
        let var = Var::from_tensor(&cases[&format!("run/start/{name}")]).unwrap();
        map.data().lock().unwrap().insert(name.into(), var);
    }
    let mut list = parameters(&map);
    if groups {
        assert!(list[0].decay && !list[1].decay);
        list[1].learning_rate_scale = 0.5;
    }
    (map, list)
}

fn gradients(cases: &HashMap<String, Tensor>, list: &[Parameter], rows: std::ops::Range<usize>) -> GradStore {
    let data = cases["optim/data"].narrow(0, rows.start, rows.len()).unwrap();
    let y = data.matmul(list[0].var.as_tensor()).unwrap();
    let y = y.broadcast_add(list[1].var.as_tensor()).unwrap();
    let loss = y.tanh().unwrap().sqr().unwrap().sum_all().unwrap();
    loss.backward().unwrap()
}

/// Compares 20 steps with a stored run. `step` gets the parameters, and the gradients of all rows.
fn follow(name: &str, groups: bool, limit: f64, step: impl Fn(&[Parameter]) -> Box<dyn FnMut(GradStore)>) {
    let cases = cases();
    let (_, list) = start(&cases, groups);
    let mut step = step(&list);
    for index in 0..20 {
        step(gradients(&cases, &list, 0..5));
        for parameter in &list {
            let expected = cases[&format!("run/{name}/{}", parameter.name)].get(index).unwrap();
            assert_close(parameter.var.as_tensor(), &expected, limit);
        }
    }
}

fn sgd(list: &[Parameter]) -> Sgd {
    Sgd::new(list.to_vec(), SgdConfig::default()).unwrap()
}

#[test]
fn groups_of_weight_decay_and_learning_rate() {
    follow("plain", false, 1e-12, |list| {
        let mut optimizer = sgd(list);
        Box::new(move |grads| optimizer.step(&grads, 0.05).unwrap())
    });
    follow("groups", true, 1e-12, |list| {
        let config = AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() };
        let mut optimizer = AdamW::new(list.to_vec(), config).unwrap();
        Box::new(move |grads| optimizer.step(&grads, 0.05).unwrap())
    });
    follow("lion", true, 1e-12, |list| {
        let config = LionConfig { weight_decay: 0.1, ..LionConfig::default() };
        let mut optimizer = Lion::new(list.to_vec(), config).unwrap();
        Box::new(move |grads| optimizer.step(&grads, 0.05).unwrap())
    });
}

#[test]
fn clipped_gradients() {
    // PyTorch adds 1e-6 to the norm before it divides, which these 20 steps of up to 0.025 may show as 1e-6 at most.
    follow("clip_norm", false, 1e-6, |list| {
        let (mut optimizer, list) = (sgd(list), list.to_vec());
        Box::new(move |mut grads| {
            clip_gradient_norm(&mut grads, &list, 0.5).unwrap();
            optimizer.step(&grads, 0.05).unwrap();
        })
    });
    follow("clip_value", false, 1e-12, |list| {
        let (mut optimizer, list) = (sgd(list), list.to_vec());
        Box::new(move |mut grads| {
            clip_gradient_value(&mut grads, &list, 0.2).unwrap();
            optimizer.step(&grads, 0.05).unwrap();
        })
    });
}

#[test]
fn accumulated_gradients() {
    let cases = cases();
    follow("accumulated", false, 1e-12, |list| {
        let (mut optimizer, list, cases) = (sgd(list), list.to_vec(), cases.clone());
        Box::new(move |_| {
            let mut total = gradients(&cases, &list, 0..1);
            for row in 1..5 {
                add_gradients(&mut total, &gradients(&cases, &list, row..row + 1), &list).unwrap();
            }
            scale_gradients(&mut total, &list, 0.2).unwrap();
            optimizer.step(&total, 0.05).unwrap();
        })
    });
}

#[test]
fn averages_of_weights() {
    type Make = fn(&VarMap) -> ExponentialMovingAverage;
    let cases = cases();
    let averages: [(&str, Make); 2] = [
        ("ema", |map| ExponentialMovingAverage::constant(map, 0.9).unwrap()),
        ("swa", |map| ExponentialMovingAverage::uniform(map).unwrap()),
    ];
    for (name, make) in averages {
        let (map, list) = start(&cases, false);
        let (mut optimizer, mut average) = (sgd(&list), make(&map));
        for index in 0..20 {
            optimizer.step(&gradients(&cases, &list, 0..5), 0.05).unwrap();
            average.update().unwrap();
            for (parameter, tensor) in average.tensors() {
                let expected = cases[&format!("run/{name}/{parameter}")].get(index).unwrap();
                assert_close(&tensor, &expected, 1e-12);
            }
        }
    }
}

#[test]
fn a_strangers_network_loads_by_a_table_of_names() {
    let cases = cases();
    let (map, vb) = builder(1, DType::F64);
    let conv = conv2d(
        Conv2dConfig { out_channels: 4, padding: Padding::Same, bias: false, ..Conv2dConfig::default() },
        vb.pp("block.conv"),
    )
    .unwrap();
    let norm =
        batch_norm_2d(BatchNormConfig { channels: 4, ..BatchNormConfig::default() }, vb.pp("block.norm"))
            .unwrap();
    let memory =
        gru(RecurrentConfig { input_size: 16, hidden_size: 5, bidirectional: true }, &vb.pp("memory"))
            .unwrap();
    let head = linear(LinearConfig { in_features: 10, out_features: 3, bias: true }, vb.pp("head")).unwrap();
    let given: HashMap<String, Tensor> = cases
        .iter()
        .filter_map(|(name, tensor)| Some((name.strip_prefix("network/w/")?.to_owned(), tensor.clone())))
        .collect();
    let table = [
        ("features.0.", "block.conv."),
        ("features.1.", "block.norm."),
        ("rnn.", "memory."),
        ("fc.out.", "head."),
    ];
    load_weights(&map, &given, &table).unwrap();
    let x = norm.forward_relu_max_pool_t(&conv.forward(&cases["network/x"]).unwrap(), false, (2, 2)).unwrap();
    let x = x.flatten(1, 2).unwrap().transpose(1, 2).unwrap();
    let states = memory.forward(&x).unwrap();
    let out = head.forward(&mean_over(&states, 1).unwrap()).unwrap();
    assert_close(&out, &cases["network/out"], 1e-12);
}
