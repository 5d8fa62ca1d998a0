use ndarray::Array2;
use timbral_plot::{Bars, Figure, Histogram, Matrix, ReliabilityDiagram, RocCurves};

use super::HtmlPage;
use crate::EvalError;
use crate::bootstrap::Interval;
use crate::metrics::ClassScores;
use crate::predictions::Predictions;
use crate::report::{CALIBRATION_BINS, Report};

/// A report as a page: scores with their intervals, pictures, the worst mistakes, and where the numbers come from.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationPage<'a> {
    /// The scores.
    pub report: &'a Report,
    /// The predictions that they were measured on.
    pub predictions: &'a Predictions,
    /// Name of each row, such as its file, for the list of mistakes.
    pub names: &'a [String],
    /// What is known of model and data, as name and value.
    pub facts: &'a [(String, String)],
    /// How many mistakes are listed, the most confident first.
    pub n_mistakes: usize,
}

impl EvaluationPage<'_> {
    /// Writes the page.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if report, predictions and names do not belong together.
    pub fn page(&self) -> Result<HtmlPage, EvalError> {
        let Self { report, predictions, .. } = *self;
        let (rows, classes) = (predictions.len(), predictions.n_classes());
        if report.n_rows != rows || self.names.len() != rows || report.labels.len() != classes {
            return Err(EvalError::shape(
                "report",
                format!(
                    "{} rows and {} classes for {rows} predictions of {classes} classes with {} names",
                    report.n_rows,
                    report.labels.len(),
                    self.names.len()
                ),
                "all must belong to the same rows",
            ));
        }
        let mut page = HtmlPage::new(&report.title);
        if report.leaky {
            page.warning(
                "Leaky: tracks or artists appear in both train and test. These are not test accuracies.",
            );
        }
        page.paragraph(&headline(report));
        if report.protocol.is_none() {
            page.warning(
                "The split is not stated: these are test accuracies only if no track or artist was trained on.",
            );
        }
        page.heading("Scores");
        scores(&mut page, report);
        page.heading("Classes");
        page.figures([Matrix::confusion(counts(report)?.view(), &report.labels)?
            .title("Confusion: rows are the truth, columns the answers")
            .figure()]);
        page.figures(self.class_bars()?);
        page.table(
            &["class", "precision %", "recall %", "F1 %", "ROC-AUC", "average precision", "support"],
            &class_rows(report),
        );
        page.heading("Ranking and confidence");
        page.figures(self.curves()?);
        page.heading("Worst mistakes");
        self.mistakes(&mut page);
        page.heading("How it was measured");
        page.table(&[], &self.origin());
        Ok(page)
    }

    fn class_bars(&self) -> Result<Vec<Figure>, EvalError> {
        let labels = &self.report.labels;
        let of = |value: fn(&ClassScores) -> f64| -> Vec<f64> {
            self.report.per_class.iter().map(|class| 100.0 * value(&class.scores)).collect()
        };
        let bars = |title: &str, values: &[f64]| -> Result<Figure, EvalError> {
            let name = format!("{title} (%)");
            Ok(Bars::values(labels, values, &name)?.title(title).size(420.0, 320.0).figure())
        };
        let support: Vec<usize> =
            self.report.per_class.iter().map(|class| class.scores.support as usize).collect();
        Ok(vec![
            bars("Precision", &of(|s| s.precision))?,
            bars("Recall", &of(|s| s.recall))?,
            bars("F1", &of(|s| s.f1))?,
            Bars::class_distribution(labels, &support)?
                .title("What was measured on")
                .value_label(format!("{}s", capitalised(&self.report.unit)))
                .size(420.0, 320.0)
                .figure(),
        ])
    }

    fn curves(&self) -> Result<Vec<Figure>, EvalError> {
        let predictions = self.predictions;
        let mut roc = RocCurves::new().title("Each class against the rest");
        for (class, label) in self.report.labels.iter().enumerate() {
            let positive: Vec<bool> = predictions.truth().iter().map(|t| *t == class).collect();
            roc = roc.curve(label, &predictions.probabilities().column(class).to_vec(), &positive)?;
        }
        let (confidence, correct) = (predictions.confidence(), predictions.correct());
        let histogram = |title: &str, wanted: bool| {
            let chosen: Vec<f64> = confidence
                .iter()
                .zip(&correct)
                .filter(|(_, hit)| **hit == wanted)
                .map(|(p, _)| 100.0 * p)
                .collect();
            Histogram::new(&chosen, "Confidence (%)")
                .range(0.0, 100.0)
                .bins(20)
                .count_label(format!("{}s", capitalised(&self.report.unit)))
                .title(title)
                .size(520.0, 320.0)
                .figure()
        };
        Ok(vec![
            roc.figure(),
            ReliabilityDiagram::new(&confidence, &correct, CALIBRATION_BINS)?.title("Reliability").figure(),
            histogram("Confidence of right answers", true),
            histogram("Confidence of wrong answers", false),
        ])
    }

    fn mistakes(&self, page: &mut HtmlPage) {
        let predictions = self.predictions;
        let (confidence, predicted) = (predictions.confidence(), predictions.predicted());
        let mut wrong: Vec<usize> =
            (0..predictions.len()).filter(|&i| predicted[i] != predictions.truth()[i]).collect();
        wrong.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
        if wrong.is_empty() {
            page.paragraph("None.");
            return;
        }
        let labels = &self.report.labels;
        let rows: Vec<Vec<String>> = wrong
            .iter()
            .take(self.n_mistakes)
            .map(|&i| {
                let truth = predictions.truth()[i];
                vec![
                    self.names[i].clone(),
                    labels[truth].clone(),
                    labels[predicted[i]].clone(),
                    percent(confidence[i]),
                    percent(predictions.probabilities()[(i, truth)]),
                ]
            })
            .collect();
        page.paragraph(&format!(
            "{} of {} are wrong; these are the {} of the highest confidence.",
            wrong.len(),
            predictions.len(),
            rows.len()
        ));
        page.table(&[&self.report.unit, "truth", "answer", "confidence %", "given to the truth %"], &rows);
    }

    fn origin(&self) -> Vec<Vec<String>> {
        let report = self.report;
        let protocol = report.protocol.as_ref().map_or_else(|| "not stated".to_owned(), ToString::to_string);
        let mut rows = vec![
            vec!["protocol".to_owned(), protocol],
            vec!["split, SHA-256".to_owned(), report.split_hash.clone().unwrap_or_else(|| "none".to_owned())],
            vec!["measured on".to_owned(), format!("{} {}s", report.n_rows, report.unit)],
            vec!["classes".to_owned(), report.labels.join(", ")],
            vec![
                "intervals".to_owned(),
                "95 % percentile bootstrap; over artists is the honest one where \
                 artists have many tracks"
                    .to_owned(),
            ],
        ];
        rows.extend(self.facts.iter().map(|(name, value)| vec![name.clone(), value.clone()]));
        rows.push(vec!["written by".to_owned(), format!("timbral-train {}", env!("CARGO_PKG_VERSION"))]);
        rows
    }
}

