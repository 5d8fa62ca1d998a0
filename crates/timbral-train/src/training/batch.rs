use rand::Rng;
use rand::seq::SliceRandom;
use timbral_model::Input;

use super::config::TrainConfig;
use super::data::SpectrogramSet;
use crate::TrainError;
use crate::augment::draw::{beta, between, chance};
use crate::augment::{CutMixBox, augment, augment_waveform, fit_length, mix_signals, mixup};
use crate::rng::SeededRng;

/// Checks that the changes of samples that are asked for can be made.
pub(crate) fn check(config: &TrainConfig, input: Input, data: &SpectrogramSet) -> Result<(), TrainError> {
    if !config.waveform_augmentation.is_on() {
        return Ok(());
    }
    let rejected = |rule: String| Err(TrainError::config("waveform_augmentation", "turned on", rule));
    if !matches!(input, Input::Waveform) {
        return rejected(format!(
            "off for a network that takes {input}, where there are no samples to change"
        ));
    }
    if data.sample_rate().is_none() {
        return rejected("off where the sample rate of the tracks is not known".into());
    }
    Ok(())
}

/// Appends an augmented crop of `config.crop_frames` frames of a track to `values`.
pub(crate) fn draw_crop(
    data: &SpectrogramSet,
    track: usize,
    input: Input,
    config: &TrainConfig,
    rng: &mut SeededRng,
    values: &mut Vec<f32>,
) -> Result<(), TrainError> {
    let frames = config.crop_frames;
    let start = values.len();
    // What is done to decibels makes no sense of samples.
    if !matches!(input, Input::Waveform) {
        data.random_crop(track, frames, rng, values);
        let crop = &mut values[start..];
        return augment(crop, data.bands(), frames, &config.augmentation, rng);
    }
    let settings = &config.waveform_augmentation;
    let Some(sample_rate) = data.sample_rate().filter(|_| settings.is_on()) else {
        data.random_crop(track, frames, rng, values);
        return Ok(());
    };
    // Enough that the fastest crop need not be repeated.
    let longest = if settings.stretch_probability > 0.0 {
        (frames as f64 * settings.stretch).ceil() as usize
    } else {
        frames
    };
    let mut crop = Vec::with_capacity(longest);
    data.random_crop(track, longest, rng, &mut crop);
    augment_waveform(&mut crop, sample_rate, settings, rng)?;
    fit_length(&mut crop, frames);
    values.append(&mut crop);
    Ok(())
}

/// Mixes the crops of a step, of `bands` rows of `frames` values each, and their targets, of `classes` values each: tracks
/// into tracks, then one of mixup and CutMix.
pub(crate) fn mix_batch(
    values: &mut [f32],
    targets: &mut [f32],
    (bands, frames, classes): (usize, usize, usize),
    input: Input,
    config: &TrainConfig,
    rng: &mut SeededRng,
) -> Result<(), TrainError> {
    let size = bands * frames;
    let crops = targets.len() / classes;
    if matches!(input, Input::Waveform) {
        mix_tracks(values, targets, (size, classes), config, rng);
    }
    let settings = &config.augmentation;
    let cut = match (settings.mixup > 0.0, settings.cutmix > 0.0) {
        (false, false) => return Ok(()),
        (true, true) => rng.random(),
        (_, cut) => cut,
    };
    let mut share = beta(if cut { settings.cutmix } else { settings.mixup }, rng);
    let mut partners: Vec<usize> = (0..crops).collect();
    partners.shuffle(rng);
    let (alone, alone_targets) = (values.to_vec(), targets.to_vec());
    if cut {
        let part = CutMixBox::draw(bands, frames, share, settings.cutmix_shape, rng);
        share = part.share();
        for (crop, &partner) in values.chunks_exact_mut(size).zip(&partners) {
            part.paste(crop, row(&alone, size, partner), frames)?;
        }
    } else {
        for (crop, &partner) in values.chunks_exact_mut(size).zip(&partners) {
            mixup(crop, row(&alone, size, partner), share);
        }
    }
    for (target, &partner) in targets.chunks_exact_mut(classes).zip(&partners) {
        mixup(target, row(&alone_targets, classes, partner), share);
    }
    Ok(())
}

/// Mixes other tracks of the step into some of the crops.
fn mix_tracks(
    values: &mut [f32],
    targets: &mut [f32],
    (size, classes): (usize, usize),
    config: &TrainConfig,
    rng: &mut SeededRng,
) {
    let settings = &config.waveform_augmentation;
    let crops = targets.len() / classes;
    if settings.mix_probability <= 0.0 || crops < 2 {
        return;
    }
    let (alone, alone_targets) = (values.to_vec(), targets.to_vec());
    for i in 0..crops {
        let mixed = chance(settings.mix_probability, rng);
        let partner = (i + rng.random_range(1..crops)) % crops;
        let ratio = between(settings.mix_ratio_db, rng);
        if mixed {
            let crop = &mut values[i * size..(i + 1) * size];
            let share = mix_signals(crop, row(&alone, size, partner), ratio) as f32;
            let target = &mut targets[i * classes..(i + 1) * classes];
            mixup(target, row(&alone_targets, classes, partner), share);
        }
    }
}

