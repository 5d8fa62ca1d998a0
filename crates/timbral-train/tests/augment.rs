//! Changes of samples, measured: each does what it says, in numbers; a seed fixes it; and networks learn from them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::f64::consts::TAU;
use std::ops::ControlFlow;

use ndarray::Array2;
use proptest::prelude::*;
use timbral_model::{Architecture, CompactCnnConfig, SampleCnnConfig, TensorFile};
use timbral_train::augment::{
    NoiseColor, WaveformChange, add_noise, augment_waveform, equalizer_tilt, fit_length, gain, low_pass,
    mix_signals, pitch_shift, random_crop, time_stretch,
};
use timbral_train::{
    Augmentation, SeededRng, SpectrogramSet, TrainConfig, TrainError, Trainer, WaveformAugmentation,
};

const RATE: u32 = 22_050;

fn rng(seed: u64) -> SeededRng {
    SeededRng::new(seed)
}

fn tone(hz: f64, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (0.5 * (TAU * hz * n as f64 / f64::from(RATE)).sin()) as f32).collect()
}

/// Amplitude of one frequency in the middle half, through a Hann window.
fn amplitude(samples: &[f32], hz: f64) -> f64 {
    let middle = &samples[samples.len() / 4..samples.len() - samples.len() / 4];
    let length = middle.len() as f64;
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in middle.iter().enumerate() {
        let window = 1.0 - (TAU * n as f64 / length).cos();
        let (sine, cosine) = (TAU * hz * n as f64 / f64::from(RATE)).sin_cos();
        real += window * f64::from(*sample) * cosine;
        imaginary += window * f64::from(*sample) * sine;
    }
    2.0 * real.hypot(imaginary) / length
}

fn power(samples: &[f32]) -> f64 {
    samples.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / samples.len() as f64
}

fn db(ratio_of_powers: f64) -> f64 {
    10.0 * ratio_of_powers.log10()
}

/// The strongest frequency, to a quarter of a percent.
fn peak(samples: &[f32], low: f64, high: f64) -> f64 {
    let steps = ((high / low).ln() / 0.0025).ceil() as i32;
    (0..=steps)
        .map(|i| low * (0.0025 * f64::from(i)).exp())
        .max_by(|a, b| amplitude(samples, *a).total_cmp(&amplitude(samples, *b)))
        .unwrap()
}

#[test]
fn gain_is_in_decibels() {
    for db_given in [-40.0, -6.0, 0.0, 12.5] {
        let mut samples = tone(440.0, 2000);
        let before = power(&samples);
        gain(&mut samples, db_given);
        assert!((db(power(&samples) / before) - db_given).abs() < 1e-4);
    }
    let mut samples = tone(440.0, 10);
    gain(&mut samples, f64::NAN);
    assert_eq!(samples, tone(440.0, 10));
}

#[test]
fn noise_has_the_ratio_and_the_color_asked_for() {
    let signal = tone(700.0, 4 * RATE as usize);
    for (color, slope) in [(NoiseColor::White, 3.0103), (NoiseColor::Pink, 0.0)] {
        for snr in [-6.0, 0.0, 10.0, 40.0] {
            let mut noisy = signal.clone();
            add_noise(&mut noisy, snr, color, &mut rng(3)).unwrap();
            let noise: Vec<f32> = noisy.iter().zip(&signal).map(|(a, b)| a - b).collect();
            let measured = db(power(&signal) / power(&noise));
            assert!((measured - snr).abs() < 0.01, "{measured} {snr}");
            // Power of the octaves from 250 Hz: what a sharp low pass at their top leaves more than one at their bottom.
            let below = |hz| power(&low_pass(&noise, RATE, hz).unwrap());
            let octaves: Vec<f64> =
                [250.0, 500.0, 1000.0, 2000.0, 4000.0].map(|hz| db(below(2.0 * hz) - below(hz))).to_vec();
            for pair in octaves.windows(2) {
                assert!((pair[1] - pair[0] - slope).abs() < 0.4, "{color}: {octaves:?}");
            }
        }
    }
}

#[test]
fn a_tilt_is_a_straight_line_over_octaves() {
    for slope in [-6.0, -1.5, 0.0, 3.0] {
        for octave in -3..=3 {
            let hz = 1000.0 * 2f64.powi(octave);
            let before = tone(hz, RATE as usize);
            let after = equalizer_tilt(&before, RATE, slope, 1000.0).unwrap();
            let change = 20.0 * (amplitude(&after, hz) / amplitude(&before, hz)).log10();
            let expected = slope * f64::from(octave);
            assert!((change - expected).abs() < 0.1, "{hz} Hz: {change} {expected}");
        }
    }
}

