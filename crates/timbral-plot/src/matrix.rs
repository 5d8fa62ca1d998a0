use ndarray::{Array2, ArrayView2};

use crate::frame::{Axis, ColorBar, Frame};
use crate::layout::{Layout, layout_settings};
use crate::scene::{Anchor, Text};
use crate::ticks;
use crate::{ColorMap, Figure, PlotError, font};

/// Draws a table of numbers in colours, with the numbers in the cells where they fit: confusion and correlation
/// matrices, and features over genres.
#[derive(Clone, Debug)]
pub struct Matrix {
    row_names: Vec<String>,
    column_names: Vec<String>,
    row_label: String,
    column_label: String,
    values: Array2<f64>,
    /// What is written in the cells, in one or two lines.
    texts: Array2<Vec<String>>,
    map: ColorMap,
    range: (f64, f64),
    unit: String,
    square: bool,
    layout: Layout,
}

layout_settings!(Matrix);

impl Matrix {
    /// A confusion matrix of counts, rows: true class, columns: predicted class. The colour and the second number of
    /// a cell are its fraction of the row in per cent: the diagonal shows the recall of each class.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if the matrix does not have as many rows and columns as there are labels.
    pub fn confusion(counts: ArrayView2<'_, u64>, labels: &[String]) -> Result<Self, PlotError> {
        check_square("confusion matrix", counts.dim(), labels)?;
        let totals: Vec<u64> =
            counts.rows().into_iter().map(|r| r.iter().fold(0, |s: u64, c| s.saturating_add(*c))).collect();
        let share = |(row, column): (usize, usize)| 100.0 * counts[(row, column)] as f64 / totals[row] as f64;
        let text = |at| match counts[at] {
            0 => Vec::new(),
            count => vec![count.to_string(), format!("{:.0} %", share(at))],
        };
        Ok(Self {
            row_names: labels.to_vec(),
            column_names: labels.to_vec(),
            row_label: "True class".to_owned(),
            column_label: "Predicted class".to_owned(),
            values: Array2::from_shape_fn(counts.dim(), share),
            texts: Array2::from_shape_fn(counts.dim(), text),
            map: ColorMap::Blues,
            range: (0.0, 100.0),
            unit: "Fraction of the true class (%)".to_owned(),
            square: true,
            layout: sized("Confusion matrix", labels.len(), labels.len(), 44.0),
        })
    }

    /// A matrix of correlations, -1 to 1.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if the matrix does not have as many rows and columns as there are names.
    pub fn correlation(values: ArrayView2<'_, f64>, names: &[String]) -> Result<Self, PlotError> {
        check_square("correlation matrix", values.dim(), names)?;
        let text = |at| {
            if values[at].is_finite() { vec![signed(values[at], 2)] } else { Vec::new() }
        };
        let cell = if names.len() <= 15 { 34.0 } else { 18.0 };
        Ok(Self {
            row_names: names.to_vec(),
            column_names: names.to_vec(),
            row_label: String::new(),
            column_label: String::new(),
            values: values.to_owned(),
            texts: Array2::from_shape_fn(values.dim(), text),
            map: ColorMap::Diverging,
            range: (-1.0, 1.0),
            unit: "Correlation".to_owned(),
            square: true,
            layout: sized("Correlation", names.len(), names.len(), cell),
        })
    }

    /// Features over genres: one row a genre, one column a feature, each value in standard deviations from the feature's
    /// mean, so that features of any unit can stand side by side.
    ///
    /// # Errors
    ///
    /// [`PlotError::Shape`] if `scores` does not have a row for each genre and a column for each feature.
    pub fn feature_comparison(
        scores: ArrayView2<'_, f64>,
        genres: &[String],
        features: &[String],
    ) -> Result<Self, PlotError> {
        let rule = "there must be a row for each genre and a column for each feature";
        PlotError::check_count("rows of a comparison for genres", scores.nrows(), genres.len(), rule)?;
        PlotError::check_count("columns of a comparison for features", scores.ncols(), features.len(), rule)?;
        let end = ticks::extent(scores.iter().copied()).map_or(1.0, |(low, high)| high.max(-low)).max(0.1);
        let text = |at| {
            if scores[at].is_finite() { vec![signed(scores[at], 1)] } else { Vec::new() }
        };
        Ok(Self {
            row_names: genres.to_vec(),
            column_names: features.to_vec(),
            row_label: String::new(),
            column_label: String::new(),
            values: scores.to_owned(),
            texts: Array2::from_shape_fn(scores.dim(), text),
            map: ColorMap::Diverging,
            range: (-end, end),
            unit: "Standard deviations from the mean".to_owned(),
            square: false,
            layout: sized("Features over genres", genres.len(), features.len(), 30.0),
        })
    }

