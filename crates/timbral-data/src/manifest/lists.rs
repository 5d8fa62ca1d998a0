//! Lists that say which tracks of GTZAN belong to which part.

use std::collections::HashMap;
use std::path::Path;

use crate::{DataError, Manifest, Part};

/// Sets the official split from three lists with one file a line, `blues/blues.00029.wav`; folder and extension are free.
///
/// A track in none of the lists is [`Part::Faulty`]: that is what leaving it out means.
pub(super) fn apply(manifest: &mut Manifest, lists: [(&Path, Part); 3]) -> Result<(), DataError> {
    let mut parts: HashMap<String, Part> = HashMap::new();
    for (path, part) in lists {
        let text = std::fs::read_to_string(path).map_err(DataError::io(path))?;
        for (line, name) in (1..).zip(text.lines().map(str::trim)) {
            if name.is_empty() {
                continue;
            }
            let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
            let track = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
            if let Some(other) = parts.insert(track.to_owned(), part).filter(|other| *other != part) {
                let message = format!("{track} is in the lists of {other} and of {part}");
                return Err(DataError::malformed_at(path, Some(line), message));
            }
        }
    }
    let mut missing: Vec<&str> = {
        let known: std::collections::HashSet<&str> =
            manifest.entries.iter().map(|entry| entry.track.track_id.as_str()).collect();
        parts.keys().map(String::as_str).filter(|track| !known.contains(track)).collect()
    };
    missing.sort_unstable();
    if !missing.is_empty() {
        let few: Vec<&str> = missing.iter().take(5).copied().collect();
        manifest.notes.push(format!(
            "{} tracks of the lists have no file, among them {}",
            missing.len(),
            few.join(", ")
        ));
    }
    for entry in &mut manifest.entries {
        let part = parts.get(&entry.track.track_id).copied();
        entry.track.official_split = Some(part.unwrap_or(Part::Faulty));
    }
    Ok(())
}
