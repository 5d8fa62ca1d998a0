use crate::frame::Marks;
use crate::ticks::Tick;

/// How frequencies are spread over the height of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrequencyScale {
    /// Even steps in Hz.
    #[default]
    Linear,
    /// Even steps in mel, by the formula of Slaney's Auditory Toolbox (librosa's default): linear up to 1000 Hz, then
    /// logarithmic.
    Mel,
    /// Even steps in octaves, from 20 Hz or the first bin above it.
    Log,
}

impl FrequencyScale {
    fn forward(self, hz: f64) -> f64 {
        match self {
            Self::Linear => hz,
            Self::Mel => hz_to_mel(hz, false),
            Self::Log => hz.log2(),
        }
    }

    fn inverse(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Mel => mel_to_hz(value),
            Self::Log => value.exp2(),
        }
    }
}

/// What the rows of a picture are. Row `i` covers `i` to `i + 1`.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    /// Bins of a Fourier transform, from 0 Hz to `nyquist`.
    Bins { nyquist: f64, scale: FrequencyScale },
    /// Mel bands between two frequencies.
    Mel { low: f64, high: f64, htk: bool },
    /// Bins of a constant-Q transform.
    Notes { low: f64, per_octave: f64 },
    /// Pitch classes from C.
    Chroma,
    /// Lags of an autocorrelation of so many frames a second.
    Lags { rate: f64 },
    /// Anything that is counted.
    Count { label: String },
}

impl Rows {
    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Bins { .. } | Self::Mel { .. } => "Frequency (Hz)",
            Self::Notes { .. } => "Pitch (note)",
            Self::Chroma => "Pitch class",
            Self::Lags { .. } => "Tempo (beats per minute)",
            Self::Count { label } => label,
        }
    }

    /// The numbers of the axis at the lower and the upper end of a picture of `n` rows.
    pub(crate) fn range(&self, n: usize) -> (f64, f64) {
        match self {
            Self::Bins { nyquist, scale } => {
                // The first bin lies at 0 Hz, which has no octave.
                let low = if *scale == FrequencyScale::Log {
                    (nyquist / n as f64).max(20.0).min(0.5 * nyquist)
                } else {
                    0.0
                };
                (scale.forward(low), scale.forward(*nyquist))
            }
            Self::Lags { rate } => {
                let slowest = (60.0 * rate / n as f64).max(25.0);
                let fastest = (60.0 * rate).clamp(2.0 * slowest, 500.0_f64.max(2.0 * slowest));
                (slowest.log2(), fastest.log2())
            }
            _ => (0.0, n as f64),
        }
    }

    /// The row at a number of the axis.
    pub(crate) fn row(&self, at: f64, n: usize) -> f64 {
        match self {
            // Bin i lies at i / (n - 1) of the Nyquist frequency and reaches half a bin to both sides.
            Self::Bins { nyquist, scale } => scale.inverse(at) / nyquist * (n as f64 - 1.0) + 0.5,
            Self::Lags { rate } => 60.0 * rate / at.exp2() + 0.5,
            _ => at,
        }
    }

    pub(crate) fn marks(&self, n: usize) -> Marks {
        match self {
            Self::Bins { scale: FrequencyScale::Linear, .. } => Marks::Linear,
            Self::Bins { scale, .. } => {
                let zero = (*scale == FrequencyScale::Mel).then(|| Tick::new(0.0, "0"));
                let rest = decades().map(|hz| Tick::new(scale.forward(hz), format!("{hz}")));
                Marks::Fixed(zero.into_iter().chain(rest).collect())
            }
            Self::Mel { low, high, htk } => {
                // The n bands have their middles at n of the n + 2 even steps between the two ends.
                let (low, high) = (hz_to_mel(*low, *htk), hz_to_mel(*high, *htk));
                let row = |hz| (hz_to_mel(hz, *htk) - low) / (high - low) * (n as f64 + 1.0) - 0.5;
                Marks::Fixed(decades().map(|hz| Tick::new(row(hz), format!("{hz}"))).collect())
            }
            Self::Notes { low, per_octave } => Marks::Fixed(notes(*low, *per_octave, n)),
            Self::Chroma => {
                let per_class = n as f64 / 12.0;
                let tick = |(i, name): (usize, &&str)| Tick::new(i as f64 * per_class + 0.5, *name);
                Marks::Fixed(PITCH_CLASSES.iter().enumerate().map(tick).collect())
            }
            Self::Lags { .. } => {
                let tempi = [120, 60, 240, 30, 480, 90, 180, 40, 360];
                Marks::Fixed(tempi.map(|bpm| Tick::new(f64::from(bpm).log2(), bpm.to_string())).to_vec())
            }
            Self::Count { .. } => {
                let step = (n / 8).max(1);
                // 0, 5, 10 rather than 0, 4, 8.
                let step =
                    [1, 2, 5, 10, 20, 50, 100, 200, 500].into_iter().find(|s| *s >= step).unwrap_or(step);
                Marks::Fixed((0..n).step_by(step).map(|i| Tick::new(i as f64 + 0.5, i.to_string())).collect())
            }
        }
    }
}

