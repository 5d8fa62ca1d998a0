//! Containers that hold one run of equally long blocks of samples, read here and not by symphonia: Sun/NeXT `.au`,
//! the WAVE family, and CAF of plain samples. They register in the same probe, so decoders, tags and seeking work as
//! for all others.

#[cfg(feature = "au")]
mod au;
mod blocks;
#[cfg(feature = "caf")]
mod caf;
#[cfg(feature = "wav")]
mod wave;

#[cfg(feature = "au")]
pub(crate) type AuReader<'s> = blocks::BlockReader<'s, au::Au>;
#[cfg(feature = "caf")]
pub(crate) type CafReader<'s> = blocks::BlockReader<'s, caf::Caf>;
#[cfg(feature = "caf")]
pub(crate) use caf::has_plain_samples;
#[cfg(feature = "wav")]
pub(crate) type WaveReader<'s> = blocks::BlockReader<'s, wave::Riff>;
#[cfg(feature = "wav")]
pub(crate) type Wave64Reader<'s> = blocks::BlockReader<'s, wave::Wave64>;
