//! Every operation against finite differences, and against slow twins.

#![allow(clippy::unwrap_used, reason = "a test says that this must hold")]

mod common;

use candle_core::{D, DType, Device, Module, ModuleT, Result, Tensor};
use common::{assert_close, builder, check, random, strided, values};
use timbral_nn::activation::log_softmax;
use timbral_nn::conv::convolve2d;
use timbral_nn::pool::{Pool2dConfig, adaptive_avg_pool2d, avg_pool2d, max_pool2d};
use timbral_nn::{
    BatchNormConfig, Conv2dConfig, CrossEntropyConfig, LinearConfig, Padding, Target, batch_norm_1d,
    batch_norm_2d, conv2d, cross_entropy, linear, max_over, mean_over, relu, softmax,
};

fn convolution_cases() -> Vec<([usize; 4], [usize; 4], Conv2dConfig)> {
    let base = Conv2dConfig { bias: true, ..Conv2dConfig::default() };
    vec![
        ([1, 2, 5, 6], [3, 2, 3, 3], base),
        ([3, 2, 5, 4], [4, 2, 3, 3], Conv2dConfig { padding: Padding::Same, ..base }),
        ([3, 1, 6, 5], [2, 1, 2, 4], Conv2dConfig { padding: Padding::Same, ..base }),
        (
            [2, 2, 8, 9],
            [2, 2, 3, 3],
            Conv2dConfig { stride: (2, 2), padding: Padding::Symmetric(1, 1), ..base },
        ),
        ([2, 2, 9, 6], [2, 2, 3, 2], Conv2dConfig { stride: (3, 2), padding: Padding::Same, ..base }),
        (
            [2, 1, 9, 7],
            [2, 1, 3, 2],
            Conv2dConfig { dilation: (2, 3), padding: Padding::Symmetric(2, 1), ..base },
        ),
        ([2, 4, 4, 5], [6, 2, 3, 3], Conv2dConfig { groups: 2, padding: Padding::Same, ..base }),
        ([2, 3, 4, 5], [3, 1, 3, 3], Conv2dConfig { groups: 3, padding: Padding::Same, ..base }),
        (
            [2, 2, 3, 4],
            [2, 2, 2, 3],
            Conv2dConfig { padding: Padding::Explicit { top: 2, bottom: 0, left: 1, right: 3 }, ..base },
        ),
        ([1, 1, 1, 1], [1, 1, 3, 3], Conv2dConfig { padding: Padding::Same, ..base }),
        ([3, 2, 4, 4], [2, 2, 1, 1], base),
        (
            [1, 1, 2, 3],
            [1, 1, 3, 5],
            Conv2dConfig { padding: Padding::Symmetric(4, 6), stride: (2, 3), ..base },
        ),
    ]
}

/// The definition, element by element.
fn slow_convolution(x: &Tensor, w: &Tensor, b: &Tensor, config: &Conv2dConfig) -> Tensor {
    let ((batch, channels, height, width), (out, group_in, kh, kw)) =
        (x.dims4().unwrap(), w.dims4().unwrap());
    let same = |size: usize, k: usize, s: usize, d: usize| {
        let total = ((size.div_ceil(s) - 1) * s + (k - 1) * d + 1).saturating_sub(size);
        (total / 2, total - total / 2)
    };
    let (rows, columns) = match config.padding {
        Padding::Valid => ((0, 0), (0, 0)),
        Padding::Same => (
            same(height, kh, config.stride.0, config.dilation.0),
            same(width, kw, config.stride.1, config.dilation.1),
        ),
        Padding::Symmetric(h, w) => ((h, h), (w, w)),
        Padding::Explicit { top, bottom, left, right } => ((top, bottom), (left, right)),
    };
    let x = x.pad_with_zeros(2, rows.0, rows.1).unwrap().pad_with_zeros(3, columns.0, columns.1).unwrap();
    let (ph, pw) = (height + rows.0 + rows.1, width + columns.0 + columns.1);
    let out_h = (ph - (kh - 1) * config.dilation.0 - 1) / config.stride.0 + 1;
    let out_w = (pw - (kw - 1) * config.dilation.1 - 1) / config.stride.1 + 1;
    let (x, w, b) = (values(&x), values(w), values(b));
    let group_out = out / config.groups;
    let mut y = Vec::new();
    for n in 0..batch {
        for o in 0..out {
            for i in 0..out_h {
                for j in 0..out_w {
                    let mut sum = b[o];
                    for c in 0..group_in {
                        for u in 0..kh {
                            for v in 0..kw {
                                let channel = (o / group_out) * group_in + c;
                                let row = i * config.stride.0 + u * config.dilation.0;
                                let column = j * config.stride.1 + v * config.dilation.1;
                                sum += x[((n * channels + channel) * ph + row) * pw + column]
                                    * w[((o * group_in + c) * kh + u) * kw + v];
                            }
                        }
                    }
                    y.push(sum);
                }
            }
        }
    }
    Tensor::from_vec(y, (batch, out, out_h, out_w), &Device::Cpu).unwrap()
}