#[test]
fn a_low_pass_keeps_what_is_below_and_nothing_above() {
    for cutoff in [1000.0, 4000.0, 8000.0] {
        for share in [0.25, 0.9, 0.99] {
            let before = tone(share * cutoff, RATE as usize);
            let after = low_pass(&before, RATE, cutoff).unwrap();
            let change = db(power(&after) / power(&before));
            assert!(change.abs() < 0.1, "{share} of {cutoff} Hz: {change}");
        }
        for above in [100.0, 500.0, 2000.0] {
            let after = low_pass(&tone(cutoff + above, RATE as usize), RATE, cutoff).unwrap();
            // The ends of the tone are steps, which hold every frequency.
            let middle = &after[RATE as usize / 4..3 * RATE as usize / 4];
            let left = db(power(middle) / 0.125);
            assert!(left < -60.0, "{above} Hz above {cutoff} Hz: {left} dB");
        }
    }
    let samples = tone(9000.0, 3000);
    assert_eq!(low_pass(&samples, RATE, 11_025.0).unwrap(), samples);
}

#[test]
fn stretching_changes_the_length_and_shifting_the_pitch() {
    let samples = tone(500.0, 30_001);
    for rate in [0.8, 1.0, 1.25] {
        let stretched = time_stretch(&samples, rate).unwrap();
        assert_eq!(stretched.len(), (30_001.0 / rate).round() as usize);
        let hz = peak(&stretched, 400.0, 625.0);
        assert!((hz / 500.0 - 1.0).abs() < 0.005, "{hz}");
    }
    for semitones in [-4.0, 0.0, 0.5, 7.0] {
        let shifted = pitch_shift(&samples, semitones).unwrap();
        assert_eq!(shifted.len(), samples.len());
        let (hz, expected) = (peak(&shifted, 300.0, 900.0), 500.0 * 2f64.powf(semitones / 12.0));
        assert!((hz / expected - 1.0).abs() < 0.005, "{hz} {expected}");
    }
}

#[test]
fn mixtures_have_the_ratio_the_power_and_the_share() {
    for ratio in [-12.0, 0.0, 6.0, 30.0] {
        let mut mixture = tone(500.0, RATE as usize);
        // Half a second holds whole periods, so that it can be repeated.
        let mut other = tone(1300.0, RATE as usize / 2);
        gain(&mut other, -17.0);
        let before = power(&mixture);
        let share = mix_signals(&mut mixture, &other, ratio);
        let (first, second) = (amplitude(&mixture, 500.0), amplitude(&mixture, 1300.0));
        assert!((20.0 * (first / second).log10() - ratio).abs() < 0.1);
        assert!((share - first / (first + second)).abs() < 0.01);
        assert!(db(power(&mixture) / before).abs() < 0.1);
    }
    let mut samples = tone(500.0, 100);
    for other in [&[][..], &[0.0; 7], &[f32::NAN]] {
        assert_eq!(mix_signals(&mut samples, other, 3.0), 1.0);
        assert_eq!(samples, tone(500.0, 100));
    }
    let mut silence = [0.0; 9];
    assert_eq!(mix_signals(&mut silence, &[1.0], 3.0), 1.0);
    assert_eq!(silence, [0.0; 9]);
}

#[test]
fn crops_are_parts_from_every_place() {
    let samples: Vec<f32> = (0..10).map(|i| i as f32).collect();
    let mut starts = [0; 7];
    for seed in 0..700 {
        let mut part = samples.clone();
        random_crop(&mut part, 4, &mut rng(seed));
        let start = part[0] as usize;
        assert_eq!(part, samples[start..start + 4]);
        starts[start] += 1;
    }
    assert!(starts.iter().all(|count| (60..140).contains(count)), "{starts:?}");
    let mut whole = samples.clone();
    random_crop(&mut whole, 11, &mut rng(0));
    assert_eq!(whole, samples);
}

fn everything() -> WaveformAugmentation {
    WaveformAugmentation {
        crop_seconds: 0.5,
        stretch_probability: 1.0,
        pitch_probability: 1.0,
        tilt_probability: 1.0,
        gain_probability: 1.0,
        noise_probability: 1.0,
        low_pass_probability: 1.0,
        ..WaveformAugmentation::default()
    }
}

