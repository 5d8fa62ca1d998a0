//! Soft masks.

use ndarray::{Array2, ArrayView2, Zip};

use super::median::{frames_of, from_frames};
use crate::error::FeatureError;

/// The exponent of a mask, with short cuts for the common ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MaskPower {
    One,
    Two,
    Any(f32),
    /// A hard mask.
    Infinite,
}

impl MaskPower {
    pub(crate) fn new(power: f32) -> Result<Self, FeatureError> {
        if power.is_nan() || power <= 0.0 {
            return Err(FeatureError::config("power", power, "above 0 or infinite"));
        }
        Ok(match power {
            1.0 => Self::One,
            2.0 => Self::Two,
            f32::INFINITY => Self::Infinite,
            other => Self::Any(other),
        })
    }

    /// Writes the mask of `x` against `reference` for each pair.
    pub(crate) fn apply(self, pairs: impl Iterator<Item = (f32, f32)>, split_zeros: bool, out: &mut [f32]) {
        let zero = if split_zeros { 0.5 } else { 0.0 };
        match self {
            Self::One => each(pairs, out, |x, r| share(x, r, zero, |v| v)),
            Self::Two => each(pairs, out, |x, r| share(x, r, zero, |v| v * v)),
            Self::Any(power) => each(pairs, out, |x, r| share(x, r, zero, |v| v.powf(power))),
            Self::Infinite => each(pairs, out, |x, r| f32::from(u8::from(x > r))),
        }
    }
}

#[inline(always)]
fn each(pairs: impl Iterator<Item = (f32, f32)>, out: &mut [f32], mask: impl Fn(f32, f32) -> f32) {
    for (to, (x, reference)) in out.iter_mut().zip(pairs) {
        *to = mask(x, reference);
    }
}

#[inline(always)]
fn share(x: f32, reference: f32, zero: f32, power: impl Fn(f32) -> f32) -> f32 {
    let larger = if x > reference { x } else { reference };
    let silent = larger < f32::MIN_POSITIVE;
    let scale = if silent { 1.0 } else { larger };
    let (a, b) = (power(x / scale), power(reference / scale));
    if silent { zero } else { a / (a + b) }
}

/// The fraction of `x` in `x` and `x_ref`: `x^power / (x^power + x_ref^power)` for each element.
///
/// Both are divided by the larger one first, so nothing overflows. Where both lie below the smallest normal number,
/// the mask is 0, or 0.5 with `split_zeros`. An infinite `power` gives 1 where `x > x_ref`, else 0.
///
/// # Errors
///
/// [`FeatureError::Config`] if `power` is not above 0, [`FeatureError::Shape`] if the arrays differ in shape,
/// [`FeatureError::NonFinite`] or [`FeatureError::Input`] if an element is not finite or negative.
pub fn softmask(
    x: ArrayView2<'_, f32>,
    x_ref: ArrayView2<'_, f32>,
    power: f32,
    split_zeros: bool,
) -> Result<Array2<f32>, FeatureError> {
    let power = MaskPower::new(power)?;
    if x.dim() != x_ref.dim() {
        return Err(FeatureError::shape("x_ref", x_ref.shape(), format!("{:?}", x.dim())));
    }
    let (a, b) = (frames_of(&x)?, frames_of(&x_ref)?);
    if !Zip::from(&x).and(&x_ref).all(|a, b| *a >= 0.0 && *b >= 0.0) {
        return Err(FeatureError::Input("negative magnitude given, masks need at least 0".to_owned()));
    }
    let mut out = vec![0.0; a.len()];
    power.apply(a.iter().copied().zip(b.iter().copied()), split_zeros, &mut out);
    from_frames(x.nrows(), x.ncols(), out)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn shares_and_their_limits() {
        let x = array![[3.0_f32, 0.0, 0.0, 1e30, 1e-45]];
        let r = array![[1.0_f32, 0.0, 2.0, 1e30, 0.0]];
        let masks = |power, split| softmask(x.view(), r.view(), power, split).unwrap().row(0).to_vec();
        assert_eq!(masks(1.0, false), [0.75, 0.0, 0.0, 0.5, 0.0]);
        assert_eq!(masks(2.0, true), [0.9, 0.5, 0.0, 0.5, 0.5]);
        assert_eq!(masks(f32::INFINITY, true), [1.0, 0.0, 0.0, 0.0, 1.0]);
        let cubic = masks(3.0, false);
        assert!((cubic[0] - 27.0 / 28.0).abs() < 1e-6);
    }

    #[test]
    fn faults_are_errors() {
        let x = array![[1.0_f32]];
        assert!(softmask(x.view(), array![[1.0, 2.0]].view(), 1.0, false).is_err());
        assert!(softmask(x.view(), array![[-1.0]].view(), 1.0, false).is_err());
        assert!(softmask(x.view(), array![[f32::NAN]].view(), 1.0, false).is_err());
        for power in [0.0, -1.0, f32::NAN] {
            assert!(softmask(x.view(), x.view(), power, false).is_err());
        }
    }
}
