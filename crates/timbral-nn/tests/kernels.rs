//! Each kernel against a loop that follows its definition, in f64.

#![allow(clippy::unwrap_used, reason = "a failure is a failed test")]

mod slow;

use slow::{close, values};
use timbral_nn::NnError;
use timbral_nn::kernels::{
    Activation, AttentionPoolingPlan, BatchNormConfig, BatchNormPlan, BatchNormWeights, Conv1dConfig,
    Conv1dPlan, Conv2dConfig, Conv2dPlan, DirectionWeights, GroupNormPlan, GruPlan, LayerNormPlan,
    LinearConfig, LinearPlan, LstmPlan, MultiHeadAttentionPlan, MultiHeadAttentionWeights, Padding,
    PatchEmbeddingPlan, Pool1dConfig, Pool2dConfig, RecurrentConfig, RmsNormPlan, SqueezeExcitationPlan,
    SqueezeExcitationWeights, adaptive_avg_pool2d, adaptive_max_pool2d, add_positions, avg_pool1d,
    avg_pool2d, log_softmax, matmul, max_over, max_pool1d, max_pool2d, mean_over, relu, sinusoidal_positions,
    softmax,
};

#[test]
fn matrix_products_and_linear_layers() {
    for (rows, inner, columns) in [(1, 1, 1), (3, 7, 5), (8, 16, 32), (9, 33, 70), (130, 64, 47)] {
        let (left, right) = (values(rows * inner, 1), values(inner * columns, 2));
        let expected = slow::matmul(&left, &right, rows, inner, columns);
        close(&matmul(&left, &right, [rows, inner, columns]).unwrap(), &expected);

        let weight: Vec<f32> = (0..columns * inner).map(|i| right[i % inner * columns + i / inner]).collect();
        let bias = values(columns, 3);
        let config = LinearConfig { in_features: inner, out_features: columns, bias: true };
        let plan = LinearPlan::new(config, &weight, Some(&bias)).unwrap();
        let shifted: Vec<f64> =
            expected.iter().enumerate().map(|(i, y)| y + f64::from(bias[i % columns])).collect();
        close(&plan.forward(&left).unwrap(), &shifted);
    }
}

#[test]
fn convolutions() {
    let paddings = [
        Padding::Valid,
        Padding::Same,
        Padding::Symmetric(2, 1),
        Padding::Explicit { top: 0, bottom: 3, left: 4, right: 0 },
    ];
    let mut seed = 0;
    for (in_channels, out_channels, groups) in [(1, 5, 1), (4, 6, 2), (6, 6, 6), (3, 17, 1)] {
        for (kernel, stride, dilation) in [
            ((3, 3), (1, 1), (1, 1)),
            ((1, 1), (1, 1), (1, 1)),
            ((2, 4), (1, 1), (2, 1)),
            ((3, 2), (2, 3), (1, 2)),
            ((1, 1), (2, 2), (1, 1)),
        ] {
            for padding in paddings {
                for (batch, bias) in [(1, true), (9, false)] {
                    seed += 1;
                    let config = Conv2dConfig {
                        in_channels,
                        out_channels,
                        kernel,
                        stride,
                        padding,
                        dilation,
                        groups,
                        bias,
                    };
                    let shape = [batch, in_channels, 7, 11];
                    let x = values(shape.iter().product(), seed);
                    let weight =
                        values(out_channels * in_channels / groups * kernel.0 * kernel.1, seed + 1000);
                    let bias = bias.then(|| values(out_channels, seed + 2000));
                    let plan = Conv2dPlan::new(config, &weight, bias.as_deref()).unwrap();
                    let y = plan.forward(&x, shape).unwrap();
                    let (expected, out) = slow::conv2d(&x, shape, &weight, bias.as_deref(), &config);
                    assert_eq!(plan.output_shape(shape).unwrap(), out, "{config:?}");
                    close(&y, &expected);
                }
            }
        }
    }
}

