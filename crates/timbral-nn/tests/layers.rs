//! Layers built from the operations: gradients of inputs and weights, and what each layer promises.

#![allow(clippy::unwrap_used, reason = "a test says that this must hold")]

mod common;

use candle_core::{DType, Device, Module, ModuleT, Result, Tensor, Var};
use candle_nn::VarBuilder;
use common::{assert_close, builder, check, random, strided, values};
use timbral_nn::{
    Conv1dConfig, Lion, LionConfig, Parameter, RecurrentConfig, TrainingClock, attention_pooling,
    causal_mask, conv1d, embedding, focal_loss, group_norm, gru, layer_norm, lstm, multi_head_attention,
    named_variables, patch_embedding, rms_norm, sinusoidal_positions, spatial_dropout, squeeze_excitation,
    stochastic_depth,
};

/// Checks the gradients of the input and of every variable that `build` asks for.
fn check_layer<F: Fn(&Tensor) -> Result<Tensor>>(shape: &[usize], build: impl Fn(VarBuilder<'static>) -> F) {
    let (map, vb) = builder(3, DType::F64);
    drop(build(vb));
    let names: Vec<String> = named_variables(&map).into_iter().map(|(name, _)| name).collect();
    let mut inputs = vec![random(shape, 1)];
    for (index, (_, var)) in named_variables(&map).into_iter().enumerate() {
        inputs.push(random(var.dims(), 10 + index as u64));
    }
    check(&inputs, |tensors| {
        let (map, vb) = builder(3, DType::F64);
        for (name, tensor) in names.iter().zip(&tensors[1..]) {
            map.data()
                .lock()
                .unwrap()
                .insert(name.clone(), Var::from_tensor(tensor)?);
        }
        build(vb)(&strided(&tensors[0]))
    });
}

#[test]
fn gradients_of_all_layers() {
    for batch in [1, 3] {
        check_layer(&[batch, 3, 5], |vb| {
            let config = Conv1dConfig {
                in_channels: 3,
                out_channels: 2,
                padding: None,
                ..Conv1dConfig::default()
            };
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
        check_layer(&[batch, 4, 3], |vb| {
            let layer = group_norm(2, 4, 1e-5, vb).unwrap();
            move |x: &Tensor| layer.forward(x)
        });
        for bidirectional in [false, true] {
            let config = RecurrentConfig {
                input_size: 2,
                hidden_size: 3,
                bidirectional,
            };
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
    assert!(
        layer
            .forward(&Tensor::new(&[4u32], &Device::Cpu).unwrap())
            .is_err()
    );
}

#[test]
fn masks_cover_whole_channels_and_examples() {
    let x = Tensor::ones((20, 10, 3, 2), DType::F32, &Device::Cpu).unwrap();
    let (clock, (_, vb)) = (TrainingClock::new(4), builder(1, DType::F32));
    let channels = values(
        &spatial_dropout(0.5, &clock, &vb)
            .unwrap()
            .forward_t(&x, true)
            .unwrap(),
    );
    assert!(
        channels
            .chunks(6)
            .all(|plane| plane.iter().all(|&value| value == plane[0]))
    );
    assert!(channels.contains(&0.0) && channels.contains(&2.0));
    let examples = values(
        &stochastic_depth(0.5, &clock, &vb)
            .unwrap()
            .forward_t(&x, true)
            .unwrap(),
    );
    assert!(
        examples
            .chunks(60)
            .all(|image| image.iter().all(|&value| value == image[0]))
    );
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
    for (value, expected) in row
        .iter()
        .zip([2f64.sin(), 2f64.cos(), 0.02f64.sin(), 0.02f64.cos()])
    {
        assert!((value - expected).abs() < 1e-12);
    }
}

#[test]
fn lion_steps_by_the_sign() {
    let var = Var::new(&[1f64, -2., 0.], &Device::Cpu).unwrap();
    let parameter = Parameter {
        name: "x".into(),
        var: var.clone(),
        decay: true,
        learning_rate_scale: 1.0,
    };
    let mut optimizer = Lion::new(
        vec![parameter],
        LionConfig {
            weight_decay: 0.5,
            ..LionConfig::default()
        },
    )
    .unwrap();
    let grads = var.sqr().unwrap().sum_all().unwrap().backward().unwrap();
    optimizer.step(&grads, 0.1).unwrap();
    let expected = Tensor::new(&[1. * 0.95 - 0.1, -2. * 0.95 + 0.1, 0.], &Device::Cpu).unwrap();
    assert_close(var.as_tensor(), &expected, 1e-12);
}
