//! One step of a gated cell for one example, backwards.

use crate::kernels::real::Real;
use crate::kernels::recurrent::{parts, parts_mut};

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
    let one = T::ONE;
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
    let one = T::ONE;
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
