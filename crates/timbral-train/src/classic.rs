//! Classic learners on feature tables: measured without leaks, and made into model files.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ndarray::{Array2, Axis};
use timbral::{FrontEnd, WindowFeatures};
use timbral_classic::{Config as _, FittedModel, Learner as _, PipelineConfig, Predictor as _};
use timbral_model::{Architecture, ClassicConfig, Header, ModelFile};
use timbral_segment::{Cut, Span};

use crate::TrainError;
use crate::rejection::{ModelCalibration, fold_of};
use timbral_data::{FeatureTable, Folds, Part, TrackInfo};
use timbral_eval::{BootstrapConfig, Predictions, Report, ReportSource, TrackPredictions};

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
///
/// # Errors
///
/// [`TrainError::Shape`] for a label that is none of `labels`, which are sorted.
pub(crate) fn classes(table: &FeatureTable, labels: &[String]) -> Result<Vec<usize>, TrainError> {
    let class = |track: &TrackInfo| {
        labels.binary_search(&track.label).map_err(|_| {
            let given = format!("{:?} of track {}", track.label, track.track_id);
            TrainError::shape("label", given, format!("it must be one of {}", labels.join(", ")))
        })
    };
    table.tracks().iter().map(class).collect()
}

/// What a learner answered to the test rows of some splits.
pub(crate) struct RowAnswers {
    /// The rows, split after split.
    pub(crate) rows: Vec<usize>,
    /// The class that the learner named for each.
    pub(crate) predicted: Vec<usize>,
    /// Its probabilities; none of a learner that has none.
    pub(crate) probabilities: Option<Array2<f64>>,
    /// Time of all fits.
    pub(crate) fit_time: Duration,
    /// Time of naming the classes.
    pub(crate) predict_time: Duration,
    /// Time of telling the probabilities.
    pub(crate) probability_time: Duration,
}

/// Fits a pipeline on the training rows of each split, scalers included, and asks it for the test rows.
pub(crate) fn answer_rows(
    table: &FeatureTable,
    parameters: &PipelineConfig,
    splits: &[(Vec<usize>, Vec<usize>)],
) -> Result<RowAnswers, TrainError> {
    let labels = table.labels();
    let y = classes(table, &labels)?;
    let parameters = parameters.clone().check()?;
    let mut answers = RowAnswers {
        rows: Vec::new(),
        predicted: Vec::new(),
        probabilities: Some(Array2::zeros((0, labels.len()))),
        fit_time: Duration::ZERO,
        predict_time: Duration::ZERO,
        probability_time: Duration::ZERO,
    };
    for (train, test) in splits {
        let start = Instant::now();
        let train_y: Vec<usize> = train.iter().map(|&row| y[row]).collect();
        let train_x = table.values().select(Axis(0), train);
        let model = parameters.fit(train_x.view(), &train_y, labels.len())?;
        answers.fit_time += start.elapsed();
        let test_x = table.values().select(Axis(0), test);
        let start = Instant::now();
        answers.predicted.extend(model.predict(test_x.view())?);
        answers.predict_time += start.elapsed();
        let start = Instant::now();
        // A support vector classifier may have no probabilities.
        match (&mut answers.probabilities, model.predict_proba(test_x.view())) {
            (Some(all), Ok(rows)) => all.append(Axis(0), rows.view()).map_err(|e| {
                TrainError::shape("probabilities", e.to_string(), "all folds must have the same classes")
            })?,
            (probabilities, _) => *probabilities = None,
        }
        answers.probability_time += start.elapsed();
        answers.rows.extend(test);
    }
    Ok(answers)
}