const PITCH_CLASSES: [&str; 12] = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];

/// 1, 2 and 5 times the powers of ten that are audible, those of ten first.
fn decades() -> impl Iterator<Item = f64> {
    let powers = [1000.0, 10_000.0, 100.0];
    [1.0, 5.0, 2.0].into_iter().flat_map(move |factor| powers.map(|p| factor * p)).chain([50.0, 20.0])
}

/// The Cs between `low` and the highest of `n` bins; every note where these are less than two.
fn notes(low: f64, per_octave: f64, n: usize) -> Vec<Tick> {
    let tick = |midi: i32| {
        let hz = 440.0 * (f64::from(midi - 69) / 12.0).exp2();
        let name = PITCH_CLASSES[midi.rem_euclid(12) as usize];
        Tick::new(per_octave * (hz / low).log2() + 0.5, format!("{name}{}", midi.div_euclid(12) - 1))
    };
    let drawn = |tick: &Tick| tick.at >= 0.0 && tick.at <= n as f64;
    let cs: Vec<Tick> = (0..=10).map(|octave| tick(12 * octave)).filter(drawn).collect();
    if cs.len() > 1 { cs } else { (0..=132).map(tick).filter(drawn).collect() }
}

/// Slaney's formula, or that of HTK.
fn hz_to_mel(hz: f64, htk: bool) -> f64 {
    if htk {
        return 2595.0 * (1.0 + hz / 700.0).log10();
    }
    if hz < 1000.0 { 3.0 * hz / 200.0 } else { 15.0 + 27.0 * (hz / 1000.0).ln() / 6.4_f64.ln() }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < 15.0 { 200.0 * mel / 3.0 } else { 1000.0 * ((mel - 15.0) / 27.0 * 6.4_f64.ln()).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_there_and_back() {
        for scale in [FrequencyScale::Linear, FrequencyScale::Mel, FrequencyScale::Log] {
            for hz in [30.0, 999.0, 1000.0, 8000.0] {
                assert!((scale.inverse(scale.forward(hz)) - hz).abs() < 1e-9 * hz, "{scale:?} {hz}");
            }
        }
    }

    #[test]
    fn bins_lie_where_the_transform_has_them() {
        let rows = Rows::Bins { nyquist: 11_025.0, scale: FrequencyScale::Linear };
        // Bin 100 of 1025: 100 / 1024 of the Nyquist frequency is its middle.
        assert!((rows.row(11_025.0 * 100.0 / 1024.0, 1025) - 100.5).abs() < 1e-9);
        let rows = Rows::Notes { low: 440.0 * (-45.0_f64 / 12.0).exp2(), per_octave: 12.0 };
        let Marks::Fixed(ticks) = rows.marks(84) else { panic!() };
        let named: Vec<(&str, f64)> = ticks.iter().map(|t| (t.label.as_str(), t.at.round())).collect();
        assert_eq!(&named[..2], [("C1", 1.0), ("C2", 13.0)]);
    }

    #[test]
    fn mel_bands_have_the_middles_of_librosa() {
        // librosa.mel_frequencies(130, fmin=0, fmax=11025)[1:-1] are the middles of 128 bands.
        let rows = Rows::Mel { low: 0.0, high: 11_025.0, htk: false };
        let Marks::Fixed(ticks) = rows.marks(128) else { panic!() };
        let at_1000 = ticks.iter().find(|t| t.label == "1000").unwrap().at;
        let step = hz_to_mel(11_025.0, false) / 129.0;
        let middle = |band: f64| mel_to_hz((band + 1.0) * step);
        let band = at_1000 - 0.5;
        assert!(middle(band.floor()) <= 1000.0 && middle(band.ceil()) >= 1000.0);
    }

    #[test]
    fn a_tempo_lies_at_its_lag() {
        let rows = Rows::Lags { rate: 43.066 };
        // Half a second of frames.
        assert!((rows.row(120_f64.log2(), 384) - (0.5 * 43.066 + 0.5)).abs() < 1e-9);
        let (low, high) = rows.range(384);
        assert!(low < 30_f64.log2() && high > 480_f64.log2());
    }
}
