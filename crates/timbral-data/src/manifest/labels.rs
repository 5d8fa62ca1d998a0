use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::DataError;

/// Labels of a data set under other names: renamed, merged into one, or left out. Others stay.
///
/// ```
/// use timbral_data::LabelMap;
/// let map: LabelMap = toml::from_str(r#"
///     leave_out = ["reggae"]                      # nine genres
///     rename = { metal = "rock", hiphop = "hip-hop" } # metal is merged into rock
/// "#)?;
/// assert_eq!(map.apply("metal").as_deref(), Some("rock"));
/// assert_eq!(map.apply("reggae"), None);
/// assert_eq!(map.apply("jazz").as_deref(), Some("jazz"));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelMap {
    /// New names by old ones. Two labels with one new name become one class.
    pub rename: BTreeMap<String, String>,
    /// Labels whose tracks are not used.
    pub leave_out: Vec<String>,
}

impl LabelMap {
    /// The label that a label becomes; `None` if its tracks are left out.
    #[must_use]
    pub fn apply(&self, label: &str) -> Option<String> {
        if self.leave_out.iter().any(|left_out| left_out == label) {
            return None;
        }
        Some(self.rename.get(label).map_or(label, String::as_str).to_owned())
    }

    pub(super) fn check(&self, labels: &[String]) -> Result<(), DataError> {
        let mut named = self.rename.keys().chain(&self.leave_out);
        match named.find(|name| !labels.contains(name)) {
            None => Ok(()),
            Some(unknown) => {
                let rule = format!("one of {}", labels.join(", "));
                Err(DataError::config("label", unknown, rule))
            }
        }
    }
}
