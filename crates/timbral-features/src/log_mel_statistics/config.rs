use serde::{Deserialize, Serialize};

use super::covariance;
use crate::FeatureError;

/// Most groups of bands of a covariance matrix, whose logarithm costs the cube of their number.
const MAX_COVARIANCE_GROUPS: usize = 128;

/// Settings of [`LogMelStatistics`](super::LogMelStatistics). `Default` fits 128 bands at about 13 frames per second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogMelStatisticsConfig {
    /// Mel bands of the input, 1 to 1024. Default: 128.
    pub bands: usize,
    /// Cepstral coefficients whose mean and spread are taken, at most the bands. Default: 30.
    pub coefficients: usize,
    /// Leading coefficients whose correlations are taken; 0 takes none. Default: 20.
    pub correlated: usize,
    /// Neighbouring bands averaged into one before the modulation spectrum; it divides the bands. Default: 8.
    pub bands_per_group: usize,
    /// Frames of a modulation window, an even number from 4 to 4096; windows overlap by half. Default: 128.
    pub modulation_frames: usize,
    /// Logarithmically spaced modulation bins, before those that hold no frequency are dropped. Default: 12.
    pub modulation_bins: usize,
    /// Leading coefficients whose modulation spectrum is taken as well; 0 takes none. Default: 0.
    pub modulated: usize,
    /// Whether to measure how neighbouring bands differ: smooth noise or sharp partials. Default: false.
    pub texture: bool,
    /// Whether to take the skewness of bands and of their differences between frames: sudden attacks or even flow.
    /// Default: false.
    pub skewness: bool,
    /// Whether to take peaks over valleys in each group of bands, and how fast they move. Default: false.
    pub contrast: bool,
    /// Whether to take the logarithm of the covariance matrix of the groups of bands and their differences between frames.
    /// Default: false.
    pub covariance: bool,
}

impl Default for LogMelStatisticsConfig {
    fn default() -> Self {
        Self {
            bands: 128,
            coefficients: 30,
            correlated: 20,
            bands_per_group: 8,
            modulation_frames: 128,
            modulation_bins: 12,
            modulated: 0,
            texture: false,
            skewness: false,
            contrast: false,
            covariance: false,
        }
    }
}

impl LogMelStatisticsConfig {
    /// Checks sizes against each other and against bounds that keep a hostile file harmless.
    ///
    /// # Errors
    /// [`FeatureError::Config`] with the rule that is broken.
    pub fn validate(&self) -> Result<(), FeatureError> {
        let at_most_coefficients = format!("at most the {} coefficients", self.coefficients);
        check("bands", self.bands, (1..=1024).contains(&self.bands), "between 1 and 1024")?;
        check(
            "coefficients",
            self.coefficients,
            (1..=self.bands).contains(&self.coefficients),
            &format!("between 1 and the {} bands", self.bands),
        )?;
        check(
            "correlated",
            self.correlated,
            self.correlated <= self.coefficients && self.correlated != 1,
            &format!("0, or at least 2 and {at_most_coefficients}"),
        )?;
        check("modulated", self.modulated, self.modulated <= self.coefficients, &at_most_coefficients)?;
        check("texture", self.texture, !self.texture || self.bands > 1, "false for a single band")?;
        check(
            "bands_per_group",
            self.bands_per_group,
            self.bands_per_group > 0 && self.bands.is_multiple_of(self.bands_per_group),
            &format!("a divisor of the {} bands", self.bands),
        )?;
        check(
            "covariance",
            format!("true for {} groups of bands", self.groups()),
            !self.covariance || self.groups() <= MAX_COVARIANCE_GROUPS,
            &format!("false for more than {MAX_COVARIANCE_GROUPS}"),
        )?;
        check(
            "modulation_frames",
            self.modulation_frames,
            (4..=4096).contains(&self.modulation_frames) && self.modulation_frames.is_multiple_of(2),
            "an even number between 4 and 4096",
        )?;
        check(
            "modulation_bins",
            self.modulation_bins,
            (1..=self.modulation_frames / 2).contains(&self.modulation_bins),
            &format!("between 1 and {}, half of modulation_frames", self.modulation_frames / 2),
        )
    }

    /// Number of statistics that come out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks().iter().map(|(_, count)| count).sum()
    }

    /// The blocks of statistics in the order of [`LogMelStatistics`](super::LogMelStatistics), each with the number of its
    /// statistics: `bands`, `cepstra`, `correlations`, `modulation`, `cepstral_modulation`, `texture`, `skewness`,
    /// `contrast` and `covariance`. Blocks that are switched off have none.
    #[must_use]
    pub fn blocks(&self) -> [(&'static str, usize); 9] {
        let pairs = self.correlated * self.correlated.saturating_sub(1) / 2;
        let (groups, bins) = (self.groups(), self.bin_edges().len().saturating_sub(1));
        let optional = |wanted: bool, n: usize| if wanted { n } else { 0 };
        [
            ("bands", 4 * self.bands),
            ("cepstra", 3 * self.coefficients),
            ("correlations", 2 * pairs),
            ("modulation", groups * bins),
            ("cepstral_modulation", self.modulated * bins),
            ("texture", optional(self.texture, 2 * self.bands.saturating_sub(1))),
            ("skewness", optional(self.skewness, 2 * self.bands)),
            ("contrast", optional(self.contrast, groups * (2 + bins))),
            ("covariance", optional(self.covariance, covariance::len(2 * groups))),
        ]
    }

    /// Groups of neighbouring bands.
    pub(super) fn groups(&self) -> usize {
        self.bands / self.bands_per_group.max(1)
    }

    /// True when no statistics come out, which no valid configuration asks for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// First frequency index of each modulation bin and the end of the last: logarithmic from 1 to Nyquist.
    pub(super) fn bin_edges(&self) -> Vec<usize> {
        let top = (self.modulation_frames / 2 + 1) as f64;
        let mut edges: Vec<usize> = (0..=self.modulation_bins)
            .map(|i| top.powf(i as f64 / self.modulation_bins as f64).round() as usize)
            .collect();
        edges.dedup();
        edges
    }
}

fn check(
    field: &'static str,
    given: impl std::fmt::Display,
    holds: bool,
    rule: &str,
) -> Result<(), FeatureError> {
    if holds { Ok(()) } else { Err(FeatureError::config(field, given, rule)) }
}
