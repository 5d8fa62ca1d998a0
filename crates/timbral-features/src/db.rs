//! Decibels: of powers, of amplitudes, and back.
//!
//! [`power_to_db`] takes squared magnitudes, [`amplitude_to_db`] magnitudes. Both clip to the `top_db` floor below the
//! largest value unless `top_db` is `None`, in which case each value depends on itself only.
//!
//! ```
//! use ndarray::array;
//! use timbral_features::db::{DbConfig, power_to_db};
//! let db = power_to_db(array![[1.0, 0.1, 1e-12]].view(), &DbConfig::default())?;
//! assert!((db - array![[0.0, -10.0, -80.0]]).iter().all(|difference| difference.abs() < 1e-5));
//! # Ok::<(), timbral_features::FeatureError>(())
//! ```

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::convert::Weighting;
use crate::error::FeatureError;
use crate::shape::{fill_frames, frame_major};
use crate::simd::{dispatch, settle, ten_log10};

/// What 0 dB stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reference {
    /// A fixed value, of which the magnitude counts. The default, with 1.
    Value(f32),
    /// The largest value of the whole array. Not known before the last frame, so not for streams.
    Max,
}

impl Default for Reference {
    fn default() -> Self {
        Self::Value(1.0)
    }
}

/// How values become decibels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DbConfig {
    /// What 0 dB stands for. Default: 1.
    pub reference: Reference,
    /// Smaller values, the reference included, count as this; a normal number above 0. Default: 1e-10, the default of
    /// `power_to_db`; that of `amplitude_to_db` is 1e-5.
    pub amin: f32,
    /// Values more than this many dB below the largest of the whole array are clipped to that floor. `None`, or infinity in
    /// a configuration file, clips nothing. Default: 80 dB.
    pub top_db: Option<f32>,
}

impl Default for DbConfig {
    fn default() -> Self {
        Self { reference: Reference::default(), amin: 1e-10, top_db: Some(80.0) }
    }
}

impl DbConfig {
    pub(crate) fn validate(&self) -> Result<(), FeatureError> {
        if !(self.amin.is_finite() && self.amin >= f32::MIN_POSITIVE) {
            return Err(FeatureError::config("amin", self.amin, format!("at least {:e}", f32::MIN_POSITIVE)));
        }
        if let Some(top_db) = self.top_db
            && (top_db.is_nan() || top_db < 0.0)
        {
            return Err(FeatureError::config("top_db", format!("{top_db} dB"), "at least 0"));
        }
        if let Reference::Value(value) = self.reference
            && !value.is_finite()
        {
            return Err(FeatureError::config("reference", value, "finite"));
        }
        Ok(())
    }

    /// Whether a value's answer depends on that value alone.
    pub(crate) fn is_local(&self) -> bool {
        self.reference != Reference::Max && self.top_db.is_none_or(f32::is_infinite)
    }

    /// What to subtract from the logarithms, the largest of which is given; and the least answer.
    pub(crate) fn offset_and_floor(&self, largest: f32) -> (f32, f32) {
        let offset = match self.reference {
            Reference::Value(value) => ten_log10(value.abs().max(self.amin)),
            Reference::Max => largest,
        };
        (offset, self.top_db.map_or(f32::NEG_INFINITY, |top_db| largest - offset - top_db))
    }
}

/// Replaces powers by `10 log10(max(amin, x)) - offset` and gives the largest logarithm, before the offset.
#[inline(always)]
pub(crate) fn log_frame(values: &mut [f32], amin: f32, offset: f32) -> f32 {
    let mut largest = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = values.as_chunks_mut::<16>();
    for chunk in chunks {
        for i in 0..16 {
            let log = ten_log10(chunk[i].max(amin));
            largest[i] = if log > largest[i] { log } else { largest[i] };
            chunk[i] = log - offset;
        }
    }
    let mut most = settle(largest).iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in rest {
        let log = ten_log10(value.max(amin));
        most = most.max(log);
        *value = log - offset;
    }
    most
}

/// Subtracts the offset and lifts to the floor.
#[inline(always)]
pub(crate) fn settle_frame(values: &mut [f32], offset: f32, floor: f32) {
    for value in values {
        let db = *value - offset;
        *value = if db > floor { db } else { floor };
    }
}

fn check(array: ArrayView2<'_, f32>) -> Result<(), FeatureError> {
    match array.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        Some((index, &value)) => Err(FeatureError::NonFinite { array: "spectrogram", index, value }),
        None => Ok(()),
    }
}

/// A power spectrogram in decibels: `10 log10(S / reference)`, bounded by `amin` and `top_db`.
///
/// Silence with [`Reference::Max`] is 0 dB everywhere, since the reference is bounded by `amin` too.
///
/// # Errors
///
/// [`FeatureError::Config`] if `amin` is not above 0 or `top_db` is negative; [`FeatureError::NonFinite`] for NaN or
/// infinities.
pub fn power_to_db(power: ArrayView2<'_, f32>, config: &DbConfig) -> Result<Array2<f32>, FeatureError> {
    config.validate()?;
    check(power)?;
    let mut out = frame_major(power.nrows(), power.ncols())?;
    out.assign(&power);
    to_db_in_place(&mut out, config);
    Ok(out)
}

