use super::Color;
use super::tables::{CIVIDIS, MAGMA, VIRIDIS};

/// Colours for numbers: even steps of a number are even steps to the eye, also in grey and to the colour-blind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColorMap {
    /// Dark blue over green to yellow (S. van der Walt, N. Smith, 2015).
    #[default]
    Viridis,
    /// Dark blue over grey to yellow, made for the colour-blind (J. Nuñez, C. Anderton, R. Renslow, 2018).
    Cividis,
    /// Black over red to pale yellow (S. van der Walt, N. Smith, 2015); what librosa draws spectrograms in.
    Magma,
    /// White to dark blue: for counts that are printed in their cells.
    Blues,
    /// Orange over white to blue, for signed numbers: the middle is zero.
    Diverging,
}

impl ColorMap {
    /// The colour of `value`, 0 to 1; beyond these the end colours, and grey for NaN.
    #[must_use]
    pub fn color(self, value: f64) -> Color {
        if value.is_nan() {
            return Color::MISSING;
        }
        let value = value.clamp(0.0, 1.0);
        let table = match self {
            Self::Viridis => &VIRIDIS,
            Self::Cividis => &CIVIDIS,
            Self::Magma => &MAGMA,
            Self::Blues => {
                return through(&[0xff_ff_ff, 0x9c_c9_e8, 0x00_72_b2, 0x00_2c_4d], value);
            }
            Self::Diverging => {
                return through(&[0x8f_3b_00, 0xe0_80_2e, 0xf7_f7_f7, 0x3e_97_cf, 0x00_3f_6b], value);
            }
        };
        Color::from_rgb(table[(value * 255.0).round() as usize])
    }
}

/// A colour on the way through some, at even distances.
fn through(stations: &[u32], value: f64) -> Color {
    let place = value * (stations.len() - 1) as f64;
    let first = (place as usize).min(stations.len() - 2);
    let [a, b] = [first, first + 1].map(|i| Color::from_rgb(stations[i]));
    a.between(b, place - first as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_maps_grow_lighter_or_darker_all_the_way() {
        for (map, sign) in [
            (ColorMap::Viridis, 1.0),
            (ColorMap::Cividis, 1.0),
            (ColorMap::Magma, 1.0),
            (ColorMap::Blues, -1.0),
        ] {
            let shades: Vec<f64> = (0..=32).map(|i| map.color(f64::from(i) / 32.0).luminance()).collect();
            assert!(shades.windows(2).all(|w| sign * (w[1] - w[0]) > 0.0), "{map:?} {shades:?}");
        }
    }

    #[test]
    fn ends_are_the_published_ones() {
        assert_eq!(ColorMap::Viridis.color(0.0), Color::from_rgb(0x44_01_54));
        assert_eq!(ColorMap::Viridis.color(1.0), Color::from_rgb(0xfd_e7_25));
        assert_eq!(ColorMap::Cividis.color(-3.0), Color::from_rgb(0x00_22_4e));
        assert_eq!(ColorMap::Magma.color(f64::INFINITY), Color::from_rgb(0xfc_fd_bf));
        assert_eq!(ColorMap::Diverging.color(0.5), Color::from_rgb(0xf7_f7_f7));
        assert_eq!(ColorMap::Viridis.color(f64::NAN), Color::MISSING);
    }
}
