//! Seeds, optimizers, schedules and whole training runs.

#![allow(clippy::unwrap_used, reason = "a test says that this must hold")]

mod common;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor, Var};
use candle_nn::VarMap;
use common::{assert_close, builder, random, values};
use rayon::prelude::*;
use timbral_nn::attention::multi_head_attention;
use timbral_nn::gradcheck::{GradcheckConfig, gradcheck};
use timbral_nn::norm::{group_norm, layer_norm};
use timbral_nn::optim::{
    ExponentialMovingAverage, Schedule, add_gradients, clip_gradient_norm, clip_gradient_value,
    gradient_norm, scale_gradients,
};
use timbral_nn::parameters::{Parameter, assert_all_have_gradients, load_weights};
use timbral_nn::recurrent::{RecurrentConfig, gru};
use timbral_nn::{
    Activation, AdamW, AdamWConfig, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, CrossEntropyConfig,
    Dropout, Linear, LinearConfig, NnError, Padding, Target, TrainingClock, batch_norm_2d, conv2d,
    cross_entropy, dropout, linear, max_over, mean_over, named_variables, parameters,
};

struct Network {
    blocks: Vec<(Conv2d, BatchNorm)>,
    dropout: Dropout,
    head: Linear,
}

impl Network {
    fn new(map: &VarMap, clock: &TrainingClock) -> Result<Self> {
        let vb = timbral_nn::SeededInit::new(map, clock.seed()).var_builder(DType::F32, &Device::Cpu);
        let mut blocks = Vec::new();
        let mut in_channels = 1;
        for (index, out_channels) in [4, 6].into_iter().enumerate() {
            let vb = vb.pp(format!("block{index}"));
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
        let head = linear(LinearConfig { in_features: 12, out_features: 3, bias: true }, vb.pp("head"))?;
        Ok(Self { blocks, dropout: dropout(0.3, clock, &vb.pp("dropout"))?, head })
    }
}

impl ModuleT for Network {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.blocks {
            x = norm.forward_relu_max_pool_t(&conv.forward(&x)?, train, (2, 2))?;
        }
        let x = mean_over(&x, 2)?;
        let x = Tensor::cat(&[mean_over(&x, 2)?, max_over(&x, 2)?], 1)?;
        self.head.forward(&self.dropout.forward_t(&x, train)?)
    }
}

/// Five steps; the bytes of all variables after them.
fn run(seed: u64) -> Vec<(String, Vec<u8>)> {
    let (map, clock) = (VarMap::new(), TrainingClock::new(seed));
    let network = Network::new(&map, &clock).unwrap();
    let x = random(&[21, 1, 13, 18], 3).to_dtype(DType::F32).unwrap();
    let classes: Vec<u32> = (0..21).map(|row| row % 3).collect();
    let mut optimizer = AdamW::new(parameters(&map), AdamWConfig::default()).unwrap();
    for step in 0..5 {
        clock.set_step(step);
        let scores = network.forward_t(&x, true).unwrap();
        let loss = cross_entropy(&scores, Target::Classes(&classes), &CrossEntropyConfig::default()).unwrap();
        let mut grads = loss.backward().unwrap();
        assert_all_have_gradients(optimizer.parameters(), &grads).unwrap();
        clip_gradient_norm(&mut grads, &parameters(&map), 1.0).unwrap();
        optimizer.step(&grads, 0.01).unwrap();
    }
    named_variables(&map)
        .into_iter()
        .map(|(name, var)| {
            let values = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            (name, values.into_iter().flat_map(f32::to_le_bytes).collect())
        })
        .collect()
}

#[test]
fn the_number_of_threads_does_not_change_a_byte() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(5))
    };
    let one = with(1);
    assert_eq!(one.len(), 12);
    assert!(one == with(2));
    assert!(one == with(3));
    assert!(one != run(6));
}

