//! Loops that follow the definitions.

use timbral_nn::kernels::{Conv2dConfig, Padding};

/// Values between -1 and 1 that follow from the seed.
pub(crate) fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

/// Asserts that values agree to 1e-6 of the largest.
pub(crate) fn close(given: &[f32], expected: &[f64]) {
    assert_eq!(given.len(), expected.len());
    let largest = expected.iter().filter(|x| x.is_finite()).fold(1.0, |most: f64, x| most.max(x.abs()));
    for (index, (&given, &expected)) in given.iter().zip(expected).enumerate() {
        let difference = (f64::from(given) - expected).abs();
        assert!(difference <= 1e-6 * largest, "element {index}: {given}, not {expected}");
    }
}

pub(crate) fn matmul(left: &[f32], right: &[f32], rows: usize, inner: usize, columns: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            out.push(
                (0..inner)
                    .map(|k| f64::from(left[row * inner + k]) * f64::from(right[k * columns + column]))
                    .sum(),
            );
        }
    }
    out
}

/// (top, bottom, left, right)
fn zeros(config: &Conv2dConfig, height: usize, width: usize) -> (usize, usize, usize, usize) {
    let same = |size: usize, kernel: usize, stride: usize, dilation: usize| {
        let covered = (size.div_ceil(stride) - 1) * stride + (kernel - 1) * dilation + 1;
        covered.saturating_sub(size)
    };
    match config.padding {
        Padding::Valid => (0, 0, 0, 0),
        Padding::Symmetric(y, x) => (y, y, x, x),
        Padding::Explicit { top, bottom, left, right } => (top, bottom, left, right),
        Padding::Same => {
            let y = same(height, config.kernel.0, config.stride.0, config.dilation.0);
            let x = same(width, config.kernel.1, config.stride.1, config.dilation.1);
            (y / 2, y - y / 2, x / 2, x - x / 2)
        }
    }
}

pub(crate) fn conv2d(
    x: &[f32],
    [batch, channels, height, width]: [usize; 4],
    weight: &[f32],
    bias: Option<&[f32]>,
    config: &Conv2dConfig,
) -> (Vec<f64>, [usize; 4]) {
    let (top, bottom, left, right) = zeros(config, height, width);
    let Conv2dConfig { out_channels, kernel, stride, dilation, groups, .. } = *config;
    let size = |size: usize, kernel: usize, stride: usize, dilation: usize| {
        (size - (kernel - 1) * dilation - 1) / stride + 1
    };
    let rows = size(height + top + bottom, kernel.0, stride.0, dilation.0);
    let columns = size(width + left + right, kernel.1, stride.1, dilation.1);
    let (group_in, group_out) = (channels / groups, out_channels / groups);
    let mut out = Vec::new();
    for b in 0..batch {
        for o in 0..out_channels {
            for row in 0..rows {
                for column in 0..columns {
                    let mut sum = bias.map_or(0.0, |bias| f64::from(bias[o]));
                    for i in 0..group_in {
                        let plane = &x[(b * channels + o / group_out * group_in + i) * height * width..];
                        for ky in 0..kernel.0 {
                            for kx in 0..kernel.1 {
                                let y = (row * stride.0 + ky * dilation.0).wrapping_sub(top);
                                let x = (column * stride.1 + kx * dilation.1).wrapping_sub(left);
                                if y < height && x < width {
                                    let w = weight[((o * group_in + i) * kernel.0 + ky) * kernel.1 + kx];
                                    sum += f64::from(w) * f64::from(plane[y * width + x]);
                                }
                            }
                        }
                    }
                    out.push(sum);
                }
            }
        }
    }
    (out, [batch, out_channels, rows, columns])
}

pub(crate) fn pool(
    x: &[f64],
    [_, _, height, width]: [usize; 4],
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: (usize, usize),
    max: bool,
) -> Vec<f64> {
    let mut out = Vec::new();
    for plane in x.chunks(height * width) {
        for row in 0..=(height + 2 * padding.0 - kernel.0) / stride.0 {
            for column in 0..=(width + 2 * padding.1 - kernel.1) / stride.1 {
                let (mut best, mut sum) = (f64::NEG_INFINITY, 0.0);
                for ky in 0..kernel.0 {
                    for kx in 0..kernel.1 {
                        let y = (row * stride.0 + ky).wrapping_sub(padding.0);
                        let x = (column * stride.1 + kx).wrapping_sub(padding.1);
                        if y < height && x < width {
                            best = best.max(plane[y * width + x]);
                            sum += plane[y * width + x];
                        }
                    }
                }
                out.push(if max { best } else { sum / (kernel.0 * kernel.1) as f64 });
            }
        }
    }
    out
}

