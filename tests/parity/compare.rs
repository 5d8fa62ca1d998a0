//! The four rules by which an answer is compared with a stored output.

use anyhow::{Context, Result, bail, ensure};
use ndarray::ArrayD;

use crate::case::{Answer, Answers, Case};
use crate::store::{Output, Rule};

/// How far an answer is off, in the unit of its tolerance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distance {
    pub(crate) error: f64,
    pub(crate) tolerance: f64,
    pub(crate) passed: bool,
}

impl Distance {
    fn new(error: f64, tolerance: f64) -> Self {
        // Written so that a NaN fails.
        Self { error, tolerance, passed: error <= tolerance }
    }

    /// Of two the one nearer to (or farther beyond) its tolerance.
    fn worse(self, other: Self) -> Self {
        let strain = |d: Self| {
            if d.tolerance > 0.0 { d.error / d.tolerance } else { d.error }
        };
        match (self.passed, other.passed) {
            (true, false) => other,
            (false, true) => self,
            _ if strain(other) > strain(self) => other,
            _ => self,
        }
    }
}

/// Compares all outputs of a case and gives the worst.
pub(crate) fn compare(case: &Case<'_>, answers: &Answers) -> Result<Distance> {
    let description = case.description;
    let mut worst: Option<Distance> = None;
    for output in &description.outputs {
        if description.tolerance_output.as_ref() == Some(&output.name) {
            continue;
        }
        let answer = answers.iter().find(|(name, _)| *name == output.name).map(|(_, a)| a);
        let answer = answer.with_context(|| format!("no answer for the output {}", output.name))?;
        let distance = one(case, output, answer).with_context(|| output.name.clone())?;
        worst = Some(worst.map_or(distance, |worst| worst.worse(distance)));
    }
    for (name, _) in answers {
        ensure!(
            description.outputs.iter().any(|o| o.name == *name),
            "an answer {name} that nobody asked for"
        );
    }
    worst.context("the case has no outputs")
}

fn one(case: &Case<'_>, output: &Output, answer: &Answer) -> Result<Distance> {
    if let Some(values) = &output.values {
        let Answer::Text(given) = answer else { bail!("text expected") };
        let wrong =
            values.iter().zip(given).filter(|(a, b)| a != b).count() + values.len().abs_diff(given.len());
        return Ok(Distance::new(wrong as f64, 0.0));
    }
    let rule = merged(&case.description.rule, &output.rule);
    let file = output.file.as_deref().context("the output has no file")?;
    let key = output.key.as_deref().context("the output has no key")?;
    let (shape, given, stored) = pairs(case, output, file, key, answer)?;
    let (mut given, mut stored) = (given, stored);
    if let Some(edges) = case.description.ignore_edges {
        let inner = edges.min(given.len())..given.len().saturating_sub(edges).max(edges.min(given.len()));
        given = given[inner.clone()].to_vec();
        stored = stored[inner].to_vec();
    }
    if let Some(name) = &case.description.tolerance_output {
        let table = case.description.outputs.iter().find(|o| o.name == *name).context("no tolerances")?;
        let file = table.file.as_deref().context("the tolerances have no file")?;
        let tolerances = case.store.array::<f32>(file, table.key.as_deref().unwrap_or_default())?;
        ensure!(
            tolerances.len() == given.len(),
            "{} tolerances for {} values",
            tolerances.len(),
            given.len()
        );
        let strain = given.iter().zip(&stored).zip(&tolerances).map(|((a, b), t)| {
            let t = f64::from(*t);
            let error = a.distance(*b);
            if error <= t { error / t.max(f64::MIN_POSITIVE) } else { error / t }
        });
        return Ok(Distance::new(strain.fold(0.0, nan_max), 1.0));
    }
    ensure!(given.len() == stored.len(), "{} values for {shape:?}", given.len());
    Ok(apply(&rule, output.non_finite, &given, &stored))
}

fn merged(case: &Rule, own: &Rule) -> Rule {
    Rule {
        compare: own.compare.clone().or_else(|| case.compare.clone()),
        rtol: own.rtol.or(case.rtol),
        atol: own.atol.or(case.atol),
        min_agreement: own.min_agreement.or(case.min_agreement),
    }
}

