//! The Free Music Archive data set (Defferrard et al., "FMA: a dataset for music analysis", ISMIR 2017).

use std::path::Path;

use csv::StringRecord;

use crate::{DataError, Manifest, ManifestEntry, Part, TrackInfo};

/// A subset of FMA; each holds the smaller ones. Clips are 30 s long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FmaSubset {
    /// 8000 clips of 8 balanced genres.
    Small,
    /// 25 000 clips of 16 genres.
    Medium,
    /// 106 574 clips. Those without a top-level genre are left out, since they have no label.
    Large,
}

impl FmaSubset {
    /// The subsets in which the column `set, subset` puts its tracks.
    fn holds(self, subset: &str) -> bool {
        match self {
            Self::Small => subset == "small",
            Self::Medium => matches!(subset, "small" | "medium"),
            Self::Large => matches!(subset, "small" | "medium" | "large"),
        }
    }
}

/// Clips of the small subset that are empty or a second long in the archive that circulates.
const SHORT_CLIPS: [u32; 6] = [98_565, 98_567, 98_569, 99_134, 108_925, 133_297];

/// Reads `tracks.csv`, whose columns have names in two rows, with a third that names the index.
pub(super) fn read(tracks: &Path, audio: &Path, subset: FmaSubset) -> Result<Manifest, DataError> {
    let malformed = |line: u64, message: String| DataError::malformed_at(tracks, Some(line), message);
    let bytes = std::fs::read(tracks).map_err(DataError::io(tracks))?;
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes.as_slice());
    let mut records = reader.records();
    let mut next = |line: u64| -> Result<Option<StringRecord>, DataError> {
        records.next().transpose().map_err(|e| malformed(line, e.to_string()))
    };
    let (Some(groups), Some(names)) = (next(1)?, next(2)?) else {
        return Err(malformed(1, "the file ends within its three header rows".to_owned()));
    };
    let index = next(3)?.and_then(|row| row.get(0).map(str::to_owned));
    if index.as_deref() != Some("track_id") {
        return Err(malformed(3, "the third row does not begin with track_id, as FMA's does".to_owned()));
    }
    let column = |group: &str, name: &str| {
        let place = groups.iter().zip(&names).position(|(g, n)| g == group && n == name);
        place.ok_or_else(|| malformed(2, format!("no column {group}, {name}")))
    };
    let (split, set) = (column("set", "split")?, column("set", "subset")?);
    let (genre, artist) = (column("track", "genre_top")?, column("artist", "name")?);
    let artist_id = column("artist", "id")?;

    let mut manifest = Manifest::default();
    let (mut unlabelled, mut short) = (0usize, Vec::new());
    let mut line = 3;
    while let Some(row) = next(line + 1)? {
        line += 1;
        let field = |i: usize| row.get(i).map(str::trim).filter(|field| !field.is_empty());
        if !field(set).is_some_and(|s| subset.holds(s)) {
            continue;
        }
        let number: u32 = field(0)
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| malformed(line, format!("track_id {:?} is no number", row.get(0))))?;
        let Some(label) = field(genre) else {
            unlabelled += 1;
            continue;
        };
        if SHORT_CLIPS.contains(&number) {
            short.push(number);
            continue;
        }
        let official: Part = field(split)
            .unwrap_or_default()
            .parse()
            .map_err(|e: DataError| malformed(line, e.to_string()))?;
        let id = format!("{number:06}");
        let mut track = TrackInfo::new(id.clone(), label);
        track.artist = field(artist).map(str::to_owned);
        track.group = field(artist_id).map(|id| format!("artist {id}"));
        track.official_split = Some(official);
        manifest.entries.push(ManifestEntry {
            path: audio.join(&id[..3]).join(format!("{id}.mp3")),
            track,
            duration_seconds: None,
        });
    }
    if manifest.entries.is_empty() {
        return Err(malformed(line, "no track of this subset".to_owned()));
    }
    if unlabelled > 0 {
        manifest.notes.push(format!("{unlabelled} tracks without a top-level genre were left out"));
    }
    if !short.is_empty() {
        manifest
            .notes
            .push(format!("clips known to be empty or cut in the archive were left out: {short:?}"));
    }
    Ok(manifest)
}
