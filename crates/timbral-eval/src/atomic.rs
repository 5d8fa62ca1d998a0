use std::path::Path;

use crate::EvalError;

/// Writes the parts, one after the other, as a file that a reader sees whole or not at all.
pub(crate) fn write_atomically(path: &Path, parts: &[&[u8]]) -> Result<(), EvalError> {
    timbral_atomic::write(path, parts).map_err(EvalError::io(path))
}
