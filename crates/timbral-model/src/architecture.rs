use std::fmt;

use serde::{Deserialize, Serialize};

use crate::classic::ClassicConfig;
use crate::compact_cnn::CompactCnnConfig;
use crate::crnn::CrnnConfig;
use crate::graph::{LayerGraph, Trace};
use crate::mfcc_cnn::MfccCnnConfig;
use crate::residual_cnn::ResidualCnnConfig;
use crate::rules::{check_size, rule};
use crate::sample_cnn::SampleCnnConfig;
use crate::spectrogram_transformer::SpectrogramTransformerConfig;
use crate::statistics_net::StatisticsNetConfig;
use crate::transfer::{TRUNK, TransferConfig};
use crate::{ModelError, Summary};

/// Most classes that an architecture is built for.
const MAX_CLASSES: usize = 10_000;

/// Most levels of networks within networks.
const MAX_DEPTH: usize = 4;

/// Frames of a summary where an architecture takes any length at once.
const USUAL_FRAMES: usize = 128;

/// What an architecture takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Input {
    /// Log-mel spectrograms, `(batch, bands, frames)` in dB.
    LogMel {
        /// Mel bands.
        bands: usize,
    },
    /// Mono samples within -1 and 1, `(batch, 1, samples)`.
    Waveform,
    /// The columns of a feature set, `(batch, columns, 1)`.
    Features {
        /// Number of columns.
        columns: usize,
    },
}

impl Input {
    /// Rows of one input: mel bands, columns of a feature set, or 1 for a waveform.
    #[must_use]
    pub fn rows(&self) -> usize {
        match *self {
            Self::LogMel { bands } => bands,
            Self::Waveform => 1,
            Self::Features { columns } => columns,
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogMel { bands } => write!(f, "spectrograms of {bands} mel bands"),
            Self::Waveform => f.write_str("the waveform"),
            Self::Features { columns } => write!(f, "{columns} columns of a feature set"),
        }
    }
}

/// A network by name and sizes, as it stands in a model file and in a training configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Architecture {
    /// Convolutions over the spectrogram as an image; see [`CompactCnnConfig`].
    CompactCnn(CompactCnnConfig),
    /// Dense layers over statistics of the spectrogram; see [`StatisticsNetConfig`].
    StatisticsNet(StatisticsNetConfig),
    /// A model of `timbral-classic` over the columns of a feature set or log-mel statistics; see [`ClassicConfig`].
    Classic(ClassicConfig),
    /// A deeper convolutional network of residual blocks; see [`ResidualCnnConfig`].
    ResidualCnn(ResidualCnnConfig),
    /// Convolutions, then a recurrent layer over time; see [`CrnnConfig`].
    Crnn(CrnnConfig),
    /// Attention over patches of the spectrogram; see [`SpectrogramTransformerConfig`].
    SpectrogramTransformer(SpectrogramTransformerConfig),
    /// Convolutions over the cepstral coefficients of short segments; see [`MfccCnnConfig`].
    MfccCnn(MfccCnnConfig),
    /// One-dimensional convolutions over the waveform; see [`SampleCnnConfig`].
    SampleCnn(SampleCnnConfig),
    /// A custom network, layer by layer; see [`LayerGraph`].
    Graph(LayerGraph),
    /// A trained network with a new head; see [`TransferConfig`].
    Transfer(TransferConfig),
    /// Mean of the probabilities of several models over the same input.
    Ensemble {
        /// The members, at least one, none an ensemble itself.
        members: Vec<Architecture>,
    },
}

/// What a network is made of: the one description that everything else reads.
pub(crate) trait Described {
    /// Checks the sizes, so that the graph can be written.
    fn check(&self) -> Result<(), ModelError>;
    /// What it takes. Called before the sizes are checked.
    fn input(&self) -> Input;
    /// Frames (or samples) that it is made for; 0 where it takes any length at once. Called before the sizes are checked.
    fn frames(&self) -> usize;
    /// The layers below the last one. Called after the sizes are checked.
    fn layers(&self) -> LayerGraph;
}

macro_rules! described {
    ($config:ty, $input:expr, $frames:expr) => {
        impl Described for $config {
            fn check(&self) -> Result<(), ModelError> {
                self.validate()
            }
            fn input(&self) -> Input {
                let input: fn(&Self) -> Input = $input;
                input(self)
            }
            fn frames(&self) -> usize {
                let frames: fn(&Self) -> usize = $frames;
                frames(self)
            }
            fn layers(&self) -> LayerGraph {
                self.graph()
            }
        }
    };
}

