//! Audio files in folders, chosen by extension.

use std::path::{Path, PathBuf};

use crate::error::DecodeError;

/// Lower-case extensions of the containers that this crate decodes, whichever features are on: a file whose feature is
/// off then ends in an error that names the feature instead of vanishing from the list.
const AUDIO_EXTENSIONS: [&str; 25] = [
    "aac", "aif", "aifc", "aiff", "alac", "au", "caf", "flac", "m4a", "m4b", "mka", "mkv", "mp1", "mp2",
    "mp3", "mp4", "oga", "ogg", "opus", "rf64", "snd", "w64", "wav", "wave", "webm",
];

/// Returns the audio files of a folder and of all folders below it, sorted by path; a path that is not a folder is
/// returned as it is.
///
/// Files are chosen by extension, as [`is_audio_file`] does. Hidden files and folders are left out, among them the `._*`
/// files that macOS leaves behind; links to folders are not followed.
///
/// # Errors
///
/// [`DecodeError::Io`] if a folder cannot be listed.
pub fn audio_files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, DecodeError> {
    let path = path.as_ref();
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    // A stack, not recursion: the depth of a stranger's folders is theirs to choose.
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let io = |source| DecodeError::Io { name: folder.display().to_string(), source };
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

/// Returns whether a file has the extension of an audio format, in any case. Its content is not looked at.
///
/// ```
/// use timbral_decode::is_audio_file;
///
/// assert!(is_audio_file("song.MP3") && !is_audio_file("cover.jpg"));
/// ```
#[must_use]
pub fn is_audio_file(path: impl AsRef<Path>) -> bool {
    path.as_ref()
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| AUDIO_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}
