//! What is measured: one plan each on a 30 s clip, and the bare Fourier transforms of the same frames.

use realfft::RealFftPlanner;
use timbral_features::{
    BandwidthConfig, CentroidConfig, ContrastConfig, LogMelConfig, LogMelSpectrogram, MelConfig,
    MelSpectrogram, Mfcc, MfccConfig, RolloffConfig, SpectralBandwidth, SpectralCentroid, SpectralContrast,
    SpectralRolloff, Stft, StftConfig, frame_major, get_window,
};

/// A feature, its floor, and the ratio to stay below.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    #[allow(dead_code, reason = "the table prints it, criterion has no use for it")]
    pub(crate) goal: f64,
    pub(crate) timbral: Box<dyn FnMut() -> f32>,
    pub(crate) floor: Box<dyn FnMut() -> f32>,
}

const SAMPLES: usize = 30 * 22_050;

/// Tones over noise, so that no branch is predicted for free.
fn clip() -> Vec<f32> {
    let mut state = 12_345u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..SAMPLES)
        .map(|i| 0.4 * (i as f32 * 0.05).sin() + 0.2 * (i as f32 * 0.31).sin() + 0.1 * noise())
        .collect()
}

/// Windowed frames laid out one after the other, transformed one after the other.
fn floor() -> Box<dyn FnMut() -> f32> {
    let StftConfig {
        n_fft,
        hop_length,
        window,
        ..
    } = StftConfig::default();
    let window = get_window(&window, n_fft, true).expect("the default window is valid");
    let samples = clip();
    let padded: Vec<f32> = [vec![0.0; n_fft / 2], samples, vec![0.0; n_fft / 2]].concat();
    let frames: Vec<f32> = padded
        .windows(n_fft)
        .step_by(hop_length)
        .flat_map(|frame| {
            frame
                .iter()
                .zip(&window)
                .map(|(x, w)| x * *w as f32)
                .collect::<Vec<_>>()
        })
        .collect();
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(n_fft);
    let (mut spectrum, mut scratch) = (fft.make_output_vec(), fft.make_scratch_vec());
    // The transform overwrites its input, so a call finds what the last one left there. The numbers soon become infinite,
    // which costs nothing; restoring them would.
    let mut buffer = frames;
    Box::new(move || {
        let mut last = 0.0;
        for frame in buffer.chunks_exact_mut(n_fft) {
            fft.process_with_scratch(frame, &mut spectrum, &mut scratch)
                .expect("the lengths fit");
            last += spectrum[7].re;
        }
        last
    })
}

macro_rules! work {
    ($name:literal, $goal:literal, $plan:expr, $rows:expr) => {{
        let plan = $plan.expect("the default configuration is valid");
        let samples = clip();
        let frames = plan.n_frames(samples.len()).expect("the clip is long enough");
        let mut out = frame_major($rows, frames).expect("the answer fits");
        let mut scratch = plan.scratch();
        let timbral = move || {
            plan.compute_into(&samples, &mut out, &mut scratch)
                .expect("the clip is valid");
            first(&out)
        };
        Work {
            name: $name,
            goal: $goal,
            timbral: Box::new(timbral),
            floor: floor(),
        }
    }};
}

trait Real {
    fn real(&self) -> f32;
}

impl Real for f32 {
    fn real(&self) -> f32 {
        *self
    }
}

impl Real for timbral_features::Complex32 {
    fn real(&self) -> f32 {
        self.re
    }
}

fn first<T: Real>(array: &ndarray::Array2<T>) -> f32 {
    array.first().map_or(0.0, Real::real)
}

/// All features that have a goal.
pub(crate) fn all() -> Vec<Work> {
    vec![
        work!("stft", 1.15, Stft::new(StftConfig::default()), 1025),
        work!("mel128", 1.3, MelSpectrogram::new(MelConfig::default()), 128),
        work!(
            "log_mel128",
            1.3,
            LogMelSpectrogram::new(LogMelConfig::default()),
            128
        ),
        work!("mfcc20", 1.4, Mfcc::new(MfccConfig::default()), 20),
        work!(
            "spectral_contrast",
            1.6,
            SpectralContrast::new(ContrastConfig::default()),
            7
        ),
        work!(
            "spectral_centroid",
            1.3,
            SpectralCentroid::new(CentroidConfig::default()),
            1
        ),
        work!(
            "spectral_bandwidth",
            1.4,
            SpectralBandwidth::new(BandwidthConfig::default()),
            1
        ),
        work!(
            "spectral_rolloff",
            1.3,
            SpectralRolloff::new(RolloffConfig::default()),
            1
        ),
    ]
}
