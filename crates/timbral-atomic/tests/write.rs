//! Files that appear whole or not at all.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};

use timbral_atomic::{AtomicFile, write};

fn names(folder: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_name_is_taken_on_commit_and_replaces_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.txt");
    write(&path, ["old"]).unwrap();
    let mut file = AtomicFile::create(&path).unwrap();
    file.write_all(b"new content").unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(b"N").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old", "nothing is seen before");
    file.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"New content");
    assert_eq!(names(folder.path()), ["a.txt"]);
    write(&path, [b"one".as_slice(), b"", b"two"]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"onetwo");
}

#[test]
fn what_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = AtomicFile::create(folder.path().join("a.txt")).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_place_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = AtomicFile::create(folder.path().join("none/a.txt")).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    // A folder is not replaced by a file.
    fs::create_dir_all(folder.path().join("b/c")).unwrap();
    assert!(write(folder.path().join("b"), ["x"]).is_err_and(|e| e.kind() != std::io::ErrorKind::NotFound));
    assert_eq!(names(folder.path()), ["b"]);
}

#[cfg(unix)]
#[test]
fn permissions_are_those_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
    write(folder.path().join("atomic"), ["x"]).unwrap();
    fs::write(folder.path().join("plain"), "x").unwrap();
    assert_eq!(mode("atomic"), mode("plain"));
}