#[test]
fn convolutions_over_many_columns_and_one_axis() {
    // More columns than one block holds, with a remainder.
    let config = Conv2dConfig {
        in_channels: 8,
        out_channels: 20,
        kernel: (5, 5),
        stride: (2, 2),
        ..Default::default()
    };
    let shape = [1, 8, 90, 131];
    let (x, weight, bias) = (values(8 * 90 * 131, 1), values(20 * 8 * 25, 2), values(20, 3));
    let y = Conv2dPlan::new(config, &weight, Some(&bias)).unwrap().forward(&x, shape).unwrap();
    close(&y, &slow::conv2d(&x, shape, &weight, Some(&bias), &config).0);

    for padding in [None, Some((4, 0))] {
        let config = Conv1dConfig {
            in_channels: 3,
            out_channels: 2,
            padding,
            dilation: 2,
            bias: false,
            ..Default::default()
        };
        let (x, weight) = (values(2 * 3 * 13, 4), values(2 * 3 * 3, 5));
        let plan = Conv1dPlan::new(config, &weight, None).unwrap();
        assert_eq!(plan.output_shape([2, 3, 13]).unwrap(), [2, 2, 13]);
        let (left, right) = padding.unwrap_or((2, 2));
        let flat = Conv2dConfig {
            in_channels: 3,
            out_channels: 2,
            kernel: (1, 3),
            dilation: (1, 2),
            padding: Padding::Explicit { top: 0, bottom: 0, left, right },
            ..Default::default()
        };
        let expected = slow::conv2d(&x, [2, 3, 1, 13], &weight, None, &flat).0;
        close(&plan.forward(&x, [2, 3, 13]).unwrap(), &expected);
    }
}

#[test]
fn normalisations() {
    let (channels, shape) = (5, [3, 5, 4, 7]);
    let x = values(3 * 5 * 28, 1);
    let [weight, bias, running_mean] = [2, 3, 4].map(|seed| values(channels, seed));
    let running_var: Vec<f32> = values(channels, 5).iter().map(|x| x * x + 0.1).collect();
    let config = BatchNormConfig { channels, ..Default::default() };
    let weights = BatchNormWeights {
        weight: &weight,
        bias: &bias,
        running_mean: &running_mean,
        running_var: &running_var,
    };
    let plan = BatchNormPlan::new(config, weights).unwrap();
    let expected: Vec<f64> = (0..x.len())
        .map(|i| {
            let c = i / 28 % channels;
            let deviation = (f64::from(running_var[c]) + 1e-5).sqrt();
            f64::from(weight[c]) * (f64::from(x[i]) - f64::from(running_mean[c])) / deviation
                + f64::from(bias[c])
        })
        .collect();
    close(&plan.forward(&x, &shape).unwrap(), &expected);
    let active: Vec<f64> = expected.iter().map(|x| x.max(0.0)).collect();
    close(&plan.forward_relu(&x, &shape).unwrap(), &active);
    for pool in [(2, 2), (1, 3), (4, 7)] {
        let pooled = slow::pool(&active, shape, pool, pool, (0, 0), true);
        close(&plan.forward_relu_max_pool(&x, shape, pool).unwrap(), &pooled);
    }

    for size in [1, 12, 140] {
        let (weight, bias) = (values(size, 6), values(size, 7));
        let expected = slow::layer_norm(&x, &weight, Some(&bias), 1e-5);
        close(&LayerNormPlan::new(&weight, &bias, 1e-5).unwrap().forward(&x).unwrap(), &expected);
        let expected = slow::layer_norm(&x, &weight, None, 1e-5);
        close(&RmsNormPlan::new(&weight, 1e-5).unwrap().forward(&x).unwrap(), &expected);
    }
    let x = values(2 * 6 * 10, 8);
    let (weight, bias) = (values(6, 9), values(6, 10));
    let (each, zeros) = (vec![1.0; 20], vec![0.0; 20]);
    let mut expected = slow::layer_norm(&x, &each, Some(&zeros), 1e-5);
    for (i, y) in expected.iter_mut().enumerate() {
        let c = i / 10 % 6;
        *y = *y * f64::from(weight[c]) + f64::from(bias[c]);
    }
    let plan = GroupNormPlan::new(3, &weight, &bias, 1e-5).unwrap();
    close(&plan.forward(&x, &[2, 6, 2, 5]).unwrap(), &expected);
}

