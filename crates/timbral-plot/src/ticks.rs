/// A mark of an axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) label: String,
}

impl Tick {
    pub(crate) fn new(at: f64, label: impl Into<String>) -> Self {
        Self { at, label: label.into() }
    }
}

/// Smallest and largest finite number; none if there is none. Numbers beyond 1e150 count as that, so that differences
/// stay finite.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).map(|v| v.clamp(-1e150, 1e150)).fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

/// A range to draw: at least a little wide, and `margin` of it added at both ends.
pub(crate) fn padded(range: Option<(f64, f64)>, margin: f64) -> (f64, f64) {
    let (low, high) = range.unwrap_or((0.0, 1.0));
    let width = high - low;
    if width > 1e-9 * low.abs().max(high.abs()) {
        return (low - margin * width, high + margin * width);
    }
    let half = if low == 0.0 { 0.5 } else { 0.5 * low.abs() };
    (low - half, high + half)
}

/// At most `most` steps of 1, 2 or 5 times a power of ten, at least `least` wide.
fn step(low: f64, high: f64, most: usize, least: f64) -> f64 {
    let raw = ((high - low) / most.max(1) as f64).max(least);
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= raw * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// Multiples of a step within a range; none if the range is empty or too narrow to be counted in.
fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let (first, last) = ((low / step - 1e-6).ceil(), (high / step + 1e-6).floor());
    let countable = step > 0.0 && first.abs().max(last.abs()) < 1e12 && last - first < 1000.0;
    if !countable || last < first {
        return Vec::new();
    }
    // Adding zero makes a negative zero positive.
    (0..=(last - first) as u32).map(|k| (first + f64::from(k)) * step + 0.0).collect()
}

/// Round numbers within a range, at most `most + 1` of them.
pub(crate) fn linear(low: f64, high: f64, most: usize) -> Vec<Tick> {
    with_step(low, high, step(low, high, most, 0.0))
}

/// As [`linear`], of whole numbers.
pub(crate) fn whole(low: f64, high: f64, most: usize) -> Vec<Tick> {
    with_step(low, high, step(low, high, most, 1.0))
}

/// Ticks of a logarithmic axis at `low` to `high`, logarithms to the base 10: powers of ten first, then two and five times
/// these where there are few, then the ends if there would be less than two.
pub(crate) fn decades(low: f64, high: f64) -> Vec<Tick> {
    let mut ticks = Vec::new();
    let (first, last) = (low.ceil().max(-300.0), high.floor().min(300.0));
    let every = ((last - first) / 8.0).ceil().max(1.0);
    let tick = |factor: f64, power: f64| Tick::new(factor.log10() + power, plain(factor, power));
    let mut power = first;
    while power <= last {
        ticks.push(tick(1.0, power));
        power += every;
    }
    if high - low < 3.0 {
        let mut power = low.floor().max(-300.0);
        while power <= high {
            ticks.extend([tick(2.0, power), tick(5.0, power)]);
            power += 1.0;
        }
    }
    ticks.retain(|tick| tick.at >= low && tick.at <= high);
    if ticks.len() < 2 {
        let width = high - low;
        let ends = [low + 0.1 * width, high - 0.1 * width];
        ticks = ends.map(|at| Tick::new(at, short(10_f64.powf(at)))).into();
    }
    ticks
}

/// A digit times a power of ten, written out where that is short.
fn plain(factor: f64, power: f64) -> String {
    if power > 5.0 {
        format!("{factor:.0}e{power:.0}")
    } else if power >= 0.0 {
        format!("{:.0}", factor * 10_f64.powf(power))
    } else if power >= -4.0 {
        format!("{:.*}", -power as usize, factor * 10_f64.powf(power))
    } else {
        format!("{factor:.0}e{power:.0}")
    }
}

fn with_step(low: f64, high: f64, step: f64) -> Vec<Tick> {
    multiples(low, high, step).into_iter().map(|at| Tick::new(at, format_number(at, step))).collect()
}

/// A number to the precision of a step.
fn format_number(value: f64, step: f64) -> String {
    let exponent = |v: f64| (v.log10() + 1e-9).floor() as i32;
    let text = if value == 0.0 {
        "0".to_owned()
    } else if step < 1e-4 || value.abs() >= 1e6 {
        let digits = (exponent(value.abs()) - exponent(step)).max(0) as usize;
        format!("{value:.digits$e}")
    } else {
        let digits = (-exponent(step)).max(0) as usize;
        format!("{value:.digits$}")
    };
    text.replace('-', "−")
}

