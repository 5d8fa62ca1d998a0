//! Arrays in NumPy's formats: `.npy` files and `.npz` archives of them.

use std::fs::File;
use std::io::{BufReader, Read as _, Seek, Write};
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayD, ArrayView, Dimension, IxDyn, ShapeBuilder as _};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::DataError;

/// Largest array that is read, in bytes.
const MAX_BYTES: u64 = 1 << 31;

/// A number as NumPy stores it: `u8`, `i16`, `i32`, `i64`, `f32`, `f64`, `bool`, or a pair of two `f32` for a complex number.
pub trait NpyElement: Sized + private::Sealed {
    /// The type as `.npy` headers name it, such as `<f4`.
    const DESCR: &'static str;
    /// Bytes of a number.
    const SIZE: usize;
    /// A number from its bytes, of which there are [`SIZE`](Self::SIZE).
    fn read(bytes: &[u8]) -> Self;
    /// Appends the bytes of the number.
    fn write(&self, bytes: &mut Vec<u8>);
}

mod private {
    /// Keeps the list of types closed.
    pub trait Sealed {}
}

macro_rules! element {
    ($($number:ty => $descr:literal),*) => {$(
        impl private::Sealed for $number {}
        impl NpyElement for $number {
            const DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$number>();
            fn read(bytes: &[u8]) -> Self {
                Self::from_le_bytes(std::array::from_fn(|i| bytes.get(i).copied().unwrap_or_default()))
            }
            fn write(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

element!(u8 => "|u1", i16 => "<i2", i32 => "<i4", i64 => "<i8", f32 => "<f4", f64 => "<f8");

impl private::Sealed for bool {}
impl NpyElement for bool {
    const DESCR: &'static str = "|b1";
    const SIZE: usize = 1;
    fn read(bytes: &[u8]) -> Self {
        bytes.first().is_some_and(|byte| *byte != 0)
    }
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }
}

impl private::Sealed for [f32; 2] {}
impl NpyElement for [f32; 2] {
    const DESCR: &'static str = "<c8";
    const SIZE: usize = 8;
    fn read(bytes: &[u8]) -> Self {
        let (re, im) = bytes.split_at(bytes.len().min(4));
        [f32::read(re), f32::read(im)]
    }
    fn write(&self, bytes: &mut Vec<u8>) {
        self.iter().for_each(|part| part.write(bytes));
    }
}

/// An array as it lies in a file: its type is found out when it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyArray {
    path: PathBuf,
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl NpyArray {
    /// Reads a `.npy` file.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if it cannot be read; [`DataError::Limit`] for more than 2 GiB; [`DataError::Malformed`] if it is
    /// no NumPy array.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(DataError::io(path))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(DataError::io(path))?;
        check_size(path, bytes.len() as u64)?;
        Self::parse(path, &bytes).map_err(|message| DataError::malformed(path, message))
    }

    fn parse(path: &Path, bytes: &[u8]) -> Result<Self, String> {
        let short = || "it ends within its header".to_owned();
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("it is no NumPy array")?;
        let (length, start): (usize, usize) = match rest {
            [1, _, a, b, ..] => (usize::from(u16::from_le_bytes([*a, *b])), 4),
            [2 | 3, _, a, b, c, d, ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, 6),
            _ => return Err(short()),
        };
        let end = start.saturating_add(length);
        let header = rest.get(start..end).ok_or_else(short)?;
        let header = std::str::from_utf8(header).map_err(|_| "its header is no text".to_owned())?;
        let field = |name: &str| {
            let (_, rest) = header.split_once(&format!("'{name}':"))?;
            Some(rest.trim_start())
        };
        let descr = field("descr")
            .and_then(|rest| rest.strip_prefix('\'')?.split('\'').next())
            .ok_or("its header names no type")?;
        let fortran = field("fortran_order").is_some_and(|rest| rest.starts_with("True"));
        let shape = field("shape")
            .and_then(|rest| rest.strip_prefix('(')?.split(')').next())
            .ok_or("its header has no shape")?;
        let shape = shape
            .split(',')
            .map(str::trim)
            .filter(|side| !side.is_empty())
            .map(|side| side.parse().map_err(|_| format!("its shape is ({shape})")))
            .collect::<Result<_, _>>()?;
        let data = rest.get(end..).unwrap_or_default().to_vec();
        Ok(Self { path: path.to_owned(), descr: descr.to_owned(), fortran, shape, data })
    }

    /// Type of the numbers as NumPy names it, such as `<f4`.
    #[must_use]
    pub fn descr(&self) -> &str {
        &self.descr
    }

    /// Number of elements along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers, in the order of the axes in the file.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`] if they are of another type, or not as many as the shape says.
    pub fn values<T: NpyElement>(&self) -> Result<ArrayD<T>, DataError> {
        if self.descr != T::DESCR && !(T::SIZE == 1 && self.descr.get(1..) == T::DESCR.get(1..)) {
            return Err(self.broken(&format!("its type is {}; it must be {}", self.descr, T::DESCR)));
        }
        let values: Vec<T> = self.data_of(T::SIZE)?.chunks_exact(T::SIZE).map(T::read).collect();
        let shape = IxDyn(&self.shape).set_f(self.fortran);
        ArrayD::from_shape_vec(shape, values).map_err(|e| self.broken(&e.to_string()))
    }

    /// One or two axes of numbers, whatever their type, as rows of equal length; a single axis becomes a column.
    pub(crate) fn rows(&self) -> Result<Array2<f64>, DataError> {
        let (rows, columns) = match *self.shape.as_slice() {
            [rows] => (rows, 1),
            [rows, columns] => (rows, columns),
            _ => return Err(self.broken("it has neither one nor two axes")),
        };
        let values = match self.descr.as_str() {
            "<f4" => self.values::<f32>()?.mapv(f64::from),
            "<f8" => self.values::<f64>()?,
            "<i4" => self.values::<i32>()?.mapv(f64::from),
            "<i8" => self.values::<i64>()?.mapv(|value| value as f64),
            other => {
                return Err(self.broken(&format!("its type is {other}, not float or int of 32 or 64 bits")));
            }
        };
        values.into_shape_with_order((rows, columns)).map_err(|e| self.broken(&e.to_string()))
    }

    /// Text, `<U`, as a list.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`] if it is no text, or shorter than the shape says.
    pub fn texts(&self) -> Result<Vec<String>, DataError> {
        let width = self.descr.strip_prefix("<U").and_then(|width| width.parse::<usize>().ok());
        let Some(width) = width.filter(|width| (1..=1 << 24).contains(width)) else {
            return Err(self.broken(&format!("its type is {}, not text", self.descr)));
        };
        let text = |cell: &[u8]| -> String {
            cell.chunks_exact(4)
                .map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .take_while(|&code| code != 0)
                .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        };
        Ok(self.data_of(4 * width)?.chunks_exact(4 * width).map(text).collect())
    }

    /// The bytes, checked against the shape: memory follows what is there, not what a header claims.
    fn data_of(&self, size: usize) -> Result<&[u8], DataError> {
        match self.shape.iter().try_fold(size, |n, &side| n.checked_mul(side)) {
            Some(bytes) if bytes == self.data.len() => Ok(&self.data),
            _ => Err(self.broken(&format!(
                "it has {} bytes for the shape {:?} of elements of {size}",
                self.data.len(),
                self.shape
            ))),
        }
    }

    fn broken(&self, message: &str) -> DataError {
        DataError::malformed(&self.path, message)
    }
}

/// Writes an array as a `.npy` file, in one step.
///
/// # Errors
///
/// [`DataError::Io`] if the file cannot be written.
pub fn save_npy<T: NpyElement, D: Dimension>(
    path: impl AsRef<Path>,
    array: ArrayView<'_, T, D>,
) -> Result<(), DataError> {
    let mut data = Vec::with_capacity(array.len() * T::SIZE);
    array.iter().for_each(|value| value.write(&mut data));
    let sides: Vec<String> = array.shape().iter().map(|side| format!("{side},")).collect();
    let header = header(T::DESCR, &format!("({})", sides.join(" ")));
    crate::atomic::write_atomically(path.as_ref(), &[&header, &data])
}

/// NumPy format 1.0: magic, version, length of the header, header padded to a multiple of 64.
fn header(descr: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 10;
    text.push_str(&" ".repeat(padded - 1 - text.len()));
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(padded as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// An archive of NumPy arrays, `.npz`.
#[derive(Debug)]
pub struct NpzReader {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

impl NpzReader {
    /// Opens an archive.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if it cannot be read; [`DataError::Malformed`] if it is no archive.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(DataError::io(path))?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|e| DataError::malformed(path, format!("no npz archive: {e}")))?;
        Ok(Self { path: path.to_owned(), archive })
    }

    /// Whether there is an array of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.archive.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// An array by its name.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`] if there is none, or it does not unpack; [`DataError::Limit`] for more than 2 GiB.
    pub fn array(&mut self, name: &str) -> Result<NpyArray, DataError> {
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
        check_size(&self.path, bytes.len() as u64)?;
        let path = PathBuf::from(format!("{}, array {name:?}", self.path.display()));
        NpyArray::parse(&path, &bytes).map_err(|message| DataError::malformed(&path, message))
    }
}

fn check_size(path: &Path, given: u64) -> Result<(), DataError> {
    if given > MAX_BYTES {
        let what = "the size of an array in bytes";
        return Err(DataError::Limit { path: path.to_owned(), what, given, limit: MAX_BYTES });
    }
    Ok(())
}

/// Writes an array of text, `<U`, as a member of an `.npz` archive.
pub(crate) fn write_text<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
    shape: &str,
    texts: &[&str],
) -> std::io::Result<()> {
    let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let mut data = Vec::with_capacity(texts.len() * width * 4);
    for text in texts {
        let end = data.len() + width * 4;
        data.extend(text.chars().flat_map(|c| u32::from(c).to_le_bytes()));
        data.resize(end, 0);
    }
    write_member(archive, name, &header(&format!("<U{width}"), shape), &data)
}

/// Writes an array of `f64` in C order as a member of an `.npz` archive.
pub(crate) fn write_numbers<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
    shape: &str,
    values: impl Iterator<Item = f64>,
) -> std::io::Result<()> {
    let data: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
    write_member(archive, name, &header("<f8", shape), &data)
}

fn write_member<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
    header: &[u8],
    data: &[u8],
) -> std::io::Result<()> {
    let options = SimpleFileOptions::default().large_file(data.len() > 1 << 31);
    archive.start_file(format!("{name}.npy"), options).map_err(std::io::Error::other)?;
    archive.write_all(header)?;
    archive.write_all(data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use ndarray::{Array3, array};

    use super::*;

    #[test]
    fn what_was_saved_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let cube = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as f32 / 8.0);
        save_npy(&path, cube.view()).unwrap();
        // numpy.save writes these very bytes.
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
        assert_eq!(bytes.len(), 128 + 4 * 24);
        let read = NpyArray::open(&path).unwrap();
        assert_eq!((read.descr(), read.shape()), ("<f4", &[2, 3, 4][..]));
        assert_eq!(read.values::<f32>().unwrap(), cube.view().into_dyn());
        assert!(matches!(read.values::<f64>(), Err(DataError::Malformed { .. })));
        // A transposed view is stored as it is seen.
        let turned = array![[1_i64, 2, 3], [4, 5, 6]];
        save_npy(&path, turned.t()).unwrap();
        assert_eq!(NpyArray::open(&path).unwrap().values::<i64>().unwrap(), turned.t().into_dyn());
        save_npy(&path, array![true, false].view()).unwrap();
        assert_eq!(NpyArray::open(&path).unwrap().values::<bool>().unwrap(), array![true, false].into_dyn());
        save_npy(&path, array![[1.0_f32, -2.0]].view()).unwrap();
        assert_eq!(NpyArray::open(&path).unwrap().rows().unwrap(), array![[1.0, -2.0]]);
    }

    #[test]
    fn columns_first_is_read_as_well() {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        let text = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }\n";
        bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        [1_i16, 4, 2, 5, 3, 6].iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
        let array = NpyArray::parse(Path::new("a.npy"), &bytes).unwrap();
        assert_eq!(array.values::<i16>().unwrap(), array![[1_i16, 2, 3], [4, 5, 6]].into_dyn());
    }
}