/// Three steps of a network over sequences; the bytes of all variables after them.
fn run_sequences() -> Vec<u8> {
    let (map, vb) = builder(5, DType::F32);
    let config = RecurrentConfig { input_size: 6, hidden_size: 8, bidirectional: true };
    let (gru, attention, norm, groups) = (
        gru(config, &vb.pp("gru")).unwrap(),
        multi_head_attention(16, 2, &vb.pp("attention")).unwrap(),
        layer_norm(16, 1e-5, vb.pp("norm")).unwrap(),
        group_norm(4, 16, 1e-5, vb.pp("groups")).unwrap(),
    );
    let config = LinearConfig { in_features: 16, out_features: 3, bias: true };
    let head = linear(config, vb.pp("head")).unwrap();
    let x = random(&[37, 70, 6], 3).to_dtype(DType::F32).unwrap();
    let classes: Vec<u32> = (0..37).map(|row| row % 3).collect();
    let mut optimizer = AdamW::new(parameters(&map), AdamWConfig::default()).unwrap();
    for _ in 0..3 {
        let states = gru.forward(&x).unwrap();
        let y = (&states + attention.forward(&norm.forward(&states).unwrap()).unwrap()).unwrap();
        let y = groups.forward(&y.transpose(1, 2).unwrap()).unwrap();
        let scores = head.forward(&Activation::Gelu.forward(&mean_over(&y, 2).unwrap()).unwrap()).unwrap();
        let loss = cross_entropy(&scores, Target::Classes(&classes), &CrossEntropyConfig::default()).unwrap();
        optimizer.step(&loss.backward().unwrap(), 0.01).unwrap();
    }
    let values = named_variables(&map)
        .into_iter()
        .flat_map(|(_, var)| var.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    values.flat_map(f32::to_le_bytes).collect()
}

#[test]
fn the_number_of_threads_does_not_change_a_byte_over_sequences() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(run_sequences)
    };
    let one = with(1);
    assert!(one == with(2));
    assert!(one == with(3));
    // Several callers at once on one pool, each inside its own parallel work.
    let many: Vec<Vec<u8>> = (0..3).into_par_iter().map(|_| run_sequences()).collect();
    assert!(many.iter().all(|bytes| *bytes == one));
}

#[test]
fn initial_values_do_not_depend_on_the_order_of_construction() {
    let build = |names: &[&str]| {
        let (map, vb) = builder(3, DType::F32);
        for name in names {
            linear(LinearConfig { in_features: 3, out_features: 2, bias: true }, vb.pp(name)).unwrap();
        }
        named_variables(&map).into_iter().map(|(name, var)| (name, values(&var))).collect::<BTreeMap<_, _>>()
    };
    let (forward, backward) = (build(&["a", "b"]), build(&["b", "a"]));
    assert_eq!(forward, backward);
    assert_ne!(forward["a.weight"], forward["b.weight"]);
    let bound = 1.0 / 3f64.sqrt();
    assert!(forward.values().flatten().all(|value| value.abs() <= bound));
}

#[test]
fn seeded_normal_values_have_the_asked_moments() {
    let (_, vb) = builder(11, DType::F64);
    let init = candle_nn::Init::Randn { mean: 2.0, stdev: 3.0 };
    let drawn = values(&vb.get_with_hints(20_000, "x", init).unwrap());
    let mean = drawn.iter().sum::<f64>() / 20_000.0;
    let deviation = (drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0).sqrt();
    assert!((mean - 2.0).abs() < 0.1, "{mean}");
    assert!((deviation - 3.0).abs() < 0.1, "{deviation}");
    assert!(vb.get(3, "x").is_err());
}

#[test]
fn dropout_masks_follow_from_seed_name_step_and_call() {
    let x = Tensor::ones(1000, DType::F32, &Device::Cpu).unwrap();
    let (_, vb) = builder(1, DType::F32);
    let draw = |seed: u64, name: &str, step: u64, calls: usize| {
        let clock = TrainingClock::new(seed);
        let layer = dropout(0.4, &clock, &vb.pp(name)).unwrap();
        clock.set_step(step);
        (0..calls).map(|_| values(&layer.forward_t(&x, true).unwrap())).collect::<Vec<_>>()
    };
    let first = draw(1, "a", 0, 2);
    assert_eq!(first, draw(1, "a", 0, 2));
    for other in [draw(2, "a", 0, 1), draw(1, "b", 0, 1), draw(1, "a", 1, 1)] {
        assert_ne!(first[0], other[0]);
    }
    assert_ne!(first[0], first[1]);
    let kept = first[0].iter().filter(|&&value| value != 0.0).count();
    assert!((550..650).contains(&kept), "{kept}");
    assert!(first[0].iter().all(|&value| value == 0.0 || (value - 1.0 / 0.6).abs() < 1e-6));
    let clock = TrainingClock::new(1);
    let layer = dropout(0.4, &clock, &vb).unwrap();
    assert_eq!(values(&layer.forward_t(&x, false).unwrap()), values(&x));
    assert!(dropout(1.0, &clock, &vb).is_err());
    assert!(dropout(f64::NAN, &clock, &vb).is_err());
}

fn parameter(name: &str, var: &Var) -> Parameter {
    Parameter { name: name.into(), var: var.clone(), decay: true, learning_rate_scale: 1.0 }
}

