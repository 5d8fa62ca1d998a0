//! Architectures on plain slices: serving without candle.

use ndarray::{Array2, ArrayView3, Axis, Slice};
use timbral_nn::kernels::{LinearPlan, softmax};

use crate::architecture::{CHUNK_VALUES, Structure, check_classes, crop_starts, with_layers};
use crate::classic::ClassicMember;
use crate::graph::Trace;
use crate::graph::forward::{Array, Below, GraphForward, Source};
use crate::transfer::TRUNK;
use crate::{Architecture, ModelError, StoredTensor, member_path};

/// An [`Architecture`] with its weights, ready to predict.
#[derive(Debug)]
pub(crate) enum Inference {
    Layers { trunk: Trunk, output: LinearPlan },
    Classic(Box<ClassicMember>),
    Mean(Vec<Inference>),
}

/// The layers below the last one.
#[derive(Debug)]
pub(crate) enum Trunk {
    Graph(GraphForward),
    Transfer {
        trunk: Box<Trunk>,
        head: GraphForward,
    },
    /// Features side by side, each of crops as its member was trained.
    Joined(Vec<Trunk>),
}

impl Inference {
    /// Takes the weights of an architecture from `source`, which gives tensors by name.
    ///
    /// # Errors
    /// [`ModelError::Config`] and [`ModelError::Limit`] for sizes that break a rule, [`ModelError::Shape`] for a tensor that
    /// is missing or has another shape.
    pub(crate) fn new(
        architecture: &Architecture,
        classes: usize,
        source: &Source<'_>,
    ) -> Result<Self, ModelError> {
        architecture.validate()?;
        check_classes(classes)?;
        Self::below(architecture, classes, &Below { source, path: String::new() })
    }

    fn below(architecture: &Architecture, classes: usize, weights: &Below<'_>) -> Result<Self, ModelError> {
        Ok(match architecture.structure() {
            Structure::Classic(config) => {
                let get = |name: &str| -> Result<StoredTensor, ModelError> {
                    (weights.source)(&weights.pp(name).path)
                };
                Self::Classic(Box::new(ClassicMember::new(config, classes, get)?))
            }
            Structure::Ensemble(members) => Self::Mean(
                members
                    .iter()
                    .enumerate()
                    .map(|(i, member)| Self::below(member, classes, &weights.pp(&member_path(i))))
                    .collect::<Result<_, _>>()?,
            ),
            _ => Self::Layers {
                trunk: Trunk::below(architecture, weights)?,
                output: weights.pp("output").linear(architecture.feature_width(), classes)?,
            },
        })
    }

    /// Class probabilities of a batch `(batch, rows, frames)`, `(batch, classes)`.
    ///
    /// # Errors
    /// [`ModelError::Shape`] and others when `x` is not what the architecture takes.
    pub(crate) fn probabilities(&self, x: ArrayView3<'_, f32>) -> Result<Array2<f32>, ModelError> {
        match self {
            Self::Classic(member) => member.probabilities(x),
            Self::Mean(members) => {
                let mut sum: Option<Array2<f32>> = None;
                let mut computed = Vec::new();
                for member in members {
                    let rows = match member {
                        Self::Classic(member) => member.probabilities_sharing(x, &mut computed)?,
                        other => other.probabilities(x)?,
                    };
                    sum = Some(match sum {
                        Some(sum) => sum + rows,
                        None => rows,
                    });
                }
                let sum = sum.ok_or_else(|| ModelError::config("number of members", 0, "at least 1"))?;
                Ok(sum / members.len() as f32)
            }
            Self::Layers { trunk, output } => {
                let rows = mean_over_crops(x, trunk.crop(), &|crops| {
                    let mut rows = output.forward(&trunk.features(crops)?.values)?;
                    softmax(&mut rows, output.out_features())?;
                    Ok(rows)
                })?;
                let shape = (x.dim().0, output.out_features());
                Array2::from_shape_vec(shape, rows).map_err(|error| ModelError::Shape(error.to_string()))
            }
        }
    }
}

impl Trunk {
    /// Takes the weights of an architecture without its last layer.
    ///
    /// # Errors
    /// As [`Inference::new`].
    pub(crate) fn new(architecture: &Architecture, source: &Source<'_>) -> Result<Self, ModelError> {
        architecture.validate()?;
        Self::below(architecture, &Below { source, path: String::new() })
    }

