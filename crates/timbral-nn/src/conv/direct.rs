//! The gradients of the direct convolution. That of the input is a convolution of the padded output gradient with the
//! flipped kernel; that of the weight is a product of lines, `sum over p of grad[p] * line[offset[tap] + p]`.

use pulp::{Simd, WithSimd};

use crate::kernels::conv::{Axis, Geometry, Kernel, Panels, Plan, SLACK, pad, reach};
use crate::kernels::real::Real;
use crate::kernels::simd;

/// Sizes of the padded output gradients of a convolution that is done the direct way.
#[derive(Debug, Clone, Copy)]
pub(super) struct GradientPlan {
    forward: Plan,
    /// Elements of a padded plane of the output gradient.
    out_plane: usize,
    /// Zeros above and to the left of the output gradient.
    margin: (usize, usize),
}

impl GradientPlan {
    /// The plan, if the gradients can be found this way.
    pub(super) fn new(plan: Plan, geometry: &Geometry) -> Option<Self> {
        let (height, width) = (&geometry.height, &geometry.width);
        // More padding than the kernel reaches would need a negative margin.
        let margin = (reach(height).checked_sub(height.before)?, reach(width).checked_sub(width.before)?);
        let padded = |axis: &Axis| axis.output + reach(axis);
        if padded(height) < height.input || padded(width) < width.input {
            return None;
        }
        let out_plane = (height.input + reach(height)).checked_mul(plan.stride)?.checked_add(SLACK)?;
        out_plane.checked_mul(geometry.out_channels)?.checked_add(SLACK)?;
        Some(Self { forward: plan, out_plane, margin })
    }

    /// The plan of the padded input.
    pub(super) fn forward(&self) -> &Plan {
        &self.forward
    }

    /// Writes the planes of the output gradient of one image with zeros around them.
    pub(super) fn pad_gradient<T: Real>(&self, geometry: &Geometry, grad: &[T], padded: &mut Vec<T>) {
        let corner = self.margin.0 * self.forward.stride + self.margin.1;
        let size = (geometry.height.output, geometry.width.output);
        pad(grad, size, self.out_plane, self.forward.stride, corner, padded);
    }
}

/// The convolution of the output gradient with the flipped kernel, of all groups.
pub(super) struct InputGradient<T> {
    panels: Vec<Panels<T>>,
    offsets: Vec<usize>,
}

impl<T: Real> InputGradient<T> {
    pub(super) fn new(plan: &GradientPlan, geometry: &Geometry, weight: &[T]) -> Self {
        let (inputs, taps) = (geometry.group_in(), geometry.taps());
        let (outputs, window) = (geometry.group_out(), geometry.height.kernel * geometry.width.kernel);
        let panels = weight.chunks_exact(outputs * taps).map(|weight| {
            Panels::pack(inputs, outputs * window, |input, tap| {
                weight[tap / window * taps + input * window + (window - 1 - tap % window)]
            })
        });
        let offsets = plan.forward.offsets(geometry, outputs, plan.out_plane);
        Self { panels: panels.collect(), offsets }
    }

    /// Sets the gradient of one image.
    pub(super) fn run(&self, plan: &GradientPlan, geometry: &Geometry, padded_grad: &[T], dx: &mut [T]) {
        let groups = dx.chunks_exact_mut(geometry.group_in() * geometry.in_plane());
        for (group, (panels, dx)) in self.panels.iter().zip(groups).enumerate() {
            let kernel = Kernel {
                panels,
                offsets: &self.offsets,
                base: group * geometry.group_out() * plan.out_plane,
                stride: plan.forward.stride,
                height: geometry.height.input,
                width: geometry.width.input,
            };
            kernel.run(padded_grad, None, 0, dx);
        }
    }
}

