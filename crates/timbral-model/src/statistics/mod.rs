use candle_core::{Device, Result, Tensor};
use serde::{Deserialize, Serialize};

use crate::ModelError;

mod covariance;
mod moments;
mod texture;

use moments::{Moments, rows, steps};

/// Smallest standard deviation in dB whose logarithm is taken.
const SPREAD_FLOOR: f64 = 1e-3;

/// Most groups of bands of a covariance matrix, whose logarithm costs the cube of their number.
const MAX_COVARIANCE_GROUPS: usize = 128;

/// Smallest energy of a modulation bin whose logarithm is taken.
const ENERGY_FLOOR: f64 = 1e-3;

/// What [`LogMelStatistics`] computes of a log-mel spectrogram. `Default` fits 128 bands at about 13 frames a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatisticsConfig {
    /// Mel bands of the input. Default: 128.
    pub bands: usize,
    /// Cepstral coefficients whose mean and spread are taken. Default: 30.
    pub coefficients: usize,
    /// Leading coefficients whose correlations are taken; 0 takes none. Default: 20.
    pub correlated: usize,
    /// Neighbouring bands averaged into one before the modulation spectrum. Default: 8.
    pub bands_per_group: usize,
    /// Frames of a modulation window, an even number; windows overlap by half. Default: 128.
    pub modulation_frames: usize,
    /// Logarithmically spaced modulation bins, before those that hold no frequency are dropped. Default: 12.
    pub modulation_bins: usize,
    /// Leading coefficients whose modulation spectrum is taken as well; 0 takes none. Default: 0.
    pub modulated: usize,
    /// How neighbouring bands differ: smooth noise or sharp partials. Default: false.
    pub texture: bool,
    /// Skewness of bands and of their differences between frames: sudden attacks or even flow. Default: false.
    pub skewness: bool,
    /// Peaks over valleys in each group of bands, and how fast they move. Default: false.
    pub contrast: bool,
    /// Logarithm of the covariance matrix of the groups of bands and their differences between frames. Default: false.
    pub covariance: bool,
}

impl Default for StatisticsConfig {
    fn default() -> Self {
        Self {
            bands: 128,
            coefficients: 30,
            correlated: 20,
            bands_per_group: 8,
            modulation_frames: 128,
            modulation_bins: 12,
            modulated: 0,
            texture: false,
            skewness: false,
            contrast: false,
            covariance: false,
        }
    }
}

impl StatisticsConfig {
    /// Checks sizes against each other and against bounds that keep a hostile file harmless.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken.
    pub fn validate(&self) -> std::result::Result<(), ModelError> {
        let rule = |holds: bool, text: String| {
            if holds { Ok(()) } else { Err(ModelError::Config(text)) }
        };
        rule((1..=1024).contains(&self.bands), format!("{} bands, 1 to 1024 are allowed", self.bands))?;
        rule(
            (1..=self.bands).contains(&self.coefficients),
            format!("{} coefficients of {} bands", self.coefficients, self.bands),
        )?;
        rule(
            self.correlated <= self.coefficients && self.correlated != 1,
            format!("{} correlated of {} coefficients", self.correlated, self.coefficients),
        )?;
        rule(
            self.modulated <= self.coefficients,
            format!("{} modulated of {} coefficients", self.modulated, self.coefficients),
        )?;
        rule(!self.texture || self.bands > 1, "the texture of 1 band, it needs neighbours".into())?;
        rule(
            self.bands_per_group > 0 && self.bands.is_multiple_of(self.bands_per_group),
            format!("{} bands do not divide into groups of {}", self.bands, self.bands_per_group),
        )?;
        rule(
            !self.covariance || self.groups() <= MAX_COVARIANCE_GROUPS,
            format!(
                "a covariance matrix of {} groups of bands, at most {MAX_COVARIANCE_GROUPS} are allowed",
                self.groups()
            ),
        )?;
        rule(
            (4..=4096).contains(&self.modulation_frames) && self.modulation_frames.is_multiple_of(2),
            format!("{} modulation frames, an even number from 4 to 4096 is allowed", self.modulation_frames),
        )?;
        rule(
            (1..=self.modulation_frames / 2).contains(&self.modulation_bins),
            format!("{} modulation bins of {} frames", self.modulation_bins, self.modulation_frames),
        )
    }

