//! Frames, samples and seconds.
//!
//! Where a function takes `n_fft`, `Some` counts from the middle of uncentred frames, `n_fft / 2` samples later.

fn offset(n_fft: Option<usize>) -> i64 {
    i64::try_from(n_fft.unwrap_or(0) / 2).unwrap_or(i64::MAX)
}

fn hop(hop_length: usize) -> i64 {
    i64::try_from(hop_length.max(1)).unwrap_or(i64::MAX)
}

/// The sample at which a frame stands.
pub fn frames_to_samples(frame: i64, hop_length: usize, n_fft: Option<usize>) -> i64 {
    frame.saturating_mul(hop(hop_length)).saturating_add(offset(n_fft))
}

/// The last frame that stands at or before a sample. A hop of 0 counts as 1.
pub fn samples_to_frames(sample: i64, hop_length: usize, n_fft: Option<usize>) -> i64 {
    sample.saturating_sub(offset(n_fft)).div_euclid(hop(hop_length))
}

/// The time of a sample in seconds.
pub fn samples_to_time(sample: i64, sample_rate: f64) -> f64 {
    sample as f64 / sample_rate
}

/// The sample at a time in seconds: the product with the rate, truncated.
pub fn time_to_samples(time: f64, sample_rate: f64) -> i64 {
    (time * sample_rate) as i64
}

/// The time of a frame in seconds.
pub fn frames_to_time(frame: i64, sample_rate: f64, hop_length: usize, n_fft: Option<usize>) -> f64 {
    samples_to_time(frames_to_samples(frame, hop_length, n_fft), sample_rate)
}

/// The last frame that stands at or before a time in seconds.
pub fn time_to_frames(time: f64, sample_rate: f64, hop_length: usize, n_fft: Option<usize>) -> i64 {
    samples_to_frames(time_to_samples(time, sample_rate), hop_length, n_fft)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_samples() {
        assert_eq!(frames_to_samples(3, 512, Some(2048)), 2560);
        assert_eq!(samples_to_frames(2559, 512, Some(2048)), 2);
        assert_eq!(samples_to_frames(-1, 512, None), -1);
        assert_eq!(samples_to_frames(5, 0, None), 5);
        assert_eq!(frames_to_samples(i64::MAX, 512, None), i64::MAX);
    }

    #[test]
    fn times() {
        assert_eq!(time_to_samples(0.5, 22_050.0), 11_025);
        assert_eq!(time_to_frames(frames_to_time(7, 22_050.0, 512, None), 22_050.0, 512, None), 7);
        assert_eq!(time_to_samples(f64::NAN, 22_050.0), 0);
    }
}
