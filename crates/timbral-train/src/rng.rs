use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A generator of random numbers whose numbers depend on its seed alone, on every machine and in every version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeededRng(ChaCha8Rng);

impl SeededRng {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// One of many independent generators of a seed.
    #[must_use]
    pub fn with_stream(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A uniform index below `n`, which must not be 0.
    ///
    /// Written out, so that pinned searches do not move when a library changes how it draws.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        // Values above the largest multiple of n would favour small indices.
        let zone = u64::MAX - u64::MAX % n;
        loop {
            let value = self.next_u64();
            if value < zone {
                return (value % n) as usize;
            }
        }
    }
}

impl RngCore for SeededRng {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}
