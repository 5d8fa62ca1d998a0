use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Aggregation, Architecture, JsonValue, ModelError, Rejection};

/// The schema that this version writes, and the only one that it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Most labels that a model may have.
const MAX_LABELS: usize = 10_000;

/// Least and greatest temperature: what a fit can give, with some tolerance for rounding.
const TEMPERATURES: (f64, f64) = (0.009, 101.0);

/// Everything that a model file says besides its tensors; [`Header::new`] makes one.
///
/// Serving builds decoding, windows and features from [`front_end`](Self::front_end) and from nothing else, so it
/// cannot drift from training. This crate carries the front end as data and leaves its meaning to the pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Header {
    /// Version of this schema: [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What kind of model the tensors belong to.
    pub kind: Kind,
    /// Name of the model, for people.
    pub name: String,
    /// The network and its sizes.
    pub architecture: Architecture,
    /// Sample rate, windows and features, as the pipeline wrote them.
    pub front_end: JsonValue,
    /// Names of the classes, in the order of the outputs.
    pub labels: Vec<String>,
    /// How the probabilities of the windows of a track become those of the track.
    pub aggregation: Aggregation,
    /// What the logarithms of a track's aggregated probabilities are divided by before they are scaled to the sum 1 again:
    /// below 1 where the model was underconfident. None: the probabilities stay as they are.
    ///
    /// It is fitted to tracks, so it is applied to the verdict over a track, after [`aggregation`](Self::aggregation): for
    /// networks, ensembles and classic models alike, whose output is probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// When an input is rejected as none of the classes. None: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Rejection>,
    /// Measured figures, such as `cv_accuracy`; what each means stands in the model's card.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Licence of the weights (SPDX expression).
    #[serde(default)]
    pub licence: String,
    /// What the weights were fitted to.
    #[serde(default)]
    pub training_data: String,
}

/// Kind of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A neural network, or an ensemble.
    Network,
    /// A model of `timbral-classic`.
    Classic,
}

impl Header {
    /// A header with the mean of the windows as aggregation, and without temperature, rejection, metrics, licence and
    /// training data.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        architecture: Architecture,
        front_end: JsonValue,
        labels: Vec<String>,
    ) -> Self {
        let classic = matches!(architecture, Architecture::Classic(_));
        Self {
            schema_version: SCHEMA_VERSION,
            kind: if classic { Kind::Classic } else { Kind::Network },
            name: name.into(),
            architecture,
            front_end,
            labels,
            aggregation: Aggregation::default(),
            temperature: None,
            rejection: None,
            metrics: BTreeMap::new(),
            licence: String::new(),
            training_data: String::new(),
        }
    }

    /// Reads a header and checks all that can be checked without tensors.
    ///
    /// # Errors
    /// [`ModelError::Unsupported`] for another schema version, [`ModelError::Malformed`] for JSON that is not a header,
    /// [`ModelError::Config`] for an architecture that breaks its rules, [`ModelError::Limit`] for too many labels. A temperature or a rejection out
    /// of range is [`ModelError::Malformed`].
    pub fn from_json(text: &str) -> Result<Self, ModelError> {
        let value: serde_json::Value = serde_json::from_str(text)
            .map_err(|e| ModelError::Malformed(format!("header is no JSON: {e}")))?;
        // The version comes first: a later schema may have any other shape.
        match value.get("schema_version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(SCHEMA_VERSION) => {}
            Some(version) => {
                return Err(ModelError::Unsupported(format!(
                    "schema version {version} was given, this build reads {SCHEMA_VERSION}"
                )));
            }
            None => return Err(ModelError::Malformed("header has no schema_version".into())),
        }
        let header: Self =
            serde_json::from_value(value).map_err(|e| ModelError::Malformed(format!("header: {e}")))?;
        header.validate()?;
        Ok(header)
    }

    /// Checks labels, architecture, temperature and rejection.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn validate(&self) -> Result<(), ModelError> {
        if self.schema_version != SCHEMA_VERSION {
            return Err(ModelError::Unsupported(format!(
                "schema version {} was given, this build reads {SCHEMA_VERSION}",
                self.schema_version
            )));
        }
        if self.labels.len() > MAX_LABELS {
            return Err(ModelError::Limit {
                what: "number of labels",
                given: self.labels.len() as u64,
                limit: MAX_LABELS as u64,
            });
        }
        if self.labels.len() < 2 {
            return Err(ModelError::Malformed(format!(
                "{} labels were given, a classifier has at least 2",
                self.labels.len()
            )));
        }
        let mut seen = BTreeSet::new();
        for label in &self.labels {
            if label.trim().is_empty() {
                return Err(ModelError::Malformed("a label is empty".into()));
            }
            if !seen.insert(label) {
                return Err(ModelError::Malformed(format!("label {label:?} stands twice")));
            }
        }
        let classic = matches!(self.architecture, Architecture::Classic(_));
        if classic != (self.kind == Kind::Classic) {
            let kind = self.kind;
            return Err(ModelError::Malformed(format!("the architecture is none of kind {kind:?}")));
        }
        self.architecture.validate()?;
        if let Some(temperature) = self.temperature
            && !(TEMPERATURES.0..=TEMPERATURES.1).contains(&temperature)
        {
            let (least, most) = TEMPERATURES;
            return Err(ModelError::Malformed(format!(
                "the temperature is {temperature}, it lies within {least} and {most}"
            )));
        }
        self.rejection.iter().try_for_each(|rejection| rejection.validate(self))
    }
}
