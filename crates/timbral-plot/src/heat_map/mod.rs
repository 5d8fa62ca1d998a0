mod picture;
mod rows;

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};

pub use rows::FrequencyScale;
use rows::Rows;

use crate::frame::{Axis, ColorBar, Frame, Marks};
use crate::layout::{Layout, layout_settings};
use crate::scene::Item;
use crate::ticks;
use crate::{ColorMap, Figure};

/// Pixels of the picture for one of the figure.
const SHARPNESS: f64 = 2.0;

/// Draws a feature over time in colours: spectrogram, MFCC, chroma and their like.
///
/// Values have the shape `(n_bins, n_frames)`, the lowest bin first, as features come; frame `t` is centred at
/// `t * hop_length / sample_rate` seconds. NaN is drawn grey. The numbers are drawn as they are: spectrograms look like
/// something in decibels, by [`power_to_db`](Self::power_to_db) or computed before.
#[derive(Clone, Debug)]
pub struct HeatMap {
    values: Array2<f32>,
    rows: Rows,
    seconds_per_frame: f64,
    unit: String,
    color_map: ColorMap,
    range: Option<(f64, f64)>,
    layout: Layout,
}

layout_settings!(HeatMap);

impl HeatMap {
    fn new(
        values: ArrayView2<'_, f32>,
        (sample_rate, hop_length): (u32, usize),
        rows: Rows,
        title: &str,
        unit: &str,
    ) -> Self {
        Self {
            values: values.to_owned(),
            rows,
            seconds_per_frame: hop_length.max(1) as f64 / f64::from(sample_rate.max(1)),
            unit: unit.to_owned(),
            color_map: ColorMap::default(),
            range: None,
            layout: Layout::new(title, 800.0, 360.0),
        }
    }

    /// A spectrogram: bins from 0 Hz to half the sample rate, `n_fft / 2 + 1` of them, in dB.
    #[must_use]
    pub fn spectrogram(values: ArrayView2<'_, f32>, sample_rate: u32, hop_length: usize) -> Self {
        let nyquist = 0.5 * f64::from(sample_rate.max(1));
        let rows = Rows::Bins { nyquist, scale: FrequencyScale::Linear };
        Self::new(values, (sample_rate, hop_length), rows, "Spectrogram", "Level (dB)")
    }

    /// A mel spectrogram from 0 Hz to half the sample rate, on Slaney's scale, in dB; see
    /// [`mel_range`](Self::mel_range).
    #[must_use]
    pub fn mel_spectrogram(values: ArrayView2<'_, f32>, sample_rate: u32, hop_length: usize) -> Self {
        let rows = Rows::Mel { low: 0.0, high: 0.5 * f64::from(sample_rate.max(1)), htk: false };
        Self::new(values, (sample_rate, hop_length), rows, "Mel spectrogram", "Level (dB)")
    }

    /// Mel-frequency cepstral coefficients.
    #[must_use]
    pub fn mfcc(values: ArrayView2<'_, f32>, sample_rate: u32, hop_length: usize) -> Self {
        let rows = Rows::Count { label: "MFCC".to_owned() };
        Self::new(values, (sample_rate, hop_length), rows, "MFCC", "Coefficient")
    }

    /// A chromagram of 12 pitch classes from C, or a multiple of 12 bins.
    #[must_use]
    pub fn chroma(values: ArrayView2<'_, f32>, sample_rate: u32, hop_length: usize) -> Self {
        Self::new(values, (sample_rate, hop_length), Rows::Chroma, "Chromagram", "Fraction of the largest")
    }

    /// A constant-Q transform whose first bin lies at `fmin` Hz, in dB.
    #[must_use]
    pub fn constant_q(
        values: ArrayView2<'_, f32>,
        sample_rate: u32,
        hop_length: usize,
        fmin: f64,
        bins_per_octave: usize,
    ) -> Self {
        // 32.703 Hz is C1, where librosa begins.
        let low = if fmin > 0.0 && fmin.is_finite() { fmin } else { 32.703 };
        let rows = Rows::Notes { low, per_octave: bins_per_octave.max(1) as f64 };
        Self::new(values, (sample_rate, hop_length), rows, "Constant-Q transform", "Level (dB)")
    }

    /// A tempogram: row `i` is the autocorrelation of the onset strength at a lag of `i` frames.
    #[must_use]
    pub fn tempogram(values: ArrayView2<'_, f32>, sample_rate: u32, hop_length: usize) -> Self {
        let rate = f64::from(sample_rate.max(1)) / hop_length.max(1) as f64;
        Self::new(values, (sample_rate, hop_length), Rows::Lags { rate }, "Tempogram", "Autocorrelation")
    }

