//! Samples to a WAV file.

use std::io::{self, BufWriter};
use std::path::Path;

use timbral_atomic::AtomicFile;

use crate::audio::Audio;
use crate::error::DecodeError;

/// How samples lie in a WAV file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WavFormat {
    /// 16-bit integers; samples beyond -1..=1 are clipped.
    #[default]
    Int16,
    /// 24-bit integers; samples beyond -1..=1 are clipped.
    Int24,
    /// 32-bit float: the samples as they are.
    Float32,
}

/// Writes `audio` to `path` as WAV. The file appears whole or not at all: it is written beside its place under another
/// name and moved there; a file that stands there is replaced.
///
/// Integers are the samples times 2^(bits-1), rounded to nearest and clipped, without dither: what was decoded from
/// 16-bit integers is written back the same.
///
/// # Errors
///
/// [`DecodeError::Write`] if the file cannot be written; [`DecodeError::Unwritable`] if `audio` has no channels, more than
/// 65 535, a rate of 0 Hz, or more samples than a WAV file holds (4 GiB).
pub fn write_wav(path: impl AsRef<Path>, audio: &Audio, format: WavFormat) -> Result<(), DecodeError> {
    let path = path.as_ref();
    let fail = |reason: String| DecodeError::Unwritable { path: path.to_owned(), reason };
    let io = |source| DecodeError::Write { path: path.to_owned(), source };
    let channels = u16::try_from(audio.channels).ok().filter(|&count| count > 0);
    let Some(channels) = channels.filter(|_| audio.sample_rate > 0) else {
        let form = format!("{} channels at {} Hz", audio.channels, audio.sample_rate);
        return Err(fail(format!("a WAV file cannot hold {form}")));
    };
    if !audio.samples.len().is_multiple_of(audio.channels) {
        let form = format!("{} samples are no whole frames of {channels}", audio.samples.len());
        return Err(fail(form));
    }
    let (bits, sample_format) = match format {
        WavFormat::Int16 => (16, hound::SampleFormat::Int),
        WavFormat::Int24 => (24, hound::SampleFormat::Int),
        WavFormat::Float32 => (32, hound::SampleFormat::Float),
    };
    let bytes = audio.samples.len() as u64 * u64::from(bits / 8);
    if bytes > u64::from(u32::MAX) - 128 {
        return Err(fail(format!("{bytes} bytes of samples are more than a WAV file holds (4 GiB)")));
    }
    let specification =
        hound::WavSpec { channels, sample_rate: audio.sample_rate, bits_per_sample: bits, sample_format };

    let mut buffer = BufWriter::with_capacity(1 << 16, AtomicFile::create(path).map_err(io)?);
    let write = |buffer: &mut BufWriter<AtomicFile>| -> Result<(), hound::Error> {
        let mut writer = hound::WavWriter::new(&mut *buffer, specification)?;
        for &sample in &audio.samples {
            match format {
                WavFormat::Float32 => writer.write_sample(sample)?,
                WavFormat::Int16 | WavFormat::Int24 => writer.write_sample(quantise(sample, bits))?,
            }
        }
        writer.finalize()
    };
    write(&mut buffer).map_err(|error| match error {
        hound::Error::IoError(source) => io(source),
        error => io(io::Error::other(error)),
    })?;
    let file = buffer.into_inner().map_err(|error| io(error.into_error()))?;
    file.commit().map_err(io)
}

fn quantise(sample: f32, bits: u16) -> i32 {
    let scale = f64::from(1_u32 << (bits - 1));
    // Exact in f64 for 24 bits, and NaN becomes 0.
    (f64::from(sample) * scale).round().clamp(-scale, scale - 1.0) as i32
}

#[cfg(test)]
mod tests {
    use super::quantise;

    #[test]
    fn integers_round_and_clip() {
        assert_eq!(quantise(1.0, 16), 32_767);
        assert_eq!(quantise(-1.0, 16), -32_768);
        assert_eq!(quantise(-7.0, 24), -8_388_608);
        assert_eq!(quantise(f32::NAN, 16), 0);
        for value in [-32_768, -1, 0, 1, 12_345, 32_767] {
            assert_eq!(quantise(value as f32 / 32_768.0, 16), value);
        }
    }
}