#[test]
fn activations() {
    let x: Vec<f32> = values(40_000, 1).iter().map(|x| x * 4.0).collect();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let softplus = |x: f64| x.exp().ln_1p();
    let cases: [(Activation, &dyn Fn(f64) -> f64); 9] = [
        (Activation::Relu, &|x| x.max(0.0)),
        (Activation::LeakyRelu(0.25), &|x| x.max(0.25 * x)),
        (Activation::Elu(1.5), &|x| if x > 0.0 { x } else { 1.5 * (x.exp() - 1.0) }),
        (Activation::Silu, &|x| x * sigmoid(x)),
        (Activation::Sigmoid, &sigmoid),
        (Activation::Tanh, &f64::tanh),
        (Activation::Softplus, &softplus),
        (Activation::Mish, &|x| x * softplus(x).tanh()),
        (Activation::HardSwish, &|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0),
    ];
    for (activation, f) in cases {
        let expected: Vec<f64> = x.iter().map(|&x| f(x.into())).collect();
        close(&activation.apply(&x).unwrap(), &expected);
        let mut own = x.clone();
        activation.apply_in_place(&mut own).unwrap();
        assert_eq!(own, activation.apply(&x).unwrap());
    }
    // Values of the normal distribution function.
    let y = Activation::Gelu.apply(&[-1.0, 0.0, 0.5, 2.0]).unwrap();
    close(&y, &[-0.158_655_253_931_457_07, 0.0, 0.345_731_230_633_536_7, 1.954_499_736_103_641_6]);
    let mut x = [f32::NAN, -1.0];
    relu(&mut x);
    assert!(x[0].is_nan() && x[1] == 0.0);
    let fault = Activation::Elu(f64::NAN).apply(&x);
    assert!(matches!(fault, Err(NnError::Config { .. })), "{fault:?}");
}

#[test]
fn softmax_of_rows() {
    for length in [1, 5, 40] {
        let x = values(3 * length, 1);
        let mut expected = Vec::new();
        for row in x.chunks(length) {
            let total: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            expected.extend(row.iter().map(|&x| f64::from(x).exp() / total));
        }
        let mut y = x.clone();
        softmax(&mut y, length).unwrap();
        close(&y, &expected);
        let mut y = x.clone();
        log_softmax(&mut y, length).unwrap();
        close(&y, &expected.iter().map(|p| p.ln()).collect::<Vec<_>>());
    }
    assert!(matches!(softmax(&mut [0.0; 3], 2), Err(NnError::Shape { .. })));
    assert!(matches!(log_softmax(&mut [0.0; 3], 0), Err(NnError::Shape { .. })));
}