#[test]
fn convolution_is_the_definition() {
    for (index, (x, w, config)) in convolution_cases().into_iter().enumerate() {
        let (x, w, b) = (random(&x, 1), random(&w, 2), random(&w[..1], 3));
        let expected = slow_convolution(&x, &w, &b, &config);
        let y = convolve2d(&x, &w, Some(&b), &config).unwrap();
        assert_close(&y, &expected, 1e-12);
        let y = convolve2d(&strided(&x), &strided(&w), Some(&b), &config).unwrap();
        assert_close(&y, &expected, 1e-12);
        let single = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
        let y = convolve2d(&single(&x), &single(&w), Some(&single(&b)), &config).unwrap();
        assert_eq!(y.dtype(), DType::F32, "case {index}");
        assert_close(&y, &expected, 1e-5);
    }
}

#[test]
fn convolution_gradients() {
    for (x, w, config) in convolution_cases() {
        let inputs = [random(&x, 1), random(&w, 2), random(&w[..1], 3)];
        check(&inputs, |t| convolve2d(&t[0], &t[1], Some(&t[2]), &config));
        check(&inputs[..2], |t| convolve2d(&strided(&t[0]), &strided(&t[1]), None, &config));
    }
}

#[test]
fn convolution_gradients_through_many_blocks_agree_with_candle() {
    // Large enough for several blocks of rows and several tasks of images. With a stride candle's own gradient is right
    // where both axes leave the same remainder, as here.
    for (x, stride, padding) in [
        (random(&[35, 6, 40, 70], 1), 1, Padding::Same),
        (random(&[5, 6, 81, 91], 1), 2, Padding::Symmetric(1, 1)),
    ] {
        let w = random(&[8, 6, 3, 3], 2);
        let config =
            Conv2dConfig { stride: (stride, stride), padding, bias: false, ..Conv2dConfig::default() };
        let gradients = |f: &dyn Fn(&Tensor, &Tensor) -> Result<Tensor>| {
            let (x, w) =
                (candle_core::Var::from_tensor(&x).unwrap(), candle_core::Var::from_tensor(&w).unwrap());
            let y = f(x.as_tensor(), w.as_tensor()).unwrap();
            let grads = y.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            [y, grads.get(&x).unwrap().clone(), grads.get(&w).unwrap().clone()]
        };
        let ours = gradients(&|x, w| convolve2d(x, w, None, &config));
        let candles = gradients(&|x, w| x.conv2d(w, 1, stride, 1, 1));
        for (a, b) in ours.iter().zip(&candles) {
            assert_close(a, b, 1e-11);
        }
    }
}

#[test]
fn data_gets_no_gradient_from_convolution() {
    let (x, w) =
        (random(&[2, 1, 4, 4], 1), candle_core::Var::from_tensor(&random(&[1, 1, 3, 3], 2)).unwrap());
    let config = Conv2dConfig { bias: false, ..Conv2dConfig::default() };
    let loss = convolve2d(&x, w.as_tensor(), None, &config).unwrap().sum_all().unwrap();
    let grads = loss.backward().unwrap();
    assert!(grads.get(&x).is_none());
    assert!(grads.get(&w).is_some());
}