/// Adds the weight gradient of one image to `sums`.
pub(super) fn weight_gradient<T: Real>(
    plan: &GradientPlan,
    geometry: &Geometry,
    padded: &[T],
    padded_grad: &[T],
    sums: &mut [T],
) {
    let offsets = plan.forward.offsets(geometry, geometry.group_in(), plan.forward.in_plane);
    let (inputs, outputs) =
        (geometry.group_in() * plan.forward.in_plane, geometry.group_out() * plan.out_plane);
    let corner = plan.margin.0 * plan.forward.stride + plan.margin.1;
    for (group, sums) in sums.chunks_exact_mut(geometry.group_out() * geometry.taps()).enumerate() {
        simd::best(WeightGradient {
            line: &padded[group * inputs..],
            grad: &padded_grad[group * outputs + corner..],
            offsets: &offsets,
            plane: plan.out_plane,
            length: (geometry.height.output - 1) * plan.forward.stride + geometry.width.output,
            sums,
        });
    }
}

struct WeightGradient<'a, T> {
    line: &'a [T],
    grad: &'a [T],
    offsets: &'a [usize],
    plane: usize,
    length: usize,
    sums: &'a mut [T],
}

impl<T: Real> WithSimd for WeightGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { line, grad, offsets, plane, length, sums } = self;
        let taps = offsets.len();
        // The slack behind a plane is zero, so whole vectors add nothing.
        let length = length.next_multiple_of(T::lanes::<S>());
        let outputs = sums.len() / taps;
        let most = if simd::many_registers() { GRADIENTS } else { 4 };
        for output in (0..outputs).step_by(most) {
            let rows = (outputs - output).min(most);
            let grads: [&[T]; GRADIENTS] =
                std::array::from_fn(|row| &grad[(output + row.min(rows - 1)) * plane..][..length]);
            let sums = &mut sums[output * taps..(output + rows) * taps];
            for (index, offsets) in offsets.chunks(3).enumerate() {
                let last = offsets.len() - 1;
                let line = |tap: usize| &line[offsets[tap.min(last)]..][..length];
                let lines = [line(0), line(1), line(2)];
                macro_rules! rows {
                    ($($count:literal)*) => {
                        match rows {
                            $($count => dots::<T, S, $count>(simd, &grads, lines),)*
                            _ => dots::<T, S, GRADIENTS>(simd, &grads, lines),
                        }
                    };
                }
                let products = rows!(1 2 3 4 5 6 7);
                for (sums, products) in sums.chunks_exact_mut(taps).zip(products) {
                    for (sum, product) in sums[3 * index..].iter_mut().take(offsets.len()).zip(products) {
                        *sum += product;
                    }
                }
            }
        }
    }
}

/// The largest number of gradient lines taken at once.
const GRADIENTS: usize = 8;

/// The products of `ROWS` gradient lines with three input lines.
#[inline(always)]
fn dots<T: Real, S: Simd, const ROWS: usize>(
    simd: S,
    grads: &[&[T]; GRADIENTS],
    lines: [&[T]; 3],
) -> [[T; 3]; GRADIENTS] {
    let zero = T::splat(simd, T::default());
    let mut sums = [[zero; 3]; ROWS];
    let [a, b, c] = [T::vectors::<S>(lines[0]), T::vectors::<S>(lines[1]), T::vectors::<S>(lines[2])];
    let count = a.len();
    let mut rows: [&[T::Vector<S>]; ROWS] = [&[]; ROWS];
    for (row, grad) in rows.iter_mut().zip(grads) {
        *row = &T::vectors::<S>(grad)[..count];
    }
    let (b, c) = (&b[..count], &c[..count]);
    for step in 0..count {
        let x = [a[step], b[step], c[step]];
        for (sums, row) in sums.iter_mut().zip(&rows) {
            let grad = row[step];
            for (sum, &x) in sums.iter_mut().zip(&x) {
                *sum = T::mul_add(simd, grad, x, *sum);
            }
        }
    }
    let mut out = [[T::default(); 3]; GRADIENTS];
    // Loops, not `map`: a closure that is not inlined would lose the vector instructions.
    for (out, sums) in out.iter_mut().zip(&sums) {
        for (out, &sum) in out.iter_mut().zip(sums) {
            *out = T::reduce(simd, sum);
        }
    }
    out
}
