use timbral_model::Header;

/// What the header of a model file says, as name and value: the fields of its card.
#[must_use]
pub fn model_card(header: &Header) -> Vec<(String, String)> {
    let stated = |text: &str| {
        if text.is_empty() { "not stated".to_owned() } else { text.to_owned() }
    };
    let architecture = serde_json::to_value(&header.architecture).unwrap_or_default();
    let kind = architecture.get("type").and_then(serde_json::Value::as_str).unwrap_or("model");
    let metrics: Vec<String> =
        header.metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
    let mut facts = vec![
        ("model".to_owned(), stated(&header.name)),
        ("architecture".to_owned(), kind.to_owned()),
        ("licence of the weights".to_owned(), stated(&header.licence)),
        ("trained on".to_owned(), stated(&header.training_data)),
        ("front end".to_owned(), shortened(&header.front_end.to_string())),
    ];
    if !metrics.is_empty() {
        facts.push(("measured at its making".to_owned(), metrics.join(", ")));
    }
    facts
}

/// A feature set has pages of parameters: the model file holds them all.
fn shortened(text: &str) -> String {
    const LENGTH: usize = 400;
    match text.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text.to_owned(),
    }
}
