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
    across: Across,
    layout: Layout,
}

/// What lies along the x axis.
#[derive(Clone, Debug)]
enum Across {
    Linear,
    Whole,
    Log,
    Names(Vec<String>),
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
            across: Across::Linear,
            layout: Layout::new("", 680.0, 480.0),
        }
    }

    /// The first two columns of `scores`, shape `(n_tracks, n_components)`, coloured by `classes[i]`, the number of a
    /// label. `explained` are the fractions of variance that the components explain, 0 to 1; they stand at the axes where
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
            return wrong("components", scores.ncols().to_string(), "there must be at least 2");
        }
        if let Some(class) = classes.iter().find(|c| **c >= labels.len()) {
            let given = format!("class {class} of {} labels", labels.len());
            return wrong("class of a point", given, "it must be the number of a label, from 0");
        }
        let axis = |i: usize| match explained.get(i) {
            Some(share) => format!("Principal component {} ({:.1} % of variance)", i + 1, 100.0 * share),
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
        let finite = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
        self.classes.push((name.into(), finite.collect()));
        self
    }

    /// A logarithmic x axis; points at 0 and below are left out.
    #[must_use]
    pub fn log_x(mut self) -> Self {
        self.across = Across::Log;
        self
    }

    /// An x axis of whole numbers, such as those of runs.
    #[must_use]
    pub fn whole_x(mut self) -> Self {
        self.across = Across::Whole;
        self
    }

    /// An x axis of names: `x` is the number of a name, from 0. Points without a name are left out.
    #[must_use]
    pub fn names_x(mut self, names: &[String]) -> Self {
        self.across = Across::Names(names.to_vec());
        self
    }

    /// Where a point lies along the x axis; `None` if nowhere.
    fn across(&self, x: f64) -> Option<f64> {
        match &self.across {
            Across::Linear | Across::Whole => Some(x),
            Across::Log => (x > 0.0).then(|| x.log10()),
            Across::Names(names) => (x > -0.5 && x < names.len() as f64 - 0.5).then_some(x + 0.5),
        }
    }

    fn x_axis(&self, places: impl Iterator<Item = f64>) -> Axis {
        let label = self.x_label.as_str();
        let range = ticks::padded(ticks::extent(places), 0.05);
        match &self.across {
            Across::Linear => Axis::new(label, range, Marks::Linear),
            Across::Whole => Axis::new(label, range, Marks::Whole),
            Across::Log => Axis::new(label, range, Marks::Fixed(ticks::decades(range.0, range.1))),
            Across::Names(names) => Axis::categories(label, names, false),
        }
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let classes: Vec<Vec<(f64, f64)>> = self
            .classes
            .iter()
            .map(|(_, points)| {
                let placed = points.iter().filter_map(|&(x, y)| Some((self.across(x)?, y)));
                placed.collect()
            })
            .collect();
        let points = || classes.iter().flatten().copied();
        let y_range = ticks::padded(ticks::extent(points().map(|p| p.1)), 0.05);
        let x = self.x_axis(points().map(|p| p.0)).with_grid();
        let y = Axis::new(self.y_label.as_str(), y_range, Marks::Linear).with_grid();
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        frame.keys = self
            .classes
            .iter()
            .enumerate()
            .map(|(i, (name, _))| Key { name: name.clone(), swatch: Swatch::Mark(i) })
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
        let longest = classes.iter().map(Vec::len).max().unwrap_or(0);
        for i in 0..longest {
            for (class, points) in classes.iter().enumerate() {
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
    let fill = Fill { color: Color::categorical(index), opacity };
    let shape = |corners: &[(f64, f64)], size: f64| {
        corners.iter().map(|(dx, dy)| (x + size * dx, y + size * dy)).collect::<Vec<_>>()
    };
    match index % 5 {
        0 => scene.disc((x, y), radius, fill),
        1 => scene.polygon(shape(&[(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)], 0.89 * radius), fill),
        2 => scene.polygon(shape(&[(0.0, -1.15), (1.0, 0.58), (-1.0, 0.58)], 1.35 * radius), fill),
        3 => scene.polygon(shape(&[(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)], 1.25 * radius), fill),
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
