//! Changing the speed of a short-time Fourier transform.

use std::f64::consts::TAU;

use ndarray::{Array2, ArrayView2};
use realfft::num_complex::{Complex32, Complex64};

use crate::error::FeatureError;
use crate::shape::frame_major;

/// Frames beyond this cannot be meant.
const MAX_FRAMES: f64 = 1e9;

/// Plays a short-time Fourier transform `rate` times as fast, keeping its pitch (Flanagan and Golden, "Phase vocoder", 1966).
///
/// Output frame `i` lies between two input frames at `i rate`: its magnitude is interpolated between them, its phase
/// goes on from the last output frame by the phase advance between those two. The first phase is that of the input. Two frames of
/// zeros follow the last one. `hop_length` is that of the transform, by default a quarter of `n_fft = 2 (n_bins - 1)`. There are
/// `ceil(n_frames / rate)` frames. All is computed in double precision.
///
/// # Errors
///
/// [`FeatureError::Config`] if `rate` is not positive and finite, or so small that more than 10^9 frames would follow;
/// [`FeatureError::NonFinite`] if an element is NaN or infinite, [`FeatureError::Limit`] if the answer does not
/// fit in memory.
pub fn phase_vocoder(
    stft: ArrayView2<'_, Complex32>,
    rate: f64,
    hop_length: Option<usize>,
    n_fft: Option<usize>,
) -> Result<Array2<Complex32>, FeatureError> {
    let (n_bins, n_frames) = stft.dim();
    let frames = (n_frames as f64 / rate).ceil();
    if !(rate.is_finite() && rate > 0.0 && frames <= MAX_FRAMES) {
        return Err(FeatureError::config(
            "rate",
            format!("{rate} for {n_frames} frames"),
            "above 0 and make at most 10^9 frames",
        ));
    }
    if let Some((index, c)) = stft.iter().enumerate().find(|(_, c)| !c.is_finite()) {
        let value = if c.re.is_finite() { c.im } else { c.re };
        return Err(FeatureError::NonFinite { array: "STFT", index, value });
    }
    let n_fft = n_fft.unwrap_or(2 * n_bins.saturating_sub(1));
    let hop_length = hop_length.unwrap_or(n_fft / 4);
    let mut out = frame_major::<Complex32>(n_bins, frames as usize)?;
    if n_bins == 0 || n_frames == 0 {
        return Ok(out);
    }
    // Phase by which each bin's centre advances in a hop.
    let advances: Vec<f64> =
        (0..n_bins).map(|bin| TAU * hop_length as f64 * bin as f64 / n_fft.max(1) as f64).collect();
    let polar = |frame: usize, to: &mut Vec<(f64, f64)>| {
        to.clear();
        if frame < n_frames {
            to.extend(stft.column(frame).iter().map(|c| Complex64::new(c.re.into(), c.im.into()).to_polar()));
        } else {
            to.resize(n_bins, (0.0, 0.0));
        }
    };
    let (mut left, mut right) = (Vec::new(), Vec::new());
    polar(0, &mut left);
    polar(1, &mut right);
    let mut phases: Vec<f64> = left.iter().map(|(_, angle)| *angle).collect();
    let mut current = 0;
    for (index, mut column) in out.columns_mut().into_iter().enumerate() {
        let position = index as f64 * rate;
        let frame = position.floor() as usize;
        let share = position - frame as f64;
        if frame != current {
            if frame == current + 1 {
                std::mem::swap(&mut left, &mut right);
            } else {
                polar(frame, &mut left);
            }
            polar(frame + 1, &mut right);
            current = frame;
        }
        for ((((value, phase), advance), (a, from)), (b, to)) in
            column.iter_mut().zip(&mut phases).zip(&advances).zip(&left).zip(&right)
        {
            let magnitude = (1.0 - share) * a + share * b;
            *value = Complex64::from_polar(magnitude, *phase).to_single();
            let deviation = to - from - advance;
            *phase += advance + deviation - TAU * (deviation / TAU).round_ties_even();
        }
    }
    Ok(out)
}

trait ToSingle {
    fn to_single(self) -> Complex32;
}

impl ToSingle for Complex64 {
    fn to_single(self) -> Complex32 {
        Complex32::new(self.re as f32, self.im as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(n_frames: usize) -> Array2<Complex32> {
        // Bin 3 turns by 0.7 more than its centre in each hop of 4.
        Array2::from_shape_fn((9, n_frames), |(bin, t)| {
            if bin == 3 {
                let angle = t as f64 * (TAU * 4.0 * 3.0 / 16.0 + 0.7);
                Complex64::from_polar(2.0, angle).to_single()
            } else {
                Complex32::default()
            }
        })
    }

    #[test]
    fn a_steady_tone_turns_at_its_own_pace() {
        for rate in [0.5, 1.0, 1.7] {
            let out = phase_vocoder(tone(20).view(), rate, None, None).unwrap();
            assert_eq!(out.ncols(), (20.0 / rate).ceil() as usize);
            for (t, c) in out.row(3).iter().enumerate().take((18.0 / rate) as usize) {
                let expected = Complex64::from_polar(2.0, t as f64 * (TAU * 0.75 + 0.7)).to_single();
                assert!((c - expected).norm() < 1e-4, "{rate} {t} {c} {expected}");
            }
        }
    }

    #[test]
    fn odd_inputs() {
        let empty = Array2::<Complex32>::default((9, 0));
        assert_eq!(phase_vocoder(empty.view(), 2.0, None, None).unwrap().dim(), (9, 0));
        assert_eq!(phase_vocoder(tone(1).view(), 0.25, None, None).unwrap().dim(), (9, 4));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-12] {
            assert!(phase_vocoder(tone(3).view(), rate, None, None).is_err(), "{rate}");
        }
        let nan = Array2::from_elem((3, 3), Complex32::new(f32::NAN, 0.0));
        assert!(phase_vocoder(nan.view(), 1.0, None, None).is_err());
    }
}
