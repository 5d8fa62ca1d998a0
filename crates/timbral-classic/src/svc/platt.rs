use ndarray::{ArrayView1, ArrayViewMut1};

/// Probabilities of a pair are kept this far from 0 and 1.
const MARGIN: f64 = 1e-7;

/// 1 / (1 + exp(slope f + offset)): the probability of the first class of a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sigmoid {
    pub(super) slope: f64,
    pub(super) offset: f64,
}

impl Sigmoid {
    pub(super) fn probability(self, value: f64) -> f64 {
        let z = self.slope * value + self.offset;
        let p = if z >= 0.0 { (-z).exp() / (1.0 + (-z).exp()) } else { 1.0 / (1.0 + z.exp()) };
        p.clamp(MARGIN, 1.0 - MARGIN)
    }
}

/// Platt's scaling (1999): the sigmoid of largest likelihood for smoothed targets, by Newton steps with a line search as
/// Lin, Lin and Weng (2007) put it.
pub(super) fn fit_sigmoid(values: &[f64], positive: &[bool]) -> Sigmoid {
    let n_positive = positive.iter().filter(|p| **p).count() as f64;
    let n_negative = positive.len() as f64 - n_positive;
    let (high, low) = ((n_positive + 1.0) / (n_positive + 2.0), 1.0 / (n_negative + 2.0));
    let target = |is_positive: bool| if is_positive { high } else { low };
    let loss = |s: Sigmoid| -> f64 {
        let one = |(&f, &p): (&f64, &bool)| {
            let z = s.slope * f + s.offset;
            // ln(1 + e^z) without overflow.
            let soft_plus = z.max(0.0) + (-z.abs()).exp().ln_1p();
            target(p) * z + soft_plus - z
        };
        values.iter().zip(positive).map(one).sum()
    };
    let mut s = Sigmoid { slope: 0.0, offset: ((n_negative + 1.0) / (n_positive + 1.0)).ln() };
    let mut current = loss(s);
    for _ in 0..200 {
        let (mut ga, mut gb) = (0.0, 0.0);
        let (mut haa, mut hab, mut hbb) = (1e-12, 0.0, 1e-12);
        for (&f, &is_positive) in values.iter().zip(positive) {
            let z = s.slope * f + s.offset;
            let e = (-z.abs()).exp();
            let p = if z >= 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) };
            let weight = p * (1.0 - p);
            haa += f * f * weight;
            hab += f * weight;
            hbb += weight;
            let d = target(is_positive) - p;
            ga += f * d;
            gb += d;
        }
        if ga.abs() < 1e-11 && gb.abs() < 1e-11 {
            break;
        }
        let determinant = haa * hbb - hab * hab;
        if determinant <= 0.0 {
            break;
        }
        let step = Sigmoid {
            slope: -(hbb * ga - hab * gb) / determinant,
            offset: -(haa * gb - hab * ga) / determinant,
        };
        let slope = ga * step.slope + gb * step.offset;
        let mut size = 1.0;
        let mut moved = false;
        while size > 1e-12 {
            let next = Sigmoid { slope: s.slope + size * step.slope, offset: s.offset + size * step.offset };
            let value = loss(next);
            if value <= current + 1e-4 * size * slope + 1e-14 * current.abs() {
                (s, current, moved) = (next, value, true);
                break;
            }
            size /= 2.0;
        }
        if !moved {
            break;
        }
    }
    s
}

/// Class probabilities from those of pairs: the second method of Wu, Lin and Weng (2004), solved exactly.
///
/// `pairwise[p]` is the probability of the first class of `pairs[p]`. Minimises sum over i, j of (r_ji p_i - r_ij p_j)^2
/// with sum p = 1, which is a system of linear equations.
pub(super) fn couple(
    pairs: &[(usize, usize)],
    pairwise: ArrayView1<'_, f64>,
    mut out: ArrayViewMut1<'_, f64>,
) {
    out.fill(0.0);
    let mut classes: Vec<usize> = pairs.iter().flat_map(|&(a, b)| [a, b]).collect();
    classes.sort_unstable();
    classes.dedup();
    let k = classes.len();
    let place = |class: usize| classes.binary_search(&class).unwrap_or(0);
    let width = k + 2;
    // Rows of [Q e; e' 0 | 0; 1].
    let mut m = vec![0.0; (k + 1) * width];
    for (&(a, b), &p) in pairs.iter().zip(pairwise) {
        let (i, j) = (place(a), place(b));
        m[i * width + i] += (1.0 - p) * (1.0 - p);
        m[j * width + j] += p * p;
        m[i * width + j] -= p * (1.0 - p);
        m[j * width + i] -= p * (1.0 - p);
    }
    for i in 0..k {
        m[i * width + k] = 1.0;
        m[k * width + i] = 1.0;
    }
    m[k * width + k + 1] = 1.0;
    for column in 0..=k {
        let pivot = (column..=k)
            .max_by(|&a, &b| m[a * width + column].abs().total_cmp(&m[b * width + column].abs()))
            .unwrap_or(column);
        for c in 0..width {
            m.swap(column * width + c, pivot * width + c);
        }
        let head = m[column * width + column];
        for row in (0..=k).filter(|&row| row != column) {
            let factor = m[row * width + column] / head;
            if factor != 0.0 {
                for c in column..width {
                    m[row * width + c] -= factor * m[column * width + c];
                }
            }
        }
    }
    let mut sum = 0.0;
    for (i, &class) in classes.iter().enumerate() {
        out[class] = (m[i * width + k + 1] / m[i * width + i]).max(0.0);
        sum += out[class];
    }
    out.mapv_inplace(|p| p / sum);
}
