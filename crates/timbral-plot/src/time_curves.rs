use crate::frame::{Axis, Frame, Key, Marks, Swatch};
use crate::layout::{Layout, layout_settings};
use crate::scene::Stroke;
use crate::ticks;
use crate::{Color, Figure};

/// Draws numbers over time as lines, such as loudness or spectral centroid, frame by frame.
#[derive(Clone, Debug)]
pub struct TimeCurves {
    value_label: String,
    seconds_per_frame: f64,
    curves: Vec<(String, Vec<f64>)>,
    layout: Layout,
}

layout_settings!(TimeCurves);

impl TimeCurves {
    /// No curves yet; `value_label` names what they show with its unit, and a frame begins every `hop_length` samples.
    #[must_use]
    pub fn new(value_label: impl Into<String>, sample_rate: u32, hop_length: usize) -> Self {
        Self {
            value_label: value_label.into(),
            seconds_per_frame: hop_length as f64 / f64::from(sample_rate.max(1)),
            curves: Vec::new(),
            layout: Layout::new("Over time", 800.0, 280.0),
        }
    }

    /// Adds a curve of one value a frame. Where a value is not finite the line is broken.
    #[must_use]
    pub fn curve(mut self, name: impl Into<String>, values: impl IntoIterator<Item = f32>) -> Self {
        self.curves.push((name.into(), values.into_iter().map(f64::from).collect()));
        self
    }

    /// Draws the figure; the names are shown where there are several curves.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let frames = self.curves.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let seconds = frames.saturating_sub(1).max(1) as f64 * self.seconds_per_frame.max(f64::MIN_POSITIVE);
        let values = self.curves.iter().flat_map(|(_, values)| values.iter().copied());
        let range = ticks::padded(ticks::extent(values), 0.05);
        let x = Axis::new(ticks::time_label(seconds), (0.0, seconds), Marks::Time).with_grid();
        let y = Axis::new(self.value_label.as_str(), range, Marks::Linear).with_grid();
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        let stroke = |i: usize| Stroke::new(Color::categorical(i), 1.5).dashed(i / Color::CATEGORICAL.len());
        if self.curves.len() > 1 {
            let keys = self
                .curves
                .iter()
                .enumerate()
                .map(|(i, (name, _))| Key { name: name.clone(), swatch: Swatch::Line(stroke(i)) });
            frame.keys = keys.collect();
        }
        let mut plot = frame.begin();
        if frames == 0 {
            plot.note("no frames");
        }
        for (i, (_, values)) in self.curves.iter().enumerate() {
            let at = |(frame, value): (usize, &f64)| (frame as f64 * self.seconds_per_frame, *value);
            plot.line(values.iter().enumerate().map(at), &stroke(i));
        }
        plot.finish()
    }
}