#[test]
fn same_padding_keeps_the_size() {
    let w = random(&[1, 1, 4, 5], 1);
    let config = Conv2dConfig { padding: Padding::Same, ..Conv2dConfig::default() };
    for (height, width) in [(1, 1), (4, 9), (7, 2)] {
        let y = convolve2d(&random(&[1, 1, height, width], 2), &w, None, &config).unwrap();
        assert_eq!(y.dims(), [1, 1, height, width]);
    }
}

#[test]
fn convolution_refuses_what_does_not_fit() {
    let config = Conv2dConfig::default();
    let x = random(&[1, 2, 4, 4], 1);
    for w in [[1, 3, 3, 3], [1, 2, 5, 3], [1, 2, 3, 5]] {
        assert!(convolve2d(&x, &random(&w, 2), None, &config).is_err());
    }
    let w = random(&[2, 2, 3, 3], 2);
    assert!(convolve2d(&x, &w, Some(&random(&[3], 3)), &config).is_err());
    assert!(convolve2d(&x.narrow(0, 0, 0).unwrap(), &w, None, &config).is_err());
    for bad in [
        Conv2dConfig { stride: (0, 1), ..config },
        Conv2dConfig { dilation: (1, 0), ..config },
        Conv2dConfig { groups: 0, ..config },
        Conv2dConfig { groups: 3, ..config },
        Conv2dConfig { dilation: (usize::MAX, 1), ..config },
        Conv2dConfig { padding: Padding::Symmetric(usize::MAX, 1), ..config },
    ] {
        assert!(convolve2d(&x, &w, None, &bad).is_err(), "{bad:?}");
    }
    let (_, vb) = builder(1, DType::F64);
    assert!(conv2d(Conv2dConfig { in_channels: 0, ..config }, vb.pp("a")).is_err());
    let fault = conv2d(Conv2dConfig { kernel: (0, 3), ..config }, vb.pp("b")).unwrap_err();
    assert!(fault.to_string().starts_with("kernel is (0, 3); it must be at least 1"), "{fault}");
}

#[test]
fn batch_normalisation_gradients_in_training_and_inference() {
    for shape in [vec![3, 2], vec![2, 3, 5], vec![3, 2, 4, 5], vec![1, 2, 5, 7], vec![2, 1, 5, 4]] {
        for train in [true, false] {
            let x = random(&shape, 4);
            let parameters = [x, random(&[shape[1]], 5), random(&[shape[1]], 6)];
            let run = |t: &[Tensor], mode: usize| {
                let (map, vb) = builder(1, DType::F64);
                {
                    let mut data = map.data().lock().unwrap();
                    for (name, tensor) in [("weight", &t[1]), ("bias", &t[2])] {
                        data.insert(name.into(), candle_core::Var::from_tensor(tensor)?);
                    }
                    let statistics = (random(&[shape[1]], 7), (random(&[shape[1]], 8) + 1.5)?);
                    data.insert("running_mean".into(), candle_core::Var::from_tensor(&statistics.0)?);
                    data.insert("running_var".into(), candle_core::Var::from_tensor(&statistics.1)?);
                }
                let config = BatchNormConfig { channels: shape[1], ..BatchNormConfig::default() };
                let norm =
                    if shape.len() == 4 { batch_norm_2d(config, vb) } else { batch_norm_1d(config, vb) }?;
                match mode {
                    0 => norm.forward_t(&t[0], train),
                    1 => norm.forward_t(&strided(&t[0]), train),
                    2 => norm.forward_relu_t(&t[0], train),
                    _ => norm.forward_relu_max_pool_t(&t[0], train, (2, 3)),
                }
            };
            for mode in 0..if shape.len() == 4 { 4 } else { 3 } {
                check(&parameters, |t| run(t, mode));
            }
            if shape.len() == 4 {
                let fused = run(&parameters, 3).unwrap();
                let plain = relu(&run(&parameters, 0).unwrap()).unwrap();
                assert_close(&fused, &max_pool2d(&plain, Pool2dConfig::tiled((2, 3))).unwrap(), 1e-12);
                assert_close(&run(&parameters, 2).unwrap(), &plain, 1e-12);
            }
        }
    }
}

