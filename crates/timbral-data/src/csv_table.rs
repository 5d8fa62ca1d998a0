//! Comma-separated tables whose errors name the file, the line and the column.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use csv::StringRecord;

use crate::DataError;

/// Largest CSV file that is read, in bytes: tables are held in memory whole.
const MAX_BYTES: u64 = 1 << 30;

/// A CSV file with a header, read whole; fields are asked for by the name of their column.
#[derive(Debug)]
pub struct CsvTable {
    path: PathBuf,
    columns: HashMap<String, usize>,
    header: Vec<String>,
    records: Vec<(u64, StringRecord)>,
    comments: Vec<String>,
}

/// One record with the place that errors name.
#[derive(Clone, Copy, Debug)]
pub struct CsvRow<'a> {
    table: &'a CsvTable,
    line: u64,
    record: &'a StringRecord,
}

impl CsvTable {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`DataError::Io`] if it cannot be read; [`DataError::Limit`] if it is larger than 1 GiB; [`DataError::Malformed`],
    /// with the line, as [`parse`](Self::parse).
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io(path))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(DataError::io(path))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(DataError::Limit {
                path: path.to_owned(),
                what: "the file size in bytes",
                given: bytes.len() as u64,
                limit: MAX_BYTES,
            });
        }
        Self::parse(path, &bytes)
    }

    /// Parses the bytes of a file, of which errors say that they are those of `path`.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`], with the line, for a row of another length than the header, text that is not UTF-8, or a
    /// column name that stands twice.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, DataError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let comments = bytes
            .split(|&b| b == b'\n')
            .take_while(|line| line.starts_with(b"#"))
            .map(|line| String::from_utf8_lossy(line).trim().to_owned())
            .collect();
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(bytes);
        let broken = |error: csv::Error| {
            let line = error.position().map(csv::Position::line);
            DataError::malformed_at(path, line, error.to_string())
        };
        let header: Vec<String> =
            reader.headers().map_err(broken)?.iter().map(|h| h.trim().to_owned()).collect();
        let mut records = Vec::new();
        for record in reader.into_records() {
            let record = record.map_err(broken)?;
            records.push((record.position().map_or(0, csv::Position::line), record));
        }
        Self::new(path, header, records, comments)
    }

    /// A table that was read from another format.
    #[cfg(feature = "parquet")]
    pub(crate) fn of_records(
        path: &Path,
        header: Vec<String>,
        records: Vec<StringRecord>,
    ) -> Result<Self, DataError> {
        Self::new(path, header, (1..).zip(records).collect(), Vec::new())
    }

    fn new(
        path: &Path,
        header: Vec<String>,
        records: Vec<(u64, StringRecord)>,
        comments: Vec<String>,
    ) -> Result<Self, DataError> {
        let mut columns = HashMap::new();
        for (i, name) in header.iter().enumerate() {
            if columns.insert(name.clone(), i).is_some() {
                return Err(DataError::malformed_at(path, Some(1), format!("column {name:?} stands twice")));
            }
        }
        Ok(Self { path: path.to_owned(), columns, header, records, comments })
    }

    /// Names of the columns.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Lines before the header that start with `#`.
    #[must_use]
    pub fn comments(&self) -> &[String] {
        &self.comments
    }

    /// The rows, in the order of the file.
    pub fn rows(&self) -> impl Iterator<Item = CsvRow<'_>> {
        self.records.iter().map(|(line, record)| CsvRow { table: self, line: *line, record })
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The first of `names` that is a column.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`] if none is.
    pub fn require<'n>(&self, names: &[&'n str]) -> Result<&'n str, DataError> {
        names.iter().find(|name| self.columns.contains_key(**name)).copied().ok_or_else(|| {
            let message =
                format!("no column {}; the columns are {}", names.join(" or "), self.header.join(", "));
            DataError::malformed_at(&self.path, Some(1), message)
        })
    }
}

impl<'a> CsvRow<'a> {
    /// The field of a column, trimmed; `None` where the column is missing or the field is empty.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&'a str> {
        let index = *self.table.columns.get(column)?;
        self.record.get(index).map(str::trim).filter(|field| !field.is_empty())
    }

    /// The field of a column, trimmed.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`], with the line, where the column is missing or the field is empty.
    pub fn require(&self, column: &str) -> Result<&'a str, DataError> {
        self.get(column).ok_or_else(|| self.malformed(format!("column {column} is empty or missing")))
    }

    /// The number in a column.
    ///
    /// # Errors
    ///
    /// [`DataError::Malformed`], with the line, where the column is missing or the field is empty or no such number.
    pub fn number<T: std::str::FromStr>(&self, column: &str) -> Result<T, DataError> {
        let field = self.require(column)?;
        field
            .parse()
            .map_err(|_| self.malformed(format!("column {column} holds {field:?}, which is not a number")))
    }

    /// The error that says what is wrong with this row.
    #[must_use]
    pub fn malformed(&self, message: impl Into<String>) -> DataError {
        DataError::malformed_at(&self.table.path, Some(self.line), message)
    }
}