    /// Any feature over time, its rows counted from 0 and called `row_label`, its values called `unit`.
    #[must_use]
    pub fn feature(
        values: ArrayView2<'_, f32>,
        sample_rate: u32,
        hop_length: usize,
        row_label: &str,
        unit: &str,
    ) -> Self {
        let rows = Rows::Count { label: row_label.to_owned() };
        Self::new(values, (sample_rate, hop_length), rows, "", unit)
    }

    /// Sets how the bins of a spectrogram are spread over the height. Other pictures stay as they are.
    #[must_use]
    pub fn frequency_scale(mut self, to: FrequencyScale) -> Self {
        if let Rows::Bins { scale, .. } = &mut self.rows {
            *scale = to;
        }
        self
    }

    /// Sets the frequencies in Hz between which the bands of a mel spectrogram lie, and whether they are spread by HTK's
    /// formula. Other pictures, and a range that is none, stay as they are.
    #[must_use]
    pub fn mel_range(mut self, fmin: f64, fmax: f64, htk: bool) -> Self {
        if matches!(self.rows, Rows::Mel { .. }) && fmin >= 0.0 && fmax > fmin && fmax.is_finite() {
            self.rows = Rows::Mel { low: fmin, high: fmax, htk };
        }
        self
    }

    /// Takes the values for powers and draws them in dB below the largest, down to `-top_db`.
    #[must_use]
    pub fn power_to_db(mut self, top_db: f32) -> Self {
        let largest = self.values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f32::max);
        let reference = if largest > 0.0 { largest } else { 1.0 };
        let floor = -top_db.abs();
        self.values.mapv_inplace(|v| {
            if v.is_nan() { v } else { (10.0 * (v / reference).max(f32::MIN_POSITIVE).log10()).max(floor) }
        });
        self
    }

    /// Takes the values for amplitudes and draws them in dB below the largest, down to `-top_db`.
    #[must_use]
    pub fn amplitude_to_db(mut self, top_db: f32) -> Self {
        // Scaled before it is squared, so that nothing overflows.
        let largest = self.values.iter().map(|v| v.abs()).filter(|v| v.is_finite()).fold(0.0, f32::max);
        let reference = if largest > 0.0 { largest } else { 1.0 };
        self.values.mapv_inplace(|v| (v / reference).powi(2));
        self.power_to_db(top_db)
    }

    /// Sets what the colours measure, with its unit.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Sets the colours.
    #[must_use]
    pub fn color_map(mut self, map: ColorMap) -> Self {
        self.color_map = map;
        self
    }

    /// Sets the values of the two end colours; those beyond them have the same. Default: smallest and largest. A range
    /// that is none is not taken.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        if low < high && (high - low).is_finite() {
            self.range = Some((low, high));
        }
        self
    }

    /// Draws signed values in two colours around zero. The ends are the largest magnitude that 90 % of the values stay
    /// within, so that a few cannot drown the rest.
    #[must_use]
    pub fn around_zero(mut self) -> Self {
        let mut sizes: Vec<f32> = self.values.iter().map(|v| v.abs()).filter(|v| v.is_finite()).collect();
        sizes.sort_by(f32::total_cmp);
        let end =
            sizes.get((sizes.len() / 10 * 9).min(sizes.len().saturating_sub(1))).copied().unwrap_or(1.0);
        let end = if end > 0.0 { f64::from(end) } else { 1.0 };
        self.color_map = ColorMap::Diverging;
        self.range(-end, end)
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let (n_rows, n_frames) = self.values.dim();
        let finite = ticks::extent(self.values.iter().map(|v| f64::from(*v)));
        let (low, high) = self.range.unwrap_or_else(|| ticks::padded(finite, 0.0));
        // The middles of the first and of the last frame are the ends; a single frame is as long as a hop.
        let (start, frames) = if n_frames > 1 { (0.5, n_frames as f64 - 1.0) } else { (0.0, 1.0) };
        let seconds = frames * self.seconds_per_frame;
        let x = Axis::new(ticks::time_label(seconds), (0.0, seconds), Marks::Time);
        let range = self.rows.range(n_rows.max(1));
        let y = Axis::new(self.rows.label(), range, self.rows.marks(n_rows));
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        frame.bar = Some(ColorBar { map: self.color_map, low, high, label: self.unit.clone() });
        let mut plot = frame.begin();
        if self.values.is_empty() {
            plot.note("no frames");
            return plot.finish();
        }
        let size = |side: f64| (SHARPNESS * side).ceil().max(1.0) as usize;
        let area = plot.area;
        let picture = picture::draw(
            self.values.view(),
            (size(area.width), size(area.height)),
            |share| start + share * frames,
            |share| self.rows.row(range.1 + share * (range.0 - range.1), n_rows),
            (low, high),
            self.color_map,
        );
        plot.scene.items.push(Item::Picture { area, picture: Arc::new(picture) });
        plot.finish()
    }
}