described!(CompactCnnConfig, |c| Input::LogMel { bands: c.bands }, |c| c.crop_frames);
described!(ResidualCnnConfig, |c| Input::LogMel { bands: c.bands }, |c| c.crop_frames);
described!(CrnnConfig, |c| Input::LogMel { bands: c.bands }, |c| c.crop_frames);
described!(SpectrogramTransformerConfig, |c| Input::LogMel { bands: c.bands }, |c| c.crop_frames);
described!(MfccCnnConfig, |c| Input::LogMel { bands: c.bands }, |c| c.crop_frames);
described!(SampleCnnConfig, |_| Input::Waveform, |c| c.crop_samples);
described!(StatisticsNetConfig, |c| Input::LogMel { bands: c.statistics.bands }, |c| c
    .statistics
    .modulation_frames);

impl Described for LayerGraph {
    fn check(&self) -> Result<(), ModelError> {
        self.validate()
    }
    fn input(&self) -> Input {
        self.input
    }
    fn frames(&self) -> usize {
        match self.input {
            Input::Features { .. } => 1,
            _ => self.crop,
        }
    }
    fn layers(&self) -> LayerGraph {
        self.clone()
    }
}

/// How an architecture is put together.
pub(crate) enum Structure<'a> {
    /// Layers of its own, below one dense layer.
    Layers(&'a dyn Described),
    /// A fitted model without layers.
    Classic(&'a ClassicConfig),
    /// The layers of another, below new ones.
    Transfer(&'a TransferConfig),
    /// Several, whose probabilities are averaged.
    Ensemble(&'a [Architecture]),
}

impl Architecture {
    pub(crate) fn structure(&self) -> Structure<'_> {
        match self {
            Self::CompactCnn(config) => Structure::Layers(config),
            Self::StatisticsNet(config) => Structure::Layers(config),
            Self::ResidualCnn(config) => Structure::Layers(config),
            Self::Crnn(config) => Structure::Layers(config),
            Self::SpectrogramTransformer(config) => Structure::Layers(config),
            Self::MfccCnn(config) => Structure::Layers(config),
            Self::SampleCnn(config) => Structure::Layers(config),
            Self::Graph(graph) => Structure::Layers(graph),
            Self::Classic(config) => Structure::Classic(config),
            Self::Transfer(config) => Structure::Transfer(config),
            Self::Ensemble { members } => Structure::Ensemble(members),
        }
    }

    /// Checks all sizes, so that building cannot fail for another reason than missing or misshapen weights.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the rule that is broken; [`ModelError::Limit`] when sizes that are allowed one by one
    /// ask for too much memory together.
    pub fn validate(&self) -> Result<(), ModelError> {
        let depth = self.depth();
        rule(depth <= MAX_DEPTH, "depth of networks within networks", depth, || {
            format!("at most {MAX_DEPTH}")
        })?;
        self.check_parts()?;
        let mut trace = Trace::new(&self.input_shape(self.default_frames()));
        self.trace(&mut trace)?;
        trace.check()
    }

    /// Networks within networks: a few levels are a use, more are an attack.
    fn depth(&self) -> usize {
        match self.structure() {
            Structure::Transfer(config) => 1 + config.trunk.depth(),
            Structure::Ensemble(members) => 1 + members.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn check_parts(&self) -> Result<(), ModelError> {
        let members = match self.structure() {
            Structure::Layers(layers) => return layers.check(),
            Structure::Classic(config) => return config.validate(),
            Structure::Transfer(config) => return config.validate(),
            Structure::Ensemble(members) => members,
        };
        let given = members.len();
        check_size("number of members", given, 1, 64)?;
        let input = members[0].input();
        for member in members {
            let nested = matches!(member, Self::Ensemble { .. });
            rule(!nested, "a member", "an ensemble", || "no ensemble itself".into())?;
            let other = member.input();
            rule(other == input, "input of a member", other, || format!("{input}, as of the first"))?;
            member.validate()?;
        }
        Ok(())
    }

    /// What the network takes.
    #[must_use]
    pub fn input(&self) -> Input {
        match self.structure() {
            Structure::Layers(layers) => layers.input(),
            Structure::Classic(config) => match &config.statistics {
                Some(statistics) => Input::LogMel { bands: statistics.bands },
                None => Input::Features { columns: config.columns },
            },
            Structure::Transfer(config) => config.trunk.input(),
            Structure::Ensemble(members) => members.first().map_or(Input::LogMel { bands: 0 }, Self::input),
        }
    }

    /// Rows of the input: mel bands, columns of a feature set, or 1 for a waveform.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.input().rows()
    }

    /// Frames (or samples) that the network is made for: those of a crop, or 128 where it takes any length at once.
    #[must_use]
    pub fn default_frames(&self) -> usize {
        let frames = match self.structure() {
            Structure::Layers(layers) => layers.frames(),
            Structure::Classic(_) => 1,
            Structure::Transfer(config) => config.trunk.default_frames(),
            Structure::Ensemble(members) => members.iter().map(Self::default_frames).max().unwrap_or(0),
        };
        if frames == 0 { USUAL_FRAMES } else { frames }
    }

    /// The layers with their output shapes, weights and multiply-adds for one input of `frames` frames (samples for a
    /// waveform) that is not cut into crops; [`default_frames`](Self::default_frames) is the length to ask for.
    ///
    /// # Errors
    /// As [`validate`](Self::validate), for the sizes and for the number of classes and frames.
    pub fn summary(&self, classes: usize, frames: usize) -> Result<Summary, ModelError> {
        self.validate()?;
        check_classes(classes)?;
        check_size("frames", frames, 1, 1 << 24)?;
        let mut trace = Trace::new(&self.input_shape(frames));
        self.trace_network(classes, &mut trace)?;
        trace.check()?;
        Ok(trace.finish())
    }

    pub(crate) fn input_shape(&self, frames: usize) -> [usize; 2] {
        [self.bands(), frames]
    }

    /// Goes through the layers up to the features.
    fn trace(&self, trace: &mut Trace) -> Result<(), ModelError> {
        match self.structure() {
            Structure::Layers(layers) => trace.graph(&layers.layers()).map(drop),
            // It has no layers of its own; `trace_network` tells of all of it.
            Structure::Classic(_) => Ok(()),
            Structure::Transfer(config) => {
                trace.within(TRUNK, |trace| config.trunk.trace(trace))?;
                trace.graph(&config.head(trace.width())).map(drop)
            }
            Structure::Ensemble(members) => {
                let input = trace.shape().to_vec();
                let mut width = 0usize;
                for (i, member) in with_layers(members) {
                    trace.branch_from(&input);
                    trace.within(&member_path(i), |trace| member.trace(trace))?;
                    width = width.saturating_add(trace.width());
                }
                trace.step("features", "side by side", &[width]);
                Ok(())
            }
        }
    }

    fn trace_network(&self, classes: usize, trace: &mut Trace) -> Result<(), ModelError> {
        match self.structure() {
            Structure::Classic(_) => trace.step("model", "classic model", &[classes]),
            Structure::Ensemble(members) => {
                let input = trace.shape().to_vec();
                for (i, member) in members.iter().enumerate() {
                    trace.branch_from(&input);
                    trace.within(&member_path(i), |trace| member.trace_network(classes, trace))?;
                }
                trace.step("mean", "mean of probabilities", &[classes]);
            }
            _ => {
                self.trace(trace)?;
                trace.linear("output", classes)?;
            }
        }
        Ok(())
    }

    /// Number of features that the last layer sees; 0 for sizes that break a rule.
    #[must_use]
    pub fn feature_width(&self) -> usize {
        let mut trace = Trace::new(&self.input_shape(self.default_frames()));
        if self.check_parts().and_then(|()| self.trace(&mut trace)).is_ok() { trace.width() } else { 0 }
    }

    /// Whether training must leave the weight `name` as it is: it belongs to a frozen trunk.
    #[must_use]
    pub fn is_frozen(&self, name: &str) -> bool {
        let below = |path: &str| name.strip_prefix(path).and_then(|name| name.strip_prefix('.'));
        match self.structure() {
            Structure::Transfer(config) => {
                below(TRUNK).is_some_and(|name| config.frozen || config.trunk.is_frozen(name))
            }
            Structure::Ensemble(members) => members
                .iter()
                .enumerate()
                .any(|(i, member)| below(&member_path(i)).is_some_and(|name| member.is_frozen(name))),
            _ => false,
        }
    }
}

/// The members of an ensemble that have layers below their last one, with their places: all but classic models.
pub(crate) fn with_layers(members: &[Architecture]) -> impl Iterator<Item = (usize, &Architecture)> {
    members.iter().enumerate().filter(|(_, member)| !matches!(member, Architecture::Classic(_)))
}

pub(crate) fn check_classes(classes: usize) -> Result<(), ModelError> {
    check_size("number of classes", classes, 2, MAX_CLASSES)
}

/// Path of the weights of a member of an ensemble: what stands before their names in the model file.
#[must_use]
pub fn member_path(index: usize) -> String {
    format!("member{index}")
}

/// Starts of crops that overlap by about half, from the first frame to the last and evenly spaced.
pub(crate) fn crop_starts(frames: usize, crop: usize) -> Vec<usize> {
    let room = frames - crop;
    let steps = room.div_ceil((crop / 2).max(1)).max(1);
    (0..=steps).map(|i| i * room / steps).collect()
}

/// Values of crops that go through a network at once: enough to fill its threads, few enough for memory.
pub(crate) const CHUNK_VALUES: usize = 1 << 20;
