//! The K-weighting filters.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::FeatureError;

/// Which pair of filters weights the signal before its power is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KWeighting {
    /// The filters of ITU-R BS.1770, whose table for 48 kHz they meet at that rate, carried over to other rates by the
    /// analogue parameters that De Man derived ("Evaluation of implementations of the EBU R128 loudness measurement",
    /// AES 145, 2018). The `DeMan` class of pyloudnorm. The default.
    #[default]
    ItuBs1770,
    /// The default of pyloudnorm: audio-cookbook filters with rounded parameters, 0.04 to 0.09 dB below the standard.
    Pyloudnorm,
}

/// A filter of second order, `y = (b0 + b1 / z + b2 / z^2) / (1 + a1 / z + a2 / z^2) x`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Biquad {
    /// Numerator.
    pub b: [f64; 3],
    /// Denominator; the first number is 1.
    pub a: [f64; 3],
}

impl KWeighting {
    /// The filter that models the head (a high shelf of 4 dB) and the one that leaves out rumble (a high pass), for
    /// `sample_rate` Hz.
    ///
    /// # Errors
    ///
    /// [`FeatureError::Config`] if the Nyquist frequency does not exceed the shelf's 1.7 kHz.
    pub fn filters(self, sample_rate: u32) -> Result<[Biquad; 2], FeatureError> {
        if sample_rate < 4000 {
            return Err(FeatureError::config(
                "sample_rate",
                format!("{sample_rate} Hz"),
                "at least 4000 Hz for K-weighting",
            ));
        }
        let rate = f64::from(sample_rate);
        Ok(match self {
            Self::ItuBs1770 => [
                shelf_by_tangent(3.999_843_853_97, 0.707_175_236_955_419_3, 1_681.974_450_955_532, rate),
                high_pass_by_tangent(0.500_327_037_325_395_3, 38.135_470_876_139_82, rate),
            ],
            Self::Pyloudnorm => [
                cookbook_shelf(4.0, std::f64::consts::FRAC_1_SQRT_2, 1500.0, rate),
                cookbook_high_pass(0.5, 38.0, rate),
            ],
        })
    }
}

/// High shelf whose middle gain is the power 0.4997 of the whole one, by the bilinear transform.
fn shelf_by_tangent(gain: f64, q: f64, frequency: f64, rate: f64) -> Biquad {
    let k = (PI * frequency / rate).tan();
    let high = 10f64.powf(gain / 20.0);
    let middle = high.powf(0.499_666_774_155);
    let a0 = 1.0 + k / q + k * k;
    Biquad {
        b: [
            (high + middle * k / q + k * k) / a0,
            2.0 * (k * k - high) / a0,
            (high - middle * k / q + k * k) / a0,
        ],
        a: [1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
    }
}

/// High pass whose numerator is left at `(1 - 1 / z)^2`, as the standard has it.
fn high_pass_by_tangent(q: f64, frequency: f64, rate: f64) -> Biquad {
    let k = (PI * frequency / rate).tan();
    let a0 = 1.0 + k / q + k * k;
    Biquad { b: [1.0, -2.0, 1.0], a: [1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0] }
}

/// Bristow-Johnson, "Cookbook formulae for audio equalizer biquad filter coefficients".
fn cookbook_shelf(gain: f64, q: f64, frequency: f64, rate: f64) -> Biquad {
    let amplitude = 10f64.powf(gain / 40.0);
    let (sine, cosine) = (2.0 * PI * frequency / rate).sin_cos();
    let slope = 2.0 * amplitude.sqrt() * sine / (2.0 * q);
    let (up, down) = (amplitude + 1.0, amplitude - 1.0);
    normalised(
        [
            amplitude * (up + down * cosine + slope),
            -2.0 * amplitude * (down + up * cosine),
            amplitude * (up + down * cosine - slope),
        ],
        [up - down * cosine + slope, 2.0 * (down - up * cosine), up - down * cosine - slope],
    )
}

fn cookbook_high_pass(q: f64, frequency: f64, rate: f64) -> Biquad {
    let (sine, cosine) = (2.0 * PI * frequency / rate).sin_cos();
    let alpha = sine / (2.0 * q);
    normalised(
        [0.5 * (1.0 + cosine), -(1.0 + cosine), 0.5 * (1.0 + cosine)],
        [1.0 + alpha, -2.0 * cosine, 1.0 - alpha],
    )
}

fn normalised(b: [f64; 3], a: [f64; 3]) -> Biquad {
    Biquad { b: b.map(|v| v / a[0]), a: a.map(|v| v / a[0]) }
}

/// A running filter (transposed direct form II).
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    filter: Biquad,
    state: [f64; 2],
}

impl Running {
    pub(super) fn new(filter: Biquad) -> Self {
        Self { filter, state: [0.0; 2] }
    }

    #[inline]
    pub(super) fn next(&mut self, x: f64) -> f64 {
        let Biquad { b, a } = self.filter;
        let y = b[0] * x + self.state[0];
        self.state[0] = b[1] * x - a[1] * y + self.state[1];
        self.state[1] = b[2] * x - a[2] * y;
        y
    }

    /// Ends a decay into subnormal numbers, which are slow.
    pub(super) fn flush(&mut self) {
        for value in &mut self.state {
            if value.abs() < 1e-200 {
                *value = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of ITU-R BS.1770 for 48 kHz.
    #[test]
    fn meets_the_standard_at_48_khz() {
        let [shelf, pass] = KWeighting::ItuBs1770.filters(48_000).unwrap();
        let close = |a: [f64; 3], b: [f64; 3]| a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-8);
        assert!(close(shelf.b, [1.535_124_859_586_97, -2.691_696_189_406_38, 1.198_392_810_852_85]));
        assert!(close(shelf.a, [1.0, -1.690_659_293_182_41, 0.732_480_774_215_85]));
        assert!(close(pass.b, [1.0, -2.0, 1.0]));
        assert!(close(pass.a, [1.0, -1.990_047_454_833_98, 0.990_072_250_366_21]));
    }

    #[test]
    fn low_rates_are_refused() {
        assert!(KWeighting::Pyloudnorm.filters(3999).is_err());
        assert!(KWeighting::ItuBs1770.filters(8000).is_ok());
    }
}
