use crate::rng::SeededRng;
use std::collections::BTreeMap;
use std::fmt;

use rand::RngCore as _;
use serde::{Deserialize, Serialize};

use crate::training::nearest;

/// Value of a field, in the kinds that TOML has. Shown as TOML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// `true` or `false`.
    Switch(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// A text, which names one of several kinds as well.
    Text(String),
    /// A list.
    List(Vec<Setting>),
    /// Fields by name.
    Table(BTreeMap<String, Setting>),
}

impl Setting {
    /// The number, where it is one.
    #[must_use]
    pub fn as_number(&self) -> Option<f64> {
        match *self {
            Self::Integer(value) => Some(value as f64),
            Self::Number(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn to_toml(&self) -> toml::Value {
        match self {
            Self::Switch(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Number(value) => (*value).into(),
            Self::Text(value) => value.as_str().into(),
            Self::List(items) => toml::Value::Array(items.iter().map(Self::to_toml).collect()),
            Self::Table(fields) => toml::Value::Table(
                fields.iter().map(|(name, value)| (name.clone(), value.to_toml())).collect(),
            ),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_toml())
    }
}

/// How values are spread over a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Evenly.
    #[default]
    Linear,
    /// Evenly over the logarithm: as many between 0.001 and 0.01 as between 0.01 and 0.1.
    Log,
}

/// The values that a field may take: in TOML a list, or `{ low, high, scale = "log", integer = true }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Setting", into = "Setting")]
pub enum Space {
    /// Any of these, all as likely.
    Values(Vec<Setting>),
    /// A range, ends included.
    Range {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
        /// How values are spread over it. Default: linear.
        scale: Scale,
        /// Whether only whole numbers are drawn. Default: no.
        integer: bool,
    },
}

impl Space {
    /// A draw. Numbers of a range are rounded to four digits, so that a table is readable and no machine's logarithm
    /// changes a trial.
    pub(super) fn draw(&self, rng: &mut SeededRng) -> Setting {
        match self {
            Self::Values(values) => values[rng.below(values.len())].clone(),
            Self::Range { low, high, scale, integer } => {
                // 53 random bits: a double in [0, 1).
                let share = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
                // A whole number stands for all that is rounded to it, or the ends would be half as likely.
                let half = if *integer { 0.5 } else { 0.0 };
                let (from, to) = (low - half, high + half);
                let value = match scale {
                    Scale::Linear => from + share * (to - from),
                    Scale::Log => (from.ln() + share * (to.ln() - from.ln())).exp(),
                };
                if *integer {
                    Setting::Integer(value.round().clamp(*low, *high) as i64)
                } else {
                    let rounded = format!("{value:.3e}").parse().unwrap_or(value);
                    Setting::Number(rounded.clamp(*low, *high))
                }
            }
        }
    }

    /// What is wrong with it, if anything.
    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::Values(values) if values.is_empty() => Some("a list of at least one value".into()),
            Self::Values(_) => None,
            Self::Range { low, high, scale, integer } => {
                if !(low.is_finite() && high.is_finite() && low < high) {
                    Some(format!("a range whose low, {low}, is below its high, {high}"))
                } else if *scale == Scale::Log && *low <= 0.0 {
                    Some(format!("a logarithmic range above 0, not from {low}"))
                } else if *integer
                    && (low.fract() != 0.0 || high.fract() != 0.0 || high.abs().max(low.abs()) > 1e15)
                {
                    Some(format!("a range with whole ends of at most 1e15, not {low} to {high}"))
                } else {
                    None
                }
            }
        }
    }
}

const RANGE_FIELDS: [&str; 4] = ["low", "high", "scale", "integer"];

impl TryFrom<Setting> for Space {
    type Error = String;

    fn try_from(setting: Setting) -> Result<Self, String> {
        let mut fields = match setting {
            Setting::List(values) => return Ok(Self::Values(values)),
            Setting::Table(fields) => fields,
            other => {
                return Err(format!(
                    "{other} is neither a list of values nor a range {{ low, high, scale, integer }}"
                ));
            }
        };
        let mut number = |name: &str| -> Result<f64, String> {
            let given = fields.remove(name).ok_or_else(|| format!("a range needs the field `{name}`"))?;
            given.as_number().ok_or_else(|| format!("`{name}` is {given}, but it must be a number"))
        };
        let (low, high) = (number("low")?, number("high")?);
        let scale = match fields.remove("scale") {
            None => Scale::Linear,
            Some(Setting::Text(text)) if text == "linear" => Scale::Linear,
            Some(Setting::Text(text)) if text == "log" => Scale::Log,
            Some(other) => {
                return Err(format!("`scale` is {other}, but it must be \"linear\" or \"log\""));
            }
        };
        let integer = match fields.remove("integer") {
            None => false,
            Some(Setting::Switch(value)) => value,
            Some(other) => return Err(format!("`integer` is {other}, but it must be true or false")),
        };
        match fields.keys().next() {
            None => Ok(Self::Range { low, high, scale, integer }),
            Some(name) => Err(format!(
                "a range has no field `{name}`; the nearest known name is `{}`",
                nearest(name, RANGE_FIELDS.into_iter()).unwrap_or_default()
            )),
        }
    }
}

impl From<Space> for Setting {
    fn from(space: Space) -> Self {
        match space {
            Space::Values(values) => Self::List(values),
            Space::Range { low, high, scale, integer } => {
                let scale = match scale {
                    Scale::Linear => "linear",
                    Scale::Log => "log",
                };
                let fields = [
                    ("low", Self::Number(low)),
                    ("high", Self::Number(high)),
                    ("scale", Self::Text(scale.to_owned())),
                    ("integer", Self::Switch(integer)),
                ];
                Self::Table(fields.map(|(name, value)| (name.to_owned(), value)).into())
            }
        }
    }
}

/// One choice of values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number, from 0, in the order in which trials were made.
    pub number: usize,
    /// The value of each field, by its dotted name.
    pub values: BTreeMap<String, Setting>,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.values.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
