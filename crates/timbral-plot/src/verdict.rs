use ndarray::{Array2, ArrayView2};

use crate::frame::{Axis, ColorBar, Frame, Marks};
use crate::layout::{Layout, layout_settings};
use crate::scene::Stroke;
use crate::ticks;
use crate::{Color, ColorMap, Figure, PlotError};

/// Draws the probability of each class over the windows of a song; the most probable class of each window has a dot.
#[derive(Clone, Debug)]
pub struct VerdictOverTime {
    labels: Vec<String>,
    probabilities: Array2<f64>,
    starts: Vec<f64>,
    window_seconds: f64,
    layout: Layout,
}

layout_settings!(VerdictOverTime);

impl VerdictOverTime {
    /// The verdicts of windows that begin at `starts`, in seconds and in order, and are `window_seconds` long;
    /// `probabilities` has one row per window and a column a class. Where windows overlap, each is drawn up to the next.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if there is not a row for each start and a column for each label.
    pub fn new(
        labels: &[String],
        probabilities: ArrayView2<'_, f64>,
        starts: &[f64],
        window_seconds: f64,
    ) -> Result<Self, PlotError> {
        let rule = "there must be a row for each window and a column for each class";
        PlotError::check_count(
            "rows of probabilities for windows",
            probabilities.nrows(),
            starts.len(),
            rule,
        )?;
        PlotError::check_count(
            "columns of probabilities for labels",
            probabilities.ncols(),
            labels.len(),
            rule,
        )?;
        Ok(Self {
            labels: labels.to_vec(),
            probabilities: probabilities.to_owned(),
            starts: starts.to_vec(),
            window_seconds,
            layout: Layout::new("Verdict over time", 800.0, (120.0 + 22.0 * labels.len() as f64).min(1200.0)),
        })
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let length = if self.window_seconds > 0.0 && self.window_seconds.is_finite() {
            self.window_seconds
        } else {
            1.0
        };
        let ends = |i: usize| {
            let start = self.starts[i];
            let own = start + length;
            (
                start,
                self.starts.get(i + 1).map_or(own, |next| if *next > start { next.min(own) } else { own }),
            )
        };
        let windows = || (0..self.starts.len()).map(ends).filter(|(a, b)| a.is_finite() && b.is_finite());
        let (low, high) = ticks::padded(ticks::extent(windows().flat_map(|(a, b)| [a, b])), 0.0);
        let x = Axis::new(ticks::time_label(high), (low, high), Marks::Time);
        let y = Axis::categories("", &self.labels, true);
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        frame.bar = Some(ColorBar {
            map: ColorMap::Viridis,
            low: 0.0,
            high: 100.0,
            label: "Confidence (%)".to_owned(),
        });
        let mut plot = frame.begin();
        if self.probabilities.is_empty() {
            plot.note("no windows");
            return plot.finish();
        }
        let mut dots = Vec::new();
        for (i, row) in self.probabilities.rows().into_iter().enumerate() {
            let (start, end) = ends(i);
            if !start.is_finite() || !end.is_finite() {
                continue;
            }
            for (class, &probability) in row.iter().enumerate() {
                let area = plot.rectangle((start, class as f64), (end, class as f64 + 1.0));
                plot.scene.rectangle(area, ColorMap::Viridis.color(probability));
            }
            let known = row.iter().copied().enumerate().filter(|(_, p)| !p.is_nan());
            if let Some((class, probability)) =
                known.reduce(|best, next| if next.1 > best.1 { next } else { best })
            {
                let place = plot.point(0.5 * (start + end), class as f64 + 0.5);
                let room = plot.x(end) - plot.x(start);
                dots.push((
                    place,
                    (0.35 * room).clamp(1.0, 4.0),
                    ColorMap::Viridis.color(probability).readable(),
                ));
            }
        }
        for class in 1..self.labels.len() {
            let (from, to) = (plot.point(low, class as f64), plot.point(high, class as f64));
            plot.scene.rule(from, to, Stroke::new(Color::WHITE, 1.0));
        }
        for (place, radius, color) in dots {
            plot.scene.disc(place, radius, color);
        }
        plot.finish()
    }
}
