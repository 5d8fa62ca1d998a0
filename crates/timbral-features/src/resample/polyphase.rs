//! Polyphase filtering with the filter of `scipy.signal.resample_poly`: a sinc of half length `10 max(up, down)` in a
//! Kaiser window of beta 5, cut off at the lower Nyquist frequency, with unit gain at frequency 0.

use super::kaiser::{Kaiser, sinc};

/// Outputs computed together on the half-band path, so that the inner loop runs along the signal.
const BLOCK: usize = 512;

/// The plan for one ratio `up / down` in lowest terms.
#[derive(Debug, Clone)]
pub(crate) struct Polyphase {
    up: usize,
    down: usize,
    half: usize,
    /// The taps of each phase in the order of the samples that they weigh.
    phases: Vec<Vec<f64>>,
    /// For `up = 1, down = 2`: the taps at distances 1, 3, 5, ... All other even ones are 0.
    half_band: Option<(f64, Vec<f64>)>,
}

impl Polyphase {
    pub(crate) fn new(up: usize, down: usize) -> Self {
        let slower = up.max(down);
        let half = 10 * slower;
        let cutoff = 1.0 / slower as f64;
        let window = Kaiser::new(5.0);
        let mut taps: Vec<f64> = (0..=2 * half)
            .map(|i| {
                let distance = i as f64 - half as f64;
                cutoff * sinc(cutoff * distance) * window.at(distance / half as f64)
            })
            .collect();
        let gain = up as f64 / taps.iter().sum::<f64>();
        taps.iter_mut().for_each(|tap| *tap *= gain);

        // Output m lies at m * down on the fine grid and sums x[n] taps[half + m * down - n * up].
        let phases = (0..up)
            .map(|phase| {
                let mut row: Vec<f64> = taps.iter().copied().skip((half + phase) % up).step_by(up).collect();
                row.reverse();
                row
            })
            .collect();
        let half_band = (up == 1 && down == 2)
            .then(|| (taps[half], taps[half + 1..].iter().copied().step_by(2).collect()));
        Self { up, down, half, phases, half_band }
    }

    pub(crate) fn output_len(&self, samples: usize) -> usize {
        ((samples as u128 * self.up as u128).div_ceil(self.down as u128)) as usize
    }

    /// Writes the first `out.len()` outputs, each times `gain`; `wide` is a work buffer.
    pub(crate) fn process(&self, samples: &[f32], out: &mut [f32], gain: f64, wide: &mut Vec<f64>) {
        if let Some((centre, odd)) = &self.half_band {
            half_band(*centre, odd, samples, out, gain, wide);
            return;
        }
        // Zeros on both sides spare the inner loop its bounds.
        let margin = 2 * self.half.div_ceil(self.up) + 2;
        wide.clear();
        wide.resize(margin, 0.0);
        wide.extend(samples.iter().map(|&x| f64::from(x)));
        wide.resize(wide.len() + margin, 0.0);
        for (m, value) in out.iter_mut().enumerate() {
            let position = (m as u128) * (self.down as u128);
            let whole = (position / self.up as u128) as usize;
            let phase = (position % self.up as u128) as usize;
            let taps = &self.phases[phase];
            // The row's last tap is taps[(half + phase) % up], which weighs the sample this many after `whole`.
            let after = (self.half + phase) / self.up;
            let first = margin + whole + after + 1 - taps.len();
            *value = match wide.get(first..first + taps.len()) {
                Some(window) => (dot(window, taps) * gain) as f32,
                None => 0.0,
            };
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (head_a, head_b) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = head_a.remainder().iter().zip(head_b.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in head_a.zip(head_b) {
        for lane in 0..4 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Decimation by two: all even taps but the middle one vanish, the odd ones come in equal pairs.
fn half_band(centre: f64, odd: &[f64], samples: &[f32], out: &mut [f32], gain: f64, wide: &mut Vec<f64>) {
    // `wide` holds the samples of odd index, zeros around.
    let reach = odd.len();
    wide.clear();
    wide.resize(reach, 0.0);
    wide.extend(samples.iter().skip(1).step_by(2).map(|&x| f64::from(x)));
    wide.resize((reach + out.len()).max(wide.len()) + reach, 0.0);
    let mut sums = [0.0; BLOCK];
    for (block, chunk) in out.chunks_mut(BLOCK).enumerate() {
        let start = block * BLOCK;
        let sums = &mut sums[..chunk.len()];
        for (m, sum) in sums.iter_mut().enumerate() {
            *sum = samples.get(2 * (start + m)).map_or(0.0, |&x| centre * f64::from(x));
        }
        for (j, &tap) in odd.iter().enumerate() {
            // Sample 2 m + 2 j + 1 is odd-indexed sample m + j; its mirror image is m - j - 1.
            let ahead = &wide[reach + start + j..][..sums.len()];
            let behind = &wide[reach + start - j - 1..][..sums.len()];
            for ((sum, a), b) in sums.iter_mut().zip(ahead).zip(behind) {
                *sum += tap * (a + b);
            }
        }
        for (value, sum) in chunk.iter_mut().zip(sums) {
            *value = (*sum * gain) as f32;
        }
    }
}