fn headline(report: &Report) -> String {
    let interval = report.group_interval.unwrap_or(report.interval);
    let over = if report.group_interval.is_some() { "artists" } else { "tracks" };
    format!(
        "{} % of {} {}s are right (95 % bootstrap over {over}: {} to {}).",
        percent(report.accuracy),
        report.n_rows,
        report.unit,
        percent(interval.low),
        percent(interval.high)
    )
}

fn scores(page: &mut HtmlPage, report: &Report) {
    type Row = (&'static str, fn(&Report) -> [String; 3]);
    let rows: [Row; 16] = [
        ("accuracy %", |r| with_ends(Some(r.accuracy), Some(r.interval), r.group_interval, percent)),
        ("balanced accuracy %", |r| alone(percent(r.balanced_accuracy))),
        ("macro-F1 %", |r| {
            with_ends(Some(r.macro_f1), Some(r.macro_f1_interval), r.macro_f1_group_interval, percent)
        }),
        ("macro precision %", |r| alone(percent(r.macro_average.precision))),
        ("macro recall %", |r| alone(percent(r.macro_average.recall))),
        ("weighted precision %", |r| alone(percent(r.weighted_average.precision))),
        ("weighted recall %", |r| alone(percent(r.weighted_average.recall))),
        ("weighted F1 %", |r| alone(percent(r.weighted_average.f1))),
        ("among the first three %", |r| alone(percent(r.top_3_accuracy))),
        ("ROC-AUC, one against the rest", |r| {
            with_ends(r.roc_auc, r.roc_auc_interval, r.roc_auc_group_interval, thousandths)
        }),
        ("average precision", |r| {
            let (rows, groups) = (r.average_precision_interval, r.average_precision_group_interval);
            with_ends(r.average_precision, rows, groups, thousandths)
        }),
        ("log loss", |r| alone(thousandths(r.log_loss))),
        ("Brier score, 0 to 2", |r| alone(thousandths(r.brier))),
        ("expected calibration error", |r| alone(thousandths(r.expected_calibration_error))),
        ("seconds of fitting", |r| alone(r.fit_seconds.map_or("–".to_owned(), |s| format!("{s:.2}")))),
        ("seconds of predicting", |r| alone(r.predict_seconds.map_or("–".to_owned(), |s| format!("{s:.2}")))),
    ];
    let levels: Vec<&Report> = std::iter::once(report).chain(report.windows.as_deref()).collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, of)| {
            let mut cells = vec![(*name).to_owned()];
            levels.iter().for_each(|level| cells.extend(of(level)));
            cells
        })
        .collect();
    let mut head = vec![String::new()];
    for level in &levels {
        head.extend([
            format!("{}s", level.unit),
            "95 % over tracks".to_owned(),
            "95 % over artists".to_owned(),
        ]);
    }
    page.table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &cells);
}

fn alone(value: String) -> [String; 3] {
    [value, String::new(), String::new()]
}

fn with_ends(
    value: Option<f64>,
    rows: Option<Interval>,
    groups: Option<Interval>,
    shown: fn(f64) -> String,
) -> [String; 3] {
    let ends = |i: Option<Interval>| {
        i.map_or("–".to_owned(), |i| format!("{} to {}", shown(i.low), shown(i.high)))
    };
    [value.map_or("–".to_owned(), shown), ends(rows), ends(groups)]
}

fn class_rows(report: &Report) -> Vec<Vec<String>> {
    let optional = |value: Option<f64>| value.map_or("–".to_owned(), thousandths);
    report
        .per_class
        .iter()
        .map(|class| {
            vec![
                class.label.clone(),
                percent(class.scores.precision),
                percent(class.scores.recall),
                percent(class.scores.f1),
                optional(class.roc_auc),
                optional(class.average_precision),
                class.scores.support.to_string(),
            ]
        })
        .collect()
}

fn counts(report: &Report) -> Result<Array2<u64>, EvalError> {
    let n = report.labels.len();
    Array2::from_shape_vec((n, n), report.confusion.concat()).map_err(|e| {
        EvalError::shape("confusion", e.to_string(), "there must be one row and one column per class")
    })
}

fn percent(value: f64) -> String {
    format!("{:.1}", 100.0 * value)
}

fn thousandths(value: f64) -> String {
    format!("{value:.3}")
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
