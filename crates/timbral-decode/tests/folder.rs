//! Audio files in folders.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

use timbral_decode::{DecodeError, audio_files, is_audio_file};

/// Every extension of a container in the README's table, written out again so that none can be lost.
const EXTENSIONS: [&str; 25] = [
    "aac", "aif", "aifc", "aiff", "alac", "au", "caf", "flac", "m4a", "m4b", "mka", "mkv", "mp1", "mp2",
    "mp3", "mp4", "oga", "ogg", "opus", "rf64", "snd", "w64", "wav", "wave", "webm",
];

#[test]
fn every_extension_is_audio_in_any_case() {
    for extension in EXTENSIONS {
        assert!(is_audio_file(format!("a song.{extension}")), "{extension}");
        assert!(is_audio_file(format!("folder/a.b.{}", extension.to_uppercase())), "{extension}");
    }
}

#[test]
fn other_files_are_not_audio() {
    for name in ["wav", ".wav", "song.wav.txt", "song.", "song", "cover.jpg", "song.mid", "list.m3u", "mp3/"]
    {
        assert!(!is_audio_file(name), "{name}");
    }
}

#[test]
fn a_folder_is_searched_for_every_extension() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for extension in EXTENSIONS {
        let path = folder.path().join(format!("song.{extension}"));
        fs::write(&path, []).unwrap();
        expected.push(path);
    }
    expected.sort();
    assert_eq!(audio_files(folder.path()).unwrap(), expected);
}

#[test]
fn folders_are_searched_to_the_bottom_without_hidden_and_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("b/c")).unwrap();
    fs::create_dir_all(root.join(".hidden")).unwrap();
    fs::create_dir_all(root.join("folder.wav")).unwrap();
    for name in ["z.wav", "a.MP3", "b/c/d.opus", "b/notes.txt", "._z.wav", ".hidden/e.wav", "b/cover.jpg"] {
        fs::write(root.join(name), []).unwrap();
    }
    let names = ["a.MP3", "b/c/d.opus", "z.wav"].map(|name| root.join(name));
    assert_eq!(audio_files(root).unwrap(), names);
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_ends() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.wav"), []).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("a.wav"), folder.path().join("b.wav")).unwrap();
    let names = ["a.wav", "b.wav"].map(|name| folder.path().join(name));
    assert_eq!(
        audio_files(folder.path()).unwrap(),
        names,
        "a link to a file counts, one to a folder does not"
    );
}

#[test]
fn a_file_stands_for_itself_whatever_its_name() {
    assert_eq!(audio_files("no such file.xyz").unwrap(), [Path::new("no such file.xyz")]);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_listed_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    let result = audio_files(folder.path());
    // The superuser may list every folder.
    let may_list = fs::read_dir(&locked).is_ok();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
    match result {
        Ok(files) => assert!(may_list && files.is_empty()),
        Err(error) => {
            assert!(matches!(error, DecodeError::Io { .. }));
            assert!(error.to_string().contains("locked"), "{error}");
        }
    }
}
