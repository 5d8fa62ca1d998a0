//! A training program that is killed again and again, or finds the disk full, ends with the bytes of one that was not.
//!
//! The test is its own training program: started with `train FOLDER`, it trains there and tells each pass on stdout.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that is a program as well"
)]

use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ndarray::Array2;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use timbral_model::{Architecture, CompactCnnConfig, TensorFile};
use timbral_train::training::{EpochMetrics, MetricsFolder};
use timbral_train::{Member, SpectrogramSet, TrainConfig, TrainError, fit_ensemble};

const EPOCHS: usize = 12;
const KILLS: usize = 40;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, folder] = arguments.as_slice()
        && command == "train"
    {
        if let Err(error) = train(Path::new(folder)) {
            eprintln!("error: {}", chain(&error));
            std::process::exit(1);
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let expected = folder.path().join("expected");
    run_to_the_end(&expected);
    let expected = Outcome::read(&expected);
    killed_runs_end_alike(folder.path(), &expected);
    println!("killed_runs_end_alike ... ok");
    #[cfg(unix)]
    {
        a_full_disk_loses_nothing(folder.path(), &expected);
        println!("a_full_disk_loses_nothing ... ok");
    }
    a_damaged_checkpoint_is_named(folder.path());
    println!("a_damaged_checkpoint_is_named ... ok");
}

/// An error and its causes, as programs print them.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Trains a small network with checkpoints and metrics in `folder`, and writes its weights at the end.
fn train(folder: &Path) -> Result<(), TrainError> {
    let mut set = SpectrogramSet::new(16, ["a", "b"].map(String::from).to_vec())?;
    for i in 0..16usize {
        let values = Array2::from_shape_fn((16, 30), |(band, frame)| {
            ((band * 31 + frame * 17 + i * 7) % 23) as f32 - 40.0 + if band / 8 == i % 2 { 9.0 } else { 0.0 }
        });
        set.push(&values, i % 2)?;
    }
    let member = Member {
        name: "cnn".into(),
        architecture: Architecture::CompactCnn(CompactCnnConfig {
            bands: 16,
            channels: vec![16, 32],
            crop_frames: 24,
            ..CompactCnnConfig::default()
        }),
        training: TrainConfig {
            epochs: EPOCHS,
            batch_size: 8,
            crop_frames: 24,
            ema: 0.9,
            ..TrainConfig::default()
        },
        trunk: None,
        copies: 1,
        excerpts: 1,
    };
    std::fs::create_dir_all(folder).unwrap();
    let metrics = MetricsFolder::create(folder.join("metrics"))?;
    let observe = |name: &str, pass: &EpochMetrics| {
        println!("pass {}", pass.epoch);
        match metrics.push(name, pass) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let all: Vec<usize> = (0..set.len()).collect();
    let (_, tensors) = fit_ensemble(&[member], &set, &all, 1, Some(folder), &observe)?;
    let text = String::new();
    Ok(TensorFile { text, tensors: timbral_model::from_candle(&tensors)? }.save(folder.join("weights"))?)
}

/// What a run leaves behind that must not depend on how often it was stopped.
#[derive(PartialEq)]
struct Outcome {
    weights: Vec<u8>,
    checkpoint: Vec<u8>,
    /// Every column but the seconds.
    metrics: Vec<String>,
}

impl Outcome {
    fn read(folder: &Path) -> Self {
        let metrics = std::fs::read_to_string(folder.join("metrics/cnn-0.csv")).unwrap();
        Self {
            weights: std::fs::read(folder.join("weights")).unwrap(),
            checkpoint: std::fs::read(checkpoint(folder)).unwrap(),
            metrics: metrics.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect(),
        }
    }

    fn check(&self, folder: &Path) {
        let found = Self::read(folder);
        assert_eq!(found.metrics, self.metrics);
        assert!(found.weights == self.weights, "other weights");
        assert!(found.checkpoint == self.checkpoint, "another checkpoint");
        let files = std::fs::read_dir(folder.join("cnn-0")).unwrap().count();
        assert_eq!(files, 1, "nothing but the checkpoint stays");
    }
}

fn checkpoint(folder: &Path) -> std::path::PathBuf {
    folder.join("cnn-0/last.safetensors")
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("train").arg(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run_to_the_end(folder: &Path) {
    let output = command(folder).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
}

/// Kills programs a random time after they have begun to end a random pass: in the write of the metrics, in that of the
/// checkpoint, or in the pass after it.
fn killed_runs_end_alike(folder: &Path, expected: &Outcome) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut kills, mut runs) = (0, 0);
    while kills < KILLS {
        let folder = folder.join(format!("run{runs}"));
        runs += 1;
        loop {
            let mut child = command(&folder).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let passes = rng.random_range(0..=3);
            let ended = (0..passes).any(|_| lines.next().is_none());
            std::thread::sleep(Duration::from_micros(rng.random_range(0..6000)));
            child.kill().unwrap();
            let status = child.wait().unwrap();
            if status.success() || ended {
                break;
            }
            kills += 1;
        }
        // Where the last program was killed after its last pass, the end is still to come.
        run_to_the_end(&folder);
        expected.check(&folder);
    }
}

#[cfg(unix)]
fn a_full_disk_loses_nothing(folder: &Path, expected: &Outcome) {
    let folder = folder.join("full");
    let mut child = command(&folder).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The third pass ends, so the checkpoint of the second is there.
    (0..3).for_each(|_| drop(lines.next().unwrap()));
    child.kill().unwrap();
    child.wait().unwrap();
    let saved = std::fs::read(checkpoint(&folder)).unwrap();
    // A limit on the size of files fails a write as a full disk does, once the signal is ignored.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .arg("train")
        .arg(&folder)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let path = checkpoint(&folder).display().to_string();
    assert!(error.contains(&path), "{error}");
    assert!(std::fs::read(checkpoint(&folder)).unwrap() == saved, "the checkpoint before is kept");
    let files = std::fs::read_dir(folder.join("cnn-0")).unwrap().count();
    assert_eq!(files, 1, "nothing half written stays");
    run_to_the_end(&folder);
    expected.check(&folder);
}

fn a_damaged_checkpoint_is_named(folder: &Path) {
    let folder = folder.join("expected");
    let path = checkpoint(&folder);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() - 100);
    std::fs::write(&path, &bytes).unwrap();
    let weights = std::fs::read(folder.join("weights")).unwrap();
    let output = command(&folder).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&path.display().to_string()) && error.contains("start anew"), "{error}");
    assert!(std::fs::read(&path).unwrap() == bytes, "it is left as it is");
    assert!(std::fs::read(folder.join("weights")).unwrap() == weights);
}