/// A real or complex number; reals have no imaginary part.
#[derive(Clone, Copy, Debug)]
struct Number(f64, f64);

impl Number {
    fn magnitude(self) -> f64 {
        self.0.hypot(self.1)
    }

    fn distance(self, other: Self) -> f64 {
        (self.0 - other.0).hypot(self.1 - other.1)
    }

    fn is_finite(self) -> bool {
        self.0.is_finite() && self.1.is_finite()
    }

    /// Equal in kind: both NaN, or the same infinity.
    fn same_kind(self, other: Self) -> bool {
        self.0.is_nan() && other.0.is_nan() || self.0 == other.0 && self.1 == other.1
    }
}

fn apply(rule: &Rule, non_finite: bool, given: &[Number], stored: &[Number]) -> Distance {
    let (rtol, atol) = (rule.rtol.unwrap_or(0.0), rule.atol.unwrap_or(0.0));
    let pairs = || given.iter().copied().zip(stored.iter().copied());
    if rule.compare.as_deref() == Some("agreement") {
        let agree = pairs().filter(|(a, b)| a.distance(*b) <= atol || a.same_kind(*b)).count();
        let share = if given.is_empty() { 1.0 } else { agree as f64 / given.len() as f64 };
        return Distance::new(1.0 - share, 1.0 - rule.min_agreement.unwrap_or(1.0) + 1e-12);
    }
    if pairs().any(|(a, b)| !(a.is_finite() && b.is_finite() || non_finite && a.same_kind(b))) {
        return Distance::new(f64::NAN, 0.0);
    }
    let finite = || pairs().filter(|(_, b)| b.is_finite());
    match rule.compare.as_deref() {
        Some("max_abs_relative_to_peak") => {
            let peak = finite().map(|(_, b)| b.magnitude()).fold(0.0, nan_max);
            let error = finite().map(|(a, b)| a.distance(b)).fold(0.0, nan_max);
            let scale = if peak > 0.0 { peak } else { 1.0 };
            Distance {
                passed: error <= (rtol * peak).max(atol),
                ..Distance::new(error / scale, rtol.max(atol / scale))
            }
        }
        Some("elementwise") => {
            let worst = finite().map(|(a, b)| {
                let error = a.distance(b);
                Distance::new(error, atol + rtol * b.magnitude())
            });
            worst.fold(Distance::new(0.0, atol), Distance::worse)
        }
        _ => Distance::new(pairs().filter(|(a, b)| a.distance(*b) != 0.0).count() as f64, 0.0),
    }
}

fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// Shape, answer and stored numbers in the same order. One element counts as a scalar.
fn pairs(
    case: &Case<'_>,
    output: &Output,
    file: &str,
    key: &str,
    answer: &Answer,
) -> Result<(Vec<usize>, Vec<Number>, Vec<Number>)> {
    let store = case.store;
    let (stored_shape, stored) = match output.dtype.as_str() {
        "complex64" => numbers(&store.array::<timbral_features::Complex32>(file, key)?, |c| {
            Number(f64::from(c.re), f64::from(c.im))
        }),
        "int64" => numbers(&store.array::<i64>(file, key)?, |v| Number(*v as f64, 0.0)),
        "float64" => numbers(&store.array::<f64>(file, key)?, |v| Number(*v, 0.0)),
        _ => numbers(&store.array::<f32>(file, key)?, |v| Number(f64::from(*v), 0.0)),
    };
    let (shape, given) = match answer {
        Answer::F32(a) => numbers(a, |v| Number(f64::from(*v), 0.0)),
        Answer::F64(a) => numbers(a, |v| Number(*v, 0.0)),
        Answer::Int(a) => numbers(a, |v| Number(*v as f64, 0.0)),
        Answer::Complex(a) => numbers(a, |c| Number(f64::from(c.re), f64::from(c.im))),
        Answer::Text(_) => bail!("numbers expected"),
    };
    let scalars = given.len() == 1 && stored.len() == 1;
    ensure!(shape == stored_shape || scalars, "shape {shape:?}, expected {stored_shape:?}");
    Ok((shape, given, stored))
}

fn numbers<T>(array: &ArrayD<T>, convert: impl Fn(&T) -> Number) -> (Vec<usize>, Vec<Number>) {
    (array.shape().to_vec(), array.iter().map(convert).collect())
}
