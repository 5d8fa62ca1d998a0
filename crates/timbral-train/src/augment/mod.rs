//! Random changes of training data: of samples, of spectrograms, and mixtures of two crops.

mod change;
pub(crate) mod draw;
mod mixing;
mod spectrogram;
mod waveform;

pub use change::{WaveformAugmentation, WaveformChange, augment_waveform};
pub use mixing::{CutMixBox, CutMixShape, mixup};
pub use spectrogram::{Augmentation, augment, roll_bands};
pub use waveform::{
    NoiseColor, add_noise, equalizer_tilt, fit_length, gain, low_pass, mix_signals, pitch_shift, random_crop,
    time_stretch,
};
