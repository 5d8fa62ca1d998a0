//! The protocol of a report: text today, an enum in reports of earlier versions, which stay readable.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        None => None,
        Some(Value::String(text)) => Some(text.replace('_', " ")),
        Some(Value::Object(variant)) => variant.iter().next().map(|(name, fields)| describe(name, fields)),
        Some(other) => Some(other.to_string()),
    })
}

/// `stratified group k fold (n_folds 5, seed 0)`.
fn describe(name: &str, fields: &Value) -> String {
    let fields = fields.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let fields: Vec<String> = fields
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name} {text}"),
            other => format!("{name} {other}"),
        })
        .collect();
    let name = name.replace('_', " ");
    if fields.is_empty() { name } else { format!("{name} ({})", fields.join(", ")) }
}