/// Both passes over a frame-major array.
pub(crate) fn to_db_in_place(out: &mut Array2<f32>, config: &DbConfig) {
    let mut row = Vec::new();
    let mut largest = f32::NEG_INFINITY;
    fill_frames(out, &mut row, |_, frame| {
        largest = largest.max(dispatch!(log_frame(frame, config.amin, 0.0)));
    });
    let (offset, floor) = config.offset_and_floor(largest);
    fill_frames(out, &mut row, |_, frame| dispatch!(settle_frame(frame, offset, floor)));
}

/// A magnitude spectrogram in decibels: `20 log10(|S| / reference)`. `amin` and reference are magnitudes.
///
/// # Errors
///
/// As [`power_to_db`]; here `amin` squared must be a normal number above 0 too.
pub fn amplitude_to_db(
    amplitude: ArrayView2<'_, f32>,
    config: &DbConfig,
) -> Result<Array2<f32>, FeatureError> {
    let reference = match config.reference {
        Reference::Value(value) => Reference::Value(value * value),
        other => other,
    };
    let squared = DbConfig { reference, amin: config.amin * config.amin, ..*config };
    check(amplitude)?;
    power_to_db(amplitude.mapv(|v| (v * v).min(f32::MAX)).view(), &squared)
}

/// Decibels back to power: `reference * 10^(dB / 10)`.
pub fn db_to_power(db: ArrayView2<'_, f32>, reference: f32) -> Array2<f32> {
    db.mapv(|v| (f64::from(reference) * 10.0f64.powf(f64::from(v) / 10.0)) as f32)
}

/// Decibels back to magnitudes: `reference * 10^(dB / 20)`.
pub fn db_to_amplitude(db: ArrayView2<'_, f32>, reference: f32) -> Array2<f32> {
    db.mapv(|v| (f64::from(reference.abs()) * 10.0f64.powf(f64::from(v) / 20.0)) as f32)
}

/// A power spectrogram in decibels plus the weight of each row's frequency, at least -80 dB.
///
/// The weights are added after `top_db` has been applied.
///
/// # Errors
///
/// As [`power_to_db`]; [`FeatureError::Shape`] if there is not one frequency for each row.
pub fn perceptual_weighting(
    power: ArrayView2<'_, f32>,
    frequencies: &[f64],
    weighting: Weighting,
    config: &DbConfig,
) -> Result<Array2<f32>, FeatureError> {
    if frequencies.len() != power.nrows() {
        return Err(FeatureError::shape("frequencies", &[frequencies.len()], format!("({})", power.nrows())));
    }
    let mut db = power_to_db(power, config)?;
    for (mut row, f) in db.rows_mut().into_iter().zip(frequencies) {
        let weight = weighting.at(*f, Some(-80.0)) as f32;
        row.mapv_inplace(|v| v + weight);
    }
    Ok(db)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn follows_the_definition() {
        let power = array![[1.0f32, 1e-3, 0.0], [100.0, 1e-12, 0.5]];
        let db = power_to_db(power.view(), &DbConfig::default()).unwrap();
        for (d, p) in db.iter().zip(&power) {
            let expected = (10.0 * f64::from(*p).max(1e-10).log10()).max(20.0 - 80.0);
            assert!((f64::from(*d) - expected).abs() < 1e-5, "{d} {expected}");
        }
        let plain = DbConfig { top_db: None, reference: Reference::Max, ..DbConfig::default() };
        let db = power_to_db(power.view(), &plain).unwrap();
        assert_eq!(db[[1, 0]], 0.0);
        assert!((db[[0, 2]] + 120.0).abs() < 1e-4);
    }

    #[test]
    fn silence_relative_to_its_maximum_is_zero() {
        let config = DbConfig { reference: Reference::Max, ..DbConfig::default() };
        assert_eq!(power_to_db(Array2::zeros((2, 3)).view(), &config).unwrap(), Array2::<f32>::zeros((2, 3)));
    }

    #[test]
    fn round_trips() {
        let amplitude = array![[0.5f32, 2.0, 1e-3]];
        let config = DbConfig { amin: 1e-5, top_db: None, reference: Reference::Value(0.3) };
        let db = amplitude_to_db(amplitude.view(), &config).unwrap();
        for (a, b) in db_to_amplitude(db.view(), 0.3).iter().zip(&amplitude) {
            assert!((a / b - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn refuses_bad_parameters() {
        let x = array![[1.0f32]];
        for config in [
            DbConfig { amin: 0.0, ..Default::default() },
            DbConfig { top_db: Some(-1.0), ..Default::default() },
            DbConfig { reference: Reference::Value(f32::NAN), ..Default::default() },
        ] {
            assert!(power_to_db(x.view(), &config).is_err());
        }
        assert!(power_to_db(array![[f32::INFINITY]].view(), &DbConfig::default()).is_err());
    }
}
