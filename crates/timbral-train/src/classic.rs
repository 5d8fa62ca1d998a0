//! Classic learners on feature tables: measured without leaks, and made into model files.

use std::time::{Duration, Instant};

use ndarray::{Array2, Axis};
use timbral::{FrontEnd, WindowFeatures};
use timbral_classic::{Classifier as _, FittedModel, Learner as _, Parameters as _, PipelineParameters};
use timbral_model::{Aggregation, Architecture, ClassicConfig, Header, Kind, ModelFile, SCHEMA_VERSION};
use timbral_segment::{Cut, Span};

use crate::{
    BootstrapConfig, FeatureTable, Folds, Part, Predictions, Report, ReportSource, Split, TrackInfo,
    TrackPredictions, TrainError,
};

/// What cross-validation of a classic learner measured.
#[derive(Clone, Debug)]
pub struct ClassicCrossValidation {
    /// Mean probabilities of each track's rows, by the model that did not see the track.
    pub tracks: TrackPredictions,
    /// Accuracy, intervals and all else, of tracks.
    pub report: Report,
    /// Time of all fits.
    pub fit_time: Duration,
    /// Time of all predictions.
    pub predict_time: Duration,
}

/// The class of each row.
fn classes(table: &FeatureTable, labels: &[String]) -> Vec<usize> {
    // Labels are those of the table, sorted, so that each is found.
    let class = |track: &TrackInfo| labels.binary_search(&track.label).unwrap_or(0);
    table.tracks().iter().map(class).collect()
}

/// Fits a pipeline on each fold's training rows, scalers included, and applies it to the fold's test rows.
///
/// The learner must give probabilities.
///
/// # Errors
///
/// [`TrainError::Classic`] for invalid parameters, a learner without probabilities or rows that cannot be fitted.
pub fn cross_validate_classic(
    title: &str,
    table: &FeatureTable,
    parameters: &PipelineParameters,
    folds: &Folds,
) -> Result<ClassicCrossValidation, TrainError> {
    let labels = table.labels();
    let y = classes(table, &labels);
    let parameters = parameters.clone().check()?;
    let (mut fit_time, mut predict_time) = (Duration::ZERO, Duration::ZERO);
    let mut probabilities = Array2::zeros((0, labels.len()));
    let (mut truth, mut ids) = (Vec::new(), Vec::new());
    for split in folds.splits() {
        let train = split.rows(table.tracks(), Part::Train);
        let test = split.rows(table.tracks(), Part::Test);
        let start = Instant::now();
        let train_y: Vec<usize> = train.iter().map(|&row| y[row]).collect();
        let model = parameters.fit(
            table.values().select(Axis(0), &train).view(),
            &train_y,
            labels.len(),
        )?;
        fit_time += start.elapsed();
        let start = Instant::now();
        let answers = model.predict_proba(table.values().select(Axis(0), &test).view())?;
        predict_time += start.elapsed();
        probabilities.append(Axis(0), answers.view()).map_err(|e| {
            TrainError::shape("probabilities", e.to_string(), "all folds have the same classes")
        })?;
        truth.extend(test.iter().map(|&row| y[row]));
        ids.extend(test.iter().map(|&row| &table.tracks()[row].track_id));
    }
    let tracks = Predictions::new(truth, probabilities)?.by_track(&ids)?;
    let group = |id: &String| {
        let track = table.tracks().iter().find(|track| track.track_id == *id);
        track.map_or_else(|| id.clone(), TrackInfo::group_key)
    };
    let groups: Vec<String> = tracks.track_ids.iter().map(group).collect();
    let (first, hash) = (folds.splits().next(), folds.content_hash());
    let source = ReportSource {
        title,
        unit: "track",
        labels: &labels,
        groups: &groups,
        protocol: first.as_ref().map(Split::protocol),
        split_hash: Some(&hash),
    };
    let report = Report::new(&tracks.predictions, &source, &BootstrapConfig::default())?;
    Ok(ClassicCrossValidation {
        tracks,
        report,
        fit_time,
        predict_time,
    })
}

/// Fits a pipeline on all rows and makes it a model file, whose front end computes the table's columns: decoding, windows
/// and features come from what the table says of its making.
///
/// # Errors
///
/// [`TrainError::Config`] if the table does not say how it was made, or its windows do not slide; else as
/// [`cross_validate_classic`].
pub fn fit_classic(
    name: &str,
    table: &FeatureTable,
    parameters: &PipelineParameters,
) -> Result<ModelFile, TrainError> {
    let front_end = front_end(table)?;
    let labels = table.labels();
    let y = classes(table, &labels);
    let model = parameters
        .clone()
        .check()?
        .fit(table.values().view(), &y, labels.len())?;
    let (config, tensors) = ClassicConfig::store(&FittedModel::from(model), None)?;
    let header = Header {
        schema_version: SCHEMA_VERSION,
        kind: Kind::Classic,
        name: name.to_owned(),
        architecture: Architecture::Classic(config),
        front_end: front_end.to_json()?,
        labels,
        aggregation: Aggregation::Mean,
        metrics: Default::default(),
        licence: String::new(),
        training_data: String::new(),
    };
    Ok(ModelFile { header, tensors })
}

/// The front end that computes the rows of a table.
fn front_end(table: &FeatureTable) -> Result<FrontEnd, TrainError> {
    let refused = |given: &str, rule: &str| TrainError::config("table", given, rule);
    let extraction = table.extraction().ok_or_else(|| {
        refused(
            "one that does not say how it was made",
            "it is a Parquet table of `extract`, or a CSV table with its .csv.json beside it",
        )
    })?;
    let set = &extraction.features;
    if timbral_features::FeatureSet::new(set.clone())?.columns() != table.columns() {
        return Err(refused(
            "one with other columns than its feature set",
            "all columns are kept",
        ));
    }
    let seconds = |span: Span| match span {
        Span::Seconds(seconds) => seconds,
        Span::Samples(samples) => samples as f64 / f64::from(set.sample_rate),
    };
    let (window_seconds, hop_seconds) = match extraction.segments.map(|segments| segments.cut) {
        Some(Cut::Sliding { length, hop }) => (seconds(length), seconds(hop)),
        Some(_) => {
            return Err(refused(
                "one of parts or middles",
                "windows slide, or there are none",
            ));
        }
        // Rows of whole files: a longer file is cut into windows as long as the longest of them.
        None => {
            let longest = table.durations().iter().copied().fold(0.0, f64::max);
            (longest.max(1.0), longest.max(1.0))
        }
    };
    Ok(FrontEnd {
        window_seconds,
        hop_seconds,
        features: WindowFeatures::FeatureSet(set.clone()),
    })
}
