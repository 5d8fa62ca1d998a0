use crate::frame::{Axis, Frame, Marks};
use crate::layout::{Layout, layout_settings};
use crate::scene::{Fill, Stroke};
use crate::ticks;
use crate::{Color, Figure};

/// Draws how values are spread in each of some groups, such as a feature over genres.
///
/// The box reaches from the first to the third quartile, the line in it is the median, the whiskers reach to the last
/// value within 1.5 times the box's length of it, and values beyond are dots (J. W. Tukey, Exploratory Data Analysis, 1977).
#[derive(Clone, Debug)]
pub struct BoxPlot {
    names: Vec<String>,
    groups: Vec<Vec<f64>>,
    value_label: String,
    layout: Layout,
}

layout_settings!(BoxPlot);

/// What a box shows.
#[derive(Clone, Debug, PartialEq)]
struct Summary {
    quartiles: [f64; 3],
    whiskers: (f64, f64),
    outliers: Vec<f64>,
}

impl BoxPlot {
    /// No groups yet, of values that `value_label` names with their unit.
    #[must_use]
    pub fn new(value_label: impl Into<String>) -> Self {
        Self {
            names: Vec::new(),
            groups: Vec::new(),
            value_label: value_label.into(),
            layout: Layout::new("", 640.0, 360.0),
        }
    }

    /// Adds a group. Values that are not finite are left out.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>, values: &[f64]) -> Self {
        self.names.push(name.into());
        self.groups.push(values.iter().copied().filter(|v| v.is_finite()).collect());
        self
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let range = ticks::padded(ticks::extent(self.groups.iter().flatten().copied()), 0.05);
        let x = Axis::categories("", &self.names, false);
        let y = Axis::new(self.value_label.as_str(), range, Marks::Linear).with_grid();
        let mut plot = Frame::new(&self.layout.title, self.layout.size, x, y).begin();
        if self.groups.iter().all(Vec::is_empty) {
            plot.note("no values");
        }
        let color = Color::categorical(0);
        let line = Stroke::new(color, 1.2);
        for (i, group) in self.groups.iter().enumerate() {
            let Some(Summary { quartiles: [first, median, third], whiskers, outliers }) = summary(group)
            else {
                continue;
            };
            let middle = i as f64 + 0.5;
            let (left, right) = (middle - 0.3, middle + 0.3);
            let area = plot.rectangle((left, first), (right, third));
            for (from, to) in [(whiskers.0, first), (third, whiskers.1)] {
                plot.line([(middle, from), (middle, to)], &line);
            }
            for end in [whiskers.0, whiskers.1] {
                plot.line([(middle - 0.12, end), (middle + 0.12, end)], &line);
            }
            plot.scene.rectangle(
                area,
                Fill { color: Color::categorical(5).between(Color::WHITE, 0.45), opacity: 1.0 },
            );
            plot.scene.frame(area, &line);
            plot.line([(left, median), (right, median)], &Stroke::new(Color::categorical(1), 2.5));
            for value in outliers {
                let place = plot.point(middle, value);
                plot.scene.disc(place, 2.2, Fill { color, opacity: 0.6 });
            }
        }
        plot.finish()
    }
}

/// None of no values.
fn summary(values: &[f64]) -> Option<Summary> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quartiles = [0.25, 0.5, 0.75].map(|share| quantile(&sorted, share));
    let reach = 1.5 * (quartiles[2] - quartiles[0]);
    let within = |v: &f64| *v >= quartiles[0] - reach && *v <= quartiles[2] + reach;
    let low = *sorted.iter().find(|v| within(v))?;
    let high = *sorted.iter().rev().find(|v| within(v))?;
    let outliers = sorted.iter().copied().filter(|v| !within(v)).collect();
    // Between values far apart a quartile may lie beyond the last value within reach.
    Some(Summary { quartiles, whiskers: (low.min(quartiles[0]), high.max(quartiles[2])), outliers })
}

/// Linear between the values, as NumPy has it by default.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let below = place as usize;
    let at = |i: usize| sorted.get(i).or(sorted.last()).copied().unwrap_or(f64::NAN);
    at(below) + (at(below + 1) - at(below)) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_numpy() {
        // numpy.quantile([1, 2, 3, 4], [.25, .5, .75])
        let s = summary(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(s.quartiles, [1.75, 2.5, 3.25]);
        assert_eq!(s.whiskers, (1.0, 4.0));
        let s = summary(&[1.0, 2.0, 3.0, 4.0, 100.0]).unwrap();
        assert_eq!((s.whiskers, s.outliers), ((1.0, 4.0), vec![100.0]));
        assert_eq!(summary(&[7.0]).unwrap().quartiles, [7.0; 3]);
        assert!(summary(&[]).is_none());
    }
}
