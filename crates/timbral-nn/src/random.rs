//! Seeded random numbers, keyed by name: no order of calls can change them.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator that depends on the seed, a name and a counter alone. FNV-1a, because the standard hasher may change
/// between releases of Rust.
pub(crate) fn generator(seed: u64, name: &str, counter: u64) -> ChaCha8Rng {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let mut key = [0; 32];
    key[..8].copy_from_slice(&hash.to_le_bytes());
    key[8..16].copy_from_slice(&seed.to_le_bytes());
    key[16..24].copy_from_slice(&counter.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A standard normal value, by the Box-Muller transform.
pub(crate) fn normal(generator: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - generator.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * generator.random::<f64>()).cos()
}
