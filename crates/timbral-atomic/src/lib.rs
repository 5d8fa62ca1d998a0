#![doc = include_str!("../README.md")]

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that takes its name when it is complete: dropped before [`commit`](Self::commit), it leaves nothing behind.
#[derive(Debug)]
pub struct AtomicFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Opens a temporary file beside `path`.
    ///
    /// # Errors
    ///
    /// What the system says, such as that the folder does not exist or cannot be written.
    pub fn create(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut builder = tempfile::Builder::new();
        // As any new file: readable for others if the user's mask says so, where a temporary file would be private.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.prefix(".timbral-").suffix(".tmp").tempfile_in(folder(path))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Flushes the bytes to the disk and gives the file its name; a file of that name is replaced.
    ///
    /// # Errors
    ///
    /// What the system says; the old file, if any, is then untouched.
    pub fn commit(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        // The rename itself lasts once the folder is on the disk; only Unix lets a folder be opened and flushed.
        #[cfg(unix)]
        std::fs::File::open(folder(&self.path))?.sync_all()?;
        Ok(())
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.as_file_mut().seek(to)
    }
}

/// Writes the parts, one after the other, as a file that a reader sees whole or not at all.
///
/// # Errors
///
/// As [`AtomicFile::create`] and [`AtomicFile::commit`].
pub fn write<B: AsRef<[u8]>>(path: impl AsRef<Path>, parts: impl IntoIterator<Item = B>) -> io::Result<()> {
    let mut file = AtomicFile::create(path)?;
    for part in parts {
        file.write_all(part.as_ref())?;
    }
    file.commit()
}

/// The folder of a file, the current one for a bare name.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
