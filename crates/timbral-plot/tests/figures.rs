//! Every picture, of usual and of odd data.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

use ndarray::{Array2, array};
use proptest::prelude::*;
use roxmltree::{Document, Node};
use timbral_plot::{
    Bars, BoxPlot, ColorMap, Figure, FrequencyScale, HeatMap, Histogram, Matrix, PlotError,
    ReliabilityDiagram, RocCurves, Scatter, TerminalColors, TimeCurves, TrainingCurves, VerdictOverTime,
    Waveform,
};

fn names(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("R&B <{i}> \"quoted\"")).collect()
}

/// One of every picture of the same numbers.
fn all(values: &[f64], n_classes: usize) -> Vec<Figure> {
    let samples: Vec<f32> = values.iter().map(|v| *v as f32).collect();
    let n = values.len();
    let rows = if n.is_multiple_of(3) { 3 } else { 1 };
    let frames = Array2::from_shape_fn((rows, n / rows), |(r, c)| samples[r * (n / rows) + c]);
    let labels = names(n_classes);
    let at = |i: usize| if n == 0 { f64::NAN } else { values[i % n] };
    let square = Array2::from_shape_fn((n_classes, n_classes), |(r, c)| at(r * n_classes + c));
    let counts = square.mapv(|v| v.abs() as u64);
    let per_class: Vec<f64> = (0..n_classes).map(at).collect();
    let truth: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
    let table = Array2::from_shape_fn((n, n_classes), |(r, c)| at(r + c));
    let classes: Vec<usize> = (0..n).map(|i| i % n_classes.max(1)).collect();
    let maps = [
        HeatMap::spectrogram(frames.view(), 22_050, 512),
        HeatMap::spectrogram(frames.view(), 22_050, 512)
            .frequency_scale(FrequencyScale::Log)
            .power_to_db(80.0),
        HeatMap::spectrogram(frames.view(), 0, 0).frequency_scale(FrequencyScale::Mel).amplitude_to_db(80.0),
        HeatMap::mel_spectrogram(frames.view(), 22_050, 512).mel_range(20.0, 8000.0, true),
        HeatMap::mfcc(frames.view(), 22_050, 512).around_zero(),
        HeatMap::chroma(frames.view(), 22_050, 512).color_map(ColorMap::Cividis),
        HeatMap::constant_q(frames.view(), 22_050, 512, f64::NAN, 0),
        HeatMap::tempogram(frames.view(), 22_050, 512),
        HeatMap::feature(frames.view(), u32::MAX, usize::MAX, "Row", "Unit").range(1.0, 0.0),
    ];
    let mut figures: Vec<Figure> = maps.iter().map(HeatMap::figure).collect();
    figures.extend([
        Waveform::new(&samples, 22_050).figure(),
        Bars::values(&labels, &per_class, "Value").unwrap().figure(),
        Bars::confidence(&labels, &per_class).unwrap().figure(),
        Bars::class_distribution(&labels, &vec![7; n_classes]).unwrap().figure(),
        Histogram::new(values, "Value (s)").figure(),
        labels.iter().fold(BoxPlot::new("Value (Hz)"), |p, l| p.group(l.as_str(), values)).figure(),
        Matrix::confusion(counts.view(), &labels).unwrap().figure(),
        Matrix::correlation(square.view(), &labels).unwrap().figure(),
        Matrix::feature_comparison(square.view(), &labels, &labels).unwrap().figure(),
        TrainingCurves::new("Loss").curve("R&B", values).run("second", values, &[]).figure(),
        TimeCurves::new("Loudness", 22_050, 512).curve("R&B", values.iter().map(|v| *v as f32)).figure(),
        Histogram::new(values, "Confidence (%)").range(0.0, 100.0).figure(),
        RocCurves::new().curve("R&B", values, &truth).unwrap().figure(),
        ReliabilityDiagram::new(values, &truth, 10).unwrap().figure(),
        VerdictOverTime::new(&labels, table.view(), values, 3.0).unwrap().figure(),
    ]);
    let points: Vec<(f64, f64)> = values.iter().map(|v| (*v, -*v)).collect();
    let scatter = Scatter::new("Rate", "Accuracy").class("R&B", &points);
    figures.extend([
        scatter.clone().log_x().figure(),
        scatter.clone().whole_x().figure(),
        scatter.names_x(&labels).figure(),
    ]);
    if n_classes >= 2 {
        figures.push(Scatter::pca(table.view(), &classes, &labels, &[0.5]).unwrap().figure());
    }
    figures
}