#[test]
fn clipping_scales_the_common_norm() {
    let (a, b) = (Var::new(&[3f64, 0.], &Device::Cpu).unwrap(), Var::new(&[4f64], &Device::Cpu).unwrap());
    let list = [parameter("a", &a), parameter("b", &b)];
    let loss = (a.sqr().unwrap().sum_all().unwrap() + b.sqr().unwrap().sum_all().unwrap()).unwrap();
    let mut grads = (loss * 0.5).unwrap().backward().unwrap();
    assert!((clip_gradient_norm(&mut grads, &list, 10.0).unwrap() - 5.0).abs() < 1e-12);
    assert!((gradient_norm(&grads, &list).unwrap() - 5.0).abs() < 1e-12);
    assert!((clip_gradient_norm(&mut grads, &list, 1.0).unwrap() - 5.0).abs() < 1e-12);
    assert!((gradient_norm(&grads, &list).unwrap() - 1.0).abs() < 1e-12);
    assert_close(grads.get(&a).unwrap(), &Tensor::new(&[0.6, 0.], &Device::Cpu).unwrap(), 1e-12);
    assert!(clip_gradient_norm(&mut grads, &list, 0.0).is_err());
    clip_gradient_value(&mut grads, &list, 0.5).unwrap();
    assert_eq!(values(grads.get(&a).unwrap()), [0.5, 0.]);
    assert!(clip_gradient_value(&mut grads, &list, f64::NAN).is_err());
    let stray = [parameter("stray", &Var::new(&[1f64], &Device::Cpu).unwrap())];
    assert!(
        matches!(gradient_norm(&grads, &stray), Err(NnError::MissingGradient { name }) if name == "stray")
    );
}