    /// Number of statistics that come out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks().iter().map(|(_, count)| count).sum()
    }

    /// The blocks of statistics in the order of [`LogMelStatistics`], each with the number of its statistics: `bands`,
    /// `cepstra`, `correlations`, `modulation`, `cepstral_modulation`, `texture`, `skewness`, `contrast` and `covariance`.
    /// Blocks that are not asked for have none.
    #[must_use]
    pub fn blocks(&self) -> [(&'static str, usize); 9] {
        let pairs = self.correlated * self.correlated.saturating_sub(1) / 2;
        let (groups, bins) = (self.groups(), self.bin_edges().len().saturating_sub(1));
        let optional = |wanted: bool, n: usize| if wanted { n } else { 0 };
        [
            ("bands", 4 * self.bands),
            ("cepstra", 3 * self.coefficients),
            ("correlations", 2 * pairs),
            ("modulation", groups * bins),
            ("cepstral_modulation", self.modulated * bins),
            ("texture", optional(self.texture, 2 * self.bands.saturating_sub(1))),
            ("skewness", optional(self.skewness, 2 * self.bands)),
            ("contrast", optional(self.contrast, groups * (2 + bins))),
            ("covariance", optional(self.covariance, covariance::len(2 * groups))),
        ]
    }

    fn groups(&self) -> usize {
        self.bands / self.bands_per_group
    }

    /// True when no statistics come out, which no valid configuration asks for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First frequency index of each modulation bin and the end of the last: logarithmic from 1 to Nyquist.
    fn bin_edges(&self) -> Vec<usize> {
        let top = (self.modulation_frames / 2 + 1) as f64;
        let mut edges: Vec<usize> = (0..=self.modulation_bins)
            .map(|i| top.powf(i as f64 / self.modulation_bins as f64).round() as usize)
            .collect();
        edges.dedup();
        edges
    }
}

/// Statistics over time of log-mel spectrograms, as tensor operations: what a song sounds like (bands, cepstrum), how
/// its cepstral coefficients move together (correlations) and how fast its bands move (modulation spectrum); on demand how
/// sharp it is (texture, contrast), how sudden (skewness), and how its bands move together (covariance).
///
/// Input `(batch, bands, frames)` in dB, output `(batch, statistics)` in this order:
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
/// Statistics are inputs: no gradient flows back through them.
///
/// A spectrogram shorter than a modulation window is repeated to that length first.
#[derive(Debug, Clone)]
pub struct LogMelStatistics {
    config: StatisticsConfig,
    /// DCT-II, `(bands, coefficients)`.
    cosines: Tensor,
    /// Mean over groups, `(bands, groups)`.
    grouping: Tensor,
    /// Hann-windowed DFT, real and imaginary parts side by side, `(modulation_frames, 2 * frequencies)`.
    fourier: Tensor,
    /// Sum over modulation bins, `(frequencies, bins)`.
    pooling: Tensor,
}

impl LogMelStatistics {
    /// Prepares the matrices.
    ///
    /// # Errors
    /// [`ModelError::Config`] for a configuration that breaks its rules.
    pub fn new(config: &StatisticsConfig) -> std::result::Result<Self, ModelError> {
        config.validate()?;
        let (bands, frames) = (config.bands, config.modulation_frames);
        let groups = config.groups();
        let frequencies = frames / 2 + 1;
        let edges = config.bin_edges();
        let bins = edges.len() - 1;

        let cosines = cosines(bands, config.coefficients)?;
        let grouping = matrix(bands, groups, |band, group| {
            if band / config.bands_per_group == group { 1.0 / config.bands_per_group as f64 } else { 0.0 }
        })?;
        let fourier = matrix(frames, 2 * frequencies, |t, column| {
            let hann = 0.5 - 0.5 * (std::f64::consts::TAU * t as f64 / frames as f64).cos();
            // The product of time and frequency wraps around, so the angle stays small and exact.
            let turn = (t * (column % frequencies)) % frames;
            let angle = std::f64::consts::TAU * turn as f64 / frames as f64;
            hann * if column < frequencies { angle.cos() } else { angle.sin() }
        })?;
        let pooling = matrix(frequencies, bins, |frequency, bin| {
            f64::from(u8::from((edges[bin]..edges[bin + 1]).contains(&frequency)))
        })?;
        Ok(Self { config: config.clone(), cosines, grouping, fourier, pooling })
    }

