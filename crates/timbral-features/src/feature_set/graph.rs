//! The steps of a set: what is computed from what, each once.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, Axis};
use realfft::num_complex::Complex32;

use super::config::Precision;
use super::feature::Feature;
use super::spectral::{Kernel, SpectralPass};
use crate::chroma::ChromaStft;
use crate::compat::{kaldi, musicnn};
use crate::cqt::{ChromaCens, ChromaCqt, ChromaVqt, Cqt, CqtMode, Vqt, tonnetz};
use crate::db::power_to_db;
use crate::decompose::HarmonicPercussive;
use crate::effects::{Separation, SeparationConfig};
use crate::error::FeatureError;
use crate::mel::{LogMelSpectrogram, MelSpectrogram};
use crate::mfcc::Mfcc;
use crate::onset::onset_strength;
use crate::pcen::Pcen;
use crate::pitch::Yin;
use crate::plan::FeaturePlan;
use crate::rhythm::{Tempo, Tempogram};
use crate::spectral::{
    PolyFeatures, Rms, RmsConfig, SpectralBandwidth, SpectralCentroid, SpectralContrast, SpectralFlatness,
    SpectralRolloff, ZeroCrossingRate,
};
use crate::stft::{Power, StftConfig};

type FromSamples = Arc<dyn Fn(&[f32]) -> Result<Array2<f32>, FeatureError> + Send + Sync>;
type FromFrames = Arc<dyn Fn(ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> + Send + Sync>;

/// How a step is computed. Steps are named by their place in the graph and need only earlier ones.
#[derive(Clone)]
enum Source {
    /// A kernel of a pass over spectra.
    Spectral {
        pass: usize,
        kernel: usize,
    },
    Samples(FromSamples),
    Frames {
        input: usize,
        compute: FromFrames,
    },
    Part {
        separation: usize,
        percussive: bool,
    },
}

/// What makes two steps the same.
#[derive(Clone, PartialEq)]
enum Key {
    Feature(Feature),
    Spectrogram(StftConfig, Power),
}

#[derive(Clone)]
struct Step {
    key: Key,
    source: Source,
    n_rows: usize,
    /// The last step that needs it.
    last_use: usize,
}

/// All steps of a set.
#[derive(Clone, Default)]
pub(super) struct Graph {
    steps: Vec<Step>,
    precision: Precision,
    passes: Vec<SpectralPass>,
    separations: Vec<(Separation, usize)>,
}

impl Graph {
    pub(super) fn new(precision: Precision) -> Self {
        Self { precision, ..Self::default() }
    }

    /// Number of rows of a step's answer.
    pub(super) fn n_rows(&self, step: usize) -> usize {
        self.steps[step].n_rows
    }

    /// The step of a feature, added with all it needs unless it is there.
    pub(super) fn add(&mut self, feature: &Feature) -> Result<usize, FeatureError> {
        let key = Key::Feature(feature.clone());
        if let Some(step) = self.steps.iter().position(|step| step.key == key) {
            return Ok(step);
        }
        let (source, n_rows) = match feature.clone() {
            Feature::Mel(config) => {
                let (stft, plan) = (config.stft(), MelSpectrogram::new(config)?);
                self.spectral(&stft, Kernel::Mel(plan))?
            }
            Feature::SpectralCentroid(config) => {
                let plan = SpectralCentroid::new(config)?;
                self.spectral(&plan.config().stft.clone(), Kernel::Centroid(plan))?
            }
            Feature::SpectralBandwidth(config) => {
                let plan = SpectralBandwidth::new(config)?;
                self.spectral(&plan.config().stft.clone(), Kernel::Bandwidth(plan))?
            }
            Feature::SpectralFlatness(config) => {
                let plan = SpectralFlatness::new(config)?;
                self.spectral(&plan.config().stft.clone(), Kernel::Flatness(plan))?
            }
            Feature::SpectralRolloff(config) => {
                let plan = SpectralRolloff::new(config)?;
                self.spectral(&plan.config().stft.clone(), Kernel::Rolloff(plan))?
            }
            Feature::PolyFeatures(config) => {
                let plan = PolyFeatures::new(config)?;
                self.spectral(&plan.config().stft.clone(), Kernel::Poly(plan))?
            }
            Feature::RmsOfSpectrogram(stft) => {
                let plan = Rms::new(RmsConfig {
                    frame_length: stft.n_fft,
                    hop_length: stft.hop_length,
                    ..RmsConfig::default()
                })?;
                self.spectral(&stft, Kernel::Rms(plan))?
            }
            Feature::ChromaStft(config) => {
                let (stft, estimated) = (config.stft.clone(), config.tuning.is_none());
                let plan = ChromaStft::new(config)?;
                let rows = plan.config().n_chroma;
                if estimated {
                    // The tuning is that of all frames, so the power spectrogram has to wait for it.
                    let input = self.spectrogram(&stft, Power::Energy)?;
                    self.frames(input, rows, move |power| plan.compute_from_power(power))
                } else {
                    self.spectral(&stft, Kernel::Chroma(plan))?
                }
            }
            Feature::SpectralContrast(config) => {
                let plan = SpectralContrast::new(config)?;
                let rows = plan.n_rows();
                let input = self.spectrogram(&plan.config().stft.clone(), Power::Magnitude)?;
                self.frames(input, rows, move |magnitudes| plan.from_spectrogram(magnitudes))
            }
            Feature::LogMel(config) => {
                let (rows, db) = (config.mel.n_mels, config.db());
                LogMelSpectrogram::new(config.clone())?;
                let input = self.add(&Feature::Mel(config.mel))?;
                self.frames(input, rows, move |mel| power_to_db(mel, &db))
            }
            Feature::Mfcc(config) => {
                let input = self.add(&Feature::LogMel(config.log_mel.clone()))?;
                let plan = Mfcc::new(config)?;
                self.frames(input, plan.n_mfcc(), move |log_mel| plan.from_log_mel(log_mel))
            }
            Feature::Pcen(config) => {
                let rows = config.mel.n_mels;
                let (input, plan) = (self.add(&Feature::Mel(config.mel))?, Pcen::new(config.pcen)?);
                self.frames(input, rows, move |mel| plan.compute(mel))
            }
            Feature::OnsetStrength(config) => {
                let strength = config.strength();
                crate::onset::OnsetEnvelope::new(config.clone())?;
                let input = self.add(&Feature::LogMel(config.log_mel()))?;
                self.frames(input, 1, move |log_mel| Ok(one_row(onset_strength(log_mel, &strength)?)))
            }
            Feature::Tempogram(config) => {
                let (input, plan) =
                    (self.add(&Feature::OnsetStrength(config.onset))?, Tempogram::new(config.tempogram)?);
                let rows = plan.config().win_length;
                self.frames(input, rows, move |envelope| plan.compute(&row(envelope)))
            }
            Feature::Tempo(config) => {
                let (input, plan) =
                    (self.add(&Feature::OnsetStrength(config.onset))?, Tempo::new(config.tempo)?);
                self.frames(input, 1, move |envelope| Ok(one_row(vec![plan.compute(&row(envelope))? as f32])))
            }
            Feature::Cqt(config) => {
                let (rows, plan) = (config.n_bins, Cqt::new(config)?);
                samples(rows, move |samples| Ok(plan.compute(samples)?.mapv(|c| c.norm_sqr().sqrt())))
            }
            Feature::Vqt(config) => {
                let (rows, plan) = (config.cqt.n_bins, Vqt::new(config)?);
                samples(rows, move |samples| Ok(plan.compute(samples)?.mapv(|c| c.norm_sqr().sqrt())))
            }
            Feature::ChromaCqt(config) => {
                let (rows, fold) = (config.fold.n_chroma, config.fold.clone());
                let plan = ChromaCqt::new(config.clone())?;
                if config.cqt_mode == CqtMode::Full {
                    let input = self.add(&Feature::Cqt(config.cqt()))?;
                    self.frames(input, rows, move |cqt| ChromaCqt::from_magnitudes(&fold, cqt))
                } else {
                    samples(rows, move |samples| plan.compute(samples))
                }
            }
            Feature::ChromaCens(config) => {
                let rows = config.chroma.fold.n_chroma;
                let plan = ChromaCens::new(config.clone())?;
                if config.chroma.cqt_mode == CqtMode::Full {
                    let input = self.add(&Feature::Cqt(config.chroma.cqt()))?;
                    self.frames(input, rows, move |cqt| ChromaCens::from_magnitudes(&config, cqt))
                } else {
                    samples(rows, move |samples| plan.compute(samples))
                }
            }
            Feature::ChromaVqt(config) => {
                let plan = ChromaVqt::new(config)?;
                samples(plan.n_rows(), move |samples| plan.compute(samples))
            }
            Feature::Tonnetz(config) => {
                let input = self.add(&Feature::ChromaCqt(config))?;
                self.frames(input, 6, tonnetz)
            }
            Feature::TonnetzCens(config) => {
                let input = self.add(&Feature::ChromaCens(config))?;
                self.frames(input, 6, tonnetz)
            }
            Feature::KaldiFbank(config) => {
                let plan = kaldi::Fbank::new(config)?;
                samples(plan.n_rows(), move |samples| plan.compute(samples))
            }
            Feature::KaldiMfcc(config) => {
                let (rows, plan) = (config.num_ceps, kaldi::Mfcc::new(config)?);
                samples(rows, move |samples| plan.compute(samples))
            }
            Feature::MusicnnMel(config) => {
                let (rows, plan) = (config.mel.n_mels, musicnn::LogMelSpectrogram::new(config)?);
                samples(rows, move |samples| plan.compute(samples))
            }
            Feature::Rms(config) => {
                let plan = Rms::new(config)?;
                samples(1, move |samples| plan.compute(samples))
            }
            Feature::ZeroCrossingRate(config) => {
                let plan = ZeroCrossingRate::new(config)?;
                samples(1, move |samples| plan.compute(samples))
            }
            Feature::Yin(config) => {
                let plan = Yin::new(config)?;
                samples(1, move |samples| {
                    let pitch = plan.compute(samples)?;
                    Ok(one_row(pitch.into_iter().map(|hz| hz as f32).collect()))
                })
            }
            Feature::Harmonic(config) => self.part(config, false)?,
            Feature::Percussive(config) => self.part(config, true)?,
        };
        Ok(self.push(key, source, n_rows))
    }

    fn push(&mut self, key: Key, source: Source, n_rows: usize) -> usize {
        let step = self.steps.len();
        if let Source::Frames { input, .. } = source {
            self.steps[input].last_use = step;
        }
        self.steps.push(Step { key, source, n_rows, last_use: step });
        step
    }

    fn pass(&mut self, stft: &StftConfig) -> Result<usize, FeatureError> {
        if let Some(pass) = self.passes.iter().position(|pass| pass.config() == stft) {
            return Ok(pass);
        }
        self.passes.push(SpectralPass::new(stft.clone(), self.precision)?);
        Ok(self.passes.len() - 1)
    }

    fn spectral(&mut self, stft: &StftConfig, kernel: Kernel) -> Result<(Source, usize), FeatureError> {
        let pass = self.pass(stft)?;
        let rows = kernel.n_rows(self.passes[pass].n_bins());
        let kernel = self.passes[pass].add(kernel);
        Ok((Source::Spectral { pass, kernel }, rows))
    }

    fn spectrogram(&mut self, stft: &StftConfig, power: Power) -> Result<usize, FeatureError> {
        let key = Key::Spectrogram(stft.clone(), power);
        if let Some(step) = self.steps.iter().position(|step| step.key == key) {
            return Ok(step);
        }
        let (source, rows) = self.spectral(stft, Kernel::Spectrogram(power))?;
        Ok(self.push(key, source, rows))
    }

    fn frames(
        &self,
        input: usize,
        n_rows: usize,
        compute: impl Fn(ArrayView2<'_, f32>) -> Result<Array2<f32>, FeatureError> + Send + Sync + 'static,
    ) -> (Source, usize) {
        let compute = Arc::new(compute);
        (Source::Frames { input, compute }, n_rows)
    }

    fn part(&mut self, config: SeparationConfig, percussive: bool) -> Result<(Source, usize), FeatureError> {
        let known = self.separations.iter().position(|(plan, _)| *plan.config() == config);
        let separation = match known {
            Some(separation) => separation,
            None => {
                let pass = self.pass(&config.stft)?;
                self.passes[pass].keep_complex = true;
                self.separations.push((Separation::new(config)?, pass));
                self.separations.len() - 1
            }
        };
        Ok((Source::Part { separation, percussive }, 1))
    }

    /// Computes every step and gives each to `visit`; what no later step needs is dropped.
    pub(super) fn run(
        &self,
        samples: &[f32],
        mut visit: impl FnMut(usize, &Array2<f32>) -> Result<(), FeatureError>,
    ) -> Result<(), FeatureError> {
        let mut spectra = Vec::with_capacity(self.passes.len());
        for pass in &self.passes {
            let answer = pass.compute(samples)?;
            spectra.push((answer.complex, answer.features.into_iter().map(Some).collect::<Vec<_>>()));
        }
        let mut parts = Vec::with_capacity(self.separations.len());
        for (plan, pass) in &self.separations {
            let transform = spectra[*pass].0.as_ref();
            let separated =
                transform.map(|stft: &Array2<Complex32>| plan.from_stft(stft.view(), samples.len()));
            parts.push(separated.transpose()?);
        }
        spectra.iter_mut().for_each(|(complex, _)| *complex = None);

        let mut answers: Vec<Option<Array2<f32>>> = vec![None; self.steps.len()];
        for (index, step) in self.steps.iter().enumerate() {
            let answer = match &step.source {
                Source::Spectral { pass, kernel } => spectra[*pass].1[*kernel].take(),
                Source::Samples(compute) => Some(compute(samples)?),
                Source::Frames { input, compute } => {
                    let input = answers[*input].as_ref();
                    input.map(|input| compute(input.view())).transpose()?
                }
                Source::Part { separation, percussive } => {
                    parts[*separation].as_mut().map(|parts: &mut HarmonicPercussive<Vec<f32>>| {
                        one_row(std::mem::take(if *percussive {
                            &mut parts.percussive
                        } else {
                            &mut parts.harmonic
                        }))
                    })
                }
            };
            if let Some(answer) = &answer {
                visit(index, answer)?;
            }
            answers[index] = answer;
            for (answer, earlier) in answers.iter_mut().zip(&self.steps) {
                if earlier.last_use <= index {
                    *answer = None;
                }
            }
        }
        Ok(())
    }
}

fn samples(
    n_rows: usize,
    compute: impl Fn(&[f32]) -> Result<Array2<f32>, FeatureError> + Send + Sync + 'static,
) -> (Source, usize) {
    (Source::Samples(Arc::new(compute)), n_rows)
}

fn one_row(values: Vec<f32>) -> Array2<f32> {
    ndarray::Array1::from(values).insert_axis(Axis(0))
}

fn row(frames: ArrayView2<'_, f32>) -> Vec<f32> {
    frames.iter().copied().collect()
}
