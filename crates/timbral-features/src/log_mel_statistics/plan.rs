use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};

use super::config::LogMelStatisticsConfig;
use super::covariance;
use super::moments::{Moments, steps};
use super::texture;
use crate::FeatureError;
use crate::error::check_finite;

/// Smallest standard deviation in dB whose logarithm is taken.
const SPREAD_FLOOR: f64 = 1e-3;

/// Smallest energy of a modulation bin whose logarithm is taken.
const ENERGY_FLOOR: f64 = 1e-3;

/// Statistics over time of log-mel spectrograms: what a song sounds like (bands, cepstrum), how its cepstral coefficients
/// move together (correlations) and how fast its bands move (modulation spectrum); on demand how sharp it is (texture,
/// contrast), how sudden (skewness), and how its bands move together (covariance).
///
/// Input `(bands, frames)` in dB, output in this order:
/// 1. per band: mean, standard deviation, standard deviation and mean size of the difference between frames;
/// 2. per cepstral coefficient (orthonormal DCT-II over bands): mean, log standard deviation, log standard deviation
///    of the difference;
/// 3. correlations between the leading coefficients, then between their differences (upper triangles, by rows);
/// 4. per group of bands: log energy of the modulation bins. The spectrum is the mean over half-overlapping Hann
///    windows, each less its mean (Welch's method);
/// 5. `modulated`: the same per leading coefficient;
/// 6. `texture`: per pair of neighbouring bands: standard deviation of their difference; log of the mean size of the upper
///    one's difference between frames over the mean size of theirs, 0.1 dB added to both;
/// 7. `skewness`: per band, then per band's difference between frames: third central moment over the cube of the standard
///    deviation, 0.1 dB added to the latter;
/// 8. `contrast`, the largest less the smallest band of a group: per group mean, standard deviation, log energy of the
///    modulation bins;
/// 9. `covariance`: upper triangle, by rows, of the logarithm of the covariance matrix of the groups of bands and their
///    differences, entries off the diagonal times sqrt(2), so that distances are log-Euclidean ones (V. Arsigny and others,
///    2006). A hundredth of the mean variance is added to the diagonal first.
///
/// A spectrogram shorter than a modulation window is repeated to that length first.
#[derive(Debug, Clone)]
pub struct LogMelStatistics {
    config: LogMelStatisticsConfig,
    /// DCT-II, `(bands, coefficients)`.
    cosines: Array2<f32>,
    /// Mean over groups, `(bands, groups)`.
    grouping: Array2<f32>,
    /// Hann-windowed DFT, real and imaginary parts side by side, `(modulation_frames, 2 * frequencies)`.
    fourier: Array2<f32>,
    /// First frequency of each modulation bin and the end of the last.
    edges: Vec<usize>,
}

