use crate::TrainError;
use crate::rng::SeededRng;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// What CutMix takes from the other crop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CutMixShape {
    /// A box of some bands and some frames, of the proportions of the crop. The default.
    #[default]
    BandsAndFrames,
    /// All bands of some frames.
    Frames,
}

/// A part of a crop that CutMix takes from another one (Yun et al., "CutMix", 2019). It lies wholly within the crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CutMixBox {
    /// The lowest band.
    pub band: usize,
    /// Number of bands.
    pub bands: usize,
    /// The first frame.
    pub frame: usize,
    /// Number of frames.
    pub frames: usize,
    /// Values of the whole crop.
    pub of: usize,
}

impl CutMixBox {
    /// A box at a random place that leaves about the fraction `share` (within `[0, 1]`) of a crop of `bands` rows of `frames` values;
    /// [`share`](Self::share) is the exact one.
    pub fn draw(bands: usize, frames: usize, share: f32, shape: CutMixShape, rng: &mut SeededRng) -> Self {
        let cut = 1.0 - f64::from(share).clamp(0.0, 1.0);
        let of = bands * frames;
        let height = match shape {
            CutMixShape::BandsAndFrames => (cut.sqrt() * bands as f64).round() as usize,
            CutMixShape::Frames => bands,
        };
        // Few bands cannot follow the share; the frames then make up for it.
        let height = height.clamp(bands.min(1), bands);
        let width = (cut * of as f64 / height.max(1) as f64).round() as usize;
        let width = width.min(frames);
        Self {
            band: rng.random_range(0..=bands - height),
            bands: height,
            frame: rng.random_range(0..=frames - width),
            frames: width,
            of,
        }
    }

    /// The fraction of the crop that stays its own, by area: that of its target in the mixture.
    #[must_use]
    pub fn share(&self) -> f32 {
        1.0 - (self.bands * self.frames) as f32 / self.of.max(1) as f32
    }

    /// Copies the box from `other` into `crop`, both of rows of `frames` values.
    ///
    /// # Errors
    ///
    /// [`TrainError::Shape`] for crops of another size than the one that the box was drawn for.
    pub fn paste(&self, crop: &mut [f32], other: &[f32], frames: usize) -> Result<(), TrainError> {
        if frames == 0 || crop.len() != self.of || other.len() != self.of || self.frame + self.frames > frames
        {
            let given = format!("{} and {} values in rows of {frames}", crop.len(), other.len());
            let rule = format!("both must have {} values, in rows that hold the box", self.of);
            return Err(TrainError::shape("crops", given, rule));
        }
        let (from, to) = (self.frame, self.frame + self.frames);
        let rows = crop.chunks_exact_mut(frames).zip(other.chunks_exact(frames));
        for (row, other) in rows.skip(self.band).take(self.bands) {
            row[from..to].copy_from_slice(&other[from..to]);
        }
        Ok(())
    }
}

/// Mixes `other` into `crop` value by value, so that `share` of `crop` stays (mixup, Zhang et al. 2018).
/// The targets are mixed the same way.
pub fn mixup(crop: &mut [f32], other: &[f32], share: f32) {
    for (value, other) in crop.iter_mut().zip(other) {
        *value = share * *value + (1.0 - share) * other;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn the_share_is_the_area_that_stays(
            bands in 1usize..40,
            frames in 1usize..60,
            share in 0.0f32..=1.0,
            only_frames in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let shape = if only_frames { CutMixShape::Frames } else { CutMixShape::BandsAndFrames };
            let part = CutMixBox::draw(bands, frames, share, shape, &mut SeededRng::new(seed));
            let mut crop = vec![1.0f32; bands * frames];
            part.paste(&mut crop, &vec![0.0; bands * frames], frames).unwrap();
            let kept = crop.iter().sum::<f32>() / (bands * frames) as f32;
            prop_assert!((kept - part.share()).abs() < 1e-6);
            // As near as whole bands and frames allow.
            let step = 0.5 / bands as f32 + 0.5 / frames as f32;
            prop_assert!((part.share() - share).abs() <= step + 1e-6, "{} for {}", part.share(), share);
            prop_assert!(part.frame + part.frames <= frames && part.band + part.bands <= bands);
            if only_frames {
                prop_assert_eq!(part.bands, bands);
            }
        }

        #[test]
        fn mixup_lies_between_the_two(a in -80.0f32..0.0, b in -80.0f32..0.0, share in 0.0f32..=1.0) {
            let mut crop = [a];
            mixup(&mut crop, &[b], share);
            prop_assert!((crop[0] - (b + share * (a - b))).abs() < 1e-4);
        }
    }

    #[test]
    fn boxes_have_the_proportions_of_the_crop_and_come_everywhere() {
        let mut rng = SeededRng::new(2);
        let mut seen = vec![false; 64 * 128];
        for _ in 0..200 {
            let part = CutMixBox::draw(64, 128, 0.75, CutMixShape::BandsAndFrames, &mut rng);
            assert_eq!((part.bands, part.frames), (32, 64));
            assert_eq!(part.share(), 0.75);
            for band in part.band..part.band + part.bands {
                seen[band * 128 + part.frame..][..part.frames].fill(true);
            }
        }
        assert!(seen.iter().filter(|seen| **seen).count() > 8000);
    }

    #[test]
    fn one_band_is_cut_in_time_and_the_ends_of_the_range_are_taken() {
        let mut rng = SeededRng::new(3);
        let part = CutMixBox::draw(1, 1000, 0.7, CutMixShape::BandsAndFrames, &mut rng);
        assert_eq!((part.bands, part.frames), (1, 300));
        for (share, expected) in [(1.0, 1.0), (0.0, 0.0), (7.0, 1.0), (-1.0, 0.0)] {
            let part = CutMixBox::draw(5, 6, share, CutMixShape::BandsAndFrames, &mut rng);
            assert_eq!(part.share(), expected);
        }
        assert_eq!(CutMixBox::draw(0, 0, 0.5, CutMixShape::Frames, &mut rng).share(), 1.0);
        let (mut crop, part) = ([1.0; 4], CutMixBox::draw(5, 6, 0.0, CutMixShape::Frames, &mut rng));
        assert!(matches!(part.paste(&mut crop, &[0.0; 4], 2), Err(TrainError::Shape { .. })));
        assert_eq!(crop, [1.0; 4]);
    }
}