    /// Draws the figure.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let x = Axis::categories(self.column_label.as_str(), &self.column_names, false);
        let y = Axis::categories(self.row_label.as_str(), &self.row_names, true);
        let mut frame = Frame::new(&self.layout.title, self.layout.size, x, y);
        frame.square = self.square;
        let (low, high) = self.range;
        frame.bar = Some(ColorBar { map: self.map, low, high, label: self.unit.clone() });
        let mut plot = frame.begin();
        if self.values.is_empty() {
            plot.note("no classes");
            return plot.finish();
        }
        // One size for all: numbers in some cells alone would look like a choice of them.
        let cell = plot.rectangle((0.0, 0.0), (1.0, 1.0));
        let sizes = self.texts.iter().filter(|lines| !lines.is_empty());
        let size = sizes.map(|lines| text_size(lines, cell.width, cell.height)).fold(11.0, f64::min);
        for ((row, column), &value) in self.values.indexed_iter() {
            let (x, y) = (column as f64, row as f64);
            let area = plot.rectangle((x, y), (x + 1.0, y + 1.0));
            let color = self.map.color((value - low) / (high - low));
            plot.scene.rectangle(area, color);
            if size < LEAST_SIZE {
                continue;
            }
            let lines = &self.texts[(row, column)];
            for (i, line) in lines.iter().enumerate() {
                let below = (i as f64 - 0.5 * (lines.len() as f64 - 1.0)) * 1.2 * size + 0.36 * size;
                let (x, y) = (area.x + 0.5 * area.width, area.y + 0.5 * area.height + below);
                let text = Text::new(x, y, line.as_str(), size).anchor(Anchor::Middle);
                plot.scene.text(text.color(color.readable()));
            }
        }
        plot.finish()
    }
}

/// A number with so many decimals, without the sign of what is rounded to zero.
fn signed(value: f64, decimals: i32) -> String {
    let unit = 10_f64.powi(decimals);
    let rounded = (value * unit).round() / unit + 0.0;
    format!("{rounded:.0$}", decimals.unsigned_abs() as usize).replace('-', "−")
}

fn check_square(
    what: &'static str,
    (rows, columns): (usize, usize),
    names: &[String],
) -> Result<(), PlotError> {
    if rows == names.len() && columns == names.len() {
        return Ok(());
    }
    let given = format!("{rows} x {columns} for {} names", names.len());
    Err(PlotError::Shape { what, given, rule: "there must be a row and a column for each name" })
}

/// A figure whose cells are about `cell` pixels wide, within reason.
fn sized(title: &str, rows: usize, columns: usize, cell: f64) -> Layout {
    let mut layout = Layout::new(title, 640.0, 520.0);
    let side = |n: usize, around: f64| (n as f64 * cell + around).clamp(360.0, 1400.0);
    layout.set_size(side(columns, 240.0), side(rows, 150.0));
    layout
}

/// The least size of text that can be read.
const LEAST_SIZE: f64 = 6.5;

/// The largest size in which all lines fit into a cell.
fn text_size(lines: &[String], width: f64, height: f64) -> f64 {
    let widest = lines.iter().map(|l| font::width(l, 1.0)).fold(0.0, f64::max);
    (0.88 * width / widest).min(0.85 * height / (1.2 * lines.len() as f64))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn counts_and_shares_stand_in_the_cells() {
        let labels = ["jazz".to_owned(), "R&B".to_owned()];
        let svg = Matrix::confusion(array![[3, 1], [0, 0]].view(), &labels).unwrap().figure().to_svg();
        for text in [">3<", ">75 %<", ">25 %<", ">R&amp;B<", ">jazz<", "True class"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(Matrix::confusion(array![[1, 2]].view(), &labels).is_err());
    }

    #[test]
    fn unreadable_numbers_are_left_out() {
        let names: Vec<String> = (0..100).map(|i| format!("feature {i}")).collect();
        let values = Array2::from_elem((100, 100), -0.25);
        let svg = Matrix::correlation(values.view(), &names).unwrap().figure().to_svg();
        assert!(!svg.contains("−0.25"));
        // Where some do not fit, none is shown.
        let mut values = Array2::from_elem((45, 45), 0.0);
        values[(0, 1)] = -0.25;
        let svg = |values: &Array2<f64>| {
            let figure = Matrix::correlation(values.view(), &names[..45]).unwrap();
            figure.size(1040.0, 1040.0).figure().to_svg()
        };
        assert!(!svg(&values).contains("−0.25") && !svg(&values).contains(">0.00<"));
    }
}
