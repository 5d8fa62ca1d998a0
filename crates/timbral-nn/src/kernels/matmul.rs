//! Matrix products on slices, in safe code: register tiles over the vector types of `pulp`.
//!
//! Every element is summed in the order of the inner index, whatever is around it: no result depends on the number of
//! threads, of rows, or of how both are split.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::real::Real;
use super::simd;
use crate::NnError;

/// Column counts of padded matrices are multiples of this: whole vectors of every machine.
pub(crate) const PAD: usize = 16;

/// Columns of a panel of a packed right factor: two vectors of the widest registers, so that a tile reads memory in order.
const PANEL: usize = 32;

/// Rows of the left factor that one task takes: its tiles go through a panel together, which stays in the cache.
const TASK_ROWS: usize = 64;

/// Multiply-adds below which a product stays on the calling thread: handing it to others costs as much.
const PARALLEL: usize = 1 << 18;

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
    #[cfg(any(test, feature = "candle"))]
    Columns(&'a [T], usize),
}

/// What the sums start from.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    Zero,
    /// What stands in the output.
    Output,
    /// One value for each column.
    Row(&'a [T]),
    /// One value for each row.
    Column(&'a [T]),
}

/// Sets `out` (rows, columns) to `left` (rows, inner) times `right` (inner, columns), or adds the product to it.
///
/// `right` and `out` have rows of exactly `columns` elements, a multiple of [`PAD`].
pub(crate) fn product<T: Real>(left: Left<'_, T>, right: &[T], columns: usize, add: bool, out: &mut [T]) {
    debug_assert!(columns.is_multiple_of(PAD) && right.len().is_multiple_of(columns));
    let start = if add { Start::Output } else { Start::Zero };
    let (inner, rows) = (right.len() / columns, out.len() / columns);
    simd::best(Product {
        left,
        right,
        distance: columns,
        inner,
        rows,
        columns,
        start,
        out,
        out_distance: columns,
    });
}

/// A product of a (rows, inner) matrix with a right factor whose rows of `distance` elements, a multiple of [`PAD`], hold
/// `columns` elements that count. The rows of the output are `out_distance` apart; what lies between them is not touched.
pub(crate) struct Product<'a, T> {
    pub(crate) left: Left<'a, T>,
    pub(crate) right: &'a [T],
    pub(crate) distance: usize,
    pub(crate) inner: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) start: Start<'a, T>,
    pub(crate) out: &'a mut [T],
    pub(crate) out_distance: usize,
}

impl<T: Real> Product<'_, T> {
    pub(crate) fn run(self) {
        simd::best(self);
    }
}