#[test]
fn batch_normalisation_agrees_with_candle() {
    let x = (random(&[4, 3, 5, 6], 1) * 3.0).unwrap();
    let ((map, vb), (_, other)) = (builder(1, DType::F64), builder(1, DType::F64));
    let ours = batch_norm_2d(BatchNormConfig { channels: 3, ..BatchNormConfig::default() }, vb).unwrap();
    let candles = candle_nn::batch_norm(3, candle_nn::BatchNormConfig::default(), other).unwrap();
    for train in [true, true, false] {
        assert_close(&ours.forward_t(&x, train).unwrap(), &candles.forward_t(&x, train).unwrap(), 1e-12);
        assert_close(ours.running_mean(), candles.running_mean(), 1e-12);
        assert_close(ours.running_var(), candles.running_var(), 1e-12);
    }
    assert_close(map.data().lock().unwrap()["running_mean"].as_tensor(), ours.running_mean(), 0.0);
    assert!(ours.forward_t(&random(&[4, 2, 5, 6], 1), false).is_err());
    assert!(ours.forward_t(&random(&[1, 3, 1, 1], 1), true).is_err());
    assert!(ours.forward_relu_max_pool_t(&x, false, (6, 1)).is_err());
}

#[test]
fn pooling_gradients() {
    let configs = [
        Pool2dConfig::tiled((2, 2)),
        Pool2dConfig::tiled((2, 3)),
        Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) },
        Pool2dConfig { kernel: (2, 3), stride: (1, 2), padding: (0, 1) },
    ];
    for shape in [[1, 2, 4, 6], [3, 2, 5, 7]] {
        for config in configs {
            check(&[random(&shape, 3)], |t| max_pool2d(&t[0], config));
            check(&[random(&shape, 3)], |t| avg_pool2d(&strided(&t[0]), config));
        }
    }
}

#[test]
fn pooling_values() {
    let x = Tensor::new(&[[[[1f64, 2., 9.], [3., 4., 9.], [7., 7., 7.]]]], &Device::Cpu).unwrap();
    let tiled = Pool2dConfig::tiled((2, 2));
    assert_eq!(values(&max_pool2d(&x, tiled).unwrap()), [4.]);
    assert_eq!(values(&avg_pool2d(&x, tiled).unwrap()), [2.5]);
    let padded = Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) };
    assert_eq!(values(&max_pool2d(&x, padded).unwrap()), [4., 9., 7., 9.]);
    let expected = [10. / 9., 24. / 9., 21. / 9., 27. / 9.];
    for (a, b) in values(&avg_pool2d(&x, padded).unwrap()).iter().zip(expected) {
        assert!((a - b).abs() < 1e-12);
    }
    let negative = (x * -1.0).unwrap();
    assert_eq!(values(&max_pool2d(&negative, padded).unwrap()), [-1., -2., -3., -4.]);
}

#[test]
fn a_tie_gives_one_gradient() {
    let x = candle_core::Var::zeros((1, 1, 2, 4), DType::F64, &Device::Cpu).unwrap();
    let max = max_pool2d(x.as_tensor(), Pool2dConfig::tiled((2, 2))).unwrap();
    let grads = max.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(grads.get(&x).unwrap()), [1., 0., 1., 0., 0., 0., 0., 0.]);
    let grads = max_over(x.as_tensor(), 3).unwrap().sum_all().unwrap().backward().unwrap();
    assert_eq!(values(grads.get(&x).unwrap()), [1., 0., 0., 0., 1., 0., 0., 0.]);
}

#[test]
fn global_pooling_gradients_and_values() {
    for shape in [[1, 2, 4, 3], [3, 2, 1, 5]] {
        for axis in 0..4 {
            let x = random(&shape, 5);
            check(std::slice::from_ref(&x), |t| mean_over(&t[0], axis));
            check(std::slice::from_ref(&x), |t| max_over(&strided(&t[0]), axis));
            assert_close(&mean_over(&x, axis).unwrap(), &x.mean(axis).unwrap(), 1e-12);
            assert_close(&max_over(&x, axis).unwrap(), &x.max(axis).unwrap(), 0.0);
        }
    }
    assert!(mean_over(&random(&[2, 0], 1), 0).is_err());
    assert!(max_over(&random(&[2, 2], 1), 2).is_err());
}

