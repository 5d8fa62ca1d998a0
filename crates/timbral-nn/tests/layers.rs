//! Layers built from the operations: gradients of inputs and weights, and what each layer promises.

#![allow(clippy::unwrap_used, reason = "a test says that this must hold")]

mod common;

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor, Var};
use candle_nn::VarBuilder;
use common::{assert_close, builder, check, random, strided, values};
use timbral_nn::attention::{
    attention_pooling, causal_mask, learned_positions, multi_head_attention, padding_mask,
    sinusoidal_positions,
};
use timbral_nn::blocks::{
    ResidualBlockConfig, embedding, patch_embedding, residual_block, spatial_dropout, squeeze_excitation,
    stochastic_depth,
};
use timbral_nn::conv::{Conv1dConfig, conv1d};
use timbral_nn::loss::{distillation_loss, focal_loss};
use timbral_nn::norm::{group_norm, layer_norm, rms_norm};
use timbral_nn::optim::{Lion, LionConfig};
use timbral_nn::parameters::Parameter;
use timbral_nn::pool::{
    Pool1dConfig, adaptive_avg_pool1d, adaptive_max_pool1d, adaptive_max_pool2d, avg_pool1d, max_pool1d,
};
use timbral_nn::recurrent::{RecurrentConfig, gru, lstm};
use timbral_nn::{Activation, TrainingClock, named_variables, parameters};

