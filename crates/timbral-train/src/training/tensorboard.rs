//! Event files that TensorBoard reads: records of protocol buffers, framed and checked as in TFRecord files.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::history::EpochMetrics;
use crate::TrainError;

/// A TensorBoard event file of scalars.
///
/// The file is a sequence of records: length (8 bytes, little endian), masked CRC-32C of the length, the bytes of an
/// `Event` message, masked CRC-32C of the bytes. A run that goes on writes another file beside the first one;
/// TensorBoard reads all event files of a folder as one run.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Starts a new event file in `folder`, which is made where there is none.
    ///
    /// # Errors
    /// [`TrainError::Io`] when it cannot be written.
    pub fn create(folder: impl AsRef<Path>) -> Result<Self, TrainError> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder).map_err(TrainError::io(folder))?;
        let now = wall_time();
        let mut number = 0;
        let (path, file) = loop {
            // TensorBoard finds event files by `tfevents` in the name and reads them in the order of names.
            let path = folder.join(format!("events.out.tfevents.{:010}.timbral.{number:03}", now as u64));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && number < 999 => number += 1,
                Err(e) => return Err(TrainError::io(&path)(e)),
            }
        };
        let mut events = Self { path, file };
        let mut event = Message::default();
        event.double(1, now);
        event.bytes(3, b"brain.Event:2");
        events.write(&event)?;
        Ok(events)
    }

    /// Adds scalars of one step, each by its tag.
    ///
    /// # Errors
    /// [`TrainError::Io`] when they cannot be written.
    pub fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), TrainError> {
        let mut summary = Message::default();
        for (tag, value) in values {
            let mut entry = Message::default();
            entry.bytes(1, tag.as_bytes());
            entry.float(2, *value as f32);
            summary.bytes(1, &entry.0);
        }
        let mut event = Message::default();
        event.double(1, wall_time());
        event.varint(2, step);
        event.bytes(5, &summary.0);
        self.write(&event)
    }

    fn write(&mut self, event: &Message) -> Result<(), TrainError> {
        self.file.write_all(&record(&event.0)).map_err(TrainError::io(&self.path))
    }
}

/// Event files for several networks that are trained at once, a folder for each; shared between their threads.
#[derive(Debug)]
pub struct EventFolder {
    folder: PathBuf,
    files: Mutex<BTreeMap<String, EventFile>>,
}

impl EventFolder {
    /// Event files below `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), files: Mutex::default() }
    }

    /// Adds loss, accuracies and learning rate of a pass of the network `name`.
    ///
    /// # Errors
    /// [`TrainError::Io`] when they cannot be written.
    pub fn push(&self, name: &str, metrics: &EpochMetrics) -> Result<(), TrainError> {
        let mut values = vec![
            ("loss/train", metrics.train_loss),
            ("accuracy/train", metrics.train_accuracy),
            ("learning_rate", metrics.learning_rate),
            ("seconds", metrics.seconds),
        ];
        values.extend(metrics.valid_loss.map(|value| ("loss/valid", value)));
        values.extend(metrics.valid_accuracy.map(|value| ("accuracy/valid", value)));
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains_key(name) {
            files.insert(name.to_owned(), EventFile::create(self.folder.join(name))?);
        }
        match files.get_mut(name) {
            Some(file) => file.scalars(metrics.epoch as u64, &values),
            None => Ok(()),
        }
    }
}

/// Seconds since 1970.
fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// A protocol buffers message in the making: fields in the order of the calls.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn key(&mut self, field: u64, wire_type: u64) {
        self.raw_varint(field << 3 | wire_type);
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.key(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn float(&mut self, field: u64, value: f32) {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.key(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }
}

/// The bytes of one record.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend(masked(crc32c(&length)).to_le_bytes());
    bytes.extend(data);
    bytes.extend(masked(crc32c(data)).to_le_bytes());
    bytes
}

/// TFRecord's mask: a checksum of data that holds checksums would be weak.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli, RFC 3720), bit by bit: a pass writes a few hundred bytes.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_equal_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn messages_are_protocol_buffers() {
        let mut message = Message::default();
        message.varint(1, 150);
        message.bytes(2, b"testing");
        message.float(3, 1.0);
        let expected = b"\x08\x96\x01\x12\x07testing\x1d\x00\x00\x80\x3f";
        assert_eq!(message.0, expected);
    }

    #[test]
    fn a_file_is_records_that_end_where_they_say() {
        let folder = tempfile::tempdir().unwrap();
        let events = EventFolder::new(folder.path());
        let metrics = EpochMetrics {
            epoch: 3,
            epochs: 4,
            learning_rate: 0.5,
            train_loss: 1.25,
            train_accuracy: 0.75,
            valid_loss: None,
            valid_accuracy: Some(0.25),
            seconds: 2.0,
        };
        events.push("net", &metrics).unwrap();
        events.push("net", &metrics).unwrap();
        // A second writer does not touch the file of the first.
        EventFolder::new(folder.path()).push("net", &metrics).unwrap();
        let mut counts = Vec::new();
        for entry in std::fs::read_dir(folder.path().join("net")).unwrap() {
            let bytes = std::fs::read(entry.unwrap().path()).unwrap();
            let (mut rest, mut count) = (bytes.as_slice(), 0);
            while !rest.is_empty() {
                let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
                let data = &rest[12..12 + length];
                assert_eq!(&rest[..16 + length], record(data).as_slice());
                rest = &rest[16 + length..];
                count += 1;
            }
            counts.push(count);
        }
        counts.sort_unstable();
        assert_eq!(counts, [2, 3]);
    }
}