#[test]
fn pooling() {
    let shape = [2, 3, 7, 8];
    let x = values(2 * 3 * 56, 1);
    let exact: Vec<f64> = x.iter().map(|&x| x.into()).collect();
    for (kernel, stride, padding) in
        [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 1)), ((7, 8), (1, 1), (0, 0))]
    {
        let config = Pool2dConfig { kernel, stride, padding };
        let (y, out) = max_pool2d(&x, shape, config).unwrap();
        assert_eq!(out.iter().product::<usize>(), y.len());
        close(&y, &slow::pool(&exact, shape, kernel, stride, padding, true));
        let (y, _) = avg_pool2d(&x, shape, config).unwrap();
        close(&y, &slow::pool(&exact, shape, kernel, stride, padding, false));
    }
    let config = Pool1dConfig { kernel: 3, stride: 2, padding: 1 };
    let (flat, kernel, stride, padding) = ([2, 3, 1, 56], (1, 3), (1, 2), (0, 1));
    let (y, out) = max_pool1d(&x, [2, 3, 56], config).unwrap();
    assert_eq!(out, [2, 3, 28]);
    close(&y, &slow::pool(&exact, flat, kernel, stride, padding, true));
    let (y, _) = avg_pool1d(&x, [2, 3, 56], config).unwrap();
    close(&y, &slow::pool(&exact, flat, kernel, stride, padding, false));

    let (mut means, mut maxima) = (Vec::new(), Vec::new());
    for plane in exact.chunks(56) {
        for i in 0..3usize {
            for j in 0..5usize {
                let rows = i * 7 / 3..((i + 1) * 7).div_ceil(3);
                let columns = j * 8 / 5..((j + 1) * 8).div_ceil(5);
                let region: Vec<f64> =
                    rows.flat_map(|r| columns.clone().map(move |c| r * 8 + c)).map(|i| plane[i]).collect();
                means.push(region.iter().sum::<f64>() / region.len() as f64);
                maxima.push(region.into_iter().fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }
    close(&adaptive_avg_pool2d(&x, shape, (3, 5)).unwrap(), &means);
    close(&adaptive_max_pool2d(&x, shape, (3, 5)).unwrap(), &maxima);

    let (mut means, mut maxima) = (Vec::new(), Vec::new());
    for image in exact.chunks(3 * 56) {
        for i in 0..56 {
            let column: Vec<f64> = (0..3).map(|c| image[c * 56 + i]).collect();
            means.push(column.iter().sum::<f64>() / 3.0);
            maxima.push(column.into_iter().fold(f64::NEG_INFINITY, f64::max));
        }
    }
    close(&mean_over(&x, &shape, 1).unwrap(), &means);
    close(&max_over(&x, &shape, 1).unwrap(), &maxima);
    assert!(matches!(mean_over(&x, &shape, 4), Err(NnError::Shape { .. })));
}

#[test]
fn recurrent_layers() {
    for (batch, length, input_size, hidden_size) in [(1, 1, 1, 1), (3, 6, 5, 4), (10, 5, 8, 20)] {
        for bidirectional in [false, true] {
            let config = RecurrentConfig { input_size, hidden_size, bidirectional };
            let x = values(batch * length * input_size, 1);
            let shape = [batch, length, input_size];
            for gates in [3, 4] {
                let rows = gates * hidden_size;
                let weights: Vec<[Vec<f32>; 4]> = (0..1 + u64::from(bidirectional))
                    .map(|direction| {
                        let own = |size, seed| values(size, 10 * direction + seed);
                        [own(rows * input_size, 2), own(rows * hidden_size, 3), own(rows, 4), own(rows, 5)]
                    })
                    .collect();
                let directions: Vec<DirectionWeights<'_>> = weights
                    .iter()
                    .map(|[weight_ih, weight_hh, bias_ih, bias_hh]| DirectionWeights {
                        weight_ih,
                        weight_hh,
                        bias_ih,
                        bias_hh,
                    })
                    .collect();
                let y = if gates == 3 {
                    GruPlan::new(config, &directions).unwrap().forward(&x, shape).unwrap()
                } else {
                    LstmPlan::new(config, &directions).unwrap().forward(&x, shape).unwrap()
                };
                close(&y, &slow::recurrent(&x, shape, hidden_size, &weights, gates == 4));
                let fault = GruPlan::new(config, &[]);
                assert!(matches!(fault, Err(NnError::Shape { .. })), "{fault:?}");
            }
        }
    }
}

#[test]
fn attention() {
    for (batch, length, size, heads) in [(1, 1, 2, 1), (2, 5, 12, 3), (1, 70, 8, 2)] {
        let x = values(batch * length * size, 1);
        let weights =
            [values(3 * size * size, 2), values(3 * size, 3), values(size * size, 4), values(size, 5)];
        let plan = MultiHeadAttentionPlan::new(
            size,
            heads,
            MultiHeadAttentionWeights {
                in_proj_weight: &weights[0],
                in_proj_bias: &weights[1],
                out_proj_weight: &weights[2],
                out_proj_bias: &weights[3],
            },
        )
        .unwrap();
        let shape = [batch, length, size];
        let unmasked = vec![0.0; length * length];
        close(&plan.forward(&x, shape).unwrap(), &slow::attention(&x, shape, heads, &weights, &unmasked));
        let causal: Vec<f32> = (0..length * length)
            .map(|i| if i % length > i / length { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let y = plan.forward_masked(&x, shape, &causal, [1, 1, length, length]).unwrap();
        close(&y, &slow::attention(&x, shape, heads, &weights, &causal));

        let (score, bias) = (values(size, 6), values(1, 7));
        let y = AttentionPoolingPlan::new(&score, &bias).unwrap().forward(&x, shape).unwrap();
        let mut expected = Vec::new();
        for rows in x.chunks(length * size) {
            let scores: Vec<f64> =
                slow::matmul(rows, &score, length, size, 1).iter().map(|y| y.exp()).collect();
            let total: f64 = scores.iter().sum();
            for column in 0..size {
                let sum: f64 = (0..length).map(|t| scores[t] * f64::from(rows[t * size + column])).sum();
                expected.push(sum / total);
            }
        }
        close(&y, &expected);
    }
    let fault = MultiHeadAttentionPlan::new(
        4,
        3,
        MultiHeadAttentionWeights {
            in_proj_weight: &[],
            in_proj_bias: &[],
            out_proj_weight: &[],
            out_proj_bias: &[],
        },
    );
    assert!(matches!(fault, Err(NnError::Config { .. })), "{fault:?}");
}

#[test]
fn blocks() {
    let (channels, hidden, shape) = (6, 2, [2, 6, 3, 4]);
    let mut x = values(2 * 6 * 12, 1);
    let weights =
        [values(hidden * channels, 2), values(hidden, 3), values(channels * hidden, 4), values(channels, 5)];
    let plan = SqueezeExcitationPlan::new(
        channels,
        hidden,
        SqueezeExcitationWeights {
            reduce_weight: &weights[0],
            reduce_bias: &weights[1],
            expand_weight: &weights[2],
            expand_bias: &weights[3],
        },
    )
    .unwrap();
    let mut expected = Vec::new();
    for image in x.chunks(channels * 12) {
        let means: Vec<f64> =
            image.chunks(12).map(|plane| plane.iter().map(|&x| f64::from(x)).sum::<f64>() / 12.0).collect();
        let dense = |x: &[f64], weight: &[f32], bias: &[f32], f: &dyn Fn(f64) -> f64| -> Vec<f64> {
            let rows = weight.chunks(x.len()).zip(bias);
            rows.map(|(row, &bias)| {
                f(row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum::<f64>() + f64::from(bias))
            })
            .collect()
        };
        let small = dense(&means, &weights[0], &weights[1], &|x| x.max(0.0));
        let factors = dense(&small, &weights[2], &weights[3], &|x| 1.0 / (1.0 + (-x).exp()));
        expected.extend(image.iter().enumerate().map(|(i, &x)| f64::from(x) * factors[i / 12]));
    }
    plan.apply_in_place(&mut x, shape).unwrap();
    close(&x, &expected);

    let (x, weight, bias) = (values(2 * 3 * 5 * 7, 6), values(4 * 3 * 2 * 3, 7), values(4, 8));
    let plan = PatchEmbeddingPlan::new(3, 4, (2, 3), &weight, &bias).unwrap();
    let (y, out) = plan.forward(&x, [2, 3, 5, 7]).unwrap();
    assert_eq!(out, [2, 4, 4]);
    let config = Conv2dConfig {
        in_channels: 3,
        out_channels: 4,
        kernel: (2, 3),
        stride: (2, 3),
        ..Default::default()
    };
    let planes = slow::conv2d(&x, [2, 3, 5, 7], &weight, Some(&bias), &config).0;
    let expected: Vec<f64> = (0..32).map(|i| planes[i / 16 * 16 + i % 4 * 4 + i / 4 % 4]).collect();
    close(&y, &expected);

    let positions = sinusoidal_positions(3, 4);
    close(&positions[4..6], &[1f64.sin(), 1f64.cos()]);
    close(&positions[10..12], &[0.02f64.sin(), 0.02f64.cos()]);
    let mut x = vec![1.0; 2 * 2 * 4];
    add_positions(&mut x, [2, 2, 4], &positions).unwrap();
    assert!(x.iter().zip(positions[..8].iter().cycle()).all(|(x, p)| *x == 1.0 + p));
    assert!(matches!(add_positions(&mut x, [1, 4, 4], &positions), Err(NnError::Shape { .. })));
}

#[test]
fn results_do_not_depend_on_threads() {
    let config = Conv2dConfig { in_channels: 3, out_channels: 40, kernel: (3, 3), ..Default::default() };
    let (x, weight, bias) = (values(7 * 3 * 20 * 30, 1), values(40 * 27, 2), values(40, 3));
    let linear = LinearConfig { in_features: 540, out_features: 33, bias: false };
    let dense = LinearPlan::new(linear, &values(540 * 33, 4), None).unwrap();
    let results: Vec<_> = [1, 2, 5]
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut all = dense.forward(&x[..540 * 20]).unwrap();
                for stride in [(1, 1), (2, 1)] {
                    let config = Conv2dConfig { stride, ..config };
                    let plan = Conv2dPlan::new(config, &weight, Some(&bias)).unwrap();
                    all.extend(plan.forward(&x, [7, 3, 20, 30]).unwrap());
                }
                all
            })
        })
        .into();
    assert!(results[0] == results[1] && results[0] == results[2]);
}

