use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Random changes of log-mel crops in training, in dB. All 0 changes nothing.
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
    /// Parameter of the symmetric beta distribution from which the mixing share of two crops is drawn (mixup); 0 does not
    /// mix, 1 draws it evenly. Default: 0.3.
    pub mixup: f32,
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
        }
    }
}

impl Augmentation {
    pub(crate) fn validate(&self) -> Result<(), TrainError> {
        for (field, value) in [("level_db", self.level_db), ("tilt_db", self.tilt_db)] {
            if !(0.0..=100.0).contains(&value) {
                return Err(TrainError::config(field, value, "it must lie within [0, 100]"));
            }
        }
        if !(0.0..=1.0).contains(&self.mixup) {
            return Err(TrainError::config(
                "mixup",
                self.mixup,
                "it must lie within [0, 1]",
            ));
        }
        for (field, value) in [("band_masks", self.band_masks), ("frame_masks", self.frame_masks)] {
            if value > 100 {
                return Err(TrainError::config(field, value, "it must be at most 100"));
            }
        }
        Ok(())
    }
}

/// Changes one crop in place: level and tilt, then masks filled with the crop's mean (SpecAugment, Park et al. 2019).
///
/// `crop` holds `bands` rows of `frames` values. The same generator state gives the same change.
pub fn augment(crop: &mut [f32], bands: usize, frames: usize, settings: &Augmentation, rng: &mut ChaCha8Rng) {
    if crop.is_empty() || crop.len() != bands * frames {
        return;
    }
    let level = settings.level_db * normal(rng);
    let tilt = settings.tilt_db * normal(rng);
    for (band, row) in crop.chunks_exact_mut(frames).enumerate() {
        let place = if bands > 1 {
            2.0 * band as f32 / (bands - 1) as f32 - 1.0
        } else {
            0.0
        };
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
        crop.chunks_exact_mut(frames)
            .for_each(|row| row[start..start + width].fill(mean));
    }
}

/// Start and width of a mask within `length`.
fn mask(length: usize, most: usize, rng: &mut ChaCha8Rng) -> (usize, usize) {
    let width = rng.random_range(0..=most.min(length));
    (rng.random_range(0..=length - width), width)
}

/// A standard normal number (Box and Muller 1958).
pub(crate) fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// A number from the symmetric beta distribution with parameter `alpha`, as the share of one of two gamma numbers
/// (Jöhnk 1964). for `alpha` up to 1.
pub(crate) fn beta(alpha: f32, rng: &mut ChaCha8Rng) -> f32 {
    let power = 1.0 / f64::from(alpha.max(1e-3));
    loop {
        let (a, b) = (rng.random::<f64>().powf(power), rng.random::<f64>().powf(power));
        let sum = a + b;
        // Both powers may underflow for a small alpha; the pair is then drawn again.
        if sum > 0.0 && sum <= 1.0 {
            return (a / sum) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn no_settings_change_nothing_and_masks_stay_in_bounds() {
        let none = Augmentation {
            level_db: 0.0,
            tilt_db: 0.0,
            band_masks: 0,
            mask_bands: 0,
            frame_masks: 0,
            mask_frames: 0,
            mixup: 0.0,
        };
        let crop: Vec<f32> = (0..6 * 5).map(|i| i as f32).collect();
        let mut same = crop.clone();
        augment(&mut same, 6, 5, &none, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(crop, same);
        let wild = Augmentation {
            band_masks: 9,
            mask_bands: 50,
            frame_masks: 9,
            mask_frames: 50,
            ..none
        };
        for seed in 0..50 {
            let mut masked = crop.clone();
            augment(&mut masked, 6, 5, &wild, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(masked.iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn level_and_tilt_move_rows_as_a_whole() {
        let settings = Augmentation {
            band_masks: 0,
            frame_masks: 0,
            ..Augmentation::default()
        };
        let mut crop = vec![0.0; 4 * 3];
        augment(&mut crop, 4, 3, &settings, &mut ChaCha8Rng::seed_from_u64(3));
        let rows: Vec<&[f32]> = crop.chunks(3).collect();
        assert!(
            rows.iter()
                .all(|row| row.iter().all(|v| (v - row[0]).abs() < 1e-6))
        );
        let step = rows[1][0] - rows[0][0];
        assert!(step.abs() > 0.0);
        assert!(
            rows.windows(2)
                .all(|pair| (pair[1][0] - pair[0][0] - step).abs() < 1e-5)
        );
    }

    #[test]
    fn moments_of_the_distributions() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let n = 40_000;
        let draws: Vec<f64> = (0..n).map(|_| f64::from(normal(&mut rng))).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03);
        // Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
        let shares: Vec<f64> = (0..n).map(|_| f64::from(beta(0.3, &mut rng))).collect();
        let mean = shares.iter().sum::<f64>() / f64::from(n);
        let variance = shares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.01 && (variance - 1.0 / 6.4).abs() < 0.005);
    }
}
