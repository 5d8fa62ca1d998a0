//! One step of a gated cell for one example, forwards and backwards. Gates lie one after the other, each as long as the
//! state.

use crate::real::Real;

/// Splits a slice into parts as long as the state.
#[inline(always)]
fn parts<T, const N: usize>(values: &[T], size: usize) -> [&[T]; N] {
    std::array::from_fn(
        #[inline(always)]
        |part| &values[part * size..(part + 1) * size],
    )
}

/// The same, to be written.
#[inline(always)]
fn parts_mut<T, const N: usize>(values: &mut [T], size: usize) -> [&mut [T]; N] {
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
pub(super) fn gru_step<T: Real>(input: &[T], recurrent: &[T], bias: &[T], hidden: &mut [T], kept: &mut [T]) {
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

/// Takes the gradient of the state after a step in `carried` and leaves there the part that goes straight to the state
/// before. Writes the gradients of the inputs and of the hidden products.
#[inline(always)]
pub(super) fn gru_gradients<T: Real>(
    kept: &[T],
    previous: &[T],
    carried: &mut [T],
    inputs: &mut [T],
    hidden: &mut [T],
) {
    let size = carried.len();
    let one = T::one();
    let previous = &previous[..size];
    let [reset, update, candidate, recurrent] = parts(kept, size);
    let [xr, xz, xn] = parts_mut(inputs, size);
    let [ur, uz, un] = parts_mut(hidden, size);
    for i in 0..size {
        let (grad, z, r, n) = (carried[i], update[i], reset[i], candidate[i]);
        let dn = grad * (one - z) * (one - n * n);
        let dz = grad * (previous[i] - n) * z * (one - z);
        let dr = dn * recurrent[i] * r * (one - r);
        (xr[i], xz[i], xn[i]) = (dr, dz, dn);
        (ur[i], uz[i], un[i]) = (dr, dz, dn * r);
        carried[i] = grad * z;
    }
}

/// Moves `memory` and `hidden` by one step; keeps input, forget, candidate and output gate, the tangent of the memory and
/// the memory.
#[inline(always)]
pub(super) fn lstm_step<T: Real>(
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

/// As [`gru_gradients`], for the state in `carried` and the memory in `memory`; the hidden products have the gradients of
/// the inputs, and no part goes straight to the state before.
#[inline(always)]
pub(super) fn lstm_gradients<T: Real>(
    kept: &[T],
    previous_memory: &[T],
    carried: &mut [T],
    memory: &mut [T],
    inputs: &mut [T],
) {
    let size = carried.len();
    let one = T::one();
    let (previous, memory) = (&previous_memory[..size], &mut memory[..size]);
    let [ki, kf, kg, ko, kt] = parts(kept, size);
    let [xi, xf, xg, xo] = parts_mut(inputs, size);
    for i in 0..size {
        let grad = carried[i];
        let dm = memory[i] + grad * ko[i] * (one - kt[i] * kt[i]);
        xi[i] = dm * kg[i] * ki[i] * (one - ki[i]);
        xf[i] = dm * previous[i] * kf[i] * (one - kf[i]);
        xg[i] = dm * ki[i] * (one - kg[i] * kg[i]);
        xo[i] = grad * kt[i] * ko[i] * (one - ko[i]);
        memory[i] = dm * kf[i];
        carried[i] = T::default();
    }
}
