//! Work on several threads where the feature `rayon` allows it. No result depends on the number of threads.

#[cfg(feature = "rayon")]
use rayon::prelude::*;

/// The answers of `work` for 0 to `n` - 1, in order.
#[cfg(feature = "rayon")]
pub(crate) fn map<R: Send>(n: usize, work: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    (0..n).into_par_iter().map(work).collect()
}

/// The answers of `work` for 0 to `n` - 1, in order.
#[cfg(not(feature = "rayon"))]
pub(crate) fn map<R: Send>(n: usize, work: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
    (0..n).map(work).collect()
}

/// Does `work` on each item, with its number.
#[cfg(feature = "rayon")]
pub(crate) fn for_each<T: Send>(items: Vec<T>, work: impl Fn(usize, T) + Sync + Send) {
    // One item starts no pool of threads: that costs more than a prediction.
    if items.len() <= 1 {
        items.into_iter().enumerate().for_each(|(i, item)| work(i, item));
        return;
    }
    items.into_par_iter().enumerate().for_each(|(i, item)| work(i, item));
}

/// Does `work` on each item, with its number.
#[cfg(not(feature = "rayon"))]
pub(crate) fn for_each<T: Send>(items: Vec<T>, work: impl Fn(usize, T) + Sync + Send) {
    items.into_iter().enumerate().for_each(|(i, item)| work(i, item));
}

/// How many threads may work at once.
pub(crate) fn threads() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads().max(1);
    #[cfg(not(feature = "rayon"))]
    1
}