#[test]
fn a_seed_fixes_the_change_and_one_change_does_not_move_another() {
    let change = |settings: &WaveformAugmentation, seed| {
        let mut samples = tone(440.0, RATE as usize);
        let changes = augment_waveform(&mut samples, RATE, settings, &mut rng(seed)).unwrap();
        (samples, changes)
    };
    let (samples, changes) = change(&everything(), 1);
    assert_eq!(changes.len(), 7);
    assert_eq!(change(&everything(), 1), (samples.clone(), changes.clone()));
    assert_ne!(change(&everything(), 2).1, changes);
    let fewer = WaveformAugmentation { pitch_probability: 0.0, gain_probability: 0.0, ..everything() };
    let rest: Vec<WaveformChange> = changes
        .iter()
        .filter(|c| !matches!(c, WaveformChange::Pitch { .. } | WaveformChange::Gain { .. }))
        .copied()
        .collect();
    assert_eq!(change(&fewer, 1).1, rest);
    // The changes, told, can be made again.
    let mut again = tone(440.0, RATE as usize);
    for change in
        serde_json::from_str::<Vec<WaveformChange>>(&serde_json::to_string(&changes).unwrap()).unwrap()
    {
        change.apply(&mut again, RATE).unwrap();
    }
    assert_eq!(again, samples);
    let off = WaveformAugmentation::default();
    assert!(!off.is_on() && everything().is_on());
    assert_eq!(change(&off, 1), (tone(440.0, RATE as usize), vec![]));
}

#[test]
fn probabilities_are_those_given() {
    let settings = WaveformAugmentation { gain_probability: 0.3, ..WaveformAugmentation::default() };
    let mut rng = rng(4);
    let made = (0..2000).filter(|_| !settings.draw(&mut rng).is_empty()).count();
    assert!((540..660).contains(&made), "{made}");
}