impl<T: Real> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let most = if simd::many_registers() { 8 } else { 4 };
        let lanes = T::lanes::<S>();
        let width = padded(self.columns);
        let mut first = 0;
        while first < width {
            let wide = if first + 2 * lanes <= width { 2 } else { 1 };
            for row in (0..self.rows).step_by(most) {
                let count = (self.rows - row).min(most);
                macro_rules! tiles {
                    ($($count:literal)*) => {
                        match (count, wide) {
                            $(
                                ($count, 2) => self.tile::<S, $count, 2>(simd, row, first),
                                ($count, _) => self.tile::<S, $count, 1>(simd, row, first),
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

impl<T: Real> Product<'_, T> {
    /// `ROWS` rows of the product from `row` on, and `WIDE` vectors of its columns from `first` on.
    #[inline(always)]
    fn tile<S: Simd, const ROWS: usize, const WIDE: usize>(&mut self, simd: S, row: usize, first: usize) {
        let width = WIDE * T::lanes::<S>();
        let counted = width.min(self.columns.saturating_sub(first));
        let mut sums = [[T::splat(simd, T::default()); WIDE]; ROWS];
        match self.start {
            Start::Zero => {}
            Start::Output => {
                for (r, sums) in sums.iter_mut().enumerate() {
                    let start = (row + r) * self.out_distance + first;
                    read::<T, S>(&self.out[start..start + counted], sums);
                }
            }
            Start::Row(values) => {
                for sums in &mut sums {
                    read::<T, S>(&values[first..first + counted], sums);
                }
            }
            Start::Column(values) => {
                for (sums, &value) in sums.iter_mut().zip(&values[row..]) {
                    *sums = [T::splat(simd, value); WIDE];
                }
            }
        }
        let (inner, distance) = (self.inner, self.distance);
        match self.left {
            Left::Rows(values, left_distance) => {
                let mut lines: [&[T]; ROWS] = [&[]; ROWS];
                for (r, line) in lines.iter_mut().enumerate() {
                    *line = &values[(row + r) * left_distance..][..inner];
                }
                for k in 0..inner {
                    let right = T::vectors::<S>(&self.right[k * distance + first..][..width]);
                    for (sums, line) in sums.iter_mut().zip(&lines) {
                        let value = T::splat(simd, line[k]);
                        for (sum, &right) in sums.iter_mut().zip(right) {
                            *sum = T::mul_add(simd, value, right, *sum);
                        }
                    }
                }
            }
            #[cfg(any(test, feature = "candle"))]
            Left::Columns(values, left_distance) => {
                for k in 0..inner {
                    let right = T::vectors::<S>(&self.right[k * distance + first..][..width]);
                    for (sums, &value) in sums.iter_mut().zip(&values[k * left_distance + row..][..ROWS]) {
                        let value = T::splat(simd, value);
                        for (sum, &right) in sums.iter_mut().zip(right) {
                            *sum = T::mul_add(simd, value, right, *sum);
                        }
                    }
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let start = (row + r) * self.out_distance + first;
            let target = &mut self.out[start..start + counted];
            if counted == width {
                T::vectors_mut::<S>(target).copy_from_slice(sums);
            } else {
                let mut buffer = [T::default(); PANEL];
                T::vectors_mut::<S>(&mut buffer[..width]).copy_from_slice(sums);
                target.copy_from_slice(&buffer[..counted]);
            }
        }
    }
}

/// Fills vectors from as many elements as there are; what is missing becomes zero.
#[inline(always)]
fn read<T: Real, S: Simd>(values: &[T], vectors: &mut [T::Vector<S>]) {
    let width = vectors.len() * T::lanes::<S>();
    if values.len() == width {
        vectors.copy_from_slice(T::vectors::<S>(values));
    } else {
        let mut buffer = [T::default(); PANEL];
        buffer[..values.len()].copy_from_slice(values);
        vectors.copy_from_slice(T::vectors::<S>(&buffer[..width]));
    }
}

/// A right factor in panels of [`PANEL`] columns, each contiguous, with zeros behind the last column.
#[derive(Clone)]
pub(crate) struct Packed<T> {
    panels: Vec<T>,
    inner: usize,
    columns: usize,
}

impl<T> std::fmt::Debug for Packed<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packed").field("inner", &self.inner).field("columns", &self.columns).finish()
    }
}

impl<T: Real> Packed<T> {
    /// The transpose of a (columns, inner) matrix, such as the weight of a linear layer.
    pub(crate) fn transposed(matrix: &[T], columns: usize, inner: usize) -> Self {
        let mut panels = vec![T::default(); columns.div_ceil(PANEL) * inner * PANEL];
        if inner > 0 {
            let blocks = matrix.chunks(PANEL * inner);
            for (panel, rows) in panels.chunks_exact_mut(PANEL * inner).zip(blocks) {
                for (column, row) in rows.chunks_exact(inner).enumerate() {
                    for (line, &value) in panel.chunks_exact_mut(PANEL).zip(row) {
                        line[column] = value;
                    }
                }
            }
        }
        Self { panels, inner, columns }
    }

    /// An (inner, columns) matrix.
    pub(crate) fn new(matrix: &[T], inner: usize, columns: usize) -> Self {
        let mut panels = vec![T::default(); columns.div_ceil(PANEL) * inner * PANEL];
        if inner > 0 {
            for (panel, first) in panels.chunks_exact_mut(PANEL * inner).zip((0..columns).step_by(PANEL)) {
                let counted = PANEL.min(columns - first);
                for (line, row) in panel.chunks_exact_mut(PANEL).zip(matrix.chunks_exact(columns)) {
                    line[..counted].copy_from_slice(&row[first..first + counted]);
                }
            }
        }
        Self { panels, inner, columns }
    }

    pub(crate) fn inner(&self) -> usize {
        self.inner
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Sets `out` (rows, columns) to `rows` (rows, inner) times this, plus `bias` in each row. Blocks of rows in parallel
    /// where there is enough to do.
    pub(crate) fn multiply(&self, rows: &[T], bias: Option<&[T]>, out: &mut [T]) {
        if self.columns == 0 || out.is_empty() {
            return;
        }
        if self.inner == 0 {
            for row in out.chunks_exact_mut(self.columns) {
                match bias {
                    Some(bias) => row.copy_from_slice(bias),
                    None => row.fill(T::default()),
                }
            }
            return;
        }
        let count = out.len() / self.columns;
        if out.len().saturating_mul(self.inner) < PARALLEL || count <= TASK_ROWS {
            let mut left = Vec::new();
            for (out, rows) in
                out.chunks_mut(TASK_ROWS * self.columns).zip(rows.chunks(TASK_ROWS * self.inner))
            {
                self.block(rows, bias, &mut left, out);
            }
            return;
        }
        let tasks = out.par_chunks_mut(TASK_ROWS * self.columns);
        tasks
            .zip(rows.par_chunks(TASK_ROWS * self.inner))
            .for_each_init(Vec::new, |left, (out, rows)| self.block(rows, bias, left, out));
    }

    fn block(&self, rows: &[T], bias: Option<&[T]>, left: &mut Vec<T>, out: &mut [T]) {
        // One panel does not pay for putting the rows in order. The sums are the same.
        if self.columns <= PANEL {
            Product {
                left: Left::Rows(rows, self.inner),
                right: &self.panels,
                distance: PANEL,
                inner: self.inner,
                rows: out.len() / self.columns,
                columns: self.columns,
                start: bias.map_or(Start::Zero, Start::Row),
                out,
                out_distance: self.columns,
            }
            .run();
            return;
        }
        let tile = if simd::many_registers() { 8 } else { 4 };
        interleave(rows, self.inner, tile, left);
        simd::best(Block { left, tile, right: self, bias, out });
    }
}

/// Copies rows of `inner` elements so that those of a tile lie beside each other for each inner index; the last tile may be
/// narrower. A tile then reads both factors in order, without a check for each row.
fn interleave<T: Real>(rows: &[T], inner: usize, tile: usize, left: &mut Vec<T>) {
    left.clear();
    left.resize(rows.len(), T::default());
    for (target, rows) in left.chunks_mut(tile * inner).zip(rows.chunks(tile * inner)) {
        let width = rows.len() / inner;
        for (row, source) in rows.chunks_exact(inner).enumerate() {
            for (target, &value) in target[row..].iter_mut().step_by(width).zip(source) {
                *target = value;
            }
        }
    }
}

/// The product of some interleaved rows with all panels.
struct Block<'a, T> {
    left: &'a [T],
    tile: usize,
    right: &'a Packed<T>,
    bias: Option<&'a [T]>,
    out: &'a mut [T],
}

impl<T: Real> WithSimd for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { left, tile: most, right, bias, out } = self;
        let (inner, columns, width) = (right.inner, right.columns, 2 * T::lanes::<S>());
        // A panel stays in the cache while all rows of the task go through it.
        for (panel, first) in right.panels.chunks_exact(PANEL * inner).zip((0..columns).step_by(PANEL)) {
            for start in (0..PANEL.min(columns - first)).step_by(width) {
                let counted = width.min(columns - first - start);
                let mut shifts = [T::splat(simd, T::default()); 2];
                if let Some(bias) = bias {
                    read::<T, S>(&bias[first + start..][..counted], &mut shifts);
                }
                let tiles = left.chunks(most * inner).zip(out.chunks_mut(most * columns));
                for (left, out) in tiles {
                    let out = &mut out[first + start..];
                    macro_rules! rows {
                        ($($count:literal)*) => {
                            match left.len() / inner {
                                $($count => {
                                    let sums = packed_tile::<T, S, $count>(simd, left, panel, start, shifts);
                                    store::<T, S>(&sums, counted, columns, out);
                                })*
                                _ => {}
                            }
                        };
                    }
                    rows!(1 2 3 4 5 6 7 8);
                }
            }
        }
    }
}

/// The sums of `ROWS` interleaved rows over two vectors of a panel.
#[inline(always)]
fn packed_tile<T: Real, S: Simd, const ROWS: usize>(
    simd: S,
    left: &[T],
    panel: &[T],
    start: usize,
    bias: [T::Vector<S>; 2],
) -> [[T::Vector<S>; 2]; ROWS] {
    let mut sums = [bias; ROWS];
    let width = 2 * T::lanes::<S>();
    for (values, line) in left.as_chunks::<ROWS>().0.iter().zip(panel.as_chunks::<PANEL>().0) {
        let &[low, high] = T::vectors::<S>(&line[start..start + width]) else {
            break;
        };
        for (sums, &value) in sums.iter_mut().zip(values) {
            let value = T::splat(simd, value);
            sums[0] = T::mul_add(simd, value, low, sums[0]);
            sums[1] = T::mul_add(simd, value, high, sums[1]);
        }
    }
    sums
}

/// Writes the first `counted` elements of rows of two vectors to rows `distance` apart.
#[inline(always)]
fn store<T: Real, S: Simd>(sums: &[[T::Vector<S>; 2]], counted: usize, distance: usize, out: &mut [T]) {
    let width = 2 * T::lanes::<S>();
    for (r, sums) in sums.iter().enumerate() {
        let target = &mut out[r * distance..][..counted];
        if counted == width {
            T::vectors_mut::<S>(target).copy_from_slice(sums);
        } else {
            let mut buffer = [T::default(); PANEL];
            T::vectors_mut::<S>(&mut buffer[..width]).copy_from_slice(sums);
            target.copy_from_slice(&buffer[..counted]);
        }
    }
}

/// Computes the matrix product of `left` (rows, inner) and `right` (inner, columns), both row-major.
///
/// ```
/// let product = timbral_nn::kernels::matmul(&[1., 2., 3., 4.], &[5., 6., 7., 8.], [2, 2, 2])?;
/// assert_eq!(product, [19., 22., 43., 50.]);
/// # Ok::<(), timbral_nn::NnError>(())
/// ```
///
/// # Errors
/// [`NnError::Shape`] if a slice has not the length that `[rows, inner, columns]` asks for.
pub fn matmul(left: &[f32], right: &[f32], [rows, inner, columns]: [usize; 3]) -> Result<Vec<f32>, NnError> {
    super::check_length("length of the left factor", left, &[rows, inner])?;
    super::check_length("length of the right factor", right, &[inner, columns])?;
    let mut out = vec![0.0; super::volume(&[rows, columns])?];
    Packed::new(right, inner, columns).multiply(left, None, &mut out);
    Ok(out)
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
        for (rows, inner, columns) in [(1, 1, 1), (3, 5, 16), (9, 4, 40), (17, 33, 50), (70, 3, 33)] {
            let left: Vec<f64> = (0..rows * inner).map(|i| (i * 7 % 11) as f64 - 5.0).collect();
            let right: Vec<f64> = (0..inner * columns).map(|i| (i * 5 % 13) as f64 - 6.0).collect();
            let expected = |row: usize, column: usize| -> f64 {
                (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]).sum()
            };
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
                        let start = if add { 1.0 } else { 0.0 };
                        assert_eq!(out[row * width + column], expected(row, column) + start);
                    }
                }
            }
            let mut across = vec![0.0; columns * inner];
            for k in 0..inner {
                for column in 0..columns {
                    across[column * inner + k] = right[k * columns + column];
                }
            }
            let bias: Vec<f64> = (0..columns).map(|column| column as f64).collect();
            for packed in [Packed::new(&right, inner, columns), Packed::transposed(&across, columns, inner)] {
                let mut out = vec![9.0; rows * columns];
                packed.multiply(&left, Some(&bias), &mut out);
                for (index, &value) in out.iter().enumerate() {
                    let (row, column) = (index / columns, index % columns);
                    assert_eq!(value, expected(row, column) + bias[column]);
                }
            }
        }
    }
}
