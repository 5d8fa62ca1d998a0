//! Window functions.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::FeatureError;
use crate::util::Norm;

/// A window function, under the name that SciPy gives it.
///
/// Harris, "On the use of windows for harmonic analysis with the discrete Fourier transform", Proc. IEEE 66(1), 1978.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Window {
    /// Raised cosine that reaches zero. The default everywhere.
    #[default]
    Hann,
    /// Raised cosine on a pedestal of 0.08.
    Hamming,
    /// Three cosine terms.
    Blackman,
    /// Four cosine terms, side lobes below -92 dB.
    BlackmanHarris,
    /// Four cosine terms after Nuttall.
    Nuttall,
    /// Five cosine terms with a flat main lobe, for measuring amplitudes.
    Flattop,
    /// Triangle that reaches zero.
    Bartlett,
    /// Triangle that does not reach zero.
    Triang,
    /// Ones.
    Boxcar,
    /// Half a period of a sine.
    Cosine,
    /// Hann window to the power 0.85, as Kaldi uses it.
    Povey,
    /// Kaiser-Bessel window.
    Kaiser {
        /// Shape: 0 is a boxcar, 14 a good default.
        beta: f64,
    },
    /// Gaussian.
    Gaussian {
        /// Standard deviation in samples, above 0.
        std: f64,
    },
    /// Boxcar with raised-cosine flanks.
    Tukey {
        /// Fraction of the window inside the flanks, 0 (boxcar) to 1 (Hann).
        alpha: f64,
    },
    /// `alpha - (1 - alpha) cos`: 0.5 is Hann, 0.54 Hamming.
    GeneralHamming {
        /// Height of the pedestal.
        alpha: f64,
    },
    /// Given sample by sample. The length must be the one asked for, and the values finite.
    Custom(
        /// The samples of the window.
        Vec<f64>,
    ),
}

/// The window of `length` samples.
///
/// `fftbins` makes it periodic, for spectral analysis: the symmetric window of one more sample without its last.
/// A window of one sample is `[1]`, whatever the kind.
///
/// # Errors
///
/// [`FeatureError::Config`] if the length is 0, a parameter lies outside its range, or a custom window has another
/// length.
///
/// ```
/// use timbral_features::Window;
/// use timbral_features::filters::get_window;
/// let hann = get_window(&Window::Hann, 4, true)?;
/// assert_eq!(hann.len(), 4);
/// assert!((hann[2] - 1.0).abs() < 1e-12);
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn get_window(window: &Window, length: usize, fftbins: bool) -> Result<Vec<f64>, FeatureError> {
    if length == 0 {
        return Err(FeatureError::config("win_length", "0", "at least 1"));
    }
    validate(window, length)?;
    if let Window::Custom(values) = window {
        return Ok(values.clone());
    }
    if length == 1 {
        return Ok(vec![1.0]);
    }
    let symmetric = length + usize::from(fftbins);
    Ok((0..length).map(|i| sample(window, i, symmetric)).collect())
}

fn validate(window: &Window, length: usize) -> Result<(), FeatureError> {
    let bad = |given: String, rule: &str| Err(FeatureError::config("window", given, rule));
    match window {
        Window::Kaiser { beta } if !beta.is_finite() => bad(format!("beta {beta}"), "of a finite beta"),
        Window::Gaussian { std } if !(std.is_finite() && *std > 0.0) => {
            bad(format!("standard deviation {std}"), "of a standard deviation above 0")
        }
        Window::Tukey { alpha } if !alpha.is_finite() => bad(format!("alpha {alpha}"), "of a finite alpha"),
        Window::GeneralHamming { alpha } if !alpha.is_finite() => {
            bad(format!("alpha {alpha}"), "of a finite alpha")
        }
        Window::Custom(values) if values.len() != length => {
            bad(format!("a custom window of {} samples", values.len()), &format!("of {length} samples"))
        }
        Window::Custom(values) if values.iter().any(|v| !v.is_finite()) => {
            bad("a custom window with a value that is not finite".to_owned(), "of finite values")
        }
        _ => Ok(()),
    }
}

/// Sample `i` of the symmetric window of `m` samples, `m >= 2`.
fn sample(window: &Window, i: usize, m: usize) -> f64 {
    let last = (m - 1) as f64;
    let n = i as f64;
    let x = n / last;
    match window {
        Window::Hann => cosine_sum(&[0.5, 0.5], x),
        Window::Hamming => cosine_sum(&[0.54, 0.46], x),
        Window::GeneralHamming { alpha } => cosine_sum(&[*alpha, 1.0 - alpha], x),
        Window::Blackman => cosine_sum(&[0.42, 0.50, 0.08], x),
        Window::BlackmanHarris => cosine_sum(&[0.35875, 0.48829, 0.14128, 0.01168], x),
        Window::Nuttall => cosine_sum(&[0.3635819, 0.4891775, 0.1365995, 0.0106411], x),
        Window::Flattop => cosine_sum(&[0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368], x),
        Window::Bartlett => 1.0 - (2.0 * x - 1.0).abs(),
        Window::Triang => {
            // Odd and even lengths have different slopes, so that neither reaches zero.
            let half = n.min(last - n) + 1.0;
            if m.is_multiple_of(2) { (2.0 * half - 1.0) / m as f64 } else { 2.0 * half / (m as f64 + 1.0) }
        }
        Window::Boxcar => 1.0,
        Window::Cosine => (PI / m as f64 * (n + 0.5)).sin(),
        Window::Povey => cosine_sum(&[0.5, 0.5], x).powf(0.85),
        Window::Kaiser { beta } => {
            let r = 2.0 * x - 1.0;
            bessel_i0(beta * (1.0 - r * r).max(0.0).sqrt()) / bessel_i0(*beta)
        }
        Window::Gaussian { std } => {
            let d = (n - last / 2.0) / std;
            (-0.5 * d * d).exp()
        }
        Window::Tukey { alpha } => tukey(*alpha, n, last),
        // Answered by the caller; the arm keeps the match total.
        Window::Custom(values) => values.get(i).copied().unwrap_or(0.0),
    }
}

