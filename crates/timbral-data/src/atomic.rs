use std::path::Path;

use crate::DataError;

/// Writes the parts, one after the other, as a file that a reader sees whole or not at all.
pub(crate) fn write_atomically(path: &Path, parts: &[&[u8]]) -> Result<(), DataError> {
    timbral_atomic::write(path, parts).map_err(DataError::io(path))
}
