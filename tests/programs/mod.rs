//! Where the examples lie that the tests run as users do.

use std::path::PathBuf;

/// The program of an example. Tests lie in `target/PROFILE/deps`, examples beside that folder.
pub(crate) fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let path = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{}: cargo builds the examples with the tests", path.display());
    path
}