/// Moments in seconds: round ones below two minutes, `min:s` above.
pub(crate) fn time(low: f64, high: f64, most: usize) -> Vec<Tick> {
    if high <= TIME_IN_MINUTES {
        return linear(low, high, most);
    }
    const STEPS: [f64; 12] =
        [15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 36_000.0];
    let raw = (high - low) / most.max(1) as f64;
    let step = STEPS.into_iter().find(|s| *s >= raw).unwrap_or_else(|| (raw / 36_000.0).ceil() * 36_000.0);
    let label = |s: f64| {
        format!("{}{}:{:02}", if s < 0.0 { "−" } else { "" }, s.abs() as u64 / 60, s.abs() as u64 % 60)
    };
    multiples(low, high, step).into_iter().map(|at| Tick::new(at, label(at))).collect()
}

/// From which length in seconds time is shown in minutes.
pub(crate) const TIME_IN_MINUTES: f64 = 120.0;

/// The label of an axis of time that ends at `high` seconds.
pub(crate) fn time_label(high: f64) -> &'static str {
    if high <= TIME_IN_MINUTES { "Time (s)" } else { "Time (min:s)" }
}

/// A few significant digits of a number, for what is written beside a picture.
pub(crate) fn short(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    let text = if size != 0.0 && !(1e-3..1e6).contains(&size) {
        format!("{value:.1e}")
    } else if size >= 100.0 || size == 0.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(tick: &Tick) -> f64 {
        tick.label.replace('−', "-").parse().unwrap()
    }

    proptest! {
        #[test]
        fn linear_ticks_are_round_even_and_inside(
            low in -1e4..1e4_f64,
            power in -6..7_i32,
            part in 1.0..10.0_f64,
            most in 2..12_usize,
        ) {
            let high = low + part * 10_f64.powi(power);
            let ticks = linear(low, high, most);
            let width = high - low;
            prop_assert!(ticks.len() <= most + 1);
            // A step of at most 2.5 times the raw one leaves at least most / 2.5 - 1 whole steps.
            prop_assert!(ticks.len() as f64 >= (most as f64 / 2.5 - 1.0).floor());
            for tick in &ticks {
                prop_assert!(tick.at >= low - 1e-5 * width && tick.at <= high + 1e-5 * width);
            }
            for pair in ticks.windows(2) {
                let step = pair[1].at - pair[0].at;
                let digit = step / 10_f64.powf(step.log10().floor());
                prop_assert!([1.0, 2.0, 5.0, 10.0].iter().any(|d| (digit - d).abs() < 1e-3), "{step}");
                prop_assert!(pair[0].label != pair[1].label);
                prop_assert!((parsed(&pair[0]) - pair[0].at).abs() < 1e-3 * step);
            }
        }

        #[test]
        fn whole_ticks_are_whole(low in -100.0..100.0_f64, width in 0.0..50.0_f64, most in 1..12_usize) {
            for tick in whole(low, low + width, most) {
                prop_assert_eq!(tick.at, tick.at.round());
            }
        }

        #[test]
        fn odd_ranges_give_ticks_or_none(low in any::<f64>(), high in any::<f64>(), most in 0..30_usize) {
            let (low_power, high_power) = padded(extent([low.log10(), high.log10()]), 0.05);
            for ticks in [
                linear(low, high, most),
                whole(low, high, most),
                time(low, high, most),
                decades(low_power, high_power),
            ] {
                prop_assert!(ticks.len() <= 1000);
                prop_assert!(ticks.iter().all(|t| t.at.is_finite()));
            }
        }

        #[test]
        fn padded_ranges_can_be_drawn(values in proptest::collection::vec(any::<f64>(), 0..5)) {
            let (low, high) = padded(extent(values), 0.05);
            prop_assert!(low < high && (high - low).is_finite());
        }
    }

    #[test]
    fn labels_are_as_one_writes_them() {
        let labels = |ticks: Vec<Tick>| ticks.into_iter().map(|t| t.label).collect::<Vec<_>>();
        assert_eq!(labels(linear(-0.5, 0.5, 5)), ["−0.4", "−0.2", "0", "0.2", "0.4"]);
        assert_eq!(labels(linear(0.0, 30.0, 6)), ["0", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(labels(linear(0.0, 2e6, 2)), ["0", "1e6", "2e6"]);
        assert_eq!(labels(time(0.0, 240.0, 4)), ["0:00", "1:00", "2:00", "3:00", "4:00"]);
        assert_eq!(labels(whole(0.0, 2.0, 10)), ["0", "1", "2"]);
        assert_eq!(labels(linear(0.0, 2e-5, 2)), ["0", "1e−5", "2e−5"]);
    }

    #[test]
    fn numbers_are_shortened() {
        assert_eq!([0.0, 0.25, 3.125, 1234.4, -1e-7].map(short), ["0", "0.250", "3.1", "1234", "−1.0e−7"]);
        assert_eq!(short(f64::NAN), "–");
    }
}
