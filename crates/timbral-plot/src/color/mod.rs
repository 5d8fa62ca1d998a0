mod map;
mod tables;

pub use map::ColorMap;

/// A colour of the sRGB space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Color {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl Color {
    /// White, on which figures are drawn.
    pub const WHITE: Self = Self::from_rgb(0xff_ff_ff);
    /// Black.
    pub const BLACK: Self = Self::from_rgb(0);

    /// The eight colours of Okabe and Ito, distinguishable for people with any common kind of colour blindness, in an order
    /// that keeps the palest (yellow) and black for last.
    ///
    /// M. Okabe, K. Ito: Color Universal Design, 2008.
    pub const CATEGORICAL: [Self; 8] = [
        Self::from_rgb(0x00_72_b2),
        Self::from_rgb(0xd5_5e_00),
        Self::from_rgb(0x00_9e_73),
        Self::from_rgb(0xcc_79_a7),
        Self::from_rgb(0xe6_9f_00),
        Self::from_rgb(0x56_b4_e9),
        Self::from_rgb(0x00_00_00),
        Self::from_rgb(0xf0_e4_42),
    ];

    pub(crate) const TEXT: Self = Self::from_rgb(0x26_26_26);
    pub(crate) const SOFT_TEXT: Self = Self::from_rgb(0x59_59_59);
    pub(crate) const GRID: Self = Self::from_rgb(0xe4_e4_e4);
    /// Where a value is missing.
    pub(crate) const MISSING: Self = Self::from_rgb(0xc8_c8_c8);

    /// A colour from `0xRRGGBB`.
    #[must_use]
    pub const fn from_rgb(rgb: u32) -> Self {
        let [_, red, green, blue] = rgb.to_be_bytes();
        Self { red, green, blue }
    }

    /// The colour of category `index`; after eight they repeat, and marks or dashes must distinguish them.
    #[must_use]
    pub const fn categorical(index: usize) -> Self {
        Self::CATEGORICAL[index % Self::CATEGORICAL.len()]
    }

    /// Relative luminance of WCAG 2, 0 (black) to 1 (white).
    #[must_use]
    pub fn luminance(self) -> f64 {
        let [r, g, b] = self.linear();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Black or white, whichever is read more easily on this colour.
    #[must_use]
    pub fn readable(self) -> Self {
        // Where the contrast ratios (L + .05) / .05 and 1.05 / (L + .05) are equal.
        if self.luminance() > 0.179 { Self::TEXT } else { Self::WHITE }
    }

    pub(crate) fn hex(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }

    /// The components in linear light, 0 to 1.
    fn linear(self) -> [f64; 3] {
        [self.red, self.green, self.blue].map(|v| {
            let v = f64::from(v) / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn from_linear(linear: [f64; 3]) -> Self {
        let [red, green, blue] = linear.map(|v| {
            let v = v.clamp(0.0, 1.0);
            let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
            (255.0 * v).round() as u8
        });
        Self { red, green, blue }
    }

    /// A colour between two, even to the eye: linear in Oklab (B. Ottosson, 2020).
    pub(crate) fn between(self, other: Self, share: f64) -> Self {
        let (a, b) = (to_oklab(self.linear()), to_oklab(other.linear()));
        let mix = |i: usize| a[i] + (b[i] - a[i]) * share;
        Self::from_linear(from_oklab([mix(0), mix(1), mix(2)]))
    }
}

fn to_oklab([r, g, b]: [f64; 3]) -> [f64; 3] {
    let l = (0.412_221_470_8 * r + 0.536_332_536_3 * g + 0.051_445_992_9 * b).cbrt();
    let m = (0.211_903_498_2 * r + 0.680_699_545_1 * g + 0.107_396_956_6 * b).cbrt();
    let s = (0.088_302_461_9 * r + 0.281_718_837_6 * g + 0.629_978_700_5 * b).cbrt();
    [
        0.210_454_255_3 * l + 0.793_617_785_0 * m - 0.004_072_046_8 * s,
        1.977_998_495_1 * l - 2.428_592_205_0 * m + 0.450_593_709_9 * s,
        0.025_904_037_1 * l + 0.782_771_766_2 * m - 0.808_675_766_0 * s,
    ]
}

fn from_oklab([lightness, a, b]: [f64; 3]) -> [f64; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oklab_there_and_back_is_the_same_colour() {
        for rgb in [0x00_00_00, 0xff_ff_ff, 0x12_34_56, 0xd5_5e_00, 0x00_72_b2] {
            let color = Color::from_rgb(rgb);
            assert_eq!(color.between(Color::WHITE, 0.0), color);
            assert_eq!(Color::WHITE.between(color, 1.0), color);
        }
    }

    #[test]
    fn text_stands_out_from_every_shade() {
        for grey in 0..=255_u32 {
            let ground = Color::from_rgb(grey * 0x01_01_01);
            let text = ground.readable();
            let (a, b) = (ground.luminance() + 0.05, text.luminance() + 0.05);
            assert!(a.max(b) / a.min(b) > 3.0, "{grey}");
        }
    }
}
