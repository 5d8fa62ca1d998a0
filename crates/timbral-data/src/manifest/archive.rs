use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha1::{Digest as _, Sha1};

use crate::DataError;

/// Archives of the Free Music Archive data set with the SHA-1 that its makers publish.
pub const FMA_ARCHIVES: [(&str, &str); 2] = [
    ("fma_metadata.zip", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733"),
    ("fma_small.zip", "ade154f733639d52e35e32f5593efe5be76c6d70"),
];

/// Checks that a file has the SHA-1 sum `expected`, given in hexadecimal digits.
///
/// # Errors
///
/// [`DataError::Io`] if it cannot be read; [`DataError::Malformed`] with both sums if it has another one.
pub fn verify_archive(path: impl AsRef<Path>, expected: &str) -> Result<(), DataError> {
    let path = path.as_ref();
    let mut file = File::open(path).map_err(DataError::io(path))?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(DataError::io(path))? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    let found = format!("{:x}", hash.finalize());
    if found.eq_ignore_ascii_case(expected.trim()) {
        return Ok(());
    }
    let message = format!(
        "its SHA-1 is {found}, {expected} is published: the download is damaged or incomplete, repeat it"
    );
    Err(DataError::malformed(path, message))
}
