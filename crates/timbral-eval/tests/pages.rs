//! Pages: complete, self-contained, and safe with any text.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

use ndarray::{Array2, array};
use timbral_eval::page::{EvaluationPage, HtmlPage, LabelledRows};
use timbral_eval::{BootstrapConfig, Predictions, Report, ReportSource};

const HOSTILE: &str = "</title><script>alert('1')</script>&\"\u{1}";

/// A page must be well-formed, forbid scripts and load nothing.
#[track_caller]
fn parsed(html: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(html, options).unwrap();
    for node in document.descendants().filter(|n| n.is_element()) {
        let name = node.tag_name().name();
        assert!(!["script", "link", "iframe", "object", "a"].contains(&name), "{name}");
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
            if ["href", "src"].contains(&attribute.name()) {
                assert!(attribute.value().starts_with("data:image/png;base64,"));
            }
        }
    }
    document
}

fn text_of(document: &roxmltree::Document<'_>) -> String {
    document.descendants().filter_map(|n| n.text()).collect::<Vec<_>>().join("\n")
}

fn count(document: &roxmltree::Document<'_>, name: &str) -> usize {
    document.descendants().filter(|n| n.tag_name().name() == name).count()
}

#[test]
fn any_text_is_only_text() {
    let mut page = HtmlPage::new(HOSTILE);
    page.heading(HOSTILE);
    page.paragraph(HOSTILE);
    page.warning(HOSTILE);
    page.preformatted(HOSTILE);
    page.table(&[HOSTILE, ""], &[vec![HOSTILE, "1"], vec!["short"], vec!["a", "b", "more"]]);
    page.table::<&str>(&[], &[]);
    page.figures([]);
    let html = page.to_html();
    let document = parsed(&html);
    let shown = "</title><script>alert('1')</script>&\"\u{fffd}";
    assert_eq!(
        document.descendants().filter(|n| n.text() == Some(shown)).filter(|n| n.is_element()).count(),
        8,
        "title, h1, h2, two paragraphs, pre and two cells"
    );
    assert!(
        html.contains("Content-Security-Policy")
            && html.contains("viewport")
            && html.contains("@media print")
    );
}

fn predictions() -> Predictions {
    let probabilities = array![[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.05, 0.95], [0.6, 0.4], [0.4, 0.6]];
    Predictions::new(vec![0, 1, 0, 0, 0, 1], probabilities).unwrap()
}

fn report(predictions: &Predictions, labels: &[String]) -> Report {
    let groups = ["x", "x", "y", "y", "z", "z"].map(str::to_owned);
    let source = ReportSource {
        title: "A <model>",
        unit: "track",
        labels,
        groups: &groups,
        protocol: None,
        leaky: false,
        split_hash: Some("0123456789abcdef"),
    };
    let config = BootstrapConfig { draws: 200, ..BootstrapConfig::default() };
    Report::new(predictions, &source, &config).unwrap()
}

#[test]
fn an_evaluation_page_holds_scores_pictures_and_mistakes() {
    let labels = ["calm".to_owned(), HOSTILE.to_owned()];
    let names: Vec<String> = (0..6).map(|i| format!("song {i} <b>")).collect();
    let facts = [("licence".to_owned(), "<none>".to_owned())];
    let predictions = predictions();
    let report = report(&predictions, &labels);
    let make = |names: &[String]| {
        EvaluationPage { report: &report, predictions: &predictions, names, facts: &facts, n_mistakes: 1 }
            .page()
    };
    let html = make(&names).unwrap().to_html();
    let document = parsed(&html);
    assert_eq!(count(&document, "svg"), 9, "confusion, four bars, ROC, reliability, two histograms");
    let text = text_of(&document);
    for part in [
        "66.7 % of 6 tracks are right",
        "0123456789abcdef",
        "2 of 6 are wrong; these are the 1 of the highest confidence.",
        "song 3 <b>",
        "95.0",
        "<none>",
        "these are test accuracies only if",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("song 2 <b>"), "only one mistake was asked for");
    assert!(make(&names[..5]).is_err());
}

#[test]
fn a_leaky_report_says_so_first() {
    let labels = ["calm".to_owned(), "loud".to_owned()];
    let predictions = predictions();
    let mut report = report(&predictions, &labels);
    report.leaky = true;
    let names = vec![String::new(); 6];
    let page = EvaluationPage {
        report: &report,
        predictions: &predictions,
        names: &names,
        facts: &[],
        n_mistakes: 10,
    }
    .page()
    .unwrap();
    let html = page.to_html();
    let (warning, headline) = (html.find("not test accuracies").unwrap(), html.find("are right").unwrap());
    assert!(warning < headline);
}

#[test]
fn rows_with_classes_are_drawn() {
    let values = Array2::from_shape_fn((9, 3), |(row, column)| ((row * 7 + column * 3) % 5) as f64);
    let columns = ["a_mean", "b_mean", "c_var"].map(str::to_owned);
    let labels = ["x", "y"].map(str::to_owned);
    let classes = [0, 1, 0, 1, 0, 1, 0, 1, 0];
    let rows = LabelledRows { values: values.view(), columns: &columns, classes: &classes, labels: &labels };
    assert!(rows.class_distribution().unwrap().to_svg().contains('5'));
    assert_eq!(rows.box_plots(5, |name| name.ends_with("mean")).unwrap().len(), 2);
    assert_eq!(rows.box_plots(1, |_| true).unwrap().len(), 1);
    assert_eq!(rows.overview().unwrap().len(), 3);
    let wrong = LabelledRows { classes: &classes[..8], ..rows };
    assert!(wrong.overview().is_err());
    let wrong = LabelledRows { labels: &labels[..1], ..rows };
    assert!(wrong.class_distribution().is_err());
}
