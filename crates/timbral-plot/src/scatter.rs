use ndarray::ArrayView2;

use crate::frame::{Axis, Frame, Key, Marks, Swatch};
use crate::layout::{Layout, layout_settings};
use crate::scene::{Fill, Scene};
use crate::ticks;
use crate::{Color, Figure, PlotError};

/// Draws points of several classes, such as tracks on their two principal components.
///
/// Classes differ in colour and in the shape of their marks.
#[derive(Clone, Debug)]
pub struct Scatter {
    x_label: String,
    y_label: String,
    classes: Vec<(String, Vec<(f64, f64)>)>,
    layout: Layout,
}

layout_settings!(Scatter);

impl Scatter {
    /// No points yet, on axes with these labels.
    #[must_use]
    pub fn new(x_label: impl Into<String>, y_label: impl Into<String>) -> Self {
        Self {
            x_label: x_label.into(),
            y_label: y_label.into(),
            classes: Vec::new(),
            layout: Layout::new("", 680.0, 480.0),
        }
    }

    /// The first two columns of `scores`, shape `(n_tracks, n_components)`, coloured by `classes[i]`, the number of a
    /// label. `explained` are the shares of variance that the components explain, 0 to 1; they stand at the axes where
    /// they are given.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if there are fewer than two components, not as many classes as rows, or a class without
    /// a label.
    pub fn pca(
        scores: ArrayView2<'_, f64>,
        classes: &[usize],
        labels: &[String],
        explained: &[f64],
    ) -> Result<Self, PlotError> {
        let rule = "there must be one for each row";
        PlotError::check_count("classes of points for rows", classes.len(), scores.nrows(), rule)?;
        let wrong = |what, given: String, rule| Err(PlotError::Shape { what, given, rule });
        if scores.ncols() < 2 {
            return wrong(
                "components",
                scores.ncols().to_string(),
                "there must be at least 2",
            );
        }
        if let Some(class) = classes.iter().find(|c| **c >= labels.len()) {
            let given = format!("class {class} of {} labels", labels.len());
            return wrong(
                "class of a point",
                given,
                "it must be the number of a label, from 0",
            );
        }
        let axis = |i: usize| match explained.get(i) {
            Some(share) => format!(
                "Principal component {} ({:.1} % of variance)",
                i + 1,
                100.0 * share
            ),
            None => format!("Principal component {}", i + 1),
        };
        let mut figure = Self::new(axis(0), axis(1)).title("Principal components");
        for (class, label) in labels.iter().enumerate() {
            let points: Vec<(f64, f64)> = scores
                .rows()
                .into_iter()
                .zip(classes)
                .filter(|(_, c)| **c == class)
                .map(|(row, _)| (row[0], row[1]))
                .collect();
            figure = figure.class(label.as_str(), &points);
        }
        Ok(figure)
    }

    /// Adds a class of points `(x, y)`. Those that are not finite are left out.
    #[must_use]
    pub fn class(mut self, name: impl Into<String>, points: &[(f64, f64)]) -> Self {
        let finite = points
            .iter()
            .copied()
            .filter(|(x, y)| x.is_finite() && y.is_finite());
        self.classes.push((name.into(), finite.collect()));
        self
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let points = || self.classes.iter().flat_map(|c| c.1.iter().copied());
        let range = |values: &mut dyn Iterator<Item = f64>| ticks::padded(ticks::extent(values), 0.05);
        let x_range = range(&mut points().map(|p| p.0));
        let y_range = range(&mut points().map(|p| p.1));
        let x = Axis::new(self.x_label.as_str(), x_range, Marks::Linear).with_grid();
        let y = Axis::new(self.y_label.as_str(), y_range, Marks::Linear).with_grid();
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        frame.keys = self
            .classes
            .iter()
            .enumerate()
            .map(|(i, (name, _))| Key {
                name: name.clone(),
                swatch: Swatch::Mark(i),
            })
            .collect();
        let mut plot = frame.begin();
        let n = points().count();
        if n == 0 {
            plot.note("no points");
        }
        // Many points are small and let those under them be seen.
        let radius = (60.0 / (n as f64).sqrt()).clamp(1.5, 4.5);
        let opacity = if n > 200 { 0.75 } else { 0.9 };
        // One of each class in turn, so that none lies over all others.
        let longest = self.classes.iter().map(|c| c.1.len()).max().unwrap_or(0);
        for i in 0..longest {
            for (class, (_, points)) in self.classes.iter().enumerate() {
                if let Some(&(x, y)) = points.get(i) {
                    let place = plot.point(x, y);
                    mark(&mut plot.scene, class, place, radius, opacity);
                }
            }
        }
        plot.finish()
    }
}

/// Draws the mark of class `index`: a disc, square, triangle, diamond or cross of equal area. Eight colours and five shapes
/// make forty that differ.
pub(crate) fn mark(scene: &mut Scene, index: usize, (x, y): (f64, f64), radius: f64, opacity: f64) {
    let fill = Fill {
        color: Color::categorical(index),
        opacity,
    };
    let shape = |corners: &[(f64, f64)], size: f64| {
        corners
            .iter()
            .map(|(dx, dy)| (x + size * dx, y + size * dy))
            .collect::<Vec<_>>()
    };
    match index % 5 {
        0 => scene.disc((x, y), radius, fill),
        1 => scene.polygon(
            shape(
                &[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
                0.89 * radius,
            ),
            fill,
        ),
        2 => scene.polygon(
            shape(&[(0.0, -1.15), (1.0, 0.58), (-1.0, 0.58)], 1.35 * radius),
            fill,
        ),
        3 => scene.polygon(
            shape(&[(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)], 1.25 * radius),
            fill,
        ),
        _ => {
            const ARM: f64 = 0.36;
            let cross = [
                (-ARM, -1.0),
                (ARM, -1.0),
                (ARM, -ARM),
                (1.0, -ARM),
                (1.0, ARM),
                (ARM, ARM),
                (ARM, 1.0),
                (-ARM, 1.0),
                (-ARM, ARM),
                (-1.0, ARM),
                (-1.0, -ARM),
                (-ARM, -ARM),
            ];
            scene.polygon(shape(&cross, 1.2 * radius), fill);
        }
    }
}
