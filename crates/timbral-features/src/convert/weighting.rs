//! Frequency weightings of loudness (IEC 61672-1; D: IEC 60537).

use serde::{Deserialize, Serialize};

/// A frequency weighting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Weighting {
    /// For quiet sounds; the usual one.
    #[default]
    A,
    /// For moderate levels.
    B,
    /// For loud sounds.
    C,
    /// For aircraft noise.
    D,
    /// None: 0 dB everywhere.
    Z,
}

impl Weighting {
    /// The weight of a frequency in dB, at least `min_db`.
    pub fn at(self, frequency: f64, min_db: Option<f64>) -> f64 {
        match self {
            Self::A => a_weighting(frequency, min_db),
            Self::B => b_weighting(frequency, min_db),
            Self::C => c_weighting(frequency, min_db),
            Self::D => d_weighting(frequency, min_db),
            Self::Z => min_db.unwrap_or(f64::NEG_INFINITY).max(0.0),
        }
    }
}

const LOW: f64 = 20.598_997;
const HIGH: f64 = 12_194.217;

fn decibels(amplitude: f64, offset: f64, min_db: Option<f64>) -> f64 {
    (offset + 20.0 * amplitude.log10()).max(min_db.unwrap_or(f64::NEG_INFINITY))
}

/// The A weighting of a frequency in Hz, in dB, at least `min_db`. Minus infinity at 0 Hz without a bound.
pub fn a_weighting(frequency: f64, min_db: Option<f64>) -> f64 {
    let f = frequency * frequency;
    let poles = ((f + 107.652_65f64.powi(2)) * (f + 737.862_23f64.powi(2))).sqrt();
    let amplitude = HIGH.powi(2) * f * f / ((f + LOW.powi(2)) * (f + HIGH.powi(2)) * poles);
    decibels(amplitude, 2.0, min_db)
}

/// The B weighting of a frequency in Hz, in dB, at least `min_db`.
pub fn b_weighting(frequency: f64, min_db: Option<f64>) -> f64 {
    let f = frequency * frequency;
    let pole = (f + 158.489_32f64.powi(2)).sqrt();
    let amplitude = HIGH.powi(2) * f * frequency.abs() / ((f + LOW.powi(2)) * (f + HIGH.powi(2)) * pole);
    decibels(amplitude, 0.17, min_db)
}

/// The C weighting of a frequency in Hz, in dB, at least `min_db`.
pub fn c_weighting(frequency: f64, min_db: Option<f64>) -> f64 {
    let f = frequency * frequency;
    decibels(HIGH.powi(2) * f / ((f + LOW.powi(2)) * (f + HIGH.powi(2))), 0.062, min_db)
}

/// The D weighting of a frequency in Hz, in dB, at least `min_db`.
pub fn d_weighting(frequency: f64, min_db: Option<f64>) -> f64 {
    let f = frequency * frequency;
    let shape = ((1018.7f64.powi(2) - f).powi(2) + 1039.6f64.powi(2) * f)
        / ((3136.5f64.powi(2) - f).powi(2) + 3424.0f64.powi(2) * f);
    let poles = (f + 282.7f64.powi(2)) * (f + 1160.0f64.powi(2));
    decibels(frequency.abs() / 8.304_630_5e-3f64.powi(2) * (shape / poles).sqrt(), 0.0, min_db)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weighting_is_zero_at_one_kilohertz() {
        for weighting in [Weighting::A, Weighting::B, Weighting::C, Weighting::D, Weighting::Z] {
            assert!(weighting.at(1000.0, None).abs() < 0.05, "{weighting:?} {}", weighting.at(1000.0, None));
        }
    }

    #[test]
    fn zero_hertz_is_bounded() {
        assert_eq!(a_weighting(0.0, Some(-80.0)), -80.0);
        assert_eq!(a_weighting(0.0, None), f64::NEG_INFINITY);
    }
}
