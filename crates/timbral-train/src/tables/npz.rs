use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use ndarray::{Array3, ArrayView3};
use ndarray_npy::ViewNpyExt;
use zip::ZipArchive;

use crate::TrainError;

/// Largest member of an archive that is read, in bytes.
const MAX_BYTES: u64 = 1 << 31;

/// Reads a three-dimensional `uint8` array of an npz archive.
///
/// The memory used follows the bytes that are really there, never the size that a header claims.
pub(super) fn read_u8_cube(path: &Path, name: &str) -> Result<Array3<u8>, TrainError> {
    let broken = |message: String| TrainError::malformed(path, message);
    let file = File::open(path).map_err(TrainError::io(path))?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|e| broken(format!("no npz archive: {e}")))?;
    let member = archive
        .by_name(&format!("{name}.npy"))
        .map_err(|e| broken(format!("no array {name:?} in the archive: {e}")))?;
    let mut bytes = Vec::new();
    member
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| broken(format!("the array {name:?} does not unpack: {e}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(TrainError::Limit {
            path: path.to_owned(),
            what: "the size of an array in bytes",
            given: bytes.len() as u64,
            limit: MAX_BYTES,
        });
    }
    let view = ArrayView3::<u8>::view_npy(&bytes).map_err(|e| {
        broken(format!(
            "the array {name:?} is no three-dimensional uint8 array: {e}"
        ))
    })?;
    Ok(view.to_owned())
}
