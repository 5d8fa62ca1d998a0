//! Moments over time: plain loops over frames in the order of memory, summed in double precision.

/// Moments of the columns of `(frames, width)`.
pub(super) struct Moments {
    pub(super) mean: Vec<f64>,
    /// Population standard deviation.
    pub(super) spread: Vec<f64>,
    /// Third central moment.
    pub(super) third: Vec<f64>,
    /// Mean absolute value.
    pub(super) size: Vec<f64>,
}

impl Moments {
    /// `values` holds at least one frame.
    pub(super) fn of(values: &[f32], width: usize) -> Self {
        let frames = (values.len() / width) as f64;
        let (mut mean, mut size) = (vec![0.0; width], vec![0.0; width]);
        for frame in values.chunks_exact(width) {
            for ((mean, size), value) in mean.iter_mut().zip(&mut size).zip(frame) {
                *mean += f64::from(*value);
                *size += f64::from(value.abs());
            }
        }
        mean.iter_mut().chain(&mut size).for_each(|sum| *sum /= frames);
        let (mut spread, mut third) = (vec![0.0; width], vec![0.0; width]);
        for frame in values.chunks_exact(width) {
            for (((spread, third), mean), value) in spread.iter_mut().zip(&mut third).zip(&mean).zip(frame) {
                let centred = f64::from(*value) - mean;
                *spread += centred * centred;
                *third += centred * centred * centred;
            }
        }
        spread.iter_mut().for_each(|sum| *sum = (*sum / frames).sqrt());
        third.iter_mut().for_each(|sum| *sum /= frames);
        Self { mean, spread, third, size }
    }

    /// Skewness with `floor` added to the standard deviation.
    pub(super) fn skewness(&self, floor: f64) -> impl Iterator<Item = f64> {
        self.third.iter().zip(&self.spread).map(move |(third, spread)| third / (spread + floor).powi(3))
    }
}

/// Differences between frames of `width` values that follow each other.
pub(super) fn steps(values: &[f32], width: usize) -> Vec<f32> {
    let later = values.get(width..).unwrap_or_default();
    later.iter().zip(values).map(|(next, this)| next - this).collect()
}