/// Row `place` of rows of `size` values.
fn row(values: &[f32], size: usize, place: usize) -> &[f32] {
    &values[place * size..(place + 1) * size]
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::augment::{Augmentation, CutMixShape, WaveformAugmentation};

    const BANDS: usize = 8;
    const FRAMES: usize = 10;
    const CROPS: usize = 5;
    const SPECTROGRAMS: Input = Input::LogMel { bands: BANDS };

    /// Crops that are as many classes, crop `i` full of `i` (or a tone of that many periods).
    fn batch(input: Input) -> (Vec<f32>, Vec<f32>) {
        let value = |i: usize| {
            let (crop, place) = (i / (BANDS * FRAMES), i % (BANDS * FRAMES));
            match input {
                Input::Waveform => {
                    let turn = (crop + 1) as f32 * place as f32 / (BANDS * FRAMES) as f32;
                    (std::f32::consts::TAU * turn).sin() * (crop + 1) as f32
                }
                _ => crop as f32,
            }
        };
        let values = (0..CROPS * BANDS * FRAMES).map(value).collect();
        let targets = (0..CROPS * CROPS).map(|i| f32::from(u8::from(i / CROPS == i % CROPS))).collect();
        (values, targets)
    }

    fn mixed(input: Input, config: &TrainConfig, seed: u64) -> (Vec<f32>, Vec<f32>) {
        let (mut values, mut targets) = batch(input);
        let mut rng = SeededRng::new(seed);
        let sizes = if matches!(input, Input::Waveform) {
            (1, BANDS * FRAMES, CROPS)
        } else {
            (BANDS, FRAMES, CROPS)
        };
        mix_batch(&mut values, &mut targets, sizes, input, config, &mut rng).unwrap();
        (values, targets)
    }

    fn config(mixup: f32, cutmix: f32) -> TrainConfig {
        TrainConfig {
            augmentation: Augmentation { mixup, cutmix, ..Augmentation::default() },
            ..TrainConfig::default()
        }
    }

    #[test]
    fn mixup_still_gives_what_it_gave() {
        for seed in 0..20 {
            let (values, targets) = batch(SPECTROGRAMS);
            let mut rng = SeededRng::new(seed);
            let share = beta(0.3, &mut rng);
            let mut partners: Vec<usize> = (0..CROPS).collect();
            partners.shuffle(&mut rng);
            let mix = |all: &[f32], size: usize| -> Vec<f32> {
                (0..all.len())
                    .map(|i| {
                        let other = all[partners[i / size] * size + i % size];
                        share * all[i] + (1.0 - share) * other
                    })
                    .collect()
            };
            let expected = (mix(&values, BANDS * FRAMES), mix(&targets, CROPS));
            assert_eq!(mixed(SPECTROGRAMS, &config(0.3, 0.0), seed), expected);
        }
        assert_eq!(mixed(SPECTROGRAMS, &config(0.0, 0.0), 1), batch(SPECTROGRAMS));
    }

    #[test]
    fn cut_targets_are_shares_of_the_area() {
        let mut shares = Vec::new();
        for seed in 0..40 {
            for shape in [CutMixShape::BandsAndFrames, CutMixShape::Frames] {
                let mut config = config(0.0, 1.0);
                config.augmentation.cutmix_shape = shape;
                let (values, targets) = mixed(SPECTROGRAMS, &config, seed);
                for (crop, target) in values.chunks(BANDS * FRAMES).zip(targets.chunks(CROPS)) {
                    for (class, share) in target.iter().enumerate() {
                        let of_class = crop.iter().filter(|v| **v == class as f32).count();
                        let area = of_class as f32 / (BANDS * FRAMES) as f32;
                        assert!((area - share).abs() < 1e-6, "{area} {share}");
                        shares.push(*share);
                    }
                }
            }
        }
        assert!(shares.iter().any(|share| (0.2..0.8).contains(share)));
    }

    #[test]
    fn where_both_are_on_each_is_done_about_half_of_the_time() {
        let cut = (0..200)
            .filter(|seed| {
                let (values, targets) = mixed(SPECTROGRAMS, &config(1.0, 1.0), *seed);
                let blended = values.iter().any(|v| v.fract() != 0.0);
                assert!(targets.chunks(CROPS).all(|t| (t.iter().sum::<f32>() - 1.0).abs() < 1e-6));
                !blended
            })
            .count();
        assert!((70..130).contains(&cut), "{cut}");
    }

    #[test]
    fn mixed_tracks_share_the_target_by_amplitude() {
        let mut config = config(0.0, 0.0);
        config.waveform_augmentation = WaveformAugmentation {
            mix_probability: 1.0,
            mix_ratio_db: [6.0, 6.0],
            ..WaveformAugmentation::default()
        };
        // 6 dB are a ratio of 1.995: about two thirds to one third.
        let share = 1.0 / (1.0 + 10f32.powf(-0.3));
        let (values, targets) = mixed(Input::Waveform, &config, 4);
        assert_ne!(values, batch(Input::Waveform).0);
        for (i, target) in targets.chunks(CROPS).enumerate() {
            assert!((target[i] - share).abs() < 1e-6);
            assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        }
        // Spectrograms are not mixed so.
        assert_eq!(mixed(SPECTROGRAMS, &config, 4), batch(SPECTROGRAMS));
        config.waveform_augmentation.mix_probability = 0.5;
        let shares: Vec<f32> = (0..50).flat_map(|seed| mixed(Input::Waveform, &config, seed).1).collect();
        let whole = shares.iter().filter(|share| **share == 1.0).count();
        assert!((90..160).contains(&whole), "{whole} of 250");
    }
}
