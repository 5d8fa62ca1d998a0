//! Columns of a matrix back to the image whose patches they are.

use std::ops::Range;

use crate::kernels::conv::Geometry;
use crate::kernels::real::Real;

/// Adds columns back onto the planes they were taken from: the transpose of
/// [`unfold`](crate::kernels::conv::unfold).
pub(super) fn fold<T: Real>(columns: &[T], geometry: &Geometry, rows: &Range<usize>, planes: &mut [T]) {
    let (height, width) = (&geometry.height, &geometry.width);
    let block = rows.len() * width.output;
    let mut sources = columns.chunks_exact(block);
    for plane in planes.chunks_exact_mut(geometry.in_plane()) {
        for ky in 0..height.kernel {
            let (valid_rows, _) = height.valid(ky);
            for kx in 0..width.kernel {
                let Some(source) = sources.next() else { return };
                let (valid, first) = width.valid(kx);
                if valid.is_empty() {
                    continue;
                }
                for (row, line) in rows.clone().zip(source.chunks_exact(width.output)) {
                    if !valid_rows.contains(&row) {
                        continue;
                    }
                    let y = row * height.stride + ky * height.dilation - height.before;
                    let target = &mut plane[y * width.input..(y + 1) * width.input];
                    let inner = &line[valid.clone()];
                    if width.stride == 1 {
                        for (value, &x) in target[first..first + inner.len()].iter_mut().zip(inner) {
                            *value += x;
                        }
                    } else {
                        for (value, &x) in target[first..].iter_mut().step_by(width.stride).zip(inner) {
                            *value += x;
                        }
                    }
                }
            }
        }
    }
}