    /// Computes the statistics of a batch.
    ///
    /// # Errors
    /// When `x` is not `(batch, bands, frames)` with the configured bands and at least one frame.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.at_least_one_window(x)?.transpose(1, 2)?.contiguous()?; // (batch, frames, bands)
        let cepstrum = x.broadcast_matmul(&self.cosines)?;
        let mut parts = vec![rows(&x, bands)?, rows(&cepstrum, coefficients)?];
        if self.config.correlated > 0 {
            let leading = cepstrum.narrow(2, 0, self.config.correlated)?;
            parts.push(rows(&leading, correlations)?);
        }
        let grouped = x.broadcast_matmul(&self.grouping)?;
        parts.push(self.modulation(&grouped)?);
        if self.config.modulated > 0 {
            parts.push(self.modulation(&cepstrum.narrow(2, 0, self.config.modulated)?)?);
        }
        if self.config.texture {
            parts.push(rows(&x, texture::neighbours)?);
        }
        if self.config.skewness {
            parts.push(rows(&x, texture::skewness)?);
        }
        if self.config.contrast {
            let contrast = texture::contrast(&x, self.config.bands_per_group)?;
            parts.push(rows(&contrast, |values, groups, out| {
                let moments = Moments::of(values, groups);
                out.extend(moments.mean.iter().chain(&moments.spread));
            })?);
            parts.push(self.modulation(&contrast)?);
        }
        if self.config.covariance {
            parts.push(covariance::log_covariance(&grouped)?);
        }
        Tensor::cat(&parts, 1)
    }

    fn at_least_one_window(&self, x: &Tensor) -> Result<Tensor> {
        let (_, bands, frames) = x.dims3()?;
        if bands != self.config.bands || frames == 0 {
            candle_core::bail!(
                "a spectrogram of {bands} bands and {frames} frames was given, {} bands and at least 1 frame are needed",
                self.config.bands
            );
        }
        let wanted = self.config.modulation_frames;
        if frames >= wanted {
            return Ok(x.clone());
        }
        x.repeat((1, 1, wanted.div_ceil(frames)))?.narrow(2, 0, wanted)
    }

    /// `(batch, frames, rows)` to `(batch, rows * bins)`.
    fn modulation(&self, x: &Tensor) -> Result<Tensor> {
        let (window, frequencies) = (self.config.modulation_frames, self.config.modulation_frames / 2 + 1);
        let x = x.transpose(1, 2)?.contiguous()?; // (batch, rows, frames)
        let frames = x.dim(2)?;
        let starts: Vec<usize> = (0..=frames - window).step_by(window / 2).collect();
        let mut power: Option<Tensor> = None;
        for &start in &starts {
            let cut = x.narrow(2, start, window)?;
            let spectrum =
                cut.broadcast_sub(&cut.mean_keepdim(2)?)?.broadcast_matmul(&self.fourier)?.sqr()?;
            let sum =
                (spectrum.narrow(2, 0, frequencies)? + spectrum.narrow(2, frequencies, frequencies)?)?;
            power = Some(match power {
                Some(total) => (total + sum)?,
                None => sum,
            });
        }
        let Some(power) = power else { candle_core::bail!("no modulation window in {frames} frames") };
        let pooled = (power / starts.len() as f64)?.broadcast_matmul(&self.pooling)?;
        (pooled + ENERGY_FLOOR)?.log()?.flatten_from(1)
    }
}

/// The orthonormal DCT-II of log-mel bands, `(bands, coefficients)`: its product with a frame is the cepstrum.
pub(crate) fn cosines(bands: usize, coefficients: usize) -> Result<Tensor> {
    matrix(bands, coefficients, |band, k| {
        let scale = if k == 0 { (1.0 / bands as f64).sqrt() } else { (2.0 / bands as f64).sqrt() };
        scale * (std::f64::consts::PI * k as f64 * (band as f64 + 0.5) / bands as f64).cos()
    })
}

fn matrix(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Result<Tensor> {
    let values: Vec<f32> =
        (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))).map(|(r, c)| value(r, c) as f32).collect();
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
}

/// Per band: mean, spread, spread and size of the difference between frames.
fn bands(values: &[f32], width: usize, out: &mut Vec<f64>) {
    let (level, change) = (Moments::of(values, width), Moments::of(&steps(values, width), width));
    for part in [&level.mean, &level.spread, &change.spread, &change.size] {
        out.extend(part);
    }
}

/// Per coefficient: mean, log spread, log spread of the difference between frames.
fn coefficients(values: &[f32], width: usize, out: &mut Vec<f64>) {
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

/// Difference between neighbours along axis 1.
fn difference(x: &Tensor) -> Result<Tensor> {
    let steps = x.dim(1)? - 1;
    x.narrow(1, 1, steps)? - x.narrow(1, 0, steps)?
}
