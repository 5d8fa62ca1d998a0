use crate::frame::{Axis, Frame, Marks};
use crate::layout::{Layout, layout_settings};
use crate::scene::Stroke;
use crate::ticks;
use crate::{Color, Figure};

/// Draws a signal over time: the range of its samples at each moment, and over it, darker, their root mean square.
#[derive(Clone, Debug)]
pub struct Waveform {
    /// Of each column: smallest and largest sample, mean square; none where no sample is finite.
    columns: Vec<Option<[f64; 3]>>,
    seconds: f64,
    layout: Layout,
}

layout_settings!(Waveform);

/// Most columns that a signal is summed up in: more than are ever seen.
const COLUMNS: usize = 2000;

impl Waveform {
    /// The waveform of mono samples at a rate in Hz.
    #[must_use]
    pub fn new(samples: &[f32], sample_rate: u32) -> Self {
        let n = samples.len().min(COLUMNS);
        let edge = |i: usize| (i as u128 * samples.len() as u128 / n as u128) as usize;
        let columns = (0..n).map(|i| {
            let column = &samples[edge(i)..edge(i + 1)];
            let finite = || column.iter().map(|v| f64::from(*v)).filter(|v| v.is_finite());
            let (low, high) = ticks::extent(finite())?;
            let power = finite().map(|v| v * v).sum::<f64>() / finite().count() as f64;
            Some([low, high, power])
        });
        Self {
            columns: columns.collect(),
            seconds: samples.len() as f64 / f64::from(sample_rate.max(1)),
            layout: Layout::new("Waveform", 800.0, 240.0),
        }
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let largest = self.columns.iter().flatten().map(|c| c[1].max(-c[0])).fold(0.0, f64::max);
        // Quiet signals are drawn large, but silence is a line.
        let end = if largest > 0.0 { 1.05 * largest } else { 1.0 };
        let seconds = if self.seconds > 0.0 { self.seconds } else { 1.0 };
        let x = Axis::new(ticks::time_label(seconds), (0.0, seconds), Marks::Time).with_grid();
        let y = Axis::new("Amplitude", (-end, end), Marks::Linear).with_grid();
        let mut plot = Frame::new(&self.layout.title, self.layout.size, x, y).begin();
        if self.columns.is_empty() {
            plot.note("no samples");
            return plot.finish();
        }
        let seconds_at = |i: usize| (i as f64 + 0.5) * seconds / self.columns.len() as f64;
        let pale = Color::categorical(5);
        let dark = Color::categorical(0);
        for (bounds, color) in [
            ((|c: &[f64; 3]| (c[0], c[1])) as fn(&[f64; 3]) -> (f64, f64), pale),
            (|c: &[f64; 3]| (c[0].max(-c[2].sqrt()), c[1].min(c[2].sqrt())), dark),
        ] {
            let mut part: Vec<(f64, (f64, f64))> = Vec::new();
            for (i, column) in self.columns.iter().enumerate() {
                match column {
                    Some(column) => part.push((seconds_at(i), bounds(column))),
                    None => band(&mut plot, std::mem::take(&mut part), color),
                }
            }
            band(&mut plot, part, color);
        }
        plot.finish()
    }
}

/// Fills between two lines; where they meet, a line is left.
fn band(plot: &mut crate::frame::Plot, part: Vec<(f64, (f64, f64))>, color: Color) {
    let upper = part.iter().map(|&(x, (_, high))| plot.point(x, high));
    let lower = part.iter().rev().map(|&(x, (low, _))| plot.point(x, low));
    let points: Vec<(f64, f64)> = upper.chain(lower).collect();
    if let [first, .., last] = points.as_slice()
        && part.len() == 1
    {
        plot.scene.line(vec![*first, *last], Stroke::new(color, 1.0));
        return;
    }
    let middle: Vec<(f64, f64)> =
        part.iter().map(|&(x, (low, high))| plot.point(x, 0.5 * (low + high))).collect();
    plot.scene.polygon(points, color);
    plot.scene.line(middle, Stroke::new(color, 0.6));
}
