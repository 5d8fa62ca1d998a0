//! A cache of computed features on disk: one array per file, keyed by its content and by what computed it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn};
use sha2::{Digest, Sha256};

use crate::DataError;
use crate::atomic::write_atomically;

/// First bytes of an entry: what it is, and the version of its layout.
const MAGIC: &[u8; 8] = b"TIMBRLF1";
const MAX_DIMENSIONS: usize = 16;
const CHECKSUM: usize = 32;

/// Names one entry of a [`FeatureCache`]: this sound through this front end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheKey {
    digest: [u8; 32],
}

impl CacheKey {
    /// The key of features that a front end computes from a file.
    ///
    /// `content_hash` is that of the file's bytes ([`FeatureCache::hash_file`]), so that a file may move; `front_end` is
    /// whatever decides the numbers, such as its configuration as JSON and a version.
    #[must_use]
    pub fn new(content_hash: &[u8; 32], front_end: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(content_hash);
        hasher.update(front_end.as_bytes());
        Self { digest: hasher.finalize().into() }
    }

    /// The key in hexadecimal.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.digest.iter().map(|b| format!("{b:02x}")).collect()
    }
}

/// A folder of computed features, so that a second run does not compute them again.
///
/// An entry is written to a temporary file, flushed and renamed, so an interrupted run leaves whole entries only, and several
/// processes may share the folder. Each entry ends with its SHA-256; one that does not match is as good as none.
#[derive(Clone, Debug)]
pub struct FeatureCache {
    folder: PathBuf,
}

impl FeatureCache {
    /// Opens a cache, making its folder if it is not there.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the folder cannot be made.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, DataError> {
        let folder = folder.into();
        std::fs::create_dir_all(&folder).map_err(DataError::io(&folder))?;
        Ok(Self { folder })
    }

    /// SHA-256 of the bytes of a file, read in pieces.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if the file cannot be read.
    pub fn hash_file(path: impl AsRef<Path>) -> Result<[u8; 32], DataError> {
        let path = path.as_ref();
        let mut file = BufReader::new(File::open(path).map_err(DataError::io(path))?);
        let mut hasher = Sha256::new();
        io::copy(&mut file, &mut hasher).map_err(DataError::io(path))?;
        Ok(hasher.finalize().into())
    }

    fn path(&self, key: &CacheKey) -> PathBuf {
        let name = key.to_hex();
        // Two levels, because file systems grow slow with many files in one folder.
        self.folder.join(&name[..2]).join(format!("{name}.features"))
    }

    /// An entry; `None` where there is none or it is damaged.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if there is a file that cannot be read.
    pub fn get(&self, key: &CacheKey) -> Result<Option<ArrayD<f32>>, DataError> {
        let path = self.path(key);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => file.read_to_end(&mut bytes).map_err(DataError::io(&path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DataError::Io { path, source }),
        };
        Ok(decode(&bytes))
    }

    /// Stores an entry, in the place of an older one.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if it cannot be written; [`DataError::Shape`] if the array has more than 16 dimensions.
    pub fn put(&self, key: &CacheKey, features: &ArrayD<f32>) -> Result<(), DataError> {
        let path = self.path(key);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(DataError::io(parent))?;
        }
        if features.ndim() > MAX_DIMENSIONS {
            let given = format!("{} dimensions", features.ndim());
            return Err(DataError::shape(
                "features",
                given,
                format!("there must be at most {MAX_DIMENSIONS}"),
            ));
        }
        let bytes = encode(features);
        let checksum = Sha256::digest(&bytes);
        write_atomically(&path, &[&bytes, &checksum])
    }

    /// The entry, or what `compute` gives, which is stored.
    ///
    /// # Errors
    ///
    /// Those of `compute`, and [`DataError`] in the caller's type if the cache cannot be read or written.
    pub fn get_or_compute<E: From<DataError>>(
        &self,
        key: &CacheKey,
        compute: impl FnOnce() -> Result<ArrayD<f32>, E>,
    ) -> Result<ArrayD<f32>, E> {
        if let Some(features) = self.get(key)? {
            return Ok(features);
        }
        let features = compute()?;
        self.put(key, &features)?;
        Ok(features)
    }
}

/// Magic, number of dimensions, dimensions, values in row-major order; little-endian.
fn encode(features: &ArrayD<f32>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + 8 + 8 * features.ndim() + 4 * features.len() + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&(features.ndim() as u64).to_le_bytes());
    for &n in features.shape() {
        bytes.extend_from_slice(&(n as u64).to_le_bytes());
    }
    for value in features {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<ArrayD<f32>> {
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM)?)?;
    if Sha256::digest(content)[..] != *checksum {
        return None;
    }
    let rest = content.strip_prefix(MAGIC)?;
    let (n_dimensions, mut rest) = number(rest)?;
    if n_dimensions > MAX_DIMENSIONS {
        return None;
    }
    let mut shape = Vec::with_capacity(n_dimensions);
    for _ in 0..n_dimensions {
        let (n, tail) = number(rest)?;
        shape.push(n);
        rest = tail;
    }
    let values: Vec<f32> =
        rest.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    ArrayD::from_shape_vec(IxDyn(&shape), values).ok()
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, tail) = bytes.split_first_chunk::<8>()?;
    Some((usize::try_from(u64::from_le_bytes(*head)).ok()?, tail))
}
