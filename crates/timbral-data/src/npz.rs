use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3};
use zip::ZipArchive;

use crate::DataError;

/// Largest member of an archive that is read, in bytes.
const MAX_BYTES: u64 = 1 << 31;

/// Reads a three-dimensional `uint8` array of an npz archive.
pub(crate) fn read_u8_cube(path: &Path, name: &str) -> Result<Array3<u8>, DataError> {
    let mut archive = NpzFile::open(path)?;
    let bytes = archive.member(name)?;
    let cube = NpyArray::parse(&bytes).and_then(|array| match (array.kind, array.shape.as_slice()) {
        ("|u1" | "<u1", &[a, b, c]) => {
            Array3::from_shape_vec((a, b, c), array.data(1)?.to_vec()).map_err(|e| e.to_string())
        }
        (kind, shape) => Err(format!("its type is {kind} and its shape {shape:?}")),
    });
    cube.map_err(|e| {
        DataError::malformed(path, format!("the array {name:?} is no three-dimensional uint8 array: {e}"))
    })
}

/// An archive of NumPy arrays.
pub(crate) struct NpzFile {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

impl NpzFile {
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|e| DataError::malformed(path, format!("no npz archive: {e}")))?;
        Ok(Self { path: path.to_owned(), archive })
    }

    /// Whether there is an array of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// The bytes of an array; the memory used follows the bytes that are really there, never the size that a header claims.
    fn member(&mut self, name: &str) -> Result<Vec<u8>, DataError> {
        let broken = |message: String| DataError::malformed(&self.path, message);
        let member = self
            .archive
            .by_name(&format!("{name}.npy"))
            .map_err(|e| broken(format!("no array {name:?} in the archive: {e}")))?;
        let mut bytes = Vec::new();
        member
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| broken(format!("the array {name:?} does not unpack: {e}")))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(DataError::Limit {
                path: self.path.clone(),
                what: "the size of an array in bytes",
                given: bytes.len() as u64,
                limit: MAX_BYTES,
            });
        }
        Ok(bytes)
    }

    /// A table of numbers, `float32`, `float64`, `int32` or `int64`, of one or two axes, as rows of equal length.
    pub(crate) fn numbers(&mut self, name: &str) -> Result<Array2<f64>, DataError> {
        let bytes = self.member(name)?;
        let array = NpyArray::parse(&bytes).map_err(|m| self.broken(name, &m))?;
        let (rows, columns) = match *array.shape.as_slice() {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => return Err(self.broken(name, "it has neither one nor two axes")),
        };
        let values = match array.kind {
            "<f4" => array.values(|b: [u8; 4]| f64::from(f32::from_le_bytes(b))),
            "<f8" => array.values(f64::from_le_bytes),
            "<i4" => array.values(|b: [u8; 4]| f64::from(i32::from_le_bytes(b))),
            "<i8" => array.values(|b: [u8; 8]| i64::from_le_bytes(b) as f64),
            other => Err(format!("its type is {other}, not float or int of 32 or 64 bits")),
        };
        let values = values.map_err(|m| self.broken(name, &m))?;
        Array2::from_shape_vec((rows, columns), values).map_err(|e| self.broken(name, &e.to_string()))
    }

    /// A list of texts, `<U`.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, DataError> {
        let bytes = self.member(name)?;
        let array = NpyArray::parse(&bytes).map_err(|m| self.broken(name, &m))?;
        let width = array.kind.strip_prefix("<U").and_then(|width| width.parse::<usize>().ok());
        let Some(width) = width.filter(|width| (1..=1 << 24).contains(width)) else {
            return Err(self.broken(name, &format!("its type is {}, not text", array.kind)));
        };
        let data = array.data(4 * width).map_err(|m| self.broken(name, &m))?;
        let text = |cell: &[u8]| -> String {
            cell.chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .take_while(|&code| code != 0)
                .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        };
        Ok(data.chunks_exact(4 * width).map(text).collect())
    }

    fn broken(&self, name: &str, message: &str) -> DataError {
        DataError::malformed(&self.path, format!("the array {name:?}: {message}"))
    }
}

/// An array in NumPy's format, in C order.
struct NpyArray<'a> {
    kind: &'a str,
    shape: Vec<usize>,
    data: &'a [u8],
}

impl<'a> NpyArray<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let short = || "it ends within its header".to_owned();
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it is no NumPy array")?;
        let (length, start): (usize, usize) = match rest {
            [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
            [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
            _ => return Err(short()),
        };
        let header = rest.get(start..start.saturating_add(length)).ok_or_else(short)?;
        let header = std::str::from_utf8(header).map_err(|_| "its header is no text".to_owned())?;
        let field = |name: &str| -> Option<&'a str> {
            let (_, rest) = header.split_once(&format!("'{name}':"))?;
            Some(rest.trim_start())
        };
        let kind = field("descr")
            .and_then(|rest| rest.strip_prefix('\'')?.split('\'').next())
            .ok_or("its header names no type")?;
        if field("fortran_order").is_some_and(|rest| rest.starts_with("True")) {
            return Err("it is stored column by column".to_owned());
        }
        let shape = field("shape")
            .and_then(|rest| rest.strip_prefix('(')?.split(')').next())
            .ok_or("its header has no shape")?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|side| !side.is_empty())
            .map(|side| side.parse().map_err(|_| format!("its shape is ({shape})")))
            .collect::<Result<_, _>>()?;
        let data = rest.get(start + length..).unwrap_or_default();
        Ok(Self { kind, shape, data })
    }

    /// The data of elements of `size` bytes, checked against the shape.
    fn data(&self, size: usize) -> Result<&'a [u8], String> {
        let bytes = self.shape.iter().try_fold(size, |n, &side| n.checked_mul(side));
        match bytes {
            Some(bytes) if bytes == self.data.len() => Ok(self.data),
            _ => Err(format!(
                "it has {} bytes for the shape {:?} of elements of {size}",
                self.data.len(),
                self.shape
            )),
        }
    }

    fn values<const N: usize>(&self, value: impl Fn([u8; N]) -> f64) -> Result<Vec<f64>, String> {
        let data = self.data(N)?;
        // The chunks have N bytes.
        Ok(data.chunks_exact(N).map(|chunk| value(std::array::from_fn(|i| chunk[i]))).collect())
    }
}
