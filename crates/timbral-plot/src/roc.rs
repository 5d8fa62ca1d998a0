use crate::frame::{Axis, Frame, Key, Marks, Swatch};
use crate::layout::{Layout, layout_settings};
use crate::scene::Stroke;
use crate::{Color, Figure, PlotError};

/// Draws receiver operating characteristics: the fraction of positives found against the fraction of negatives taken for them,
/// over all thresholds.
#[derive(Clone, Debug)]
pub struct RocCurves {
    curves: Vec<(String, Vec<(f64, f64)>)>,
    layout: Layout,
}

layout_settings!(RocCurves);

impl Default for RocCurves {
    fn default() -> Self {
        Self::new()
    }
}

impl RocCurves {
    /// No curves yet.
    #[must_use]
    pub fn new() -> Self {
        Self { curves: Vec::new(), layout: Layout::new("ROC curves", 640.0, 480.0) }
    }

    /// Adds the curve of a score that should be larger where `positive` holds. Its area stands beside its name. Scores that
    /// are NaN count as the lowest. Without positives or without negatives there is no curve, and the legend says so.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if there are not as many scores as answers.
    pub fn curve(mut self, name: &str, scores: &[f64], positive: &[bool]) -> Result<Self, PlotError> {
        let rule = "there must be as many of both";
        PlotError::check_count("scores of a ROC curve for answers", scores.len(), positive.len(), rule)?;
        let points = roc(scores, positive);
        let area: f64 = points.windows(2).map(|w| (w[1].0 - w[0].0) * 0.5 * (w[0].1 + w[1].1)).sum();
        let name = if points.is_empty() { format!("{name} (none)") } else { format!("{name} ({area:.3})") };
        self.curves.push((name, points));
        Ok(self)
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let x = Axis::new("False positive rate", (0.0, 1.0), Marks::Linear).with_grid();
        let y = Axis::new("True positive rate", (0.0, 1.0), Marks::Linear).with_grid();
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        frame.square = true;
        let stroke = |i: usize| Stroke::new(Color::categorical(i), 2.0).dashed(i / Color::CATEGORICAL.len());
        frame.keys = self
            .curves
            .iter()
            .enumerate()
            .map(|(i, (name, _))| Key { name: name.clone(), swatch: Swatch::Line(stroke(i)) })
            .collect();
        let chance = Stroke::new(Color::SOFT_TEXT, 1.0).dashed(2);
        frame.keys.push(Key { name: "chance (0.5)".to_owned(), swatch: Swatch::Line(chance.clone()) });
        let mut plot = frame.begin();
        plot.line([(0.0, 0.0), (1.0, 1.0)], &chance);
        for (i, (_, points)) in self.curves.iter().enumerate() {
            plot.line(points.iter().copied(), &stroke(i));
        }
        plot.finish()
    }
}

/// Rates of false and true positives as the threshold sinks; equal scores are passed at once.
fn roc(scores: &[f64], positive: &[bool]) -> Vec<(f64, f64)> {
    let score = |i: usize| {
        if scores[i].is_nan() { f64::NEG_INFINITY } else { scores[i] }
    };
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    let n_positive = positive.iter().filter(|p| **p).count();
    let n_negative = positive.len() - n_positive;
    if n_positive == 0 || n_negative == 0 {
        return Vec::new();
    }
    let mut points = vec![(0.0, 0.0)];
    let (mut found, mut wrong) = (0_usize, 0_usize);
    for equal in order.chunk_by(|&a, &b| score(a) == score(b)) {
        found += equal.iter().filter(|i| positive[**i]).count();
        wrong += equal.iter().filter(|i| !positive[**i]).count();
        points.push((wrong as f64 / n_negative as f64, found as f64 / n_positive as f64));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_is_that_of_the_definition() {
        // At each threshold, count what lies at or above it.
        let scores = [0.9, 0.8, 0.8, 0.4, 0.4, 0.1];
        let positive = [true, false, true, true, false, false];
        let mut expected = vec![(0.0, 0.0)];
        for threshold in [0.9, 0.8, 0.4, 0.1] {
            let share = |of: bool| {
                let above = (0..6).filter(|&i| positive[i] == of && scores[i] >= threshold).count();
                above as f64 / 3.0
            };
            expected.push((share(false), share(true)));
        }
        assert_eq!(roc(&scores, &positive), expected);
        assert!(roc(&[1.0], &[true]).is_empty());
        assert!(roc(&[], &[]).is_empty());
    }

    #[test]
    fn the_area_stands_in_the_legend() {
        let svg =
            RocCurves::new().curve("R&B", &[3.0, 2.0, 1.0], &[true, true, false]).unwrap().figure().to_svg();
        assert!(svg.contains("R&amp;B (1.000)"));
        assert!(RocCurves::new().curve("x", &[1.0], &[]).is_err());
    }
}
