//! Where bytes come from: a path, a slice or a reader, with a name for messages and a budget.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Mutex;

use symphonia_core::io::{MediaSource, MediaSourceStream};

use crate::contained::of_caller;
use crate::error::DecodeError;

/// Bytes looked at before a reader is chosen: any magic, and the first frame of an MPEG stream.
const HEAD_BYTES: usize = 4096;

/// The error inside the `io::Error` that ends a source over its budget.
#[derive(Debug, thiserror::Error)]
#[error("the source holds more than {0} bytes")]
pub(crate) struct OverBudget(pub(crate) u64);

/// A named source of bytes, from its start.
pub(crate) struct Source<'a> {
    pub(crate) name: String,
    inner: Box<dyn MediaSource + 'a>,
    /// Bytes taken from a source that cannot seek back, to be read again.
    prefix: Vec<u8>,
    prefix_read: usize,
    budget: u64,
    left: u64,
    /// Whether the source is read straight on although it could seek.
    straight: bool,
}

impl<'a> Source<'a> {
    pub(crate) fn path(path: &Path) -> Result<Self, DecodeError> {
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            match file.metadata()?.is_dir() {
                true => Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory")),
                false => Ok(file),
            }
        };
        match open() {
            Ok(file) => Ok(Self::new(name, Box::new(file))),
            Err(source) => Err(DecodeError::Io { name, source }),
        }
    }

    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Self::new("audio bytes".to_owned(), Box::new(Cursor::new(bytes)))
    }

    pub(crate) fn stream(reader: impl Read + Send + 'a) -> Self {
        Self::new("audio stream".to_owned(), Box::new(Stream(Mutex::new(reader))))
    }

    pub(crate) fn seekable(mut reader: impl Read + Seek + Send + 'a) -> Result<Self, DecodeError> {
        let name = "audio stream".to_owned();
        let length = reader.seek(SeekFrom::End(0)).and_then(|end| reader.rewind().map(|()| end));
        match length {
            Ok(length) => {
                Ok(Self::new(name, Box::new(SeekableStream { reader: Mutex::new(reader), length })))
            }
            Err(source) => Err(DecodeError::Io { name, source }),
        }
    }

    /// A stream that was read from before and stands at its start again.
    pub(crate) fn again(name: String, stream: MediaSourceStream<'a>) -> Self {
        Self::new(name, Box::new(stream))
    }

    fn new(name: String, inner: Box<dyn MediaSource + 'a>) -> Self {
        Self {
            name,
            inner,
            prefix: Vec::new(),
            prefix_read: 0,
            budget: u64::MAX,
            left: u64::MAX,
            straight: false,
        }
    }

    /// Sets how many bytes may be read from now on.
    pub(crate) fn set_budget(&mut self, bytes: u64) {
        self.budget = bytes;
        self.left = bytes;
    }

    /// The first bytes, without consuming them.
    pub(crate) fn head(&mut self) -> Result<Vec<u8>, DecodeError> {
        self.peek_at(0, HEAD_BYTES)
    }

    /// Up to `length` bytes from `position`, without consuming them: of a source that cannot seek, only from what
    /// [`keep`](Self::keep) has kept.
    pub(crate) fn peek_at(&mut self, position: u64, length: usize) -> Result<Vec<u8>, DecodeError> {
        let mut bytes = Vec::new();
        if self.inner.is_seekable() {
            let mut take = || -> io::Result<()> {
                self.inner.seek(SeekFrom::Start(position))?;
                (&mut self.inner).take(length as u64).read_to_end(&mut bytes)?;
                self.inner.rewind()
            };
            return match take() {
                Ok(()) => Ok(bytes),
                Err(source) => Err(self.io_error(source)),
            };
        }
        if position == 0 {
            self.keep(length)?;
        }
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.prefix.len());
        let to = from.saturating_add(length).min(self.prefix.len());
        Ok(self.prefix[from..to].to_vec())
    }

    /// Takes bytes of a source that cannot seek until `length` are kept or it ends; returns how many are kept.
    pub(crate) fn keep(&mut self, length: usize) -> Result<usize, DecodeError> {
        let missing = length.saturating_sub(self.prefix.len());
        match (&mut self.inner).take(missing as u64).read_to_end(&mut self.prefix) {
            Ok(_) => Ok(self.prefix.len()),
            Err(source) => Err(self.io_error(source)),
        }
    }

    pub(crate) fn can_seek(&self) -> bool {
        self.inner.is_seekable()
    }

    /// The bytes of the source, where it can seek.
    pub(crate) fn length(&self) -> Option<u64> {
        self.inner.byte_len().filter(|_| self.inner.is_seekable())
    }

    /// From here on the source is a stream without a known end.
    pub(crate) fn forget_length(&mut self) {
        self.straight = true;
    }

    fn io_error(&self, source: io::Error) -> DecodeError {
        DecodeError::Io { name: self.name.clone(), source }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let kept = &self.prefix[self.prefix_read..];
        if !kept.is_empty() {
            let count = kept.len().min(buffer.len());
            buffer[..count].copy_from_slice(&kept[..count]);
            self.prefix_read += count;
            if self.prefix_read == self.prefix.len() {
                self.prefix = Vec::new();
                self.prefix_read = 0;
            }
            return Ok(count);
        }
        let count = loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(OverBudget(self.budget))),
        }
        Ok(count)
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl MediaSource for Source<'_> {
    fn is_seekable(&self) -> bool {
        self.inner.is_seekable() && !self.straight
    }

    fn byte_len(&self) -> Option<u64> {
        // The length of a pipe that is opened by its path is not 0 but unknown.
        self.length().filter(|_| !self.straight)
    }
}

/// A reader that cannot seek. The mutex is never locked: it only makes any `Send` reader `Sync`, as symphonia wants.
struct Stream<R>(Mutex<R>);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        of_caller(|| inner(&mut self.0).read(buffer))
    }
}

impl<R> Seek for Stream<R> {
    fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the source cannot seek"))
    }
}

impl<R: Read + Send> MediaSource for Stream<R> {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

struct SeekableStream<R> {
    reader: Mutex<R>,
    length: u64,
}

impl<R: Read> Read for SeekableStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        of_caller(|| inner(&mut self.reader).read(buffer))
    }
}

impl<R: Seek> Seek for SeekableStream<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        of_caller(|| inner(&mut self.reader).seek(to))
    }
}

impl<R: Read + Seek + Send> MediaSource for SeekableStream<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

fn inner<R>(mutex: &mut Mutex<R>) -> &mut R {
    match mutex.get_mut() {
        Ok(reader) => reader,
        Err(poisoned) => poisoned.into_inner(),
    }
}
