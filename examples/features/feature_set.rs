//! The feature set that `--features` names, for the programs of this package and of `data`.

/// The feature set of a preset or of a TOML file.
pub(crate) fn feature_set(name: &str) -> anyhow::Result<timbral_features::FeatureSetConfig> {
    use anyhow::Context as _;
    if let Some(config) = timbral_features::FeatureSetConfig::preset(name) {
        return Ok(config);
    }
    let known = timbral_features::FeatureSetConfig::PRESETS.join(", ");
    let text = std::fs::read_to_string(name)
        .with_context(|| format!("{name} is neither a preset ({known}) nor a readable file"))?;
    toml::from_str(&text).with_context(|| name.to_owned())
}