#[test]
fn crumbs_and_silence_stay_finite_and_faults_are_errors() {
    for samples in [vec![], vec![0.5], vec![0.0; 3000], vec![-1.0, 1.0, 0.3]] {
        for seed in 0..10 {
            let mut changed = samples.clone();
            augment_waveform(&mut changed, RATE, &everything(), &mut rng(seed)).unwrap();
            assert!(changed.iter().all(|v| v.is_finite()));
            if samples.iter().all(|v| *v == 0.0) {
                assert!(changed.iter().all(|v| *v == 0.0));
            }
        }
    }
    let settings = WaveformAugmentation { tilt_probability: 1.0, ..WaveformAugmentation::default() };
    let fault = augment_waveform(&mut vec![f32::NAN; 9], RATE, &settings, &mut rng(0));
    assert!(matches!(fault, Err(TrainError::Features(_))));
    assert!(time_stretch(&[0.5], 0.0).is_err() && pitch_shift(&[0.5], f64::NAN).is_err());
    type Spoil = fn(&mut WaveformAugmentation);
    let tries: [(&str, Spoil); 6] = [
        ("stretch", |a| a.stretch = 0.5),
        ("gain_probability", |a| a.gain_probability = 1.1),
        ("noise_snr_db", |a| a.noise_snr_db = [20.0, 10.0]),
        ("low_pass_hz", |a| a.low_pass_hz = [0.0, 10.0]),
        ("mix_ratio_db", |a| a.mix_ratio_db = [f64::NAN, 10.0]),
        ("crop_seconds", |a| a.crop_seconds = f64::INFINITY),
    ];
    for (field, spoil) in tries {
        let mut settings = everything();
        spoil(&mut settings);
        let error = augment_waveform(&mut vec![0.5], RATE, &settings, &mut rng(0)).unwrap_err();
        assert!(error.to_string().starts_with(field), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_drawn_stays_finite_and_as_long_as_told(
        samples in prop::collection::vec(-1.0f32..1.0, 0..6000),
        seed in any::<u64>(),
        length in 0usize..9000,
    ) {
        let mut changed = samples.clone();
        let changes = augment_waveform(&mut changed, RATE, &everything(), &mut rng(seed)).unwrap();
        prop_assert!(changed.iter().all(|v| v.is_finite()));
        let rate = changes.iter().find_map(|c| match c {
            WaveformChange::Stretch { rate } => Some(*rate),
            _ => None,
        });
        let expected = (samples.len().min(RATE as usize / 2) as f64 / rate.unwrap()).round_ties_even();
        prop_assert_eq!(changed.len(), expected as usize);

        let mut fitted = samples.clone();
        fit_length(&mut fitted, length);
        prop_assert_eq!(fitted.len(), length);
        for (i, value) in fitted.iter().enumerate() {
            prop_assert_eq!(*value, if samples.is_empty() { 0.0 } else { samples[i % samples.len()] });
        }
    }
}

/// Tones of two pitches, as samples; or two loud bands, as spectrograms.
fn set(waveform: bool) -> SpectrogramSet {
    let bands = if waveform { 1 } else { 8 };
    let mut set = SpectrogramSet::new(bands, ["high", "low"].map(String::from).to_vec()).unwrap();
    for i in 0..8 {
        let values = if waveform {
            let samples = tone([2000.0, 500.0][i % 2] * (1.0 + 0.01 * i as f64), 1500);
            Array2::from_shape_vec((1, 1500), samples).unwrap()
        } else {
            Array2::from_shape_fn((8, 40), |(band, frame)| {
                -60.0 + if band == [6, 1][i % 2] { 30.0 } else { 0.0 } + ((frame * (i + 3)) % 7) as f32
            })
        };
        set.push(&values, i % 2).unwrap();
    }
    if waveform { set.with_sample_rate(RATE) } else { set }
}

fn sample_cnn() -> Architecture {
    Architecture::SampleCnn(SampleCnnConfig {
        stem: 4,
        channels: vec![4, 4],
        features: 4,
        dropout: 0.0,
        crop_samples: 729,
    })
}

fn compact_cnn() -> Architecture {
    Architecture::CompactCnn(CompactCnnConfig {
        bands: 8,
        bands_per_group: 2,
        channels: vec![4],
        dropout: 0.0,
        crop_frames: 16,
    })
}

fn trained(
    architecture: &Architecture,
    config: &TrainConfig,
    set: &SpectrogramSet,
    threads: usize,
) -> Vec<u8> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let trainer = Trainer::new(architecture, config, set).unwrap();
    let tensors = pool
        .install(|| trainer.run(&[0, 1, 2, 3, 4, 5], &[6, 7], &mut |_| ControlFlow::Continue(())))
        .unwrap()
        .tensors;
    let text = String::new();
    TensorFile { text, tensors: timbral_model::from_candle(&tensors).unwrap() }.to_bytes().unwrap()
}

#[test]
fn networks_train_on_changed_crops_and_a_seed_fixes_every_byte() {
    let plain = TrainConfig { epochs: 2, batch_size: 4, crop_frames: 729, ..TrainConfig::default() };
    let waveform = TrainConfig {
        waveform_augmentation: WaveformAugmentation { mix_probability: 0.5, ..everything() },
        ..plain.clone()
    };
    let cut = TrainConfig {
        crop_frames: 16,
        augmentation: Augmentation { cutmix: 1.0, roll_bands: 2, ..Augmentation::default() },
        ..plain.clone()
    };
    let plain_cut = TrainConfig { crop_frames: 16, ..plain.clone() };
    for (architecture, changed, plain, set) in
        [(sample_cnn(), waveform, plain, set(true)), (compact_cnn(), cut, plain_cut, set(false))]
    {
        let bytes = trained(&architecture, &changed, &set, 1);
        assert!(bytes == trained(&architecture, &changed, &set, 3));
        assert!(bytes != trained(&architecture, &plain, &set, 1));
    }
}

#[test]
fn changes_of_samples_need_samples_and_their_rate() {
    let mut config = TrainConfig { crop_frames: 16, ..TrainConfig::default() };
    config.waveform_augmentation.gain_probability = 1.0;
    let error = Trainer::new(&compact_cnn(), &config, &set(false)).unwrap_err();
    assert!(error.to_string().contains("spectrograms of 8 mel bands"), "{error}");
    let mut unknown = SpectrogramSet::new(1, ["a", "b"].map(String::from).to_vec()).unwrap();
    unknown.push(&Array2::zeros((1, 800)), 0).unwrap();
    let error = Trainer::new(&sample_cnn(), &config, &unknown).unwrap_err();
    assert!(error.to_string().contains("sample rate"), "{error}");
    assert!(Trainer::new(&sample_cnn(), &config, &set(true)).is_ok());
}
