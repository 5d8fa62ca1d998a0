//! The pipeline at library level, with a small model whose verdict can be followed by hand: it separates noise from tones by
//! the mean level of a log-mel spectrogram.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use timbral::{Classifier, Error, FrontEnd, UNKNOWN, Verdict, WindowFeatures};
use timbral_features::mel::{LogMelConfig, MelConfig};
use timbral_model::graph::{LayerGraph, Op};
use timbral_model::{Architecture, Header, Input, Model, ModelFile, StoredTensor, at_temperature};
use timbral_segment::{Cut, LastWindow, SegmentConfig, Segmenter, Span};

const RATE: u32 = 4000;
const SECOND: usize = RATE as usize;

/// Windows of 2 s every second.
fn file(temperature: Option<f64>) -> ModelFile {
    let mel = MelConfig { sample_rate: RATE, n_fft: 512, hop_length: 256, n_mels: 8, ..MelConfig::default() };
    let features = WindowFeatures::LogMel(LogMelConfig { mel, ..LogMelConfig::default() });
    let front_end = FrontEnd { window_seconds: 2.0, hop_seconds: 1.0, features };
    let mut graph = LayerGraph::new(Input::LogMel { bands: 8 });
    graph.push("image", Op::Image);
    graph.push("mean", Op::GlobalMean);
    let labels = ["noise", "tone"].map(String::from).to_vec();
    let mut header = Header::new("level", Architecture::Graph(graph), front_end.to_json().unwrap(), labels);
    header.temperature = temperature;
    // Logits 0.1 (level + 20) and its negative: noise fills all bands, a tone one.
    let tensors = BTreeMap::from([
        ("output.weight".to_owned(), StoredTensor::from_f32([2, 1], &[0.1, -0.1]).unwrap()),
        ("output.bias".to_owned(), StoredTensor::from_f32([2], &[2.0, -2.0]).unwrap()),
    ]);
    ModelFile { header, tensors }
}

fn classifier(temperature: Option<f64>) -> Classifier {
    Classifier::new(Model::from_file(&file(temperature)).unwrap()).unwrap()
}

/// Noise in even ranges of seven seconds, a tone in odd ones.
fn sound(samples: usize) -> Vec<f32> {
    let mut state = 1u32;
    (0..samples)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = state as f32 / (u32::MAX / 2) as f32 - 1.0;
            if (i / (7 * SECOND)).is_multiple_of(2) { 0.3 * noise } else { (i as f32 * 0.7).sin() * 0.5 }
        })
        .collect()
}

fn close(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6)
}

#[test]
fn every_window_of_a_long_sound_is_that_excerpt_by_itself() {
    let classifier = classifier(None);
    // 199 windows: many batches, and a last one that is not full.
    let samples = sound(200 * SECOND);
    let verdict = classifier.classify_samples(&samples, RATE).unwrap();
    assert_eq!(verdict.windows.len(), 199);
    let mut genres = BTreeMap::new();
    for (i, window) in verdict.windows.iter().enumerate() {
        assert!(!window.silent);
        assert_eq!((window.start, window.end), (i as f64, i as f64 + 2.0));
        let excerpt = &samples[i * SECOND..(i + 2) * SECOND];
        let alone = classifier.classify_samples(excerpt, RATE).unwrap();
        assert_eq!(alone.windows.len(), 1);
        assert!(close(&alone.windows[0].probabilities, &window.probabilities), "window {i}");
        // A window inside one range is what the range is.
        if i % 7 < 6 {
            assert_eq!(window.genre, ["noise", "tone"][i / 7 % 2], "window {i}");
        }
        *genres.entry(window.genre.clone()).or_insert(0) += 1;
    }
    assert!(genres.len() == 2, "{genres:?}");
    let mean: Vec<f32> = (0..2)
        .map(|class| verdict.windows.iter().map(|window| window.probabilities[class]).sum::<f32>() / 199.0)
        .collect();
    let labels = ["noise".to_owned(), "tone".to_owned()];
    let track = verdict.probabilities(&labels);
    assert!(track.iter().zip(&mean).all(|(a, b)| (a - b).abs() < 1e-5), "{track:?} {mean:?}");
}