impl LogMelStatistics {
    /// Prepares the matrices.
    ///
    /// # Errors
    /// [`FeatureError::Config`] for a configuration that breaks its rules.
    pub fn new(config: LogMelStatisticsConfig) -> Result<Self, FeatureError> {
        config.validate()?;
        let (bands, frames) = (config.bands, config.modulation_frames);
        let frequencies = frames / 2 + 1;
        let cosines = matrix(bands, config.coefficients, |band, k| {
            let scale = if k == 0 { (1.0 / bands as f64).sqrt() } else { (2.0 / bands as f64).sqrt() };
            scale * (std::f64::consts::PI * k as f64 * (band as f64 + 0.5) / bands as f64).cos()
        });
        let grouping = matrix(bands, config.groups(), |band, group| {
            if band / config.bands_per_group == group { 1.0 / config.bands_per_group as f64 } else { 0.0 }
        });
        // Sines and cosines of the whole turns are enough: the product of time and frequency wraps around.
        let turns: Vec<(f64, f64)> =
            (0..frames).map(|turn| (std::f64::consts::TAU * turn as f64 / frames as f64).sin_cos()).collect();
        let fourier = matrix(frames, 2 * frequencies, |t, column| {
            let hann = 0.5 - 0.5 * turns[t].1;
            let (sine, cosine) = turns[(t * (column % frequencies)) % frames];
            hann * if column < frequencies { cosine } else { sine }
        });
        let edges = config.bin_edges();
        Ok(Self { config, cosines, grouping, fourier, edges })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &LogMelStatisticsConfig {
        &self.config
    }

    /// Computes the statistics of a spectrogram `(bands, frames)` in dB, as many as the configuration's
    /// [`len`](LogMelStatisticsConfig::len).
    ///
    /// # Errors
    /// [`FeatureError::Shape`] for other bands than the configured ones or no frame, [`FeatureError::NonFinite`] for NaN and
    /// infinite values.
    pub fn compute(&self, spectrogram: ArrayView2<'_, f32>) -> Result<Array1<f32>, FeatureError> {
        let (bands, frames) = spectrogram.dim();
        if bands != self.config.bands || frames == 0 {
            let expected = format!("{} bands and at least 1 frame", self.config.bands);
            return Err(FeatureError::shape("spectrogram", &[bands, frames], expected));
        }
        // (frames, bands), repeated to a modulation window: sums over time then run in the order of memory.
        let length = frames.max(self.config.modulation_frames);
        let values = (0..length).flat_map(|t| spectrogram.column(t % frames)).copied().collect();
        let x = Array2::from_shape_vec((length, bands), values)
            .map_err(|e| FeatureError::Input(e.to_string()))?;
        check_finite("spectrogram", slice(&x))?;

        let mut out = Vec::with_capacity(self.config.len());
        band_moments(slice(&x), bands, &mut out);
        let cepstrum = x.dot(&self.cosines);
        coefficient_moments(slice(&cepstrum), self.config.coefficients, &mut out);
        let leading = |n: usize| cepstrum.slice_axis(Axis(1), Slice::from(..n));
        if self.config.correlated > 0 {
            let leading = leading(self.config.correlated).as_standard_layout().into_owned();
            correlations(slice(&leading), self.config.correlated, &mut out);
        }
        let grouped = x.dot(&self.grouping);
        self.modulation(grouped.view(), &mut out);
        if self.config.modulated > 0 {
            self.modulation(leading(self.config.modulated), &mut out);
        }
        if self.config.texture {
            texture::neighbours(slice(&x), bands, &mut out);
        }
        if self.config.skewness {
            texture::skewness(slice(&x), bands, &mut out);
        }
        if self.config.contrast {
            let contrast = texture::contrast(&x, self.config.bands_per_group);
            let moments = Moments::of(slice(&contrast), contrast.ncols());
            out.extend(moments.mean.iter().chain(&moments.spread));
            self.modulation(contrast.view(), &mut out);
        }
        if self.config.covariance {
            covariance::log_covariance(&grouped, &mut out);
        }
        Ok(out.into_iter().map(|value| value as f32).collect())
    }

    /// Appends the log energies of the modulation bins of each column of `(frames, rows)`.
    fn modulation(&self, x: ArrayView2<'_, f32>, out: &mut Vec<f64>) {
        let (window, frequencies) = (self.config.modulation_frames, self.config.modulation_frames / 2 + 1);
        let (frames, rows) = x.dim();
        let mut power = Array2::<f64>::zeros((rows, frequencies));
        let mut windows = 0.0;
        for start in (0..=frames - window).step_by(window / 2) {
            let mut cut = x
                .slice_axis(Axis(0), Slice::from(start..start + window))
                .t()
                .as_standard_layout()
                .into_owned();
            for mut row in cut.axis_iter_mut(Axis(0)) {
                let mean = row.iter().map(|value| f64::from(*value)).sum::<f64>() / window as f64;
                row -= mean as f32;
            }
            let spectrum = cut.dot(&self.fourier);
            for (mut power, spectrum) in power.rows_mut().into_iter().zip(spectrum.rows()) {
                for (k, power) in power.iter_mut().enumerate() {
                    *power += f64::from(spectrum[k].powi(2) + spectrum[k + frequencies].powi(2));
                }
            }
            windows += 1.0;
        }
        for power in power.rows() {
            for bin in self.edges.windows(2) {
                let energy = power.iter().take(bin[1]).skip(bin[0]).sum::<f64>() / windows;
                out.push((energy + ENERGY_FLOOR).ln());
            }
        }
    }
}

fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(row, column)| value(row, column) as f32)
}

/// The values of an array in standard layout.
fn slice(x: &Array2<f32>) -> &[f32] {
    x.as_slice().unwrap_or_default()
}

/// Per band: mean, spread, spread and size of the difference between frames.
fn band_moments(values: &[f32], width: usize, out: &mut Vec<f64>) {
    let (level, change) = (Moments::of(values, width), Moments::of(&steps(values, width), width));
    for part in [&level.mean, &level.spread, &change.spread, &change.size] {
        out.extend(part);
    }
}

/// Per coefficient: mean, log spread, log spread of the difference between frames.
fn coefficient_moments(values: &[f32], width: usize, out: &mut Vec<f64>) {
    let (level, change) = (Moments::of(values, width), Moments::of(&steps(values, width), width));
    out.extend(&level.mean);
    for spread in [&level.spread, &change.spread] {
        out.extend(spread.iter().map(|spread| (spread + SPREAD_FLOOR).ln()));
    }
}

/// Pearson correlations between columns, then between their differences between frames; 0 where a column is constant.
fn correlations(values: &[f32], width: usize, out: &mut Vec<f64>) {
    for values in [values, &steps(values, width)] {
        let frames = (values.len() / width) as f64;
        let Moments { mean, spread, .. } = Moments::of(values, width);
        let (mut unit, mut products) = (vec![0.0; width], vec![0.0; width * width]);
        for frame in values.chunks_exact(width) {
            for (((unit, value), mean), spread) in unit.iter_mut().zip(frame).zip(&mean).zip(&spread) {
                *unit = (f64::from(*value) - mean) / (spread + SPREAD_FLOOR / frames.sqrt());
            }
            for (i, sums) in products.chunks_exact_mut(width).enumerate() {
                let after = sums.iter_mut().zip(&unit).skip(i + 1);
                after.for_each(|(sum, other)| *sum += unit[i] * other);
            }
        }
        for (i, sums) in products.chunks_exact(width).enumerate() {
            out.extend(sums.iter().skip(i + 1).map(|sum| sum / frames));
        }
    }
}