#[test]
fn activation_gradients() {
    let x = random(&[3, 4, 5], 6);
    check(std::slice::from_ref(&x), |t| relu(&t[0]));
    for axis in 0..3 {
        check(std::slice::from_ref(&x), |t| softmax(&t[0], axis));
        check(std::slice::from_ref(&x), |t| log_softmax(&strided(&t[0]), axis));
        assert_close(&softmax(&x, axis).unwrap(), &candle_nn::ops::softmax(&x, axis).unwrap(), 1e-14);
        assert_close(&log_softmax(&x, axis).unwrap(), &candle_nn::ops::log_softmax(&x, axis).unwrap(), 1e-14);
    }
    let large = Tensor::new(&[[1e4f32, -1e4, 0.0]], &Device::Cpu).unwrap();
    assert_eq!(values(&softmax(&large, D::Minus1).unwrap()), [1., 0., 0.]);
    assert_eq!(values(&log_softmax(&large, D::Minus1).unwrap()), [0., -2e4, -1e4]);
}

#[test]
fn linear_gradients_and_values() {
    for shape in [vec![1, 3], vec![3, 3], vec![2, 4, 3], vec![3]] {
        let inputs = [random(&shape, 1), random(&[2, 3], 2), random(&[2], 3)];
        check(&inputs, |t| timbral_nn::Linear::new(t[1].clone(), Some(t[2].clone()))?.forward(&t[0]));
    }
    let (_, vb) = builder(1, DType::F64);
    let layer = linear(LinearConfig { in_features: 3, out_features: 2, bias: true }, vb).unwrap();
    let x = random(&[4, 3], 1);
    let expected =
        x.matmul(&layer.weight().t().unwrap()).unwrap().broadcast_add(layer.bias().unwrap()).unwrap();
    assert_close(&layer.forward(&x).unwrap(), &expected, 1e-14);
    assert!(layer.forward(&random(&[3, 2], 1)).is_err());
}

#[test]
fn cross_entropy_gradients_and_values() {
    let scores = random(&[3, 4], 1);
    let soft = softmax(&random(&[3, 4], 2), 1).unwrap();
    for config in [
        CrossEntropyConfig::default(),
        CrossEntropyConfig { label_smoothing: 0.1, class_weights: Some(vec![1.0, 0.5, 2.0, 0.0]) },
    ] {
        for target in [Target::Classes(&[2, 0, 1]), Target::Probabilities(&soft)] {
            check(std::slice::from_ref(&scores), |t| cross_entropy(&t[0], target, &config));
        }
    }
    let plain = cross_entropy(&scores, Target::Classes(&[2, 0, 1]), &CrossEntropyConfig::default()).unwrap();
    let expected =
        candle_nn::loss::cross_entropy(&scores, &Tensor::new(&[2u32, 0, 1], &Device::Cpu).unwrap()).unwrap();
    assert_close(&plain, &expected, 1e-12);
    for target in
        [Target::Classes(&[2, 0]), Target::Classes(&[2, 0, 4]), Target::Probabilities(&random(&[3, 3], 1))]
    {
        assert!(cross_entropy(&scores, target, &CrossEntropyConfig::default()).is_err());
    }
    let bad = CrossEntropyConfig { label_smoothing: 1.5, class_weights: None };
    assert!(cross_entropy(&scores, Target::Classes(&[2, 0, 1]), &bad).is_err());
}

#[test]
fn adaptive_pooling() {
    let x = Tensor::arange(0f64, 5., &Device::Cpu).unwrap().reshape((1, 1, 1, 5)).unwrap();
    assert_close(
        &adaptive_avg_pool2d(&x, (1, 2)).unwrap(),
        &Tensor::new(&[[[[1f64, 3.]]]], &Device::Cpu).unwrap(),
        1e-12,
    );
    for size in [(1, 1), (2, 3), (5, 4), (7, 9)] {
        check(&[random(&[2, 2, 5, 4], 1)], |t| adaptive_avg_pool2d(&t[0], size));
    }
    assert!(adaptive_avg_pool2d(&x, (0, 1)).is_err());
}
