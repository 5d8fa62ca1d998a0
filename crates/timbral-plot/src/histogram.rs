use crate::frame::{Axis, Frame, Marks};
use crate::layout::{Layout, layout_settings};
use crate::ticks;
use crate::{Color, Figure};

/// Draws how often values occur, such as the durations of tracks.
#[derive(Clone, Debug)]
pub struct Histogram {
    values: Vec<f64>,
    value_label: String,
    count_label: String,
    bins: Option<usize>,
    range: Option<(f64, f64)>,
    layout: Layout,
}

layout_settings!(Histogram);

impl Histogram {
    /// The histogram of values that `value_label` names with their unit. What is not finite is left out.
    #[must_use]
    pub fn new(values: &[f64], value_label: impl Into<String>) -> Self {
        Self {
            values: values.iter().copied().filter(|v| v.is_finite()).collect(),
            value_label: value_label.into(),
            count_label: "Tracks".to_owned(),
            bins: None,
            range: None,
            layout: Layout::new("", 640.0, 320.0),
        }
    }

    /// Sets the number of bins, 1 to 1000. Default: the square root of the number of values, 5 to 60.
    #[must_use]
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = Some(bins.clamp(1, 1000));
        self
    }

    /// Sets the lower end of the first bin and the upper end of the last, so that several histograms can be compared; values
    /// outside are left out. Ends that are not finite or not in order change nothing. Default: the extent of the values.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Self {
        self.range = Some((low, high)).filter(|_| low.is_finite() && high.is_finite() && low < high);
        self
    }

    /// Sets what is counted, in place of `Tracks`.
    #[must_use]
    pub fn count_label(mut self, label: impl Into<String>) -> Self {
        self.count_label = label.into();
        self
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let bins = self.bins.unwrap_or((self.values.len() as f64).sqrt().ceil().clamp(5.0, 60.0) as usize);
        let extent = || ticks::padded(ticks::extent(self.values.iter().copied()), 0.0);
        let (low, high) = self.range.unwrap_or_else(extent);
        let inside: Vec<f64> = self.values.iter().copied().filter(|v| (low..=high).contains(v)).collect();
        let counts = count(&inside, low, high, bins);
        let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let x = Axis::new(self.value_label.as_str(), (low, high), Marks::Linear);
        let y = Axis::new(self.count_label.as_str(), (0.0, 1.05 * most), Marks::Whole).with_grid();
        let mut plot = Frame::new(&self.layout.title, self.layout.size, x, y).begin();
        if self.values.is_empty() {
            plot.note("no values");
        }
        let edge = |i: usize| low + (high - low) * i as f64 / bins as f64;
        for (i, &n) in counts.iter().enumerate() {
            let mut area = plot.rectangle((edge(i), 0.0), (edge(i + 1), n as f64));
            // A seam between bars that are wide enough for one.
            area.width -= if area.width > 4.0 { 1.0 } else { 0.0 };
            plot.scene.rectangle(area, Color::categorical(0));
        }
        plot.finish()
    }
}

/// How many values lie in each of equal bins; the last holds its upper end.
fn count(values: &[f64], low: f64, high: f64, bins: usize) -> Vec<usize> {
    let mut counts = vec![0; bins];
    for value in values {
        let place = ((value - low) / (high - low) * bins as f64).max(0.0) as usize;
        counts[place.min(bins - 1)] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_counted_once() {
        let values = [0.0, 0.1, 0.5, 0.99, 1.0];
        assert_eq!(count(&values, 0.0, 1.0, 2), [2, 3]);
        assert_eq!(count(&values, 0.0, 1.0, 4), [2, 0, 1, 2]);
    }
}