/// Checks the gradients of the input and of every variable that `build` asks for.
fn check_layer<F: Fn(&Tensor) -> Result<Tensor>>(shape: &[usize], build: impl Fn(VarBuilder<'static>) -> F) {
    let (map, vb) = builder(3, DType::F64);
    drop(build(vb));
    let names: Vec<String> = parameters(&map).into_iter().map(|parameter| parameter.name).collect();
    let mut inputs = vec![random(shape, 1)];
    for (index, parameter) in parameters(&map).into_iter().enumerate() {
        inputs.push(random(parameter.var.dims(), 10 + index as u64));
    }
    check(&inputs, |tensors| {
        let (map, vb) = builder(3, DType::F64);
        for (name, tensor) in names.iter().zip(&tensors[1..]) {
            map.data().lock().unwrap().insert(name.clone(), Var::from_tensor(tensor)?);
        }
        build(vb)(&strided(&tensors[0]))
    });
}

#[test]
fn gradients_of_all_layers() {
    for batch in [1, 3] {
        check_layer(&[batch, 3, 5], |vb| {
            let config =
                Conv1dConfig { in_channels: 3, out_channels: 2, padding: None, ..Conv1dConfig::default() };
            let layer = conv1d(config, vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
        check_layer(&[batch, 2, 5], |vb| {
            let layer = layer_norm(5, 1e-5, vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
        check_layer(&[batch, 2, 5], |vb| {
            let layer = rms_norm(5, 1e-5, vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
        for shape in [vec![batch, 4], vec![batch, 4, 3], vec![batch, 4, 2, 5]] {
            check_layer(&shape, |vb| {
                let layer = group_norm(2, 4, 1e-5, vb).unwrap();
                move |x: &Tensor| layer.forward(x)
            });
        }
        for size in [20, 33] {
            check_layer(&[batch, size], |vb| {
                let layer = layer_norm(size, 1e-5, vb).unwrap();
                move |x: &Tensor| layer.forward(x)
            });
        }
        check_layer(&[batch, 3, 4], |vb| {
            let layer = learned_positions(5, 4, &vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
        for (in_channels, stride, excitation) in [(2, 1, None), (3, 2, Some(2))] {
            check_layer(&[batch, in_channels, 5, 4], |vb| {
                let config =
                    ResidualBlockConfig { in_channels, out_channels: 2, stride, excitation, left_out: 0.5 };
                let layer = residual_block(config, &TrainingClock::new(4), &vb).unwrap();
                move |x: &Tensor| layer.forward_t(x, true)
            });
        }
        for bidirectional in [false, true] {
            let config = RecurrentConfig { input_size: 2, hidden_size: 3, bidirectional };
            check_layer(&[batch, 4, 2], |vb| {
                let layer = gru(config, &vb).unwrap();
                move |x: &Tensor| layer.forward(x)
            });
            check_layer(&[batch, 4, 2], |vb| {
                let layer = lstm(config, &vb).unwrap();
                move |x: &Tensor| layer.forward(x)
            });
        }
        check_layer(&[batch, 3, 4], |vb| {
            let layer = multi_head_attention(4, 2, &vb).unwrap();
            move |x: &Tensor| layer.attend(x, Some(&causal_mask(3, x)?))
        });
        check_layer(&[batch, 6, 6], |vb| {
            let layer = multi_head_attention(6, 3, &vb).unwrap();
            move |x: &Tensor| layer.attend(x, Some(&padding_mask(&[5, 6, 1][..batch], 6, x)?))
        });
        check_layer(&[batch, 4, 3], |vb| {
            let layer = attention_pooling(3, &vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
        check_layer(&[batch, 3, 2, 4], |vb| {
            let layer = squeeze_excitation(3, 2, &vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
        check_layer(&[batch, 2, 4, 7], |vb| {
            let layer = patch_embedding(2, 3, (2, 3), &vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
    }
    check(&[random(&[3, 4], 1)], |t| focal_loss(&t[0], &[2, 0, 3], 2.0));
    let teacher = random(&[3, 4], 2);
    check(&[random(&[3, 4], 1)], |t| distillation_loss(&t[0], &teacher, 2.0));
}

#[test]
fn gradients_over_many_tasks_and_blocks() {
    // More examples than a task of a recurrent layer takes, and more rows than attention holds at once.
    let config = RecurrentConfig { input_size: 1, hidden_size: 2, bidirectional: true };
    check_layer(&[9, 3, 1], |vb| {
        let layer = gru(config, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check_layer(&[9, 3, 1], |vb| {
        let layer = lstm(config, &vb).unwrap();
        move |x: &Tensor| layer.forward(x)
    });
    check_layer(&[1, 67, 2], |vb| {
        let layer = multi_head_attention(2, 2, &vb).unwrap();
        move |x: &Tensor| layer.attend(x, Some(&causal_mask(67, x)?))
    });
}

#[test]
fn a_second_backward_pass_gives_the_same_gradients() {
    let (map, vb) = builder(1, DType::F64);
    let config = RecurrentConfig { input_size: 2, hidden_size: 3, bidirectional: true };
    let layer = lstm(config, &vb).unwrap();
    let loss = layer.forward(&random(&[2, 4, 2], 1)).unwrap().sqr().unwrap().sum_all().unwrap();
    let (first, second) = (loss.backward().unwrap(), loss.backward().unwrap());
    for (_, var) in named_variables(&map) {
        assert_close(first.get(&var).unwrap(), second.get(&var).unwrap(), 0.0);
    }
}

#[test]
fn gradients_of_activations() {
    for batch in [1, 3] {
        let x = (random(&[batch, 4, 5], 6) * 4.0).unwrap();
        for activation in [
            Activation::Relu,
            Activation::LeakyRelu(0.2),
            Activation::Elu(0.7),
            Activation::Gelu,
            Activation::GeluTanh,
            Activation::Silu,
            Activation::Sigmoid,
            Activation::Tanh,
            Activation::Softplus,
            Activation::Mish,
            Activation::HardSwish,
        ] {
            check(std::slice::from_ref(&x), |t| activation.forward(&strided(&t[0])));
            let single = activation.forward(&x.to_dtype(DType::F32).unwrap()).unwrap();
            assert_close(&single, &activation.forward(&x).unwrap(), 1e-6);
            let var = Var::from_tensor(&x.to_dtype(DType::F32).unwrap()).unwrap();
            let grads = activation.forward(&var).unwrap().sum_all().unwrap().backward().unwrap();
            let var64 = Var::from_tensor(&x).unwrap();
            let grads64 = activation.forward(&var64).unwrap().sum_all().unwrap().backward().unwrap();
            assert_close(grads.get(&var).unwrap(), grads64.get(&var64).unwrap(), 2e-6);
        }
    }
    assert!(Activation::Elu(f64::NAN).forward(&random(&[2], 1)).is_err());
}

#[test]
fn gradients_of_pooling_over_lines_and_regions() {
    let overlapping = Pool1dConfig { kernel: 3, stride: 2, padding: 1 };
    for batch in [1, 3] {
        for length in [6, 7] {
            let x = random(&[batch, 2, length], 8);
            for config in [Pool1dConfig::default(), overlapping] {
                check(std::slice::from_ref(&x), |t| max_pool1d(&strided(&t[0]), config));
                check(std::slice::from_ref(&x), |t| avg_pool1d(&strided(&t[0]), config));
            }
            check(std::slice::from_ref(&x), |t| adaptive_max_pool1d(&strided(&t[0]), 4));
            check(std::slice::from_ref(&x), |t| adaptive_avg_pool1d(&strided(&t[0]), 4));
            for size in [(1, 1), (2, 3), (9, 4)] {
                let x = random(&[batch, 2, length, 5], 9);
                check(&[x], |t| adaptive_max_pool2d(&strided(&t[0]), size));
            }
        }
    }
    let x = random(&[2, 2, 5], 1);
    assert!(max_pool1d(&random(&[2, 5], 1), overlapping).is_err());
    assert!(adaptive_max_pool1d(&x, 0).is_err());
    assert!(max_pool1d(&x, Pool1dConfig { kernel: 8, ..overlapping }).is_err());
}

#[test]
fn a_mask_that_learns_gets_its_gradient() {
    let (_, vb) = builder(1, DType::F64);
    let layer = multi_head_attention(4, 2, &vb).unwrap();
    let inputs = [random(&[2, 3, 4], 1), random(&[1, 2, 3, 3], 2)];
    check(&inputs, |t| layer.attend(&t[0], Some(&t[1])));
    let fused = layer.attend(&inputs[0], Some(&inputs[1])).unwrap();
    let learned = Var::from_tensor(&inputs[1]).unwrap();
    let slow = layer.attend(&inputs[0], Some(learned.as_tensor())).unwrap();
    assert_close(&fused, &slow, 1e-12);
    assert!(layer.attend(&inputs[0], Some(&random(&[4, 3], 1))).is_err());
    let single = inputs[1].to_dtype(DType::F32).unwrap();
    assert!(layer.attend(&inputs[0], Some(&single)).is_err());
    for lengths in [&[][..], &[0], &[4]] {
        assert!(padding_mask(lengths, 3, &single).is_err());
    }
}

#[test]
fn single_precision_follows_double() {
    let run = |dtype: DType| -> Vec<Tensor> {
        let (map, vb) = builder(2, DType::F64);
        let config = RecurrentConfig { input_size: 7, hidden_size: 21, bidirectional: true };
        let build = |vb: &VarBuilder<'static>| {
            (
                gru(config, &vb.pp("gru")).unwrap(),
                lstm(RecurrentConfig { input_size: 42, ..config }, &vb.pp("lstm")).unwrap(),
                multi_head_attention(42, 3, &vb.pp("attention")).unwrap(),
                layer_norm(42, 1e-5, vb.pp("norm")).unwrap(),
            )
        };
        build(&vb);
        let (other, vb) = builder(2, dtype);
        for (name, var) in named_variables(&map) {
            let var = Var::from_tensor(&var.to_dtype(dtype).unwrap()).unwrap();
            other.data().lock().unwrap().insert(name, var);
        }
        let (first, second, attention, norm) = build(&vb);
        let x = random(&[10, 9, 7], 3).to_dtype(dtype).unwrap();
        let states = first.forward(&x).unwrap();
        let y = attention.forward(&second.forward(&norm.forward(&states).unwrap()).unwrap()).unwrap();
        let grads = y.sqr().unwrap().mean_all().unwrap();
        let grads = (grads + y.get(3).unwrap().sum_all().unwrap()).unwrap().backward().unwrap();
        let gradients = named_variables(&other).into_iter().map(|(_, var)| grads.get(&var).unwrap().clone());
        std::iter::once(y).chain(gradients).collect()
    };
    for (single, double) in run(DType::F32).iter().zip(run(DType::F64)) {
        assert_close(single, &double, 2e-5);
    }
}

#[test]
fn positions_are_learned_and_bounded() {
    let (map, vb) = builder(1, DType::F64);
    let layer = learned_positions(4, 3, &vb).unwrap();
    let x = random(&[2, 2, 3], 1);
    let table = named_variables(&map).remove(0).1;
    let expected = x.broadcast_add(&table.narrow(0, 0, 2).unwrap()).unwrap();
    assert_close(&layer.forward(&x).unwrap(), &expected, 0.0);
    assert!(layer.forward(&random(&[1, 5, 3], 1)).is_err());
    assert!(layer.forward(&random(&[1, 2, 4], 1)).is_err());
    assert!(learned_positions(0, 3, &vb.pp("none")).is_err());
}

#[test]
fn an_embedding_looks_up_and_learns() {
    let (map, vb) = builder(1, DType::F64);
    let layer = embedding(4, 2, &vb).unwrap();
    let indices = Tensor::new(&[[1u32, 3], [1, 0]], &Device::Cpu).unwrap();
    let out = layer.forward(&indices).unwrap();
    assert_eq!(out.dims(), [2, 2, 2]);
    let var = named_variables(&map).remove(0).1;
    let grads = out.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(grads.get(&var).unwrap()), [1., 1., 2., 2., 0., 0., 1., 1.]);
    assert!(layer.forward(&Tensor::new(&[4u32], &Device::Cpu).unwrap()).is_err());
}

#[test]
fn masks_cover_whole_channels_and_examples() {
    let x = Tensor::ones((20, 10, 3, 2), DType::F32, &Device::Cpu).unwrap();
    let (clock, (_, vb)) = (TrainingClock::new(4), builder(1, DType::F32));
    let channels = values(&spatial_dropout(0.5, &clock, &vb).unwrap().forward_t(&x, true).unwrap());
    assert!(channels.chunks(6).all(|plane| plane.iter().all(|&value| value == plane[0])));
    assert!(channels.contains(&0.0) && channels.contains(&2.0));
    let examples = values(&stochastic_depth(0.5, &clock, &vb).unwrap().forward_t(&x, true).unwrap());
    assert!(examples.chunks(60).all(|image| image.iter().all(|&value| value == image[0])));
    assert!(examples.contains(&0.0) && examples.contains(&2.0));
}

#[test]
fn a_causal_mask_hides_the_future() {
    let (_, vb) = builder(1, DType::F64);
    let layer = multi_head_attention(4, 2, &vb).unwrap();
    let x = random(&[1, 5, 4], 1);
    let changed = Tensor::cat(&[x.narrow(1, 0, 3).unwrap(), random(&[1, 2, 4], 2)], 1).unwrap();
    let run = |x: &Tensor| layer.attend(x, Some(&causal_mask(5, x).unwrap())).unwrap();
    let first = |x: &Tensor| x.narrow(1, 0, 3).unwrap();
    assert_close(&first(&run(&x)), &first(&run(&changed)), 1e-12);
    assert!(multi_head_attention(4, 3, &vb).is_err());
    assert!(layer.forward(&random(&[1, 5, 3], 1)).is_err());
}

#[test]
fn positions_are_sines_and_cosines() {
    let positions = sinusoidal_positions(3, 4, &random(&[1], 1)).unwrap();
    let row = values(&positions.get(2).unwrap());
    for (value, expected) in row.iter().zip([2f64.sin(), 2f64.cos(), 0.02f64.sin(), 0.02f64.cos()]) {
        assert!((value - expected).abs() < 1e-12);
    }
}

#[test]
fn lion_steps_by_the_sign() {
    let var = Var::new(&[1f64, -2., 0.], &Device::Cpu).unwrap();
    let parameter = Parameter { name: "x".into(), var: var.clone(), decay: true, learning_rate_scale: 1.0 };
    let mut optimizer =
        Lion::new(vec![parameter], LionConfig { weight_decay: 0.5, ..LionConfig::default() }).unwrap();
    let grads = var.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    optimizer.step(&grads, 0.1).unwrap();
    let expected = Tensor::new(&[1. * 0.95 - 0.1, -2. * 0.95 + 0.1, 0.], &Device::Cpu).unwrap();
    assert_close(var.as_tensor(), &expected, 1e-12);
}
