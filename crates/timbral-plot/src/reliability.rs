use crate::frame::{Axis, Frame, Key, Marks, Swatch};
use crate::layout::{Layout, layout_settings};
use crate::scene::{Anchor, Fill, Stroke, Text};
use crate::{Color, Figure, PlotError, font};

/// Draws accuracy over confidence (a reliability diagram): of the predictions with confidence 80 %, 80 % should be correct.
///
/// Confidences are counted in bins of equal width. A bar is the fraction of right answers in its bin, with the number of
/// answers over it, a dot their mean confidence; the gap between them, weighted by those numbers, is the expected
/// calibration error (M. P. Naeini et al., 2015).
#[derive(Clone, Debug)]
pub struct ReliabilityDiagram {
    bins: Vec<Bin>,
    layout: Layout,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Bin {
    count: usize,
    confidence: f64,
    right: usize,
}

layout_settings!(ReliabilityDiagram);

impl ReliabilityDiagram {
    /// The diagram of the confidence of each answer, 0 to 1, and whether it is right, in `n_bins` bins, 1 to 100. Bin `b`
    /// holds confidences above `b / n_bins` up to `(b + 1) / n_bins`; those that are NaN are left out.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if there are not as many confidences as answers; [`PlotError::Limit`] if the number of
    /// bins is out of range.
    pub fn new(confidence: &[f64], correct: &[bool], n_bins: usize) -> Result<Self, PlotError> {
        let rule = "there must be as many of both";
        PlotError::check_count("confidences for answers", confidence.len(), correct.len(), rule)?;
        if !(1..=100).contains(&n_bins) {
            return Err(PlotError::Limit { what: "number of bins", given: n_bins as u64, low: 1, high: 100 });
        }
        let mut bins = vec![Bin::default(); n_bins];
        for (&confidence, &correct) in confidence.iter().zip(correct) {
            if confidence.is_nan() {
                continue;
            }
            let confidence = confidence.clamp(0.0, 1.0);
            let place = ((confidence * n_bins as f64).ceil() as usize).clamp(1, n_bins) - 1;
            let bin = &mut bins[place];
            bin.count += 1;
            bin.confidence += confidence;
            bin.right += usize::from(correct);
        }
        Ok(Self { bins, layout: Layout::new("Reliability", 620.0, 440.0) })
    }

    /// The expected calibration error, 0 to 1: the mean gap between confidence and fraction of right answers. 0 without
    /// answers.
    #[must_use]
    pub fn expected_calibration_error(&self) -> f64 {
        let n: usize = self.bins.iter().map(|b| b.count).sum();
        let gaps: f64 = self.bins.iter().map(|b| (b.confidence - b.right as f64).abs()).sum();
        gaps / n.max(1) as f64
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        const NUMBER: f64 = 9.0;
        let x = Axis::new("Confidence", (0.0, 1.0), Marks::Linear);
        // Over a full bar there is room for its number.
        let marks = Marks::Fixed(crate::ticks::linear(0.0, 1.0, 5));
        let y = Axis::new("Accuracy", (0.0, 1.06), marks).with_grid();
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        let bar = Fill { color: Color::categorical(5), opacity: 0.75 };
        let ideal = Stroke::new(Color::SOFT_TEXT, 1.2).dashed(1);
        let key = |name: String, swatch| Key { name, swatch };
        let dot = Fill::from(Color::categorical(1));
        frame.keys = vec![
            key("right answers".to_owned(), Swatch::Square(bar)),
            key("mean confidence".to_owned(), Swatch::Dot(dot)),
            key("perfect calibration".to_owned(), Swatch::Line(ideal.clone())),
            key(format!("ECE {:.3}", self.expected_calibration_error()), Swatch::None),
        ];
        let mut plot = frame.begin();
        if self.bins.iter().all(|b| b.count == 0) {
            plot.note("no answers");
        }
        let edge = |i: usize| i as f64 / self.bins.len() as f64;
        let filled = || self.bins.iter().enumerate().filter(|(_, b)| b.count > 0);
        for (i, bin) in filled() {
            let share = bin.right as f64 / bin.count as f64;
            let area = plot.rectangle((edge(i), 0.0), (edge(i + 1), share));
            plot.scene.rectangle(area, bar);
            plot.scene.frame(area, &Stroke::new(Color::categorical(0), 1.0));
        }
        plot.line([(0.0, 0.0), (1.0, 1.0)], &ideal);
        for (i, bin) in filled() {
            let (share, confidence) =
                (bin.right as f64 / bin.count as f64, bin.confidence / bin.count as f64);
            let place = plot.point(confidence, confidence);
            plot.scene.disc(place, 3.5, dot);
            let area = plot.rectangle((edge(i), 0.0), (edge(i + 1), share));
            let text = bin.count.to_string();
            let size = NUMBER.min(0.95 * area.width / font::width(&text, 1.0));
            if size >= 6.0 {
                let number = Text::new(area.x + 0.5 * area.width, area.y - 3.0, text, size);
                plot.scene.text(number.anchor(Anchor::Middle));
            }
        }
        plot.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_that_of_the_definition() {
        // Two bins: .4 and .2 (one right of two), .9 (right); gaps |.6 - 1| and |.9 - 1|, over 3.
        let diagram = ReliabilityDiagram::new(&[0.4, 0.2, 0.9], &[true, false, true], 2).unwrap();
        assert!((diagram.expected_calibration_error() - 0.5 / 3.0).abs() < 1e-12);
        assert_eq!(diagram.bins.iter().map(|b| b.count).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn edges_belong_to_the_bin_below() {
        let diagram = ReliabilityDiagram::new(&[0.0, 0.5, 0.500_001, 1.0, f64::NAN], &[true; 5], 2).unwrap();
        assert_eq!(diagram.bins.iter().map(|b| b.count).collect::<Vec<_>>(), [2, 2]);
        assert!(ReliabilityDiagram::new(&[], &[], 0).is_err());
        assert!(ReliabilityDiagram::new(&[0.5], &[], 5).is_err());
    }
}
