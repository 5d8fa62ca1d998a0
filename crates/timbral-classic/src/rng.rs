use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator whose numbers depend on the seed and the purpose alone, on every machine.
pub(crate) fn seeded(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose);
    rng
}

/// A uniform index below `n`, which must not be 0.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    let n = n as u64;
    let zone = u64::MAX - u64::MAX % n;
    loop {
        let value = rng.next_u64();
        if value < zone {
            return (value % n) as usize;
        }
    }
}

/// Brings `count` items at random to the front, in random order.
pub(crate) fn choose<T>(items: &mut [T], count: usize, rng: &mut ChaCha8Rng) {
    let n = items.len();
    for i in 0..count.min(n) {
        let j = i + below(rng, n - i);
        items.swap(i, j);
    }
}
