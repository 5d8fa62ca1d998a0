//! Many signals at once, in parallel.

use ndarray::Array2;
use rayon::prelude::*;

use crate::error::FeatureError;
use crate::plan::FeaturePlan;

/// The feature of each signal, computed on all threads of the current rayon pool; with the feature `rayon`.
///
/// Answers come in the order of the signals, and each is the one of [`FeaturePlan::compute`], bit for bit, whatever the
/// number of threads. A signal that cannot be computed is an error of its own and does not disturb the others. Scratch is
/// shared by the signals that a thread works through.
///
/// ```
/// use timbral_features::{MelConfig, MelSpectrogram};
/// use timbral_features::plan::compute_batch;
/// let mel = MelSpectrogram::new(MelConfig::default())?;
/// let (long, short, bad) = (vec![0.1; 22_050], vec![0.1; 512], vec![f32::NAN]);
/// let answers = compute_batch(&mel, &[&long, &short, &bad]);
/// assert_eq!(answers[0].as_ref().map(|a| a.dim()), Ok((128, 44)));
/// assert_eq!(answers[1].as_ref().map(|a| a.dim()), Ok((128, 2)));
/// assert!(answers[2].is_err());
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
pub fn compute_batch<P, S>(plan: &P, signals: &[S]) -> Vec<Result<Array2<P::Value>, FeatureError>>
where
    P: FeaturePlan,
    S: AsRef<[f32]> + Sync,
{
    signals
        .par_iter()
        .map_init(|| plan.scratch(), |scratch, signal| plan.compute_with(signal.as_ref(), scratch))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mfcc::{Mfcc, MfccConfig};

    #[test]
    fn threads_change_nothing() {
        let plan = Mfcc::new(MfccConfig::default()).unwrap();
        // Lengths that rise and fall, so that scratch of one signal is too long or too short for the next.
        let mut signals: Vec<Vec<f32>> = (0..40usize)
            .map(|s| (0..s * 7919 % 9000).map(|i| (i as f32 * 0.001 * s as f32).sin()).collect())
            .collect();
        signals[7] = vec![0.0, f32::INFINITY];
        let expected: Vec<_> = signals.iter().map(|signal| plan.compute(signal)).collect();
        assert!(expected[7].is_err() && expected[8].is_ok());
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| compute_batch(&plan, &signals)), expected, "{threads}");
        }
        assert!(compute_batch(&plan, &[[0.0; 0]; 0]).is_empty());
    }
}