/// Fits a pipeline on each fold's training rows, scalers included, and applies it to the fold's test rows.
///
/// The learner must give probabilities. Where the rows are windows, the report holds what is measured of them as well.
///
/// # Errors
///
/// [`TrainError::Classic`] for invalid parameters or rows that cannot be fitted; [`TrainError::Config`] for a learner
/// without probabilities.
pub fn cross_validate_classic(
    title: &str,
    table: &FeatureTable,
    parameters: &PipelineConfig,
    folds: &Folds,
) -> Result<ClassicCrossValidation, TrainError> {
    let labels = table.labels();
    let y = classes(table, &labels)?;
    let splits: Vec<_> = folds
        .splits()
        .map(|split| (split.rows(table.tracks(), Part::Train), split.rows(table.tracks(), Part::Test)))
        .collect();
    let answers = answer_rows(table, parameters, &splits)?;
    let probabilities = answers
        .probabilities
        .ok_or_else(|| TrainError::config("learner", title, "one that gives probabilities"))?;
    let track = |&row: &usize| &table.tracks()[row];
    let ids: Vec<&String> = answers.rows.iter().map(|row| &track(row).track_id).collect();
    let groups: Vec<String> = answers.rows.iter().map(|row| track(row).group_key()).collect();
    let truth = answers.rows.iter().map(|&row| y[row]).collect();
    let windows = Predictions::new(truth, probabilities)?;
    let tracks = windows.by_track(&ids)?;
    let group_of: HashMap<&String, &String> = ids.iter().copied().zip(&groups).collect();
    let track_groups: Vec<String> =
        tracks.track_ids.iter().map(|id| (*group_of.get(id).unwrap_or(&id)).clone()).collect();
    let (protocol, hash) = (folds.protocol(), folds.content_hash());
    let source = ReportSource {
        title,
        unit: "track",
        labels: &labels,
        groups: &track_groups,
        protocol: Some(&protocol.to_string()),
        leaky: protocol.is_leaky(),
        split_hash: Some(&hash),
    };
    let config = BootstrapConfig::default();
    let predict_time = answers.probability_time;
    let mut report = Report::new(&tracks.predictions, &source, &config)?
        .with_times(Some(answers.fit_time), Some(predict_time));
    if windows.len() > tracks.predictions.len() {
        report = report.with_windows(&windows, &ids, &groups, &config)?;
    }
    Ok(ClassicCrossValidation { tracks, report, fit_time: answers.fit_time, predict_time })
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
    parameters: &PipelineConfig,
) -> Result<ModelFile, TrainError> {
    let front_end = front_end(table)?;
    let labels = table.labels();
    let y = classes(table, &labels)?;
    let model = parameters.clone().check()?.fit(table.values().view(), &y, labels.len())?;
    let (config, tensors) = ClassicConfig::store(&FittedModel::from(model))?;
    let header = Header::new(name, Architecture::Classic(config), front_end.to_json()?, labels);
    Ok(ModelFile { header, tensors })
}

/// The front end that computes the rows of a table.
fn front_end(table: &FeatureTable) -> Result<FrontEnd, TrainError> {
    let rejected = |given: &str, rule: &str| TrainError::config("table", given, rule);
    let extraction = table.extraction().ok_or_else(|| {
        rejected(
            "one that does not say how it was made",
            "a Parquet table of `extract`, or a CSV table with its .csv.json beside it",
        )
    })?;
    let set = &extraction.features;
    if timbral_features::FeatureSet::new(set.clone())?.columns() != table.columns() {
        return Err(rejected(
            "one with other columns than its feature set",
            "one with all columns of its feature set",
        ));
    }
    let seconds = |span: Span| span.to_seconds(set.sample_rate);
    let (window_seconds, hop_seconds) = match extraction.segments.map(|segments| segments.cut) {
        Some(Cut::Sliding { length, hop }) => (seconds(length), seconds(hop)),
        Some(_) => {
            return Err(rejected(
                "one extracted with `Parts` or `Middle` windows",
                "one of sliding windows or of whole files; only these can be served",
            ));
        }
        // Rows of whole files: a longer file is cut into windows as long as the longest of them.
        None => {
            let longest = table.durations().iter().copied().fold(0.0, f64::max);
            (longest.max(1.0), longest.max(1.0))
        }
    };
    Ok(FrontEnd { window_seconds, hop_seconds, features: WindowFeatures::FeatureSet(set.clone()) })
}

impl ClassicCrossValidation {
    /// Temperature and rejection of the learner, from its predictions for tracks that it was not trained on; `folds` made
    /// the folds. The rejection score is the margin.
    ///
    /// # Errors
    ///
    /// As [`ModelCalibration::fit`].
    pub fn calibrate(&self, folds: &Folds, tpr: f64) -> Result<ModelCalibration, TrainError> {
        let ids = self.tracks.track_ids.iter();
        let of_row: Vec<usize> = ids.map(|id| fold_of(folds, Some(id))).collect::<Result<_, _>>()?;
        ModelCalibration::fit(&self.tracks.predictions, &of_row, None, tpr)
    }
}
