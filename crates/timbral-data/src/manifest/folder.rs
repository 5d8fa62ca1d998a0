use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{DataError, Manifest, ManifestEntry, TrackInfo};

/// The file name without its last extension.
pub(super) fn track_id(path: &Path) -> Option<String> {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned())
}

fn is_audio(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    !hidden && timbral_decode::is_audio_file(path)
}

fn sorted_children(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut children = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        children.push(entry.map_err(DataError::io(folder))?.path());
    }
    children.sort();
    Ok(children)
}

pub(super) fn read(root: &Path) -> Result<Manifest, DataError> {
    let mut manifest = Manifest::default();
    let mut seen: HashMap<String, PathBuf> = HashMap::new();
    let mut skipped = 0_usize;
    for class in sorted_children(root)? {
        let Some(label) = class.file_name().map(|n| n.to_string_lossy().into_owned()) else {
            continue;
        };
        if label.starts_with('.') || !class.is_dir() {
            continue;
        }
        for path in sorted_children(&class)? {
            if !is_audio(&path) || !path.is_file() {
                skipped += 1;
                continue;
            }
            let Some(id) = track_id(&path) else { continue };
            if let Some(first) = seen.insert(id.clone(), path.clone()) {
                let message =
                    format!("track {id} is there as {} too; keep one file a track", first.display());
                return Err(DataError::malformed(&path, message));
            }
            if is_broken_gtzan_file(&label, &id, &path) {
                manifest.notes.push(format!(
                    "{}: this file is corrupt in the circulating WAV copies of GTZAN (the original .au decodes); if it does \
                     not decode, say in reports that the track is missing",
                    path.display()
                ));
            }
            let track = TrackInfo::new(id, label.clone());
            manifest.entries.push(ManifestEntry { path, track, duration_seconds: None });
        }
    }
    if manifest.entries.is_empty() {
        let message =
            "no audio file in any folder of it; one folder per class is expected, as LABEL/FILE.wav";
        return Err(DataError::malformed(root, message));
    }
    if skipped > 0 {
        manifest.notes.push(format!("{skipped} hidden files and files of other kinds were skipped"));
    }
    Ok(manifest)
}

fn is_broken_gtzan_file(label: &str, id: &str, path: &Path) -> bool {
    label == "jazz" && id == "jazz.00054" && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"))
}
