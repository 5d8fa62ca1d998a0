use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator whose numbers depend on the seed and the purpose alone, on every machine.
pub(crate) fn seeded(seed: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(purpose);
    rng
}

/// A uniform index below `n`, which must not be 0.
///
/// Written out, so that pinned splits and intervals do not move when a library changes how it draws.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    let n = n as u64;
    // Values above the largest multiple of n would favour small indices.
    let zone = u64::MAX - u64::MAX % n;
    loop {
        let value = rng.next_u64();
        if value < zone {
            return (value % n) as usize;
        }
    }
}
