//! Writes the 57 features of the table that circulates with GTZAN, one row per song: `song_to_csv a.mp3 b.flac > songs.csv`.
#![allow(clippy::print_stdout, reason = "a program prints")]

use timbral_decode::{DecodeConfig, decode_file};
use timbral_features::FeatureSet;

fn main() -> anyhow::Result<()> {
    let mut songs: Vec<String> = std::env::args().skip(1).collect();
    if songs.is_empty() {
        songs.push("models/demo.wav".to_owned());
    }

    // A plan is made once and reused: it holds the windows, filters and transforms of all 57 columns.
    let features = FeatureSet::preset("gtzan57")?;
    let options = DecodeConfig::default().mono().sample_rate(features.config().sample_rate);

    println!("path,{}", features.columns().join(","));
    for song in &songs {
        let audio = decode_file(song, &options)?;
        // One spectrogram is shared by every feature that needs it.
        let row = features.compute(&audio.samples)?;
        let row: Vec<String> = row.iter().map(f64::to_string).collect();
        println!("{song},{}", row.join(","));
    }
    Ok(())
}
