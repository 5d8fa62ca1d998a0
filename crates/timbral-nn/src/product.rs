//! Small matrix products on slices, on one thread: for operations that do many of them between other work.

use pulp::{Simd, WithSimd};

use crate::real::Real;
use crate::simd;

/// Column counts are multiples of this: whole vectors of every machine.
pub(crate) const PAD: usize = 16;

/// The next multiple of [`PAD`].
pub(crate) fn padded(columns: usize) -> usize {
    columns.next_multiple_of(PAD)
}

/// The left factor.
#[derive(Clone, Copy)]
pub(crate) enum Left<'a, T> {
    /// Row after row, so far apart.
    Rows(&'a [T], usize),
    /// The transpose of rows so far apart.
    Columns(&'a [T], usize),
}

/// Sets `out` (rows, columns) to `left` (rows, inner) times `right` (inner, columns), or adds the product to it.
///
/// `right` and `out` have rows of exactly `columns` elements, a multiple of [`PAD`]. Each element is summed in the order
/// of the inner index, so that nothing depends on how the rows are split.
pub(crate) fn product<T: Real>(left: Left<'_, T>, right: &[T], columns: usize, add: bool, out: &mut [T]) {
    debug_assert!(columns.is_multiple_of(PAD) && right.len().is_multiple_of(columns));
    simd::best(Product { left, right, columns, add, out });
}

struct Product<'a, T> {
    left: Left<'a, T>,
    right: &'a [T],
    columns: usize,
    add: bool,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, right, columns, add, out } = self;
        let most = if simd::many_registers() { 8 } else { 4 };
        let (lanes, rows) = (T::lanes::<S>(), out.len() / columns);
        let mut first = 0;
        while first < columns {
            let wide = if first + 2 * lanes <= columns { 2 } else { 1 };
            for row in (0..rows).step_by(most) {
                let count = (rows - row).min(most);
                let out = &mut out[row * columns..];
                macro_rules! tiles {
                    ($($count:literal)*) => {
                        match (count, wide) {
                            $(
                                ($count, 2) => tile::<T, S, $count, 2>(simd, left, row, right, columns, first, add, out),
                                ($count, _) => tile::<T, S, $count, 1>(simd, left, row, right, columns, first, add, out),
                            )*
                            _ => {}
                        }
                    };
                }
                tiles!(1 2 3 4 5 6 7 8);
            }
            first += wide * lanes;
        }
    }
}

/// `ROWS` rows of the product from `row` on, and `WIDE` vectors of its columns from `first` on.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "the one inner loop of this file")]
fn tile<T: Real, S: Simd, const ROWS: usize, const WIDE: usize>(
    simd: S,
    left: Left<'_, T>,
    row: usize,
    right: &[T],
    columns: usize,
    first: usize,
    add: bool,
    out: &mut [T],
) {
    let width = WIDE * T::lanes::<S>();
    let mut sums = [[T::splat(simd, T::default()); WIDE]; ROWS];
    if add {
        for (sums, out) in sums.iter_mut().zip(out.chunks_exact(columns)) {
            sums.copy_from_slice(T::vectors::<S>(&out[first..first + width]));
        }
    }
    let inner = right.len() / columns;
    let rights = right.chunks_exact(columns);
    match left {
        Left::Rows(values, distance) => {
            let mut lines: [&[T]; ROWS] = [&[]; ROWS];
            for (r, line) in lines.iter_mut().enumerate() {
                *line = &values[(row + r) * distance..][..inner];
            }
            for (k, right) in rights.enumerate() {
                let right = T::vectors::<S>(&right[first..first + width]);
                for (sums, line) in sums.iter_mut().zip(&lines) {
                    let value = T::splat(simd, line[k]);
                    for (sum, &right) in sums.iter_mut().zip(right) {
                        *sum = T::mul_add(simd, value, right, *sum);
                    }
                }
            }
        }
        Left::Columns(values, distance) => {
            for (k, right) in rights.enumerate() {
                let right = T::vectors::<S>(&right[first..first + width]);
                for (sums, &value) in sums.iter_mut().zip(&values[k * distance + row..][..ROWS]) {
                    let value = T::splat(simd, value);
                    for (sum, &right) in sums.iter_mut().zip(right) {
                        *sum = T::mul_add(simd, value, right, *sum);
                    }
                }
            }
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(columns)) {
        T::vectors_mut::<S>(&mut out[first..first + width]).copy_from_slice(sums);
    }
}

/// Copies rows of `width` elements, `distance` apart, into rows of `padded(width)` elements with zeros behind.
pub(crate) fn copy_padded<T: Real>(source: &[T], distance: usize, width: usize, target: &mut [T]) {
    for (row, target) in target.chunks_exact_mut(padded(width)).enumerate() {
        let source = &source[row * distance..][..width];
        target[..width].copy_from_slice(source);
        target[width..].fill(T::default());
    }
}

/// Copies the transpose of rows of `width` elements, `distance` apart, into `width` rows of `padded(rows)` elements with
/// zeros behind.
pub(crate) fn copy_transposed<T: Real>(
    source: &[T],
    distance: usize,
    rows: usize,
    width: usize,
    target: &mut [T],
) {
    let columns = padded(rows);
    target[..width * columns].fill(T::default());
    for row in 0..rows {
        let source = &source[row * distance..][..width];
        for (&value, target) in source.iter().zip(target[row..].iter_mut().step_by(columns)) {
            *target = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_the_definition() {
        for (rows, inner, columns) in [(1, 1, 1), (3, 5, 16), (9, 4, 40), (17, 33, 50)] {
            let left: Vec<f64> = (0..rows * inner).map(|i| (i * 7 % 11) as f64 - 5.0).collect();
            let right: Vec<f64> = (0..inner * columns).map(|i| (i * 5 % 13) as f64 - 6.0).collect();
            let width = padded(columns);
            let mut wide = vec![0.0; inner * width];
            copy_padded(&right, columns, columns, &mut wide);
            let mut transposed = vec![0.0; inner * padded(rows)];
            copy_transposed(&left, inner, rows, inner, &mut transposed);
            for (left_factor, add) in
                [(Left::Rows(&left, inner), false), (Left::Columns(&transposed, padded(rows)), true)]
            {
                let mut out = vec![1.0; rows * width];
                product(left_factor, &wide, width, add, &mut out);
                for row in 0..rows {
                    for column in 0..columns {
                        let sum: f64 =
                            (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]).sum();
                        let expected = sum + if add { 1.0 } else { 0.0 };
                        assert_eq!(out[row * width + column], expected);
                    }
                }
            }
        }
    }
}
