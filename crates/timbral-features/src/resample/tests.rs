use std::f64::consts::PI;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::kaiser::{Kaiser, kaiser_half_length, sinc};
use super::*;

fn plan(orig_sr: f64, target_sr: f64, res_type: ResampleType) -> Resampler {
    Resampler::new(ResampleConfig { orig_sr, target_sr, res_type, ..ResampleConfig::default() }).unwrap()
}

fn noise(length: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// The definition of `resample_poly`, tap by tap.
fn slow_polyphase(x: &[f32], up: usize, down: usize) -> Vec<f64> {
    let slower = up.max(down);
    let half = (10 * slower) as i64;
    let window = Kaiser::new(5.0);
    let tap = |k: i64| {
        if k.abs() > half {
            return 0.0;
        }
        sinc(k as f64 / slower as f64) * window.at(k as f64 / half as f64)
    };
    let total: f64 = (-half..=half).map(tap).sum();
    (0..(x.len() * up).div_ceil(down))
        .map(|m| {
            x.iter()
                .enumerate()
                .map(|(n, &v)| f64::from(v) * tap((m * down) as i64 - (n * up) as i64))
                .sum::<f64>()
                * up as f64
                / total
        })
        .collect()
}

/// The band-limited filter evaluated at each output time.
fn slow_band_limited(x: &[f32], ratio: f64, length: usize, attenuation: f64) -> Vec<f64> {
    let band = ratio.min(1.0);
    let half = kaiser_half_length(attenuation, 0.5 * band * (1.0 - spectral::PASS_BAND)) as f64;
    let cutoff = band * 0.5 * (1.0 + spectral::PASS_BAND);
    let window = Kaiser::for_attenuation(attenuation);
    (0..length)
        .map(|m| {
            let time = m as f64 / ratio;
            x.iter()
                .enumerate()
                .map(|(n, &v)| {
                    let distance = time - n as f64;
                    f64::from(v) * cutoff * sinc(cutoff * distance) * window.at(distance / half)
                })
                .sum()
        })
        .collect()
}

fn largest_difference(a: &[f32], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - b).abs()).fold(0.0, f64::max)
}

#[test]
fn polyphase_is_its_definition() {
    for (up, down) in [(1, 2), (1, 3), (2, 1), (3, 2), (160, 441), (147, 160), (5, 7)] {
        for length in [1, 2, 3, 50, 1201] {
            let x = noise(length, 7);
            let fast = plan(f64::from(down), f64::from(up), ResampleType::Polyphase).compute(&x).unwrap();
            let slow = slow_polyphase(&x, up as usize, down as usize);
            assert!(largest_difference(&fast, &slow) < 3e-7, "{up}/{down} of {length}");
        }
    }
}

#[test]
fn band_limited_ratios_are_their_filter() {
    for (orig_sr, target_sr) in
        [(44_100.0, 22_050.0), (22_050.0, 16_000.0), (16_000.0, 22_050.0), (3.0, 1.0), (1.0, 4.0)]
    {
        let x = noise(3000, 3);
        let fast = plan(orig_sr, target_sr, ResampleType::SoxrHq).compute(&x).unwrap();
        let slow = slow_band_limited(&x, target_sr / orig_sr, fast.len(), attenuation(ResampleType::SoxrHq));
        assert!(largest_difference(&fast, &slow) < 1.5e-6, "{orig_sr} {target_sr}");
    }
}

#[test]
fn real_ratios_are_their_filter() {
    for ratio in [0.3, 0.5 - 1e-9, 1.0 / 1.059_463_094_359_295_3, 1.2345, 2.71] {
        for res_type in [ResampleType::SoxrHq, ResampleType::SoxrVhq] {
            let x = noise(2500, 5);
            let fast = plan(1.0, ratio, res_type).compute(&x).unwrap();
            let slow = slow_band_limited(&x, ratio, fast.len(), attenuation(res_type));
            // The ringing before the first sample is missing in the first outputs.
            let first = (12.0 * ratio.max(1.0)).ceil() as usize;
            assert!(largest_difference(&fast[first..], &slow[first..]) < 1.5e-6, "{ratio}");
        }
    }
}

/// The largest deviation of a resampled sine of `frequency`, in units of the input rate, from `gain` times that sine.
fn deviation(resampler: &Resampler, ratio: f64, frequency: f64, gain: f64) -> f64 {
    let x: Vec<f32> = (0..20_000).map(|n| (2.0 * PI * frequency * f64::from(n)).sin() as f32).collect();
    let y = resampler.compute(&x).unwrap();
    let expected = |m: usize| gain * (2.0 * PI * frequency * m as f64 / ratio).sin();
    let steady = y.len() / 4..3 * y.len() / 4;
    steady.map(|m| (f64::from(y[m]) - expected(m)).abs()).fold(0.0, f64::max)
}