/// The document of a figure, after a look at what must hold for each.
fn check(figure: &Figure) {
    let svg = figure.to_svg();
    let document = Document::parse(&svg).unwrap();
    assert_eq!(document.root_element().tag_name().name(), "svg");
    for node in document.descendants().filter(Node::is_element) {
        for attribute in node.attributes() {
            assert!(
                !attribute.value().contains("NaN") && !attribute.value().contains("inf"),
                "{attribute:?}"
            );
            assert_ne!(attribute.name(), "id");
        }
    }
    let png = figure.to_png(200).unwrap();
    let height = (figure.height() * 200.0 / figure.width()).round() as u32;
    assert_eq!(&png[16..24], [200_u32.to_be_bytes(), height.to_be_bytes()].concat());
    let text = figure.to_terminal(40).unwrap();
    assert_eq!(text.lines().count() as f64, ((figure.height() * 40.0 / figure.width()).round() / 2.0).ceil());
}

/// All text of a figure.
fn texts(figure: &Figure) -> Vec<String> {
    let svg = figure.to_svg();
    let document = Document::parse(&svg).unwrap();
    let lines = document.descendants().filter(|n| n.has_tag_name("text"));
    lines
        .filter_map(|n| n.children().filter(Node::is_text).find_map(|t| t.text()))
        .map(str::to_owned)
        .collect()
}

fn holds(figure: &Figure, wanted: &[&str]) {
    let texts = texts(figure);
    for text in wanted {
        assert!(texts.iter().any(|t| t == text), "{text} is not among {texts:?}");
    }
}