#[test]
fn faults_are_told() {
    let config = Conv2dConfig::default();
    let fault = |result: Result<Vec<f32>, NnError>| result.unwrap_err().to_string();
    let plan = Conv2dPlan::new(config, &[0.0; 9], Some(&[0.0])).unwrap();
    assert_eq!(
        fault(plan.forward(&[0.0; 15], [1, 1, 4, 4])),
        "length of the input is 15; it must be 16, the product of [1, 1, 4, 4]"
    );
    assert!(matches!(plan.forward(&[], [0, 1, 4, 4]), Err(NnError::Shape { .. })));
    assert!(matches!(plan.forward(&[0.0; 4], [1, 1, 2, 2]), Err(NnError::Shape { .. })));
    assert!(matches!(plan.forward(&[0.0; 32], [1, 2, 4, 4]), Err(NnError::Shape { .. })));
    assert!(matches!(plan.forward(&[], [usize::MAX, 1, 4, 4]), Err(NnError::Shape { .. })));
    for config in [
        Conv2dConfig { groups: 2, ..config },
        Conv2dConfig { groups: 0, ..config },
        Conv2dConfig { kernel: (0, 3), ..config },
        Conv2dConfig { stride: (1, 0), ..config },
    ] {
        let fault = Conv2dPlan::new(config, &[0.0; 9], Some(&[0.0])).unwrap_err();
        assert!(matches!(fault, NnError::Config { .. }), "{fault}");
    }
    for (weight, bias) in [(&[0.0; 8][..], Some(&[0.0][..])), (&[0.0; 9], None), (&[0.0; 9], Some(&[]))] {
        let fault = Conv2dPlan::new(config, weight, bias).unwrap_err();
        assert!(matches!(fault, NnError::Shape { .. }), "{fault}");
    }
    let fault = max_pool2d(&[0.0; 16], [1, 1, 4, 4], Pool2dConfig { padding: (2, 0), ..Default::default() });
    assert!(matches!(fault, Err(NnError::Config { .. })), "{fault:?}");
    let fault = adaptive_avg_pool2d(&[0.0; 16], [1, 1, 4, 4], (0, 1));
    assert!(matches!(fault, Err(NnError::Config { .. })), "{fault:?}");
}
