use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::TrainError;

/// Writes the parts, one after the other, as a file that a reader sees whole or not at all.
pub(crate) fn write_atomically(path: &Path, parts: &[&[u8]]) -> Result<(), TrainError> {
    write(path, parts).map_err(TrainError::io(path))
}

fn write(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // As any new file: readable for others if the user's mask says so, where a temporary file would be private.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".timbral-").suffix(".tmp").tempfile_in(folder)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself lasts once the folder is on the disk; only Unix lets a folder be opened and synced.
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}