#[test]
fn a_resumed_optimizer_goes_on_as_the_first_one_would() {
    let start = || Var::new(&[1f64, -2., 3.], &Device::Cpu).unwrap();
    let step = |optimizer: &mut AdamW, var: &Var| {
        let grads = (var.as_tensor() * var.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
        optimizer.step(&grads, 0.1).unwrap();
    };
    let whole = start();
    let mut optimizer = AdamW::new(vec![parameter("x", &whole)], AdamWConfig::default()).unwrap();
    for _ in 0..6 {
        step(&mut optimizer, &whole);
    }
    let half = start();
    let mut first = AdamW::new(vec![parameter("x", &half)], AdamWConfig::default()).unwrap();
    for _ in 0..3 {
        step(&mut first, &half);
    }
    let mut second = AdamW::new(vec![parameter("x", &half)], AdamWConfig::default()).unwrap();
    second.load(&first.state(), first.steps()).unwrap();
    for _ in 0..3 {
        step(&mut second, &half);
    }
    assert_eq!(values(&whole), values(&half));
    let mut state = first.state();
    state.insert("y.mean".into(), Tensor::new(0f64, &Device::Cpu).unwrap());
    assert!(matches!(second.load(&state, 1), Err(NnError::State { .. })));
    assert!(matches!(second.load(&BTreeMap::new(), 1), Err(NnError::State { .. })));
}

#[test]
fn the_average_follows_and_swaps() {
    let map = VarMap::new();
    map.data().lock().unwrap().insert("x".into(), Var::new(&[0f64], &Device::Cpu).unwrap());
    let var = named_variables(&map).remove(0).1;
    let mut average = ExponentialMovingAverage::new(&map, 0.5).unwrap();
    var.set(&Tensor::new(&[11f64], &Device::Cpu).unwrap()).unwrap();
    average.update().unwrap();
    // The decay of the first update is 2/11.
    assert!((values(&average.tensors()["x"])[0] - 9.0).abs() < 1e-12);
    average.swap().unwrap();
    assert!((values(&var)[0] - 9.0).abs() < 1e-12);
    average.swap().unwrap();
    assert_eq!(values(&var), [11.0]);
    let mut other = ExponentialMovingAverage::new(&map, 0.5).unwrap();
    other.load(&average.tensors(), average.updates()).unwrap();
    assert!((values(&other.tensors()["x"])[0] - 9.0).abs() < 1e-12);
    assert!(other.load(&BTreeMap::new(), 0).is_err());
    assert!(ExponentialMovingAverage::new(&map, 1.0).is_err());
}

#[test]
fn schedules() {
    let cosine = Schedule::WarmupCosine { peak: 1.0, last: 0.1, warmup_steps: 4, total_steps: 15 };
    cosine.check().unwrap();
    let rates: Vec<f64> = (0..20).map(|step| cosine.learning_rate(step)).collect();
    assert!((rates[0] - 0.2).abs() < 1e-12);
    assert!((rates[4] - 1.0).abs() < 1e-12);
    assert!((rates[9] - 0.55).abs() < 1e-12);
    assert!((rates[14] - 0.1).abs() < 1e-12);
    assert!((rates[19] - 0.1).abs() < 1e-12);
    let cycle =
        Schedule::OneCycle { peak: 1.0, total_steps: 11, rise: 0.3, first_divisor: 25.0, last_divisor: 1e4 };
    cycle.check().unwrap();
    assert!((cycle.learning_rate(0) - 0.04).abs() < 1e-12);
    assert!((cycle.learning_rate(10) - 4e-6).abs() < 1e-12);
    for bad in [
        Schedule::Constant { learning_rate: f64::NAN },
        Schedule::WarmupCosine { peak: 1.0, last: 0.0, warmup_steps: 5, total_steps: 5 },
        Schedule::OneCycle { peak: 1.0, total_steps: 0, rise: 0.3, first_divisor: 25.0, last_divisor: 1e4 },
        Schedule::OneCycle { peak: 1.0, total_steps: 5, rise: 1.0, first_divisor: 25.0, last_divisor: 1e4 },
    ] {
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn gradcheck_sees_wrong_and_missing_gradients() {
    let x = random(&[1, 1, 4, 4], 1);
    let run = |f: fn(&[Tensor]) -> Result<Tensor>| {
        gradcheck(std::slice::from_ref(&x), f, GradcheckConfig::default())
    };
    assert!(matches!(run(|x| x[0].max_pool2d(2)), Err(NnError::WrongGradient { .. })));
    assert!(matches!(run(|x| x[0].detach().sqr()), Err(NnError::MissingGradient { .. })));
    assert!(run(|x| x[0].sqr()).unwrap()[0] < 1e-8);
}

#[test]
fn a_parameter_without_gradient_is_found() {
    let (map, vb) = builder(1, DType::F32);
    let used = linear(LinearConfig { in_features: 2, out_features: 1, bias: true }, vb.pp("used")).unwrap();
    linear(LinearConfig { in_features: 2, out_features: 1, bias: true }, vb.pp("forgotten")).unwrap();
    let x = Tensor::ones((1, 2), DType::F32, &Device::Cpu).unwrap();
    let grads = used.forward(&x).unwrap().sum_all().unwrap().backward().unwrap();
    let error = assert_all_have_gradients(&parameters(&map), &grads).unwrap_err();
    assert!(error.to_string().contains("forgotten.bias"), "{error}");
    let mut optimizer = AdamW::new(parameters(&map), AdamWConfig::default()).unwrap();
    assert!(optimizer.step(&grads, 0.1).is_err());
}

#[test]
fn accumulated_gradients_are_those_of_the_whole_batch() {
    let var = Var::new(&[1f64, -2.], &Device::Cpu).unwrap();
    let list = [parameter("x", &var)];
    let grads = |power: f64| var.sqr().unwrap().powf(power).unwrap().sum_all().unwrap().backward().unwrap();
    let mut total = grads(1.0);
    add_gradients(&mut total, &grads(2.0), &list).unwrap();
    scale_gradients(&mut total, &list, 0.5).unwrap();
    // Half of 2 x + 4 x^3.
    assert_close(total.get(&var).unwrap(), &Tensor::new(&[3f64, -18.], &Device::Cpu).unwrap(), 1e-12);
}

#[test]
fn a_uniform_average_is_the_mean_of_its_updates() {
    let map = VarMap::new();
    map.data().lock().unwrap().insert("x".into(), Var::new(&[100f64], &Device::Cpu).unwrap());
    let var = named_variables(&map).remove(0).1;
    let mut average = ExponentialMovingAverage::uniform(&map).unwrap();
    for value in [1f64, 2., 6.] {
        var.set(&Tensor::new(&[value], &Device::Cpu).unwrap()).unwrap();
        average.update().unwrap();
    }
    assert!((values(&average.tensors()["x"])[0] - 3.0).abs() < 1e-12);
}

#[test]
fn weights_load_by_a_table_of_names() {
    let (map, vb) = builder(1, DType::F64);
    let layer = linear(LinearConfig { in_features: 2, out_features: 1, bias: true }, vb.pp("head")).unwrap();
    let tensor =
        |values: &[f64], shape: &[usize]| Tensor::from_vec(values.to_vec(), shape, &Device::Cpu).unwrap();
    let mut given = std::collections::HashMap::from([
        ("fc.0.weight".to_owned(), tensor(&[3., 4.], &[1, 2])),
        ("fc.0.bias".to_owned(), tensor(&[5.], &[1])),
        ("bn.num_batches_tracked".to_owned(), tensor(&[5.], &[])),
    ]);
    load_weights(&map, &given, &[("fc.", "wrong."), ("fc.0.", "head.")]).unwrap();
    let y = layer.forward(&tensor(&[1., 2.], &[1, 2])).unwrap();
    assert_eq!(values(&y), [16.]);
    assert!(load_weights(&map, &given, &[]).is_err());
    given.insert("extra".into(), tensor(&[1.], &[1]));
    assert!(load_weights(&map, &given, &[("fc.0.", "head.")]).unwrap_err().to_string().contains("extra"));
    given.remove("extra");
    given.insert("fc.0.bias".into(), tensor(&[1., 2.], &[2]));
    assert!(load_weights(&map, &given, &[("fc.0.", "head.")]).is_err());
}
