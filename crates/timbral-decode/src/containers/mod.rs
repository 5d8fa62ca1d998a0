//! Containers that hold one run of equally long blocks of samples, read here and not by symphonia: Sun/NeXT `.au`,
//! and the WAVE family. They register in the same probe, so decoders, tags and seeking work as for all others.

#[cfg(feature = "au")]
mod au;
mod blocks;
#[cfg(feature = "wav")]
mod wave;

#[cfg(feature = "au")]
pub(crate) type AuReader<'s> = blocks::BlockReader<'s, au::Au>;
#[cfg(feature = "wav")]
pub(crate) type WaveReader<'s> = blocks::BlockReader<'s, wave::Riff>;
#[cfg(feature = "wav")]
pub(crate) type Wave64Reader<'s> = blocks::BlockReader<'s, wave::Wave64>;
