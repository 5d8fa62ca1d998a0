//! Draws one audio file: its waveform, a spectrogram, or any feature over time.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, ValueEnum};
use ndarray::Array2;
use timbral_decode::{DecodeConfig, decode_file};
use timbral_features::feature_set::{Feature, FeatureSpec, Statistic};
use timbral_features::{FeaturePlan, FeatureSet, FeatureSetConfig, Spectrogram, SpectrogramConfig};
use timbral_plot::{ColorMap, Figure, FrequencyScale, HeatMap, TerminalColors, TimeCurves, Waveform};

/// Draw an audio file as SVG or PNG, or in the terminal.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  plot song.mp3 --kind mel -o mel.svg\n  \
    plot song.mp3 --kind spectrogram --scale log --show\n  plot song.mp3 --kind spectral_contrast -o contrast.png"
)]
struct Arguments {
    /// The audio file.
    path: PathBuf,
    /// waveform, spectrogram, mel, mfcc, chroma, cqt, tempogram, or the name of any other feature.
    #[arg(long, default_value = "mel")]
    kind: String,
    /// File to write; its extension, .svg or .png, is the format.
    #[arg(short, long, required_unless_present = "show")]
    output: Option<PathBuf>,
    /// Draw in the terminal.
    #[arg(long)]
    show: bool,
    /// Colours of the terminal: 24 bits, the 256 of xterm, or none; auto detects them.
    #[arg(long, default_value = "auto")]
    terminal: Terminal,
    /// Width in characters.
    #[arg(long, default_value_t = 100)]
    columns: u32,
    /// Sample rate in Hz to resample to (0 = keep that of the file).
    #[arg(long, default_value_t = 22_050)]
    rate: u32,
    /// Start at this second.
    #[arg(long, default_value_t = 0.0)]
    start: f64,
    /// Number of seconds to draw [default: to the end].
    #[arg(long)]
    duration: Option<f64>,
    /// Frequency axis of a spectrogram.
    #[arg(long, default_value = "linear")]
    scale: Scale,
    /// Colour map.
    #[arg(long, default_value = "viridis")]
    colors: Colors,
    /// Title [default: kind and file name].
    #[arg(long)]
    title: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Terminal {
    Auto,
    True,
    #[value(name = "256")]
    Indexed,
    Plain,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scale {
    Linear,
    Mel,
    Log,
}

#[derive(Clone, Copy, ValueEnum)]
enum Colors {
    Viridis,
    Cividis,
    Magma,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let figure = draw(&arguments)?;
        if let Some(path) = &arguments.output {
            figure.save(path)?;
        }
        if arguments.show {
            let colors = match arguments.terminal {
                Terminal::True => TerminalColors::True,
                Terminal::Indexed => TerminalColors::Indexed,
                Terminal::Auto if std::io::stdout().is_terminal() => {
                    TerminalColors::detect(|name| std::env::var(name).ok())
                }
                Terminal::Auto | Terminal::Plain => TerminalColors::None,
            };
            cli::text(figure.to_terminal_with(arguments.columns, colors)?)?;
        }
        Ok(())
    })
}

fn draw(arguments: &Arguments) -> Result<Figure> {
    let mut options = DecodeConfig::default().mono();
    options = match arguments.duration {
        Some(duration) => options.excerpt(arguments.start, duration),
        None => options.start(arguments.start),
    };
    if arguments.rate > 0 {
        options = options.sample_rate(arguments.rate);
    }
    let audio = decode_file(&arguments.path, &options)?;
    let (samples, rate) = (&audio.samples, audio.sample_rate);
    let file = arguments.path.file_name().unwrap_or_default().to_string_lossy();
    let title = arguments.title.clone().unwrap_or_else(|| format!("{} of {file}", arguments.kind));
    // The hop of all features with their default parameters.
    const HOP: usize = 512;
    let named = |name: &str| feature(name, samples, rate);
    let map = match arguments.kind.as_str() {
        "waveform" => return Ok(Waveform::new(samples, rate).title(title).figure()),
        "spectrogram" => {
            let power = Spectrogram::new(SpectrogramConfig::default())?.compute(samples)?;
            let scale = match arguments.scale {
                Scale::Linear => FrequencyScale::Linear,
                Scale::Mel => FrequencyScale::Mel,
                Scale::Log => FrequencyScale::Log,
            };
            HeatMap::spectrogram(power.view(), rate, HOP).power_to_db(80.0).frequency_scale(scale)
        }
        "mel" => HeatMap::mel_spectrogram(named("mel")?.view(), rate, HOP).power_to_db(80.0),
        "mfcc" => HeatMap::mfcc(named("mfcc")?.view(), rate, HOP),
        "chroma" => HeatMap::chroma(named("chroma_stft")?.view(), rate, HOP),
        "cqt" => {
            // C1, where the transform begins by default.
            let cqt = named("cqt")?;
            HeatMap::constant_q(cqt.view(), rate, HOP, 32.703_195_662_574_83, 12).amplitude_to_db(80.0)
        }
        "tempogram" => HeatMap::tempogram(named("tempogram")?.view(), rate, HOP),
        other => {
            let values = named(other)?;
            if values.nrows() == 1 {
                let curve = TimeCurves::new(other, rate, HOP).curve(other, values.iter().copied());
                return Ok(curve.title(title).figure());
            }
            HeatMap::feature(values.view(), rate, HOP, other, "Value")
        }
    };
    let map = match arguments.colors {
        Colors::Viridis => map.color_map(ColorMap::Viridis),
        Colors::Cividis => map.color_map(ColorMap::Cividis),
        Colors::Magma => map.color_map(ColorMap::Magma),
    };
    // Signed, and the first coefficient is far larger than the rest.
    let map = if arguments.kind == "mfcc" { map.around_zero() } else { map };
    Ok(map.title(title).figure())
}

/// One feature over time with its default parameters.
fn feature(name: &str, samples: &[f32], sample_rate: u32) -> Result<Array2<f32>> {
    let feature = Feature::named(name).with_context(|| {
        format!("unknown feature {name}; it must be one of {}", Feature::NAMES.join(", "))
    })?;
    let mut config = FeatureSetConfig::new("", vec![FeatureSpec::new(feature, [Statistic::Mean])]);
    config.sample_rate = sample_rate;
    let mut frames = FeatureSet::new(config)?.compute_frames(samples)?;
    ensure!(!frames.is_empty(), "the file is too short for one frame of {name}");
    Ok(frames.swap_remove(0).1)
}
