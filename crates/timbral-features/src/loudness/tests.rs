use std::f64::consts::TAU;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

fn sine(rate: u32, seconds: f64, frequency: f64, db: f64) -> Vec<f32> {
    let amplitude = 10f64.powf(db / 20.0);
    (0..(seconds * f64::from(rate)) as usize)
        .map(|n| (amplitude * (TAU * frequency * n as f64 / f64::from(rate)).sin()) as f32)
        .collect()
}

fn config(sample_rate: u32, channels: usize) -> LoudnessConfig {
    LoudnessConfig { sample_rate, channels, ..LoudnessConfig::default() }
}

/// The definition with whole arrays: filter everything, then cut blocks.
fn slow(channels: &[&[f32]], config: &LoudnessConfig) -> f64 {
    let samples = config.block_size * f64::from(config.sample_rate);
    let filtered: Vec<Vec<f64>> = channels
        .iter()
        .map(|samples| {
            let mut filters = config.filter.filters(config.sample_rate).unwrap().map(Running::new);
            samples.iter().map(|&x| filters.iter_mut().fold(f64::from(x), |x, f| f.next(x))).collect()
        })
        .collect();
    let step = 1.0 - config.overlap;
    let seconds = channels[0].len() as f64 / f64::from(config.sample_rate);
    let count = ((seconds - config.block_size) / (config.block_size * step)).round_ties_even() as usize + 1;
    let blocks: Vec<f64> = (0..count)
        .map(|j| {
            let begin = (config.block_size * (j as f64 * step) * f64::from(config.sample_rate)) as usize;
            let end = (config.block_size * (j as f64 * step + 1.0) * f64::from(config.sample_rate)) as usize;
            filtered
                .iter()
                .zip(CHANNEL_WEIGHTS)
                .map(|(y, w)| w * y[begin..end.min(y.len())].iter().map(|v| v * v).sum::<f64>() / samples)
                .sum()
        })
        .collect();
    gated(&blocks)
}

fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..length)
        .map(|n| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let gain = if n / 7000 % 3 == 0 { 0.001 } else { 0.3 };
            gain * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
        })
        .collect()
}

#[test]
fn the_meter_equals_the_definition() {
    for (rate, overlap, block_size) in
        [(22_050, 0.75, 0.4), (44_100, 0.75, 0.4), (8000, 0.5, 0.1), (16_000, 0.0, 0.3)]
    {
        let (left, right) = (noise(33_333, 1), noise(33_333, 2));
        let config = LoudnessConfig { overlap, block_size, ..config(rate, 2) };
        let fast = integrated_loudness(&[&left, &right], &config).unwrap();
        let slow = slow(&[&left, &right], &config);
        assert!((fast - slow).abs() < 1e-9, "{rate}: {fast} {slow}");
    }
}

/// EBU Tech 3341, test cases 1 and 2: stereo sines of 1 kHz read their level.
#[test]
fn stereo_sines_read_their_level() {
    for (rate, db) in [(48_000, -23.0), (48_000, -33.0), (44_100, -23.0)] {
        let tone = sine(rate, 20.0, 1000.0, db);
        let read = loudness(&[&tone, &tone], &config(rate, 2)).unwrap();
        assert!((read.integrated - db).abs() < 0.1, "{}", read.integrated);
        assert!(read.momentary.iter().chain(&read.short_term).all(|l| (l - db).abs() < 0.1));
        assert!(read.range < 0.1);
        assert!((read.true_peak - db).abs() < 0.2 && (read.sample_peak - db).abs() < 0.2);
    }
}

/// EBU Tech 3341, test case 3: passages 13 dB below are gated out.
#[test]
fn quiet_passages_are_gated() {
    let mut tone = sine(48_000, 10.0, 1000.0, -36.0);
    tone.extend(sine(48_000, 60.0, 1000.0, -23.0));
    tone.extend(sine(48_000, 10.0, 1000.0, -36.0));
    let read = integrated_loudness(&[&tone, &tone], &config(48_000, 2)).unwrap();
    assert!((read + 23.0).abs() < 0.1, "{read}");
}

/// EBU Tech 3342, test cases 1 and 3: two tones ten and twenty LU apart.
#[test]
fn two_levels_span_the_range() {
    for (low, expected) in [(-30.0, 10.0), (-40.0, 20.0)] {
        let mut tone = sine(48_000, 20.0, 1000.0, -20.0);
        tone.extend(sine(48_000, 20.0, 1000.0, low));
        let read = loudness(&[&tone, &tone], &config(48_000, 2)).unwrap();
        assert!((read.range - expected).abs() < 1.0, "{}", read.range);
    }
}

#[test]
fn silence_and_short_signals() {
    let silent = loudness(&[&[0.0; 22_050]], &config(22_050, 1)).unwrap();
    assert_eq!(silent.integrated, f64::NEG_INFINITY);
    assert_eq!(silent.true_peak, f64::NEG_INFINITY);
    assert_eq!(silent.range, 0.0);
    assert!(matches!(loudness(&[&[]], &config(22_050, 1)), Err(FeatureError::TooShort { needed: 8820, .. })));
    assert!(loudness(&[&[0.5; 8819]], &config(22_050, 1)).is_err());
    assert!(loudness(&[&[0.5; 8820]], &config(22_050, 1)).unwrap().integrated.is_finite());
}

#[test]
fn faults_are_errors() {
    let good = config(22_050, 1);
    for bad in [
        LoudnessConfig { sample_rate: 100, ..good },
        LoudnessConfig { channels: 0, ..good },
        LoudnessConfig { channels: 6, ..good },
        LoudnessConfig { block_size: 0.0, ..good },
        LoudnessConfig { block_size: f64::INFINITY, ..good },
        LoudnessConfig { overlap: 1.0, ..good },
        LoudnessConfig { overlap: -0.1, ..good },
    ] {
        assert!(LoudnessMeter::new(bad).is_err(), "{bad:?}");
    }
    let mut meter = LoudnessMeter::new(good).unwrap();
    assert!(meter.push(&[]).is_err());
    assert!(meter.push(&[&[0.0], &[0.0]]).is_err());
    assert!(meter.push(&[&[f32::NAN]]).is_err());
    assert_eq!(meter.frames_ready(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

    #[test]
    fn a_stream_equals_the_whole(seed in any::<u64>(), sizes in prop::collection::vec(0_usize..20_000, 0..8)) {
        let samples = noise(40_000, seed);
        let config = config(8000, 1);
        let whole = loudness(&[&samples], &config).unwrap();
        let mut meter = LoudnessMeter::new(config).unwrap();
        let mut rest = samples.as_slice();
        for size in sizes {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            meter.push(&[piece]).unwrap();
            rest = after;
        }
        meter.push(&[rest]).unwrap();
        prop_assert_eq!(meter.finish().unwrap(), whole);
    }
}