#[test]
fn what_is_left_after_the_last_whole_window_is_not_used() {
    let classifier = classifier(None);
    let samples = sound(10 * SECOND + 2900);
    let verdict = classifier.classify_samples(&samples, RATE).unwrap();
    assert_eq!(verdict.windows.len(), 9);
    assert_eq!(verdict.windows[8].end, 10.0);
    let whole = classifier.classify_samples(&samples[..10 * SECOND], RATE).unwrap();
    assert_eq!(verdict.ranking, whole.ranking);
    // A sound shorter than a window is one window of its own length.
    let short = classifier.classify_samples(&samples[..SECOND + 1000], RATE).unwrap();
    assert_eq!((short.windows.len(), short.windows[0].end), (1, 1.25));
}

#[test]
fn the_temperature_softens_track_and_windows() {
    let samples = sound(9 * SECOND);
    let sharp = classifier(None).classify_samples(&samples, RATE).unwrap();
    let soft = classifier(Some(2.0)).classify_samples(&samples, RATE).unwrap();
    let labels = ["noise".to_owned(), "tone".to_owned()];
    let at_two = |p: &[f32]| at_temperature(p, 2.0);
    assert!(close(&soft.probabilities(&labels), &at_two(&sharp.probabilities(&labels))));
    for (soft, sharp) in soft.windows.iter().zip(&sharp.windows) {
        assert!(close(&soft.probabilities, &at_two(&sharp.probabilities)));
    }
    assert!(soft.confidence < sharp.confidence);
    assert_eq!(soft.genre, sharp.genre);
}

#[test]
fn a_stream_of_chunks_gives_the_windows_of_the_whole_sound() {
    let classifier = classifier(None);
    let samples = sound(12 * SECOND + 123);
    let whole = classifier.classify_samples(&samples, RATE).unwrap();
    for last in [LastWindow::Drop, LastWindow::ZeroPad, LastWindow::Keep] {
        let config = SegmentConfig {
            cut: Cut::Sliding { length: Span::Seconds(2.0), hop: Span::Seconds(1.0) },
            last,
            ..SegmentConfig::default()
        };
        let segmenter = Segmenter::new(config, RATE).unwrap();
        let mut stream = segmenter.stream().unwrap();
        let mut seen: Vec<Verdict> = Vec::new();
        for chunk in samples.chunks(480) {
            stream.push(chunk);
            while let Some(window) = stream.next_window() {
                seen.push(classifier.classify_samples(&window.samples, RATE).unwrap());
            }
        }
        assert_eq!(seen.len(), whole.windows.len(), "{last:?}");
        for (seen, window) in seen.iter().zip(&whole.windows) {
            assert!(close(&seen.windows[0].probabilities, &window.probabilities), "{last:?}");
        }
    }
}

#[test]
fn what_cannot_be_classified_has_an_error_of_its_kind_and_silence_is_unknown() {
    let classifier = classifier(None);
    let short = classifier.classify_samples(&[0.5; 100], RATE).unwrap_err();
    assert!(matches!(short, Error::TooShort { .. }), "{short:?}");
    let mut broken = sound(3 * SECOND);
    broken[5000] = f32::NAN;
    let broken = classifier.classify_samples(&broken, RATE).unwrap_err();
    assert!(std::error::Error::source(&broken).is_some(), "{broken:?}");
    let silence = classifier.classify_samples(&vec![0.0; 5 * SECOND], RATE).unwrap();
    assert!(silence.unknown && silence.is_silent() && silence.genre == UNKNOWN);
    assert!(silence.closest().is_none());
    let missing = classifier.classify_file("no/such/song.wav").unwrap_err();
    assert!(matches!(missing, Error::Decode(_)), "{missing:?}");
}

#[test]
fn copies_and_files_give_the_same_verdict() {
    let bytes = file(Some(1.5)).to_bytes().unwrap();
    let first = Classifier::from_bytes(bytes).unwrap();
    let copy = first.clone();
    let samples = sound(20 * SECOND);
    let expected = first.classify_samples(&samples, RATE).unwrap();
    let other = std::thread::spawn(move || copy.classify_samples(&samples, RATE).unwrap()).join().unwrap();
    assert_eq!(expected, other);
}
