use std::io::Write;
use std::path::Path;

use crate::TrainError;

/// Writes a file so that a reader sees the old content or the new one, never a part, whatever interrupts.
///
/// The bytes go to a temporary file in the same folder, are flushed to the disk, and take the name in one step.
pub(crate) fn write_atomically(path: &Path, parts: &[&[u8]]) -> Result<(), TrainError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(TrainError::io(folder))?;
    for part in parts {
        file.write_all(part).map_err(TrainError::io(file.path()))?;
    }
    file.as_file().sync_all().map_err(TrainError::io(file.path()))?;
    file.persist(path).map_err(|e| TrainError::Io {
        path: path.to_owned(),
        source: e.error,
    })?;
    // The rename itself is durable once the folder is; only Unix lets a folder be opened and synced.
    #[cfg(unix)]
    std::fs::File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(TrainError::io(folder))?;
    Ok(())
}
