use rand::Rng;
use serde::{Deserialize, Serialize};

use super::draw::normal;
use super::mixing::CutMixShape;
use crate::TrainError;
use crate::rng::SeededRng;

/// Random changes of log-mel crops in training, in dB. All 0 changes nothing. Mixup and CutMix also mix crops of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Standard deviation of a change of level over the whole crop. Default: 6 dB.
    pub level_db: f32,
    /// Standard deviation of a tilt, the change at the highest band (and its opposite at the lowest). Default: 4 dB.
    pub tilt_db: f32,
    /// Masks over bands (SpecAugment). Default: 1.
    pub band_masks: usize,
    /// Most bands of a mask; its width is drawn evenly from 0 to this. Default: 16.
    pub mask_bands: usize,
    /// Masks over frames. Default: 1.
    pub frame_masks: usize,
    /// Most frames of a mask. Default: 20.
    pub mask_frames: usize,
    /// Parameter of the symmetric beta distribution from which the mixing fraction of two crops is drawn (mixup); 0 does not
    /// mix, 1 draws it evenly. Default: 0.3.
    pub mixup: f32,
    /// Parameter of the symmetric beta distribution from which the fraction that a crop keeps is drawn where a part of
    /// another one is put into it (CutMix); targets are mixed by area. 0 does not cut, 1 draws the fraction evenly. Where mixup is
    /// on as well, each step does one of the two, as likely the one as the other. Default: 0.
    pub cutmix: f32,
    /// What CutMix takes from the other crop. Default: a box of bands and frames.
    pub cutmix_shape: CutMixShape,
    /// Most bands by which a crop is shifted up or down, at most 1000; drawn evenly. 0 does not shift. Default: 0.
    pub roll_bands: usize,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            level_db: 6.0,
            tilt_db: 4.0,
            band_masks: 1,
            mask_bands: 16,
            frame_masks: 1,
            mask_frames: 20,
            mixup: 0.3,
            cutmix: 0.0,
            cutmix_shape: CutMixShape::default(),
            roll_bands: 0,
        }
    }
}

impl Augmentation {
    pub(crate) fn validate(&self) -> Result<(), TrainError> {
        for (field, value) in [("level_db", self.level_db), ("tilt_db", self.tilt_db)] {
            if !(0.0..=100.0).contains(&value) {
                return Err(TrainError::config(field, value, "between 0 and 100"));
            }
        }
        for (field, value) in [("mixup", self.mixup), ("cutmix", self.cutmix)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(TrainError::config(field, value, "between 0 and 1"));
            }
        }
        for (field, value) in [("band_masks", self.band_masks), ("frame_masks", self.frame_masks)] {
            if value > 100 {
                return Err(TrainError::config(field, value, "at most 100"));
            }
        }
        if self.roll_bands > 1000 {
            let rule = "at most 1000";
            return Err(TrainError::config("roll_bands", self.roll_bands, rule));
        }
        Ok(())
    }
}

/// Changes one crop in place: a shift over the bands, level and tilt, then masks filled with the crop's mean (SpecAugment,
/// Park et al. 2019). Mixup and CutMix need two crops: [`mixup`](super::mixup), [`CutMixBox`](super::CutMixBox).
///
/// `crop` holds `bands` rows of `frames` values. The same generator state gives the same change.
///
/// # Errors
///
/// [`TrainError::Config`] for settings that break a rule; [`TrainError::Shape`] for a crop that is empty or of another
/// size, which stays as it is.
pub fn augment(
    crop: &mut [f32],
    bands: usize,
    frames: usize,
    settings: &Augmentation,
    rng: &mut SeededRng,
) -> Result<(), TrainError> {
    settings.validate()?;
    if crop.is_empty() || Some(crop.len()) != bands.checked_mul(frames) {
        let given = format!("{} values for {bands} bands of {frames} frames", crop.len());
        return Err(TrainError::shape(
            "crop",
            given,
            "there must be one value per band and frame, and at least one",
        ));
    }
    // Drawn only where it is on, so that what a seed gave without it stays.
    if settings.roll_bands > 0 {
        let most = settings.roll_bands as i32;
        roll_bands(crop, frames, rng.random_range(-most..=most) as isize)?;
    }
    let level = settings.level_db * normal(rng);
    let tilt = settings.tilt_db * normal(rng);
    for (band, row) in crop.chunks_exact_mut(frames).enumerate() {
        let place = if bands > 1 { 2.0 * band as f32 / (bands - 1) as f32 - 1.0 } else { 0.0 };
        let shift = level + tilt * place;
        row.iter_mut().for_each(|value| *value += shift);
    }
    let mean = (crop.iter().map(|v| f64::from(*v)).sum::<f64>() / crop.len() as f64) as f32;
    for _ in 0..settings.band_masks {
        let (start, width) = mask(bands, settings.mask_bands, rng);
        crop[start * frames..(start + width) * frames].fill(mean);
    }
    for _ in 0..settings.frame_masks {
        let (start, width) = mask(frames, settings.mask_frames, rng);
        crop.chunks_exact_mut(frames).for_each(|row| row[start..start + width].fill(mean));
    }
    Ok(())
}

