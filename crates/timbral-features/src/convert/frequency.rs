//! Hz, mel, MIDI, octaves, and the frequencies of bins.

/// Linear part of Slaney's scale: 200/3 Hz a mel, up to 1000 Hz.
const SLANEY_HZ_PER_MEL: f64 = 200.0 / 3.0;
const SLANEY_BREAK_HZ: f64 = 1000.0;
const SLANEY_BREAK_MEL: f64 = SLANEY_BREAK_HZ / SLANEY_HZ_PER_MEL;

/// Logarithmic part of Slaney's scale: a factor of 6.4 in 27 steps.
fn slaney_log_step() -> f64 {
    6.4f64.ln() / 27.0
}

/// Hz to mel.
///
/// `htk: false` is the scale of Slaney's Auditory Toolbox (1998), linear below 1 kHz and logarithmic above. `htk: true`
/// is `2595 log10(1 + f / 700)`, as in HTK.
pub fn hz_to_mel(frequency: f64, htk: bool) -> f64 {
    if htk {
        2595.0 * (1.0 + frequency / 700.0).log10()
    } else if frequency >= SLANEY_BREAK_HZ {
        SLANEY_BREAK_MEL + (frequency / SLANEY_BREAK_HZ).ln() / slaney_log_step()
    } else {
        frequency / SLANEY_HZ_PER_MEL
    }
}

/// Mel to Hz, the inverse of [`hz_to_mel`].
pub fn mel_to_hz(mel: f64, htk: bool) -> f64 {
    if htk {
        700.0 * (10.0f64.powf(mel / 2595.0) - 1.0)
    } else if mel >= SLANEY_BREAK_MEL {
        SLANEY_BREAK_HZ * (slaney_log_step() * (mel - SLANEY_BREAK_MEL)).exp()
    } else {
        SLANEY_HZ_PER_MEL * mel
    }
}

/// Hz to MIDI note numbers with fractions: 440 Hz is 69. Minus infinity for 0 Hz.
pub fn hz_to_midi(frequency: f64) -> f64 {
    12.0 * (frequency.log2() - 440.0f64.log2()) + 69.0
}

/// MIDI note numbers to Hz.
pub fn midi_to_hz(note: f64) -> f64 {
    440.0 * ((note - 69.0) / 12.0).exp2()
}

/// Hz to octaves above C0, with A440 tuned by `tuning` bins of `bins_per_octave`.
pub fn hz_to_octs(frequency: f64, tuning: f64, bins_per_octave: usize) -> f64 {
    (frequency / (tuning_to_a4(tuning, bins_per_octave) / 16.0)).log2()
}

/// Octaves above C0 to Hz, the inverse of [`hz_to_octs`].
pub fn octs_to_hz(octaves: f64, tuning: f64, bins_per_octave: usize) -> f64 {
    tuning_to_a4(tuning, bins_per_octave) / 16.0 * octaves.exp2()
}

/// The reference pitch A4 in Hz to a deviation from 440 Hz in bins of `bins_per_octave`.
pub fn a4_to_tuning(a4: f64, bins_per_octave: usize) -> f64 {
    bins_per_octave as f64 * (a4.log2() - 440.0f64.log2())
}

/// A deviation in bins of `bins_per_octave` to the reference pitch A4 in Hz.
pub fn tuning_to_a4(tuning: f64, bins_per_octave: usize) -> f64 {
    440.0 * (tuning / bins_per_octave as f64).exp2()
}

/// `n_mels` frequencies in Hz, evenly spaced in mel from `fmin` to `fmax`, both included.
pub fn mel_frequencies(n_mels: usize, fmin: f64, fmax: f64, htk: bool) -> Vec<f64> {
    let (low, high) = (hz_to_mel(fmin, htk), hz_to_mel(fmax, htk));
    let step = (high - low) / n_mels.saturating_sub(1).max(1) as f64;
    (0..n_mels)
        .map(|i| mel_to_hz(if i > 0 && i + 1 == n_mels { high } else { low + step * i as f64 }, htk))
        .collect()
}

/// The centre frequencies in Hz of the `n_fft / 2 + 1` bins of a real Fourier transform.
pub fn fft_frequencies(sample_rate: f64, n_fft: usize) -> Vec<f64> {
    (0..=n_fft / 2).map(|i| i as f64 * sample_rate / n_fft as f64).collect()
}

/// The centre frequencies in Hz of a constant-Q transform, starting at `fmin` tuned by `tuning` bins.
pub fn cqt_frequencies(n_bins: usize, fmin: f64, bins_per_octave: usize, tuning: f64) -> Vec<f64> {
    let per_octave = bins_per_octave as f64;
    let start = fmin * (tuning / per_octave).exp2();
    (0..n_bins).map(|i| start * (i as f64 / per_octave).exp2()).collect()
}

/// The tempo in beats a minute of each lag of an autocorrelation tempogram. Lag 0 is infinite.
pub fn tempo_frequencies(n_bins: usize, hop_length: usize, sample_rate: f64) -> Vec<f64> {
    (0..n_bins).map(|lag| 60.0 * sample_rate / (hop_length as f64 * lag as f64)).collect()
}

/// The tempo in beats a minute of each bin of a Fourier tempogram.
pub fn fourier_tempo_frequencies(sample_rate: f64, win_length: usize, hop_length: usize) -> Vec<f64> {
    fft_frequencies(sample_rate * 60.0 / hop_length as f64, win_length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert!((hz_to_mel(60.0, false) - 0.9).abs() < 1e-12);
        assert!((hz_to_mel(6400.0, false) - 42.0).abs() < 1e-9);
        assert!((hz_to_mel(700.0, true) - 2595.0 * 2.0f64.log10()).abs() < 1e-9);
        assert!((hz_to_midi(440.0) - 69.0).abs() < 1e-12);
        assert!((hz_to_octs(440.0, 0.0, 12) - 4.0).abs() < 1e-12);
        assert!(tempo_frequencies(2, 512, 22_050.0)[0].is_infinite());
        assert!(mel_frequencies(0, 0.0, 8000.0, false).is_empty());
    }

    #[test]
    fn inverses() {
        for f in [1.0, 60.0, 440.0, 1000.0, 7777.0, 20_000.0] {
            for htk in [false, true] {
                assert!((mel_to_hz(hz_to_mel(f, htk), htk) / f - 1.0).abs() < 1e-12);
            }
            assert!((midi_to_hz(hz_to_midi(f)) / f - 1.0).abs() < 1e-12);
            assert!((octs_to_hz(hz_to_octs(f, 0.3, 36), 0.3, 36) / f - 1.0).abs() < 1e-12);
        }
        assert!((a4_to_tuning(tuning_to_a4(0.4, 12), 12) - 0.4).abs() < 1e-12);
    }
}
