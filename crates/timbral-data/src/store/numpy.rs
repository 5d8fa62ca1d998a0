//! The little of NumPy's formats that tables need and that has text in it.

use std::io::{Seek, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Writes an array of text, `<U`, as a member of an `.npz` archive.
pub(super) fn write_text<W: Write + Seek>(
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
    write_member(archive, name, &format!("<U{width}"), shape, &data)
}

/// Writes an array of `f64` in C order as a member of an `.npz` archive.
pub(super) fn write_numbers<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
    shape: &str,
    values: impl Iterator<Item = f64>,
) -> std::io::Result<()> {
    let data: Vec<u8> = values.flat_map(f64::to_le_bytes).collect();
    write_member(archive, name, "<f8", shape, &data)
}

/// NumPy format 1.0: magic, version, length of the header, header padded to a multiple of 64, data.
fn write_member<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
    kind: &str,
    shape: &str,
    data: &[u8],
) -> std::io::Result<()> {
    archive
        .start_file(format!("{name}.npy"), SimpleFileOptions::default().large_file(data.len() > 1 << 31))
        .map_err(std::io::Error::other)?;
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let padded = (10 + header.len() + 1).next_multiple_of(64) - 10;
    while header.len() < padded - 1 {
        header.push(' ');
    }
    header.push('\n');
    archive.write_all(b"\x93NUMPY\x01\x00")?;
    archive.write_all(&(padded as u16).to_le_bytes())?;
    archive.write_all(header.as_bytes())?;
    archive.write_all(data)
}
