use crate::frame::{Axis, Frame, Marks, TICK_SIZE};
use crate::layout::{Layout, layout_settings};
use crate::scene::{Anchor, Text};
use crate::ticks;
use crate::{Color, Figure, PlotError};

/// Draws one bar for each of some names.
#[derive(Clone, Debug)]
pub struct Bars {
    names: Vec<String>,
    values: Vec<f64>,
    name_axis: String,
    value_axis: String,
    lying: bool,
    whole: bool,
    /// The least that the axis must reach.
    reach: Option<f64>,
    /// The bar in another colour.
    marked: Option<usize>,
    layout: Layout,
}

layout_settings!(Bars);

const RULE: &str = "there must be as many names as values";

impl Bars {
    /// How many tracks each class has, in the order given.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if there are not as many labels as counts.
    pub fn class_distribution(labels: &[String], counts: &[usize]) -> Result<Self, PlotError> {
        PlotError::check_count("class labels for counts", labels.len(), counts.len(), RULE)?;
        Ok(Self {
            names: labels.to_vec(),
            values: counts.iter().map(|c| *c as f64).collect(),
            name_axis: String::new(),
            value_axis: "Tracks".to_owned(),
            lying: false,
            whole: true,
            reach: None,
            marked: None,
            layout: Layout::new("Class distribution", 640.0, 360.0),
        })
    }

    /// Confidence in each class, highest first and in another colour; equal ones keep their order.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if there are not as many labels as probabilities.
    pub fn confidence(labels: &[String], probabilities: &[f64]) -> Result<Self, PlotError> {
        PlotError::check_count("class labels for probabilities", labels.len(), probabilities.len(), RULE)?;
        let key = |i: usize| {
            if probabilities[i].is_nan() { f64::NEG_INFINITY } else { probabilities[i] }
        };
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        let height = 110.0 + 26.0 * labels.len().min(40) as f64;
        Ok(Self {
            names: order.iter().map(|i| labels[*i].clone()).collect(),
            values: order.iter().map(|i| 100.0 * probabilities[*i]).collect(),
            name_axis: String::new(),
            value_axis: "Confidence (%)".to_owned(),
            lying: true,
            whole: false,
            reach: Some(100.0),
            marked: (!order.is_empty()).then_some(0),
            layout: Layout::new("Verdict", 640.0, height),
        })
    }

    /// One number for each name, such as the mean of a feature for each genre; `value_label` names it with its unit.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if there are not as many names as values.
    pub fn values(names: &[String], values: &[f64], value_label: &str) -> Result<Self, PlotError> {
        PlotError::check_count("names of bars for values", names.len(), values.len(), RULE)?;
        Ok(Self {
            names: names.to_vec(),
            values: values.to_vec(),
            name_axis: String::new(),
            value_axis: value_label.to_owned(),
            lying: false,
            whole: false,
            reach: None,
            marked: None,
            layout: Layout::new("", 640.0, 360.0),
        })
    }

    /// Sets what the counted things are called, in place of `Tracks`, `Confidence (%)` and the like.
    #[must_use]
    pub fn value_label(mut self, label: impl Into<String>) -> Self {
        self.value_axis = label.into();
        self
    }

    /// Sets what the names are called.
    #[must_use]
    pub fn name_label(mut self, label: impl Into<String>) -> Self {
        self.name_axis = label.into();
        self
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        // Room for the number at the end of the longest bar.
        let (low, high) = ticks::extent(self.values.iter().copied()).unwrap_or((0.0, 0.0));
        let (low, high) = (low.min(0.0), high.max(0.0));
        let room = 0.08 * (high - low);
        let range = match self.reach {
            Some(reach) => (low, high.max(reach) + 0.1 * reach.max(high)),
            None => ticks::padded(Some((if low < 0.0 { low - room } else { 0.0 }, high + room)), 0.0),
        };
        let range = if low == 0.0 && high == 0.0 && self.reach.is_none() { (0.0, 1.0) } else { range };
        let marks = match self.reach {
            Some(reach) if high <= reach => Marks::Fixed(ticks::linear(0.0, reach, 5)),
            _ if self.whole => Marks::Whole,
            _ => Marks::Linear,
        };
        let value_axis = Axis::new(self.value_axis.as_str(), range, marks).with_grid();
        let name_axis = Axis::categories(self.name_axis.as_str(), &self.names, self.lying);
        let (x, y) = if self.lying { (value_axis, name_axis) } else { (name_axis, value_axis) };
        let mut plot = Frame::new(&self.layout.title, self.layout.size, x, y).begin();
        if self.names.is_empty() {
            plot.note("nothing to count");
        }
        for (i, &value) in self.values.iter().enumerate() {
            let (near, far) = (i as f64 + 0.14, i as f64 + 0.86);
            let length = if value.is_nan() { 0.0 } else { value };
            let (from, to) =
                if self.lying { ((0.0, near), (length, far)) } else { ((near, 0.0), (far, length)) };
            let color = if self.marked == Some(i) { Color::categorical(1) } else { Color::categorical(0) };
            let area = plot.rectangle(from, to);
            plot.scene.rectangle(area, color);
            let text = match self.reach {
                _ if self.whole => format!("{value:.0}"),
                Some(_) => format!("{value:.1}"),
                None => ticks::short(value),
            };
            let text = if value.is_finite() { text } else { "–".to_owned() };
            let label = if self.lying {
                let y = area.y + 0.5 * area.height + 0.36 * TICK_SIZE;
                Text::new(area.right() + 5.0, y, text, TICK_SIZE)
            } else {
                let y = if length < 0.0 { area.bottom() + TICK_SIZE + 2.0 } else { area.y - 4.0 };
                Text::new(area.x + 0.5 * area.width, y, text, TICK_SIZE).anchor(Anchor::Middle)
            };
            // Where bars are narrow their numbers would run into each other; the axis tells them.
            let wide = crate::font::width(&label.text, TICK_SIZE) <= 1.35 * area.width;
            if (self.lying && area.height >= 0.7 * TICK_SIZE) || (!self.lying && wide) {
                plot.scene.text(label);
            }
        }
        plot.finish()
    }
}
