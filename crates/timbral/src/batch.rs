use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::{Classifier, Error, Verdict};

/// Extensions of files that a folder is searched for.
const AUDIO_EXTENSIONS: [&str; 23] = [
    "aac", "aif", "aifc", "aiff", "alac", "au", "caf", "flac", "m4a", "m4b", "mka", "mkv", "mp1", "mp2",
    "mp3", "mp4", "oga", "ogg", "opus", "snd", "wav", "wave", "webm",
];

impl Classifier {
    /// Classifies files with `threads` at a time (0: one for each core), and calls `done` with each answer as it comes,
    /// in no fixed order. The index is the place in `paths`.
    ///
    /// # Errors
    /// [`Error::Threads`] when the threads cannot be started. What goes wrong with a file is in its answer.
    pub fn classify_files(
        &self,
        paths: &[PathBuf],
        threads: usize,
        done: impl Fn(usize, Result<Verdict, Error>) + Sync,
    ) -> Result<(), Error> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| Error::Threads(e.to_string()))?;
        pool.install(|| {
            paths.par_iter().enumerate().for_each(|(index, path)| done(index, self.classify_file(path)));
        });
        Ok(())
    }
}

/// Audio files of a folder and the folders in it, sorted by path; a path that is no folder stands for itself.
///
/// Files are chosen by extension; hidden files and folders are left out, among them the `._*` that macOS leaves behind.
///
/// # Errors
/// [`Error::Io`] when a folder cannot be listed.
pub fn audio_files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    // A stack, not recursion: the depth of a stranger's folders is theirs to choose.
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let io = |source| Error::Io { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.file_name().as_encoded_bytes().first() == Some(&b'.') {
                continue;
            }
            let kind = entry.file_type().map_err(io)?;
            let path = entry.path();
            // A link to a folder is not followed, so that a loop of links ends.
            if kind.is_dir() {
                folders.push(path);
            } else if is_audio_file(&path) && path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file has the extension of an audio format, in any case. Its content is not looked at.
#[must_use]
pub fn is_audio_file(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| AUDIO_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}