/// With a bias around the mean, without around zero.
pub(crate) fn layer_norm(x: &[f32], weight: &[f32], bias: Option<&[f32]>, epsilon: f64) -> Vec<f64> {
    let size = weight.len() as f64;
    let mut out = Vec::new();
    for row in x.chunks(weight.len()) {
        let mean = match bias {
            Some(_) => row.iter().map(|&x| f64::from(x)).sum::<f64>() / size,
            None => 0.0,
        };
        let square = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / size;
        for (i, &x) in row.iter().enumerate() {
            let y = (f64::from(x) - mean) / (square + epsilon).sqrt() * f64::from(weight[i]);
            out.push(y + bias.map_or(0.0, |bias| f64::from(bias[i])));
        }
    }
    out
}

/// Weights of each direction: of the input, of the state, biases of the input, of the state.
pub(crate) fn recurrent(
    x: &[f32],
    [batch, length, input_size]: [usize; 3],
    size: usize,
    weights: &[[Vec<f32>; 4]],
    lstm: bool,
) -> Vec<f64> {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let dot = |weight: &[f32], x: &[f64]| -> f64 {
        weight.iter().zip(x).map(|(&weight, x)| f64::from(weight) * x).sum()
    };
    let width = weights.len() * size;
    let mut out = vec![0.0; batch * length * width];
    for b in 0..batch {
        for (direction, [wx, wh, bx, bh]) in weights.iter().enumerate() {
            let (mut hidden, mut memory) = (vec![0.0; size], vec![0.0; size]);
            for step in 0..length {
                let time = if direction == 0 { step } else { length - 1 - step };
                let start = (b * length + time) * input_size;
                let input: Vec<f64> = x[start..start + input_size].iter().map(|&x| x.into()).collect();
                let before = hidden.clone();
                let from_x =
                    |row: usize| dot(&wx[row * input_size..][..input_size], &input) + f64::from(bx[row]);
                let from_h = |row: usize| dot(&wh[row * size..][..size], &before) + f64::from(bh[row]);
                for i in 0..size {
                    let sum = |gate: usize| from_x(gate * size + i) + from_h(gate * size + i);
                    if lstm {
                        memory[i] = sigmoid(sum(1)) * memory[i] + sigmoid(sum(0)) * sum(2).tanh();
                        hidden[i] = sigmoid(sum(3)) * memory[i].tanh();
                    } else {
                        let (reset, update) = (sigmoid(sum(0)), sigmoid(sum(1)));
                        let candidate = (from_x(2 * size + i) + reset * from_h(2 * size + i)).tanh();
                        hidden[i] = (1.0 - update) * candidate + update * before[i];
                    }
                    out[(b * length + time) * width + direction * size + i] = hidden[i];
                }
            }
        }
    }
    out
}

/// Weights and biases of queries, keys and values, then of the output. The mask is (length, length).
pub(crate) fn attention(
    x: &[f32],
    [batch, length, size]: [usize; 3],
    heads: usize,
    weights: &[Vec<f32>; 4],
    mask: &[f32],
) -> Vec<f64> {
    let dense = |x: &[f64], weight: &[f32], bias: &[f32]| -> Vec<f64> {
        let rows = weight.chunks(x.len()).zip(bias);
        rows.map(|(row, &bias)| {
            row.iter().zip(x).map(|(&w, x)| f64::from(w) * x).sum::<f64>() + f64::from(bias)
        })
        .collect()
    };
    let width = size / heads;
    let mut out = Vec::new();
    for b in 0..batch {
        let parts: Vec<Vec<f64>> = (0..length)
            .map(|t| {
                let start = (b * length + t) * size;
                let row: Vec<f64> = x[start..start + size].iter().map(|&x| x.into()).collect();
                dense(&row, &weights[0], &weights[1])
            })
            .collect();
        for t in 0..length {
            let mut seen = Vec::new();
            for head in 0..heads {
                let part = |t: usize, part: usize| &parts[t][part * size + head * width..][..width];
                let scores: Vec<f64> = (0..length)
                    .map(|s| {
                        let product: f64 = part(t, 0).iter().zip(part(s, 1)).map(|(q, k)| q * k).sum();
                        (product / (width as f64).sqrt() + f64::from(mask[t * length + s])).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for i in 0..width {
                    seen.push((0..length).map(|s| scores[s] / total * part(s, 2)[i]).sum::<f64>());
                }
            }
            out.extend(dense(&seen, &weights[2], &weights[3]));
        }
    }
    out
}
