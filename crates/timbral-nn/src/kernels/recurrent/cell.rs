//! One step of a gated cell for one example, Gates lie one after the other, each as long as the
//! state.

use crate::kernels::real::Real;

/// Splits a slice into parts as long as the state.
#[inline(always)]
pub(crate) fn parts<T, const N: usize>(values: &[T], size: usize) -> [&[T]; N] {
    std::array::from_fn(
        #[inline(always)]
        |part| &values[part * size..(part + 1) * size],
    )
}

/// The same, to be written.
#[inline(always)]
pub(crate) fn parts_mut<T, const N: usize>(values: &mut [T], size: usize) -> [&mut [T]; N] {
    let mut rest = values;
    std::array::from_fn(
        #[inline(always)]
        |_| {
            let (part, behind) = std::mem::take(&mut rest).split_at_mut(size);
            rest = behind;
            part
        },
    )
}

/// Moves `hidden` by one step; keeps reset, update, candidate, and the hidden part of the candidate.
#[inline(always)]
pub(crate) fn gru_step<T: Real>(input: &[T], recurrent: &[T], bias: &[T], hidden: &mut [T], kept: &mut [T]) {
    let size = hidden.len();
    let [xr, xz, xn] = parts(input, size);
    let [ur, uz, un] = parts(recurrent, size);
    let [br, bz, bn] = parts(bias, size);
    let [kr, kz, kn, ku] = parts_mut(kept, size);
    for i in 0..size {
        kr[i] = (xr[i] + ur[i] + br[i]).sigmoid();
        kz[i] = (xz[i] + uz[i] + bz[i]).sigmoid();
        ku[i] = un[i] + bn[i];
    }
    for i in 0..size {
        kn[i] = (xn[i] + kr[i] * ku[i]).tanh();
        hidden[i] = kn[i] + kz[i] * (hidden[i] - kn[i]);
    }
}

/// Moves `memory` and `hidden` by one step; keeps input, forget, candidate and output gate, the tangent of the memory and
/// the memory.
#[inline(always)]
pub(crate) fn lstm_step<T: Real>(
    input: &[T],
    recurrent: &[T],
    bias: &[T],
    memory: &mut [T],
    hidden: &mut [T],
    kept: &mut [T],
) {
    let size = hidden.len();
    let [xi, xf, xg, xo] = parts(input, size);
    let [ui, uf, ug, uo] = parts(recurrent, size);
    let [bi, bf, bg, bo] = parts(bias, size);
    let [ki, kf, kg, ko, kt, km] = parts_mut(kept, size);
    let memory = &mut memory[..size];
    for i in 0..size {
        ki[i] = (xi[i] + ui[i] + bi[i]).sigmoid();
        kf[i] = (xf[i] + uf[i] + bf[i]).sigmoid();
        kg[i] = (xg[i] + ug[i] + bg[i]).tanh();
        ko[i] = (xo[i] + uo[i] + bo[i]).sigmoid();
    }
    for i in 0..size {
        memory[i] = kf[i] * memory[i] + ki[i] * kg[i];
        km[i] = memory[i];
        kt[i] = memory[i].tanh();
        hidden[i] = ko[i] * kt[i];
    }
}
