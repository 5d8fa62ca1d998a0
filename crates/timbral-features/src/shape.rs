//! Output arrays: `(n_bins, n_frames)` in shape, with the bins of one frame side by side in memory.

use ndarray::{Array2, ArrayRef2, ArrayView2, Axis, ShapeBuilder};

use crate::error::FeatureError;
use crate::simd::dispatch;

/// Allocations beyond this many bytes are tried first, so that an absurd request is an error and not an abort.
const TRY_FIRST: usize = 1 << 30;

/// An array of zeros of shape `(n_bins, n_frames)` in which the bins of each frame are contiguous.
///
/// This is the layout that every `compute` returns and every `compute_into` writes fastest to: the transpose of a
/// standard `(n_frames, n_bins)` array. `.t()` of it is in standard layout and can be handed on without a copy.
///
/// # Errors
///
/// [`FeatureError::Limit`] if so many elements cannot be allocated.
pub fn frame_major<T: Clone + Default>(n_bins: usize, n_frames: usize) -> Result<Array2<T>, FeatureError> {
    let elements = n_bins.checked_mul(n_frames);
    let bytes = elements.and_then(|n| n.checked_mul(size_of::<T>())).filter(|&b| isize::try_from(b).is_ok());
    let limit = |requested: usize| FeatureError::Limit {
        what: "the output array (bytes)",
        requested: requested as u64,
        maximum: isize::MAX as u64,
    };
    let (Some(elements), Some(bytes)) = (elements, bytes) else {
        return Err(limit(usize::MAX));
    };
    if bytes > TRY_FIRST {
        Vec::<T>::new().try_reserve_exact(elements).map_err(|_| limit(bytes))?;
    }
    Array2::from_shape_vec((n_bins, n_frames).f(), vec![T::default(); elements])
        .map_err(|e| FeatureError::Input(e.to_string()))
}

/// Checks the shape of an output array.
pub(crate) fn check_output<T>(
    out: &ArrayRef2<T>,
    n_bins: usize,
    n_frames: usize,
) -> Result<(), FeatureError> {
    if out.dim() == (n_bins, n_frames) {
        Ok(())
    } else {
        Err(FeatureError::shape("output", out.shape(), format!("({n_bins}, {n_frames})")))
    }
}

/// Gives each frame of `out` to `fill` as a slice. Frames that are not contiguous go through `row`.
pub(crate) fn fill_frames<T: Copy + Default>(
    out: &mut ArrayRef2<T>,
    row: &mut Vec<T>,
    mut fill: impl FnMut(usize, &mut [T]),
) {
    let n_bins = out.nrows();
    for (index, mut frame) in out.axis_iter_mut(Axis(1)).enumerate() {
        if let Some(slice) = frame.as_slice_mut() {
            fill(index, slice);
            continue;
        }
        row.resize(n_bins, T::default());
        fill(index, row);
        frame.iter_mut().zip(row.iter()).for_each(|(to, from)| *to = *from);
    }
}

/// Whether all elements of a spectrogram are fine. Goes through memory in its order, frame by frame, without a branch.
pub(crate) fn all_fine<T: Copy>(array: &ArrayView2<'_, T>, fine: impl Fn(T) -> bool) -> bool {
    array.axis_iter(Axis(1)).all(|frame| frame.fold(true, |ok, x| ok & fine(*x)))
}

/// Gives each frame of a spectrogram to `visit` as a slice. Frames that are not contiguous go through `row`.
pub(crate) fn visit_frames<T: Copy>(
    array: &ArrayView2<'_, T>,
    row: &mut Vec<T>,
    mut visit: impl FnMut(usize, &[T]),
) {
    for (index, frame) in array.axis_iter(Axis(1)).enumerate() {
        if let Some(slice) = frame.to_slice() {
            visit(index, slice);
            continue;
        }
        row.clear();
        row.extend(frame.iter().copied());
        visit(index, row);
    }
}

/// Gives each frame of `out` to `change`, vectorised.
pub(crate) fn fill_frames_in_place(out: &mut ArrayRef2<f32>, change: impl Fn(&mut [f32])) {
    if out.t().is_standard_layout() {
        fill_frames(out, &mut Vec::new(), |_, frame| dispatch!(change(frame)));
        return;
    }
    let mut row = Vec::new();
    for mut frame in out.columns_mut() {
        row.clear();
        row.extend(frame.iter().copied());
        dispatch!(change(&mut row));
        frame.iter_mut().zip(&row).for_each(|(to, x)| *to = *x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_contiguous() {
        let a = frame_major::<f32>(3, 5).unwrap();
        assert_eq!(a.dim(), (3, 5));
        assert!(a.t().is_standard_layout());
    }

    #[test]
    fn absurd_sizes_are_errors() {
        assert!(matches!(frame_major::<f32>(usize::MAX, 2), Err(FeatureError::Limit { .. })));
        assert!(matches!(frame_major::<f32>(1 << 40, 1 << 20), Err(FeatureError::Limit { .. })));
    }

    #[test]
    fn writes_to_any_layout() {
        let mut row = Vec::new();
        let mut standard = Array2::<f32>::zeros((2, 3));
        fill_frames(&mut standard, &mut row, |t, frame| frame.fill(t as f32));
        assert_eq!(standard, ndarray::array![[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]);
        let mut seen = Vec::new();
        visit_frames(&standard.view(), &mut row, |_, frame| seen.extend_from_slice(frame));
        assert_eq!(seen, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    }
}