#[test]
fn odd_numbers_are_drawn() {
    let odd: [&[f64]; 9] = [
        &[],
        &[0.0],
        &[f64::NAN],
        &[f64::INFINITY, f64::NEG_INFINITY, 1.0],
        &[f64::MAX, f64::MIN],
        &[1.0; 6],
        &[1e-300, 2e-300, 0.0],
        &[f64::NAN, 0.5, f64::NAN, 0.25, 0.75, f64::NAN],
        &[-1.0, -2.0, -3.0],
    ];
    for (i, values) in odd.into_iter().enumerate() {
        for n_classes in [2, [0, 1, 30][i % 3]] {
            all(values, n_classes).iter().for_each(check);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_numbers_are_drawn(values in proptest::collection::vec(any::<f64>(), 0..12), n_classes in 0..4_usize) {
        all(&values, n_classes).iter().for_each(check);
    }

    #[test]
    fn any_label_is_written(label in "\\PC{0,20}", control in any::<char>()) {
        let names = vec![format!("{label}{control}")];
        check(&Bars::confidence(&names, &[0.5]).unwrap().title(names[0].as_str()).figure());
    }
}

#[test]
fn axes_have_labels_units_and_ticks() {
    let samples = vec![0.5; 66_150];
    holds(&Waveform::new(&samples, 22_050).figure(), &["Time (s)", "Amplitude", "0", "3.0"]);
    let frames = Array2::zeros((128, 1292));
    let mel = HeatMap::mel_spectrogram(frames.view(), 22_050, 512).figure();
    holds(&mel, &["Frequency (Hz)", "1000", "5000", "Level (dB)", "Time (s)", "10", "Mel spectrogram"]);
    let bins = Array2::zeros((1025, 10));
    let map = HeatMap::spectrogram(bins.view(), 22_050, 512);
    holds(&map.clone().figure(), &["0", "10000"]);
    holds(&map.frequency_scale(FrequencyScale::Log).figure(), &["100", "1000", "10000"]);
    holds(&HeatMap::chroma(Array2::zeros((12, 9)).view(), 22_050, 512).figure(), &["C", "C♯", "B"]);
    let cqt = Array2::zeros((84, 9));
    holds(&HeatMap::constant_q(cqt.view(), 22_050, 512, 32.703, 12).figure(), &["C1", "C2", "C7"]);
    holds(&HeatMap::tempogram(Array2::zeros((384, 9)).view(), 22_050, 512).figure(), &["60", "120", "240"]);
    let song = vec![0.0; 8000 * 200];
    holds(&Waveform::new(&song, 8000).figure(), &["Time (min:s)", "1:00", "3:00"]);
}

#[test]
fn labels_are_escaped_and_whole() {
    let labels = names(3);
    let figure = Matrix::confusion(array![[1, 2, 3], [0, 1, 0], [4, 0, 9]].view(), &labels).unwrap().figure();
    holds(&figure, &["True class", "Predicted class", "R&B <0> \"quoted\"", "9", "69 %"]);
    assert!(figure.to_svg().contains("R&amp;B &lt;0&gt;"));
    let long =
        vec!["a name that is so long that nobody would want to read it under an axis of bars".to_owned(); 8];
    let figure = Bars::class_distribution(&long, &[3; 8]).unwrap().figure();
    assert!(texts(&figure).iter().any(|t| t.starts_with("a name") && t.ends_with('…')));
    assert!(figure.to_svg().contains(&format!("<title>{}</title>", long[0])));
}

#[test]
fn a_grid_holds_its_figures() {
    let part = |title: &str| Waveform::new(&[0.0, 1.0], 2).title(title).size(300.0, 200.0).figure();
    let grid = Figure::grid("All", 2, [part("a"), part("b"), part("c")]);
    assert_eq!((grid.width(), grid.height()), (600.0, 436.0));
    holds(&grid, &["All", "a", "b", "c"]);
    check(&grid);
    check(&Figure::grid("", 0, []));
}

#[test]
fn histograms_of_one_range_can_be_compared() {
    let of = |values: &[f64]| Histogram::new(values, "Confidence (%)").range(0.0, 100.0).bins(10).figure();
    let bars = |figure: &Figure| figure.to_svg().matches("<rect").count();
    assert_eq!(bars(&of(&[5.0, 55.0])), bars(&of(&[95.0, 15.0])));
    holds(&of(&[55.0]), &["0", "100", "Confidence (%)"]);
    // What lies outside is not counted, and ends in the wrong order are not taken.
    let outside = Histogram::new(&[50.0, 101.0], "x").range(0.0, 100.0).figure();
    assert_eq!(outside.to_svg(), Histogram::new(&[50.0], "x").range(0.0, 100.0).bins(5).figure().to_svg());
    let plain = Histogram::new(&[1.0, 2.0], "x").figure().to_svg();
    assert_eq!(Histogram::new(&[1.0, 2.0], "x").range(2.0, 1.0).figure().to_svg(), plain);
}

#[test]
fn curves_over_time_have_seconds() {
    let one = TimeCurves::new("Loudness", 100, 50).curve("a", [0.1, 0.2, f32::NAN, 0.4, 0.5]);
    let figure = one.clone().title("Song").figure();
    holds(&figure, &["Song", "Time (s)", "Loudness", "2.0"]);
    assert!(!texts(&figure).contains(&"a".to_owned()), "one curve needs no name");
    holds(&one.curve("R&B", [0.0; 5]).figure(), &["a", "R&B"]);
}

#[test]
fn terminals_say_what_they_can() {
    let detect = |variables: &[(&str, &str)]| {
        TerminalColors::detect(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(detect(&[]), TerminalColors::None);
    assert_eq!(detect(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]), TerminalColors::None);
    assert_eq!(detect(&[("TERM", "xterm-256color")]), TerminalColors::Indexed);
    assert_eq!(detect(&[("TERM", "xterm-256color"), ("COLORTERM", "24bit")]), TerminalColors::True);
    assert_eq!(detect(&[("TERM", "xterm-kitty")]), TerminalColors::True);
    assert_eq!(detect(&[("TERM", "xterm-kitty"), ("NO_COLOR", "1")]), TerminalColors::None);
    assert_eq!(detect(&[("TERM", "vt100")]), TerminalColors::None);
}

#[test]
fn terminals_of_few_colours_see_the_same() {
    let names = ["a".to_owned(), "b".to_owned()];
    let figure = Bars::values(&names, &[1.0, 2.0], "Size").unwrap().title("Two").figure();
    let plain = figure.to_terminal_with(60, TerminalColors::None).unwrap();
    // The label of the upright axis is written from top to bottom.
    let upright: String = plain.lines().filter_map(|line| line.chars().nth(1)).collect();
    assert!(!plain.contains('\x1b') && plain.contains("Two") && upright.contains("Size"), "{plain}");
    assert!(plain.chars().any(|c| "#%@*+=".contains(c)), "the bars leave ink: {plain}");
    let indexed = figure.to_terminal_with(60, TerminalColors::Indexed).unwrap();
    assert!(indexed.contains("\x1b[48;5;231m") && !indexed.contains(";2;"), "white is 231");
    let full = figure.to_terminal_with(60, TerminalColors::True).unwrap();
    assert_eq!(full, figure.to_terminal(60).unwrap());
    assert_eq!(full.lines().count(), indexed.lines().count());
    assert_eq!(full.lines().count(), plain.lines().count());
}

#[test]
fn the_terminal_shows_labels_as_characters() {
    let labels = ["jazz".to_owned(), "blues".to_owned()];
    let text =
        Bars::confidence(&labels, &[0.25, 0.75]).unwrap().title("Verdict").figure().to_terminal(100).unwrap();
    let plain: String = text
        .split('\x1b')
        .map(|part| part.strip_prefix('[').and_then(|p| p.split_once('m')).map_or(part, |(_, rest)| rest))
        .collect();
    for word in ["jazz", "blues", "Verdict", "75.0", "Confidence (%)"] {
        assert!(plain.contains(word), "{word} in\n{plain}");
    }
    assert!(plain.lines().all(|line| line.chars().count() == 100));
}

#[test]
fn sizes_have_limits() {
    let figure = Waveform::new(&[0.0], 1).size(f64::NAN, 1e9).figure();
    assert_eq!((figure.width(), figure.height()), (800.0, 8000.0));
    assert!(matches!(figure.to_png(0), Err(PlotError::Limit { given: 0, .. })));
    assert!(matches!(figure.to_png(u32::MAX), Err(PlotError::Limit { .. })));
    assert!(matches!(figure.to_png(10_000), Err(PlotError::Limit { given: 100_000, .. })));
    assert!(figure.to_terminal(3).is_err());
}

#[test]
fn files_are_written_by_their_extension() {
    let folder = tempfile::tempdir().unwrap();
    let figure = Waveform::new(&[0.0, 1.0, -1.0], 8000).figure();
    let at = |name: &str| folder.path().join(name);
    figure.save(at("a.svg")).unwrap();
    figure.save(at("a.PNG")).unwrap();
    assert_eq!(std::fs::read_to_string(at("a.svg")).unwrap(), figure.to_svg());
    assert_eq!(std::fs::read(at("a.PNG")).unwrap(), figure.to_png(1600).unwrap());
    let error = figure.save(at("a.jpg")).unwrap_err();
    assert!(error.to_string().ends_with("a.jpg: its name must end in .svg or .png"), "{error}");
    assert!(matches!(figure.save(at("none/a.svg")), Err(PlotError::Io { .. })));
    // Nothing but what was asked for is left.
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn contradictions_are_errors() {
    let two = names(2);
    let table = Array2::<f64>::zeros((3, 2));
    for error in [
        Bars::class_distribution(&two, &[1]).unwrap_err(),
        Bars::confidence(&two, &[]).unwrap_err(),
        Matrix::correlation(table.view(), &two).unwrap_err(),
        Matrix::feature_comparison(table.view(), &two, &two).unwrap_err(),
        Scatter::pca(table.view(), &[0, 1], &two, &[]).unwrap_err(),
        Scatter::pca(table.view(), &[0, 1, 2], &two, &[]).unwrap_err(),
        VerdictOverTime::new(&two, table.view(), &[0.0], 1.0).unwrap_err(),
    ] {
        assert!(matches!(error, PlotError::Shape { .. }), "{error}");
    }
}

#[test]
fn a_scatter_has_decades_or_names_along_its_axis() {
    let texts = |figure: &Figure| -> Vec<String> {
        let svg = figure.to_svg();
        let document = Document::parse(&svg).unwrap();
        let texts = document.descendants().filter(|n| n.has_tag_name("text"));
        texts.filter_map(|n| n.text().map(str::to_owned)).collect()
    };
    let points = [(1e-4, 0.5), (1e-2, 0.7), (1.0, 0.6), (0.0, 0.9), (-1.0, 0.9)];
    let log = texts(&Scatter::new("Rate", "Accuracy").class("all", &points).log_x().figure());
    for label in ["0.0001", "0.001", "0.01", "0.1", "1"] {
        assert!(log.iter().any(|t| t == label), "{label} in {log:?}");
    }
    // What lies nowhere on the axis does not stretch the other one.
    assert!(!log.iter().any(|t| t == "0.9"), "{log:?}");
    let narrow = texts(&Scatter::new("C", "").class("all", &[(3.0, 0.5), (4.0, 0.6)]).log_x().figure());
    assert!(narrow.len() >= 4, "two ticks at least: {narrow:?}");
    let names = ["scale".to_owned(), "auto".to_owned()];
    let named =
        texts(&Scatter::new("Gamma", "").class("all", &[(0.0, 1.0), (5.0, 2.0)]).names_x(&names).figure());
    assert!(names.iter().all(|name| named.contains(name)), "{named:?}");
}
