//! Patches of an image as columns of a matrix.

use std::ops::Range;

use super::geometry::Geometry;
use crate::kernels::real::Real;

/// Writes the patches under the output rows `rows` into `columns`: a row for each tap, `distance` elements apart, of which
/// the first `rows * output width` are written.
///
/// `planes` holds the input planes of one group of one image.
pub(crate) fn unfold<T: Real>(
    planes: &[T],
    geometry: &Geometry,
    rows: &Range<usize>,
    distance: usize,
    columns: &mut [T],
) {
    let (height, width) = (&geometry.height, &geometry.width);
    let block = rows.len() * width.output;
    let mut targets = columns.chunks_exact_mut(distance);
    for plane in planes.chunks_exact(geometry.in_plane()) {
        for ky in 0..height.kernel {
            let (valid_rows, _) = height.valid(ky);
            for kx in 0..width.kernel {
                let Some(target) = targets.next() else { return };
                let (valid, first) = width.valid(kx);
                for (row, line) in rows.clone().zip(target[..block].chunks_exact_mut(width.output)) {
                    if !valid_rows.contains(&row) {
                        line.fill(T::default());
                        continue;
                    }
                    let y = row * height.stride + ky * height.dilation - height.before;
                    let source = &plane[y * width.input..(y + 1) * width.input];
                    line[..valid.start].fill(T::default());
                    line[valid.end..].fill(T::default());
                    let inner = &mut line[valid.clone()];
                    if inner.is_empty() {
                        continue;
                    }
                    if width.stride == 1 {
                        inner.copy_from_slice(&source[first..first + inner.len()]);
                    } else {
                        for (value, &x) in inner.iter_mut().zip(source[first..].iter().step_by(width.stride))
                        {
                            *value = x;
                        }
                    }
                }
            }
        }
    }
}
