//! The softmax and its logarithm.

use rayon::prelude::*;

use super::activation::GRAIN;
use super::real::Real;
use super::simd::widened;
use crate::NnError;

/// Replaces each row of `length` elements by its softmax: positive values that sum to one. A row of minus infinities has
/// none and becomes "not a number".
///
/// # Errors
/// [`NnError::Shape`] if `length` is zero or `x` is not a whole number of rows.
pub fn softmax(x: &mut [f32], length: usize) -> Result<(), NnError> {
    check(x, length)?;
    softmax_rows(x, length, false);
    Ok(())
}

/// Replaces each row of `length` elements by the logarithm of its softmax, without overflow or underflow.
///
/// # Errors
/// [`NnError::Shape`] if `length` is zero or `x` is not a whole number of rows.
pub fn log_softmax(x: &mut [f32], length: usize) -> Result<(), NnError> {
    check(x, length)?;
    softmax_rows(x, length, true);
    Ok(())
}

fn check(x: &[f32], length: usize) -> Result<(), NnError> {
    if length > 0 && x.len().is_multiple_of(length) {
        return Ok(());
    }
    Err(NnError::shape("length of the input", x.len(), format!("a multiple of a row of {length}, not zero")))
}

/// Rows in parallel.
pub(crate) fn softmax_rows<T: Real>(x: &mut [T], length: usize, log: bool) {
    let rows = (GRAIN / length).max(1) * length;
    x.par_chunks_mut(rows).for_each(|rows| {
        widened(
            #[inline(always)]
            || {
                for row in rows.chunks_exact_mut(length) {
                    if log {
                        log_softmax_row(row);
                    } else {
                        softmax_row(row, T::ONE);
                    }
                }
            },
        );
    });
}

/// Partial sums kept side by side, so that the compiler may use vector registers.
const LANES: usize = 16;

/// Replaces each element by `f` of it and returns the sum of `g` of what it became.
#[inline(always)]
fn replace<T: Real>(row: &mut [T], f: impl Fn(T) -> T, g: impl Fn(T) -> T) -> T {
    let mut sums = [T::default(); LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (x, sum) in chunk.iter_mut().zip(&mut sums) {
            *x = f(*x);
            *sum += g(*x);
        }
    }
    for (x, sum) in rest.iter_mut().zip(&mut sums) {
        *x = f(*x);
        *sum += g(*x);
    }
    sums.into_iter().sum()
}

#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

/// The largest of `scale` times the row's elements.
#[inline(always)]
fn largest<T: Real>(row: &[T], scale: T) -> T {
    let mut lanes = [T::LOWEST; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (best, &x) in lanes.iter_mut().zip(chunk) {
            *best = larger(*best, x * scale);
        }
    }
    for (best, &x) in lanes.iter_mut().zip(rest) {
        *best = larger(*best, x * scale);
    }
    lanes.into_iter().fold(T::LOWEST, larger)
}

/// Replaces a row by the softmax of `scale` times it. A row of minus infinities has none and becomes "not a number", as
/// elsewhere.
#[inline(always)]
pub(crate) fn softmax_row<T: Real>(row: &mut [T], scale: T) {
    let largest = largest(row, scale);
    let factor = T::ONE
        / replace(
            row,
            #[inline(always)]
            |x| (x * scale - largest).exp(),
            #[inline(always)]
            |x| x,
        );
    for x in row {
        *x *= factor;
    }
}

#[inline(always)]
fn log_softmax_row<T: Real>(row: &mut [T]) {
    let largest = largest(row, T::ONE);
    let total = replace(
        row,
        #[inline(always)]
        |x| x - largest,
        #[inline(always)]
        |x| x.exp(),
    )
    .ln();
    for x in row {
        *x -= total;
    }
}