/// Shifts a crop of rows of `frames` values by `shift` bands, up or (if negative) down: a change of pitch, as far as a mel scale
/// is one of pitch. The bands that come free hold what the outermost band held; nothing comes back at the other end.
///
/// # Errors
///
/// [`TrainError::Shape`] for a crop that is not made of rows of `frames` values, at least one each.
pub fn roll_bands(crop: &mut [f32], frames: usize, shift: isize) -> Result<(), TrainError> {
    if frames == 0 || !crop.len().is_multiple_of(frames) {
        let given = format!("{} values for rows of {frames} frames", crop.len());
        return Err(TrainError::shape("crop", given, "all rows must be whole and have at least one value"));
    }
    let bands = crop.len() / frames;
    let free = shift.unsigned_abs().min(bands.saturating_sub(1));
    let kept = (bands - free) * frames;
    if shift > 0 {
        crop.copy_within(..kept, free * frames);
        for band in 0..free {
            crop.copy_within(free * frames..(free + 1) * frames, band * frames);
        }
    } else if shift < 0 {
        crop.copy_within(free * frames.., 0);
        for band in bands - free..bands {
            crop.copy_within(kept - frames..kept, band * frames);
        }
    }
    Ok(())
}

/// Start and width of a mask within `length`.
fn mask(length: usize, most: usize, rng: &mut SeededRng) -> (usize, usize) {
    let width = rng.random_range(0..=most.min(length));
    (rng.random_range(0..=length - width), width)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::Rng;

    use super::*;

    fn nothing() -> Augmentation {
        Augmentation {
            level_db: 0.0,
            tilt_db: 0.0,
            band_masks: 0,
            mask_bands: 0,
            frame_masks: 0,
            mask_frames: 0,
            mixup: 0.0,
            ..Augmentation::default()
        }
    }

    #[test]
    fn no_settings_change_nothing_and_masks_stay_in_bounds() {
        let none = nothing();
        let crop: Vec<f32> = (0..6 * 5).map(|i| i as f32).collect();
        let mut same = crop.clone();
        augment(&mut same, 6, 5, &none, &mut SeededRng::new(1)).unwrap();
        assert_eq!(crop, same);
        let wild = Augmentation {
            band_masks: 9,
            mask_bands: 50,
            frame_masks: 9,
            mask_frames: 50,
            roll_bands: 40,
            ..none
        };
        for seed in 0..50 {
            let mut masked = crop.clone();
            augment(&mut masked, 6, 5, &wild, &mut SeededRng::new(seed)).unwrap();
            assert!(masked.iter().all(|v| v.is_finite()));
        }
        // Without shifts a value stays or becomes the mean, by whole bands and whole frames.
        let masks = Augmentation { band_masks: 1, frame_masks: 1, roll_bands: 0, ..wild };
        let mean = crop.iter().sum::<f32>() / crop.len() as f32;
        let mut touched = 0;
        for seed in 0..50 {
            let mut masked = crop.clone();
            augment(&mut masked, 6, 5, &masks, &mut SeededRng::new(seed)).unwrap();
            let hidden = |band: usize, frame: usize| masked[band * 5 + frame] != crop[band * 5 + frame];
            let bands: Vec<usize> = (0..6).filter(|&b| (0..5).all(|f| hidden(b, f))).collect();
            let frames: Vec<usize> = (0..5).filter(|&f| (0..6).all(|b| hidden(b, f))).collect();
            for run in [&bands, &frames] {
                assert!(run.windows(2).all(|pair| pair[1] == pair[0] + 1), "one mask is one run: {run:?}");
            }
            for band in 0..6 {
                for frame in 0..5 {
                    let within = bands.contains(&band) || frames.contains(&frame);
                    assert_eq!(hidden(band, frame), within, "seed {seed}, band {band}, frame {frame}");
                    assert!(!within || masked[band * 5 + frame] == mean);
                    touched += usize::from(within);
                }
            }
        }
        assert!(touched > 100, "{touched}");
    }

    #[test]
    fn level_and_tilt_move_rows_as_a_whole() {
        let settings = Augmentation { band_masks: 0, frame_masks: 0, ..Augmentation::default() };
        let mut crop = vec![0.0; 4 * 3];
        augment(&mut crop, 4, 3, &settings, &mut SeededRng::new(3)).unwrap();
        let rows: Vec<&[f32]> = crop.chunks(3).collect();
        assert!(rows.iter().all(|row| row.iter().all(|v| (v - row[0]).abs() < 1e-6)));
        let step = rows[1][0] - rows[0][0];
        assert!(step.abs() > 0.0);
        assert!(rows.windows(2).all(|pair| (pair[1][0] - pair[0][0] - step).abs() < 1e-5));
    }

    /// What the settings before CutMix and rolls drew, in the order in which they drew it.
    fn as_before(
        crop: &mut [f32],
        bands: usize,
        frames: usize,
        settings: &Augmentation,
        rng: &mut SeededRng,
    ) {
        let level = settings.level_db * normal(rng);
        let tilt = settings.tilt_db * normal(rng);
        for (i, value) in crop.iter_mut().enumerate() {
            *value += level + tilt * (2.0 * (i / frames) as f32 / (bands - 1) as f32 - 1.0);
        }
        let mean = (crop.iter().map(|v| f64::from(*v)).sum::<f64>() / crop.len() as f64) as f32;
        let masks = [
            (settings.band_masks, bands, settings.mask_bands),
            (settings.frame_masks, frames, settings.mask_frames),
        ];
        for (axis, (count, length, most)) in masks.into_iter().enumerate() {
            for _ in 0..count {
                let width = rng.random_range(0..=most.min(length));
                let start = rng.random_range(0..=length - width);
                for (i, value) in crop.iter_mut().enumerate() {
                    if (start..start + width).contains(&[i / frames, i % frames][axis]) {
                        *value = mean;
                    }
                }
            }
        }
    }

    #[test]
    fn a_seed_still_gives_what_it_gave() {
        let crop: Vec<f32> = (0..40 * 50).map(|i| (i as f32 * 0.37).sin() * 20.0).collect();
        let (mut one, mut other) = (SeededRng::new(8), SeededRng::new(8));
        let settings = Augmentation { band_masks: 2, ..Augmentation::default() };
        for _ in 0..20 {
            let (mut new, mut old) = (crop.clone(), crop.clone());
            augment(&mut new, 40, 50, &settings, &mut one).unwrap();
            as_before(&mut old, 40, 50, &settings, &mut other);
            assert_eq!(new, old);
        }
        assert_eq!(one, other);
    }

    #[test]
    fn rolls_are_drawn_evenly_up_and_down() {
        let settings = Augmentation { roll_bands: 2, ..nothing() };
        let mut rng = SeededRng::new(9);
        let mut counts = [0; 5];
        for _ in 0..1000 {
            let mut crop: Vec<f32> = (0..9).map(|i| i as f32).collect();
            augment(&mut crop, 9, 1, &settings, &mut rng).unwrap();
            // The middle band holds the number of the band that went there.
            counts[6 - crop[4] as usize] += 1;
        }
        assert!(counts.iter().all(|count| (150..250).contains(count)), "{counts:?}");
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        type Spoil = fn(&mut Augmentation);
        let tries: [(&str, Spoil); 5] = [
            ("level_db", |a| a.level_db = f32::NAN),
            ("mixup", |a| a.mixup = 1.5),
            ("cutmix", |a| a.cutmix = -0.1),
            ("band_masks", |a| a.band_masks = 101),
            ("roll_bands", |a| a.roll_bands = 1001),
        ];
        for (field, spoil) in tries {
            let mut settings = Augmentation::default();
            settings.validate().unwrap();
            spoil(&mut settings);
            assert!(settings.validate().unwrap_err().to_string().starts_with(field));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_roll_is_rows_shifted_and_the_edge_repeated(
            bands in 1usize..12,
            frames in 1usize..9,
            shift in -15isize..=15,
        ) {
            let crop: Vec<f32> = (0..bands * frames).map(|i| i as f32).collect();
            let mut rolled = crop.clone();
            roll_bands(&mut rolled, frames, shift).unwrap();
            for band in 0..bands {
                let from = (band as isize - shift).clamp(0, bands as isize - 1) as usize;
                prop_assert_eq!(
                    &rolled[band * frames..(band + 1) * frames],
                    &crop[from * frames..(from + 1) * frames]
                );
            }
        }
    }

    #[test]
    fn crops_of_another_size_are_errors_and_stay_as_they_are() {
        let refused = |result: Result<(), TrainError>| matches!(result, Err(TrainError::Shape { .. }));
        assert!(refused(roll_bands(&mut [], 0, 3)));
        roll_bands(&mut [], 4, 3).unwrap();
        let mut ragged = [1.0, 2.0, 3.0];
        assert!(refused(roll_bands(&mut ragged, 2, 1)));
        let mut rng = SeededRng::new(1);
        assert!(refused(augment(&mut ragged, 2, 2, &Augmentation::default(), &mut rng)));
        assert!(refused(augment(&mut ragged, usize::MAX, 3, &Augmentation::default(), &mut rng)));
        assert!(refused(augment(&mut [], 0, 0, &Augmentation::default(), &mut rng)));
        let wrong = Augmentation { mixup: 2.0, ..Augmentation::default() };
        let error = augment(&mut ragged, 1, 3, &wrong, &mut rng).unwrap_err();
        assert!(matches!(error, TrainError::Config { ref field, .. } if field == "mixup"), "{error}");
        roll_bands(&mut ragged, 3, isize::MIN).unwrap();
        assert_eq!(ragged, [1.0, 2.0, 3.0]);
    }
}
