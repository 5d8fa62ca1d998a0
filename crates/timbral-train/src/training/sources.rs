use std::path::Path;

use ndarray::{Array2, Ix2};
use rayon::prelude::*;
use timbral::{FrontEnd, WindowFeatures};
use timbral_decode::{DecodeConfig, decode_file};

use super::data::{SpectrogramSet, Values};
use crate::TrainError;
use timbral_data::{CacheKey, FeatureCache, Manifest, MelTable, TrackInfo};

impl SpectrogramSet {
    /// The rows `rows` of a table of spectrograms, in that order, as classes of `labels`.
    ///
    /// Decibels are made relative to the loudest of the columns: a table may have taken them from more frames than it
    /// stores, and a front end that computes just these frames knows no other.
    ///
    /// # Errors
    /// [`TrainError::Shape`] for a row or label that is not there, or bands that differ between rows.
    pub fn from_table(table: &MelTable, rows: &[usize], labels: &[String]) -> Result<Self, TrainError> {
        let missing = |row: usize| {
            TrainError::shape("row", row.to_string(), format!("it must be below {}", table.len()))
        };
        let bands = match rows.first() {
            Some(&row) => table.quantised(row).ok_or_else(|| missing(row))?.nrows(),
            None => return Err(TrainError::shape("rows", "none", "there must be at least one")),
        };
        let mut set = Self::new(bands, labels.to_vec())?;
        for &row in rows {
            let decibels = table.decibels(row).ok_or_else(|| missing(row))?;
            let loudest = decibels.fold(f32::NEG_INFINITY, |a, b| a.max(*b));
            let decibels = decibels - loudest;
            set.push(&decibels, class_of(&table.rows()[row].track, labels)?)?;
        }
        Ok(set)
    }

    /// The files of a manifest, each as one spectrogram (or waveform) of the whole track, computed by `front_end` on all
    /// threads of the current pool. With `cache` a spectrogram is computed once for the content of its file and the front
    /// end; waveforms are decoded anew, as the files are smaller than what they hold.
    ///
    /// `done` is called for each file, with what went wrong with it; such files are left out. The second result holds
    /// the places in the manifest of those that are in the set, in its order.
    ///
    /// # Errors
    /// [`TrainError::Pipeline`] for an impossible front end; [`TrainError::Io`] when the cache cannot be written;
    /// [`TrainError::Shape`] for a label that is not in `labels`.
    pub fn from_manifest(
        manifest: &Manifest,
        front_end: &FrontEnd,
        labels: &[String],
        cache: Option<&FeatureCache>,
        done: impl Fn(&Path, Option<&TrainError>) + Sync,
    ) -> Result<(Self, Vec<usize>), TrainError> {
        let plan = front_end.plan()?;
        let waveforms = matches!(front_end.features, WindowFeatures::Waveform(_));
        let cache = cache.filter(|_| !waveforms);
        let front_end = front_end.to_json()?.to_string();
        let mut set = if waveforms {
            Self::of_waveforms(labels.to_vec())?
        } else {
            Self::new(plan.n_rows(), labels.to_vec())?
        }
        .with_sample_rate(plan.sample_rate());
        let options = DecodeConfig::default().mono().sample_rate(plan.sample_rate());
        let compute = |path: &Path| -> Result<Array2<f32>, TrainError> {
            let audio = decode_file(path, &options).map_err(timbral::Error::from)?;
            Ok(plan.spectrogram(&audio.samples, &path.display().to_string())?)
        };
        let of_file = |path: &Path| -> Result<Array2<f32>, TrainError> {
            let Some(cache) = cache else { return compute(path) };
            let key = CacheKey::new(&FeatureCache::hash_file(path)?, &front_end);
            let array = cache.get_or_compute(&key, || {
                // Stored frame by frame, as it lies in memory, and turned back below.
                compute(path).map(|s| s.reversed_axes().as_standard_layout().into_owned().into_dyn())
            })?;
            let frames = array.into_dimensionality::<Ix2>().map_err(|e| {
                TrainError::shape("cached spectrogram", e.to_string(), "it must have two axes")
            })?;
            Ok(frames.reversed_axes())
        };
        let held: Vec<Result<Values, TrainError>> = manifest
            .entries()
            .par_iter()
            .map(|entry| {
                let result = of_file(&entry.path).and_then(|values| set.kept(values));
                done(&entry.path, result.as_ref().err());
                result
            })
            .collect();
        let mut places = Vec::new();
        for (place, result) in held.into_iter().enumerate() {
            if let Ok(values) = result {
                set.push_kept(values, class_of(&manifest.entries()[place].track, labels)?)?;
                places.push(place);
            }
        }
        Ok((set, places))
    }
}

fn class_of(track: &TrackInfo, labels: &[String]) -> Result<usize, TrainError> {
    labels.iter().position(|label| *label == track.label).ok_or_else(|| {
        TrainError::shape(
            "label",
            format!("{} of track {}", track.label, track.track_id),
            format!("it must be one of {labels:?}"),
        )
    })
}