#[test]
fn pass_band_is_flat_and_stop_band_is_dark() {
    for ratio in [0.5, 0.437_123_4, 160.0 / 441.0] {
        let resampler = plan(1.0, ratio, ResampleType::SoxrHq);
        for share in [0.01, 0.3, 0.7, 0.9] {
            let error = deviation(&resampler, ratio, share * 0.5 * ratio, 1.0);
            assert!(error < 1e-6, "{ratio} {share}: {error}");
        }
        for share in [1.005, 1.1, 1.5, 1.9] {
            let error = deviation(&resampler, ratio, share * 0.5 * ratio, 0.0);
            assert!(error < 1e-6, "{ratio} {share}: {error}");
        }
    }
}

#[test]
fn lengths_follow_librosa() {
    let hq = plan(22_050.0, 16_000.0, ResampleType::SoxrHq);
    assert_eq!(hq.output_len(11_025), 8000);
    assert_eq!(hq.output_len(0), 0);
    assert_eq!(hq.output_len(1), 1);
    let own = Resampler::new(ResampleConfig { fix: false, ..*hq.config() }).unwrap();
    assert_eq!(own.output_len(100), 73);
    assert_eq!(own.compute(&noise(100, 1)).unwrap().len(), 73);
}

#[test]
fn scale_keeps_energy() {
    let x: Vec<f32> = (0..8000).map(|n| (0.05 * f64::from(n)).sin() as f32).collect();
    let energy = |x: &[f32]| x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
    for res_type in [ResampleType::SoxrHq, ResampleType::Polyphase] {
        let config = ResampleConfig { scale: true, res_type, ..ResampleConfig::default() };
        let y = Resampler::new(config).unwrap().compute(&x).unwrap();
        assert!((energy(&y) / energy(&x) - 1.0).abs() < 1e-3);
    }
}

#[test]
fn odd_inputs_are_answered() {
    for res_type in [ResampleType::SoxrHq, ResampleType::SoxrVhq, ResampleType::Polyphase] {
        for target_sr in [22_050.0, 44_100.0, 48_000.0, 44_101.0] {
            let resampler = plan(44_100.0, target_sr, res_type);
            assert!(resampler.compute(&[]).unwrap().is_empty());
            assert!(resampler.compute(&[0.5]).unwrap().iter().all(|v| v.is_finite()));
            assert!(resampler.compute(&[0.0; 500]).unwrap().iter().all(|&v| v == 0.0));
            assert!(resampler.compute(&[f32::NAN]).is_err());
            assert!(resampler.compute_into(&[0.0; 5], &mut [0.0; 77], &mut resampler.scratch()).is_err());
        }
    }
    for (orig_sr, target_sr) in [(0.0, 1.0), (1.0, f64::NAN), (-1.0, 1.0), (1.0, 1e6), (f64::INFINITY, 1.0)] {
        assert!(Resampler::new(ResampleConfig { orig_sr, target_sr, ..ResampleConfig::default() }).is_err());
    }
    let fraction = ResampleConfig {
        orig_sr: 1.5,
        target_sr: 1.0,
        res_type: ResampleType::Polyphase,
        ..ResampleConfig::default()
    };
    assert!(Resampler::new(fraction).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, rng_seed: RngSeed::Fixed(13), ..ProptestConfig::default() })]

    #[test]
    fn resampling_is_linear_and_reuses_its_buffers(
        length in 0_usize..4000, ratio in 0.2_f64..3.0, gain in -4.0_f32..4.0, seed in any::<u64>(),
    ) {
        let resampler = plan(1.0, ratio, ResampleType::SoxrHq);
        let x = noise(length, seed);
        let scaled: Vec<f32> = x.iter().map(|v| v * gain).collect();
        let y = resampler.compute(&x).unwrap();
        let mut scratch = resampler.scratch();
        resampler.compute_into(&noise(4100, 1), &mut vec![0.0; resampler.output_len(4100)], &mut scratch).unwrap();
        let mut z = vec![0.0; y.len()];
        resampler.compute_into(&scaled, &mut z, &mut scratch).unwrap();
        for (a, b) in y.iter().zip(&z) {
            prop_assert!((a * gain - b).abs() < 4e-6);
        }
    }
}
