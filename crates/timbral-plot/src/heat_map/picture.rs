use ndarray::ArrayView2;

use crate::ColorMap;
use crate::scene::Picture;

/// The index of the palette for what is missing.
const MISSING: u8 = 255;

/// Which cells one pixel shows, and how much of each.
type Cells = Vec<(usize, f64)>;

/// The cells between two places, by the length of each that lies between; the one in the middle where that is less than
/// one cell, so that cells keep their edges.
fn cells_between(from: f64, to: f64, n: usize) -> Cells {
    let (low, high) = (from.min(to).max(0.0), from.max(to).min(n as f64));
    if high - low <= 1.0 {
        let middle = (0.5 * (from + to)).floor().clamp(0.0, n.saturating_sub(1) as f64);
        return if n == 0 { Vec::new() } else { vec![(middle as usize, 1.0)] };
    }
    let first = low as usize;
    let end = (high.ceil() as usize).min(n);
    (first..end).map(|i| (i, high.min(i as f64 + 1.0) - low.max(i as f64))).filter(|c| c.1 > 0.0).collect()
}

/// Draws values as a picture: `columns` and `rows` give for the edges of pixels, 0 to 1 from the left and from the top, the
/// place among the cells.
pub(super) fn draw(
    values: ArrayView2<'_, f32>,
    (width, height): (usize, usize),
    columns: impl Fn(f64) -> f64,
    rows: impl Fn(f64) -> f64,
    (low, high): (f64, f64),
    map: ColorMap,
) -> Picture {
    let edges = |n: usize, place: &dyn Fn(f64) -> f64, cells: usize| -> Vec<Cells> {
        let edge = |i: usize| place(i as f64 / n as f64);
        (0..n).map(|i| cells_between(edge(i), edge(i + 1), cells)).collect()
    };
    let column_cells = edges(width, &columns, values.ncols());
    let row_cells = edges(height, &rows, values.nrows());
    let mut pixels = Vec::with_capacity(width * height);
    // Sum and weight of the rows that one line of pixels shows, for each column of the values.
    let mut line = vec![(0.0_f64, 0.0_f64); values.ncols()];
    let mut shown: Option<&Cells> = None;
    for cells in &row_cells {
        if shown != Some(cells) {
            line.fill((0.0, 0.0));
            for &(row, weight) in cells {
                for (sum, &value) in line.iter_mut().zip(values.row(row)) {
                    if !value.is_nan() {
                        // Infinities have the end colours.
                        let value = f64::from(value).clamp(low, high);
                        *sum = (sum.0 + weight * value, sum.1 + weight);
                    }
                }
            }
            shown = Some(cells);
        }
        for cells in &column_cells {
            let (sum, weight) = cells.iter().fold((0.0, 0.0), |(sum, total), &(column, weight)| {
                let (s, w) = line[column];
                (sum + weight * s, total + weight * w)
            });
            pixels.push(level((sum / weight - low) / (high - low)));
        }
    }
    let mut palette: Vec<_> =
        (0..MISSING).map(|i| map.color(f64::from(i) / f64::from(MISSING - 1))).collect();
    palette.push(map.color(f64::NAN));
    Picture { width, height, palette, pixels }
}

fn level(value: f64) -> u8 {
    if value.is_nan() { MISSING } else { (value.clamp(0.0, 1.0) * f64::from(MISSING - 1)).round() as u8 }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn drawn(values: &Array2<f32>, size: (usize, usize)) -> Vec<u8> {
        let (rows, columns) = values.dim();
        let across = |x: f64| x * columns as f64;
        let up = |y: f64| (1.0 - y) * rows as f64;
        draw(values.view(), size, across, up, (0.0, 254.0), ColorMap::Viridis).pixels
    }

    #[test]
    fn the_first_row_is_at_the_bottom() {
        let values = array![[0.0, 50.0], [100.0, 254.0]];
        assert_eq!(drawn(&values, (2, 2)), [100, 254, 0, 50]);
        assert_eq!(drawn(&values, (2, 4)), [100, 254, 100, 254, 0, 50, 0, 50]);
    }

    #[test]
    fn many_cells_on_a_pixel_are_its_mean_and_nan_is_left_out() {
        let values = array![[0.0, 100.0, f32::NAN, f32::NAN], [50.0, 250.0, 10.0, f32::NAN]];
        assert_eq!(drawn(&values, (2, 1)), [100, 10]);
        assert_eq!(drawn(&values, (4, 2))[7], MISSING);
        // Two thirds of a cell.
        assert_eq!(drawn(&array![[0.0, 90.0, 90.0]], (2, 1)), [30, 90]);
    }

    #[test]
    fn infinities_have_the_end_colours() {
        assert_eq!(drawn(&array![[f32::INFINITY, f32::NEG_INFINITY]], (2, 1)), [254, 0]);
    }
}