    fn below(architecture: &Architecture, weights: &Below<'_>) -> Result<Self, ModelError> {
        Ok(match architecture.structure() {
            Structure::Layers(layers) => {
                let graph = layers.layers();
                let input = architecture.input_shape(architecture.default_frames());
                let shapes = Trace::new(&input).graph(&graph)?;
                Self::Graph(GraphForward::new(&graph, &shapes, weights)?)
            }
            Structure::Transfer(config) => {
                let width = config.trunk.feature_width();
                let head = config.head(width);
                let shapes = Trace::new(&[width]).graph(&head)?;
                Self::Transfer {
                    trunk: Box::new(Self::below(&config.trunk, &weights.pp(TRUNK))?),
                    head: GraphForward::new(&head, &shapes, weights)?,
                }
            }
            Structure::Ensemble(members) => Self::Joined(
                with_layers(members)
                    .map(|(i, member)| Self::below(member, &weights.pp(&member_path(i))))
                    .collect::<Result<_, _>>()?,
            ),
            Structure::Classic(_) => {
                return Err(ModelError::config(
                    "architecture",
                    "a classic model",
                    "one with layers below its last",
                ));
            }
        })
    }

    fn crop(&self) -> usize {
        match self {
            Self::Graph(graph) => graph.crop,
            Self::Transfer { trunk, .. } => trunk.crop(),
            Self::Joined(_) => 0,
        }
    }

    /// Features `(batch, width)`.
    fn features(&self, x: Array) -> Result<Array, ModelError> {
        match self {
            Self::Graph(graph) => graph.features(x),
            Self::Transfer { trunk, head } => head.run(trunk.cropped_features(&x)?),
            Self::Joined(trunks) => {
                let parts =
                    trunks.iter().map(|trunk| trunk.cropped_features(&x)).collect::<Result<Vec<_>, _>>()?;
                let batch = x.shape[0];
                let width = |part: &Array| part.values.len() / batch.max(1);
                let mut values = Vec::new();
                for row in 0..batch {
                    for part in &parts {
                        values.extend(&part.values[row * width(part)..(row + 1) * width(part)]);
                    }
                }
                Ok(Array { values, shape: vec![batch, parts.iter().map(width).sum()] })
            }
        }
    }

    /// Features of inputs of any length: the mean over crops where the trunk asks for crops.
    fn cropped_features(&self, x: &Array) -> Result<Array, ModelError> {
        let view = ArrayView3::from_shape((x.shape[0], x.shape[1], x.shape[2]), &x.values)
            .map_err(|error| ModelError::Shape(error.to_string()))?;
        let values = mean_over_crops(view, self.crop(), &|crops| Ok(self.features(crops)?.values))?;
        let width = values.len() / x.shape[0].max(1);
        Ok(Array { values, shape: vec![x.shape[0], width] })
    }
}

/// Applies `rows` to crops of the last axis and takes the mean over those of each input.
fn mean_over_crops(
    x: ArrayView3<'_, f32>,
    crop: usize,
    rows: &dyn Fn(Array) -> Result<Vec<f32>, ModelError>,
) -> Result<Vec<f32>, ModelError> {
    let (batch, bands, frames) = x.dim();
    if batch == 0 {
        return Ok(Vec::new());
    }
    if crop == 0 || frames <= crop {
        return rows(Array { values: x.iter().copied().collect(), shape: vec![batch, bands, frames] });
    }
    let starts = crop_starts(frames, crop);
    let at_once = (CHUNK_VALUES / (batch * bands * crop).max(1)).max(1);
    let mut sum: Vec<f32> = Vec::new();
    for starts in starts.chunks(at_once) {
        let mut values = Vec::with_capacity(starts.len() * batch * bands * crop);
        for &start in starts {
            values.extend(x.slice_axis(Axis(2), Slice::from(start..start + crop)));
        }
        let parts = rows(Array { values, shape: vec![starts.len() * batch, bands, crop] })?;
        let length = parts.len() / starts.len();
        sum.resize(length, 0.0);
        for part in parts.chunks_exact(length.max(1)) {
            sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
        }
    }
    sum.iter_mut().for_each(|sum| *sum /= starts.len() as f32);
    Ok(sum)
}
