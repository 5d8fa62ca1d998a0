use crate::frame::{Axis, Frame, Key, Marks, Swatch};
use crate::layout::{Layout, layout_settings};
use crate::scene::Stroke;
use crate::ticks;
use crate::{Color, Figure};

/// Draws curves over the epochs of a training run: loss or accuracy, of several runs or splits.
///
/// Colours are distinguishable for the colour-blind; after eight they repeat with other dashes.
#[derive(Clone, Debug)]
pub struct TrainingCurves {
    measure: String,
    curves: Vec<Curve>,
    layout: Layout,
}

#[derive(Clone, Debug)]
struct Curve {
    name: String,
    values: Vec<f64>,
    color: usize,
    dash: usize,
}

layout_settings!(TrainingCurves);

impl TrainingCurves {
    /// Curves of a measure, such as `Loss`, whose name stands at the axis.
    #[must_use]
    pub fn new(measure: impl Into<String>) -> Self {
        Self { measure: measure.into(), curves: Vec::new(), layout: Layout::new("Training", 640.0, 360.0) }
    }

    /// Adds a curve of one value an epoch, beginning with epoch 1. Where a value is not finite the line is broken.
    #[must_use]
    pub fn curve(mut self, name: impl Into<String>, values: &[f64]) -> Self {
        let index = self.curves.len();
        let (color, dash) = (index, index / Color::CATEGORICAL.len());
        self.curves.push(Curve { name: name.into(), values: values.to_vec(), color, dash });
        self
    }

    /// Adds a run in one colour: its training values as a dashed line, its validation values as a whole one.
    #[must_use]
    pub fn run(mut self, name: &str, training: &[f64], validation: &[f64]) -> Self {
        let color = self.curves.iter().map(|c| c.color + 1).max().unwrap_or(0);
        let named = |part: &str| {
            if name.is_empty() { part.to_owned() } else { format!("{name}, {part}") }
        };
        for (part, values, dash) in [("training", training, 1), ("validation", validation, 0)] {
            self.curves.push(Curve { name: named(part), values: values.to_vec(), color, dash });
        }
        self
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let epochs = self.curves.iter().map(|c| c.values.len()).max().unwrap_or(0);
        let values = self.curves.iter().flat_map(|c| c.values.iter().copied());
        let range = ticks::padded(ticks::extent(values), 0.05);
        let last = if epochs > 1 { epochs as f64 } else { 2.0 };
        let x = Axis::new("Epoch", (1.0, last), Marks::Whole).with_grid();
        let y = Axis::new(self.measure.as_str(), range, Marks::Linear).with_grid();
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        let stroke = |c: &Curve| Stroke::new(Color::categorical(c.color), 2.0).dashed(c.dash);
        frame.keys = self
            .curves
            .iter()
            .map(|c| Key { name: c.name.clone(), swatch: Swatch::Line(stroke(c)) })
            .collect();
        let mut plot = frame.begin();
        if epochs == 0 {
            plot.note("no epochs");
        }
        for curve in &self.curves {
            let points = || curve.values.iter().enumerate().map(|(i, v)| (i as f64 + 1.0, *v));
            plot.line(points(), &stroke(curve));
            // What stands alone has no line.
            let known = |i: usize| curve.values.get(i).is_some_and(|v| v.is_finite());
            for (i, (x, y)) in points().enumerate() {
                if known(i) && !known(i + 1) && !(i > 0 && known(i - 1)) {
                    let place = plot.point(x, y);
                    plot.scene.disc(place, 3.0, Color::categorical(curve.color));
                }
            }
        }
        plot.finish()
    }
}