/// `a0 - a1 cos(2 pi x) + a2 cos(4 pi x) - ...`
fn cosine_sum(coefficients: &[f64], x: f64) -> f64 {
    coefficients
        .iter()
        .enumerate()
        .map(|(k, a)| if k % 2 == 0 { *a } else { -*a } * (2.0 * PI * k as f64 * x).cos())
        .sum()
}

fn tukey(alpha: f64, n: f64, last: f64) -> f64 {
    if alpha <= 0.0 {
        return 1.0;
    }
    let alpha = alpha.min(1.0);
    let width = (alpha * last / 2.0).floor();
    let flank = |n: f64| 0.5 * (1.0 + (PI * (-1.0 + 2.0 * n / (alpha * last))).cos());
    if n <= width || alpha == 1.0 && n <= last / 2.0 {
        flank(n)
    } else if n < last - width {
        1.0
    } else {
        flank(last - n)
    }
}

/// Modified Bessel function of the first kind and order 0, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0f64;
    let mut k = 1.0;
    while term > sum * 1e-17 && sum.is_finite() {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

/// The window centred in `n_fft` samples, zeros around it; of an odd number of zeros the odd one stands at the right.
pub(crate) fn padded_window(
    window: &Window,
    win_length: usize,
    n_fft: usize,
) -> Result<Vec<f64>, FeatureError> {
    if win_length > n_fft {
        return Err(FeatureError::config(
            "win_length",
            win_length,
            format!("at most n_fft = {n_fft} samples"),
        ));
    }
    let mut padded = vec![0.0; n_fft];
    let left = (n_fft - win_length) / 2;
    padded[left..left + win_length].copy_from_slice(&get_window(window, win_length, true)?);
    Ok(padded)
}

/// The sum of squared windows at every sample of a signal of `n_frames` frames: what the inverse STFT divides by.
///
/// `norm` normalises the window first. The result has `n_fft + hop_length * (n_frames - 1)` values.
///
/// # Errors
///
/// [`FeatureError::Config`] if a length is 0 or `win_length` exceeds `n_fft`.
pub fn window_sumsquare(
    window: &Window,
    n_frames: usize,
    hop_length: usize,
    win_length: usize,
    n_fft: usize,
    norm: Option<Norm>,
) -> Result<Vec<f64>, FeatureError> {
    if n_frames == 0 || hop_length == 0 {
        return Err(FeatureError::config(
            "hop_length",
            hop_length,
            "at least 1, and so must the number of frames",
        ));
    }
    let mut squared = padded_window(window, win_length, n_fft)?;
    if let Some(norm) = norm {
        let size = norm.of(squared.iter().copied());
        squared.iter_mut().for_each(|w| *w /= size);
    }
    squared.iter_mut().for_each(|w| *w *= *w);
    let length = hop_length
        .checked_mul(n_frames - 1)
        .and_then(|n| n.checked_add(n_fft))
        .filter(|&n| n as u64 <= 1 << 40)
        .ok_or(FeatureError::Limit {
            what: "the window sum (samples)",
            requested: u64::MAX,
            maximum: 1 << 40,
        })?;
    let mut sum = vec![0.0; length];
    for frame in 0..n_frames {
        let start = frame * hop_length;
        sum[start..start + n_fft].iter_mut().zip(&squared).for_each(|(s, w)| *s += w);
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Window; 15] = [
        Window::Hann,
        Window::Hamming,
        Window::Blackman,
        Window::BlackmanHarris,
        Window::Nuttall,
        Window::Flattop,
        Window::Bartlett,
        Window::Triang,
        Window::Boxcar,
        Window::Cosine,
        Window::Povey,
        Window::Kaiser { beta: 8.6 },
        Window::Gaussian { std: 50.0 },
        Window::Tukey { alpha: 0.25 },
        Window::GeneralHamming { alpha: 0.6 },
    ];

    #[test]
    fn symmetric_windows_are_symmetric_and_peak_at_one() {
        for window in ALL {
            for length in [2, 3, 64, 65, 401] {
                let w = get_window(&window, length, false).unwrap();
                for i in 0..length {
                    assert!((w[i] - w[length - 1 - i]).abs() < 1e-12, "{window:?} {length} {i}");
                    assert!(w[i] <= 1.0 + 1e-8, "{window:?}");
                }
            }
        }
    }

    #[test]
    fn periodic_is_the_longer_symmetric_one_cut() {
        for window in ALL {
            let long = get_window(&window, 33, false).unwrap();
            assert_eq!(get_window(&window, 32, true).unwrap(), long[..32], "{window:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_window() {
        assert!(get_window(&Window::Hann, 0, true).is_err());
        assert!(get_window(&Window::Gaussian { std: 0.0 }, 8, true).is_err());
        assert!(get_window(&Window::Custom(vec![1.0; 3]), 4, true).is_err());
        assert!(get_window(&Window::Custom(vec![f64::NAN; 4]), 4, true).is_err());
        assert!(padded_window(&Window::Hann, 9, 8).is_err());
    }
}
