//! Shows what a leak is worth: the same learner on the same rows, cross-validated with and without artists in both train and
//! test.
#![allow(clippy::print_stdout, reason = "a program prints")]

use ndarray::{Array2, Axis};
use rand::{Rng as _, SeedableRng as _};
use timbral_classic::{Config, KNeighborsConfig, Learner, LearnerConfig, PipelineConfig, Predictor};
use timbral_data::{Folds, Part, TrackInfo};

const TRACKS: usize = 240;

fn main() -> anyhow::Result<()> {
    // Three genres, eight artists each, ten tracks per artist. Artists differ far more than genres do.
    let genres = ["blues", "jazz", "rock"];
    let tracks: Vec<TrackInfo> = (0..TRACKS)
        .map(|i| TrackInfo {
            artist: Some(format!("artist {}", i / 10)),
            ..TrackInfo::new(format!("track {i}"), genres[i / 80])
        })
        .collect();
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let artists = Array2::from_shape_simple_fn((24, 8), || rng.random_range(-1.0..1.0));
    let values = Array2::from_shape_fn((TRACKS, 8), |(track, column)| {
        let genre = if column == track / 80 { 0.3 } else { 0.0 };
        genre + artists[(track / 10, column)] + rng.random_range(-0.2..0.2)
    });
    let classes: Vec<usize> = (0..TRACKS).map(|i| i / 80).collect();

    let learner = PipelineConfig {
        transformers: vec![],
        learner: LearnerConfig::KNeighbors(KNeighborsConfig::default()),
    }
    .check()?;
    let accuracy = |folds: &Folds| -> anyhow::Result<f64> {
        let mut correct = 0;
        for split in folds.splits() {
            let [train, test] = [Part::Train, Part::Test].map(|part| split.rows(&tracks, part));
            let [x, x_test] = [&train, &test].map(|rows| values.select(Axis(0), rows));
            let y: Vec<usize> = train.iter().map(|&row| classes[row]).collect();
            let predicted = learner.fit(x.view(), &y, 3)?.predict(x_test.view())?;
            correct += test.iter().zip(predicted).filter(|(row, class)| classes[**row] == *class).count();
        }
        Ok(correct as f64 / TRACKS as f64)
    };

    // A function that lets artists leak says so in its name.
    let leaky = accuracy(&Folds::track_random_leaky(&tracks, 5, 0)?)?;
    let grouped = accuracy(&Folds::stratified_group(&tracks, 5, 0)?)?;
    println!("random folds:         accuracy {leaky:.2}, of which most is recognising the artist");
    println!("artist-grouped folds: accuracy {grouped:.2}, what a new artist would get");
    Ok(())
}
