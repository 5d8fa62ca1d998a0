#![doc = include_str!("../README.md")]

mod bars;
mod box_plot;
mod color;
mod error;
mod figure;
mod font;
mod frame;
mod heat_map;
mod histogram;
mod layout;
mod lines;
mod matrix;
mod raster;
mod reliability;
mod roc;
mod scatter;
mod scene;
mod svg;
mod terminal;
mod ticks;
mod verdict;
mod waveform;

pub use bars::Bars;
pub use box_plot::BoxPlot;
pub use color::{Color, ColorMap};
pub use error::PlotError;
pub use figure::Figure;
pub use heat_map::{FrequencyScale, HeatMap};
pub use histogram::Histogram;
pub use lines::TrainingCurves;
pub use matrix::Matrix;
pub use reliability::ReliabilityDiagram;
pub use roc::RocCurves;
pub use scatter::Scatter;
pub use verdict::VerdictOverTime;
pub use waveform::Waveform;
