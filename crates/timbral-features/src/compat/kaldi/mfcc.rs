//! Cepstra of Kaldi's log-mel energies.

use std::f64::consts::PI;

use ndarray::ArrayRef2;
use serde::{Deserialize, Serialize};

use super::config::FbankConfig;
use super::fbank::{Fbank, Scratch, subtract_mean};
use crate::error::{FeatureError, check_finite};
use crate::plan::FeaturePlan;
use crate::shape::{check_output, fill_frames};
use crate::simd::{dispatch, dot};

/// Parameters of Kaldi's MFCC; names and defaults are those of `torchaudio.compliance.kaldi.mfcc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MfccConfig {
    /// The filter bank. `use_log_fbank` and `use_power` are taken as set whatever they say; `use_energy` replaces C0 by
    /// the log energy, `htk_compat` moves it to the end, and `subtract_mean` works on the cepstra.
    pub fbank: FbankConfig,
    /// Number of cepstra, at most the number of mel bands. Default 13.
    pub num_ceps: usize,
    /// `L` of the lifter `1 + L / 2 sin(pi n / L)`; 0 for none. Default 22.
    pub cepstral_lifter: f64,
}

impl Default for MfccConfig {
    fn default() -> Self {
        Self { fbank: FbankConfig::default(), num_ceps: 13, cepstral_lifter: 22.0 }
    }
}

/// Mel-frequency cepstral coefficients as Kaldi computes them, of shape `(num_ceps, n_frames)`.
///
/// ```
/// use timbral_features::FeaturePlan;
/// use timbral_features::compat::kaldi::{Mfcc, MfccConfig};
/// let plan = Mfcc::new(MfccConfig::default())?;
/// assert_eq!(plan.compute(&[0.01; 16_000])?.dim(), (13, 98));
/// # Ok::<(), timbral_features::FeatureError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mfcc {
    config: MfccConfig,
    fbank: Fbank,
    /// Liftered rows of the DCT, one after the other.
    dct: Vec<f32>,
}

impl Mfcc {
    /// Checks the configuration and plans the transform.
    ///
    /// # Errors
    ///
    /// As [`Fbank::new`], and [`FeatureError::Config`] for `num_ceps` of 0 or above the number of bands, or a
    /// lifter that is not finite.
    pub fn new(config: MfccConfig) -> Result<Self, FeatureError> {
        let fbank = Fbank::new(FbankConfig {
            use_log_fbank: true,
            use_power: true,
            subtract_mean: false,
            ..config.fbank.clone()
        })?;
        let bands = config.fbank.num_mel_bins;
        if config.num_ceps == 0 || config.num_ceps > bands {
            return Err(FeatureError::config(
                "num_ceps",
                config.num_ceps,
                format!("between 1 and num_mel_bins = {bands}"),
            ));
        }
        let lifter = config.cepstral_lifter;
        if !lifter.is_finite() {
            return Err(FeatureError::config("cepstral_lifter", lifter, "finite"));
        }
        let dct = (0..config.num_ceps)
            .flat_map(|k| {
                let scale = if k == 0 { 1.0 } else { 2.0f64 } / bands as f64;
                let lift =
                    if lifter == 0.0 { 1.0 } else { 1.0 + 0.5 * lifter * (PI * k as f64 / lifter).sin() };
                (0..bands).map(move |n| {
                    let angle = PI / bands as f64 * (n as f64 + 0.5) * k as f64;
                    (scale.sqrt() * lift * angle.cos()) as f32
                })
            })
            .collect();
        Ok(Self { config, fbank, dct })
    }

    /// The configuration of the plan.
    pub fn config(&self) -> &MfccConfig {
        &self.config
    }

    /// Puts the energy in the place of C0, and either of them last for HTK.
    fn place_first(&self, cepstra: &mut [f32], energy: f32) {
        let config = &self.config.fbank;
        if config.use_energy {
            cepstra[0] = energy;
        }
        if config.htk_compat {
            if !config.use_energy {
                cepstra[0] *= std::f32::consts::SQRT_2;
            }
            cepstra.rotate_left(1);
        }
    }
}

impl FeaturePlan for Mfcc {
    type Value = f32;
    type Scratch = Scratch;

    fn n_rows(&self) -> usize {
        self.config.num_ceps
    }

    fn n_frames(&self, samples: usize) -> Result<usize, FeatureError> {
        self.fbank.n_frames(samples)
    }

    fn scratch(&self) -> Scratch {
        self.fbank.scratch()
    }

    fn compute_into(
        &self,
        samples: &[f32],
        out: &mut ArrayRef2<f32>,
        scratch: &mut Scratch,
    ) -> Result<(), FeatureError> {
        let bands = self.config.fbank.num_mel_bins;
        check_output(out, self.config.num_ceps, self.n_frames(samples.len())?)?;
        check_finite("samples", samples)?;
        self.fbank.prepare(scratch);
        let mut mel = std::mem::take(&mut scratch.row);
        mel.resize(bands, 0.0);
        fill_frames(out, &mut Vec::new(), |index, cepstra| {
            let energy = self.fbank.frame(samples, index, &mut mel, scratch);
            dispatch!({
                for (value, row) in cepstra.iter_mut().zip(self.dct.chunks_exact(bands)) {
                    *value = dot(&mel, row);
                }
            });
            self.place_first(cepstra, energy);
        });
        scratch.row = mel;
        if self.config.fbank.subtract_mean {
            subtract_mean(out);
        }
        Ok(())
    }
}
