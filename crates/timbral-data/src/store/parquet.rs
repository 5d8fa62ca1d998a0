//! Tables in Apache Parquet.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::record::Field;
use parquet::schema::types::Type;

use super::extraction::FeatureRow;
use super::table::LEADING;
use crate::csv_table::CsvTable;
use crate::{DataError, ManifestEntry};

/// Under this key the metadata of a file says how its columns were computed.
const METADATA_KEY: &str = "timbral.extraction";

/// Rows of a group, which is what memory holds.
const GROUP: usize = 16_384;

/// A table that is being written.
pub(super) struct ParquetTable {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    texts: [Vec<Option<ByteArray>>; 4],
    numbers: Vec<Vec<f64>>,
}

impl ParquetTable {
    pub(super) fn new(
        file: File,
        path: &Path,
        columns: &[String],
        metadata: String,
    ) -> Result<Self, DataError> {
        let schema = schema(columns).map_err(malformed(path))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(Some(vec![KeyValue::new(METADATA_KEY.to_owned(), metadata)]))
            .build();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
            .map_err(malformed(path))?;
        Ok(Self {
            path: path.to_owned(),
            writer,
            texts: Default::default(),
            // The start and the duration of the window come first.
            numbers: vec![Vec::new(); columns.len() + 2],
        })
    }

    pub(super) fn add(&mut self, entry: &ManifestEntry, rows: &[FeatureRow]) -> Result<(), DataError> {
        let path = entry.path.display().to_string();
        for row in rows {
            let texts = [
                Some(path.as_str()),
                Some(entry.track.track_id.as_str()),
                Some(entry.track.label.as_str()).filter(|label| !label.is_empty()),
                entry.track.artist.as_deref(),
            ];
            for (column, text) in self.texts.iter_mut().zip(texts) {
                column.push(text.map(ByteArray::from));
            }
            let numbers = [row.start, row.duration];
            let numbers = numbers.iter().chain(&row.values);
            self.numbers.iter_mut().zip(numbers).for_each(|(column, value)| column.push(*value));
        }
        if self.texts[0].len() >= GROUP {
            self.write_group().map_err(malformed(&self.path))?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<File, DataError> {
        if !self.texts[0].is_empty() {
            self.write_group().map_err(malformed(&self.path))?;
        }
        self.writer.into_inner().map_err(malformed(&self.path))
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        let mut texts = self.texts.iter_mut();
        let mut numbers = self.numbers.iter_mut();
        while let Some(mut column) = group.next_column()? {
            if let Some(values) = texts.next() {
                let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
                let present: Vec<ByteArray> = values.drain(..).flatten().collect();
                column.typed::<ByteArrayType>().write_batch(&present, Some(&levels), None)?;
            } else if let Some(values) = numbers.next() {
                column.typed::<DoubleType>().write_batch(values, None, None)?;
                values.clear();
            }
            column.close()?;
        }
        group.close()?;
        Ok(())
    }
}

/// Four columns of text that may be missing, then numbers.
fn schema(columns: &[String]) -> Result<Type, ParquetError> {
    let text = |name: &&str| {
        Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
            .with_logical_type(Some(LogicalType::String))
            .with_repetition(Repetition::OPTIONAL)
            .build()
    };
    let number = |name: &str| {
        Type::primitive_type_builder(name, PhysicalType::DOUBLE).with_repetition(Repetition::REQUIRED).build()
    };
    let (texts, numbers) = LEADING.split_at(4);
    let numbers = numbers.iter().copied().chain(columns.iter().map(String::as_str));
    let fields = texts
        .iter()
        .map(text)
        .chain(numbers.map(number))
        .map(|field| field.map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("features").with_fields(fields).build()
}

fn malformed(path: &Path) -> impl Fn(ParquetError) -> DataError {
    move |error| DataError::malformed(path, error.to_string())
}

/// All columns and rows of a file as text, a missing value as an empty field; and what it says of its making.
pub(crate) fn read(path: &Path) -> Result<(CsvTable, Option<String>), DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let reader = SerializedFileReader::new(file).map_err(malformed(path))?;
    let columns = reader.metadata().file_metadata().schema_descr().columns().to_vec();
    let names = columns.iter().map(|column| column.name().to_owned()).collect();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None).map_err(malformed(path))? {
        let row = row.map_err(malformed(path))?;
        let value = |field: &Field| match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::Double(value) => value.to_string(),
            other => other.to_string(),
        };
        rows.push(row.get_column_iter().map(|(_, field)| value(field)).collect());
    }
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let ours = metadata.and_then(|pairs| pairs.iter().find(|pair| pair.key == METADATA_KEY));
    let extraction = ours.and_then(|pair| pair.value.clone());
    Ok((CsvTable::of_records(path, names, rows)?, extraction))
}
