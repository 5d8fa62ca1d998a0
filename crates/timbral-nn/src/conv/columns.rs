//! Patches of an image as columns of a matrix, and back.

use std::ops::Range;

use super::geometry::Geometry;
use crate::real::Real;

/// Writes the patches under the output rows `rows` into `columns`, shape (taps, rows * output width).
///
/// `planes` holds the input planes of one group of one image.
pub(super) fn unfold<T: Real>(planes: &[T], geometry: &Geometry, rows: &Range<usize>, columns: &mut [T]) {
    let (height, width) = (&geometry.height, &geometry.width);
    let block = rows.len() * width.output;
    let mut targets = columns.chunks_exact_mut(block);
    for plane in planes.chunks_exact(geometry.in_plane()) {
        for ky in 0..height.kernel {
            let (valid_rows, _) = height.valid(ky);
            for kx in 0..width.kernel {
                let Some(target) = targets.next() else { return };
                let (valid, first) = width.valid(kx);
                for (row, line) in rows.clone().zip(target.chunks_exact_mut(width.output)) {
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

/// Adds columns back onto the planes they were taken from: the transpose of [`unfold`].
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
