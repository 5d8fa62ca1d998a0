//! What to decode and how much of it to allow.

use crate::error::DecodeError;

/// Which part of the source to decode.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Excerpt {
    /// All of it.
    #[default]
    Whole,
    /// From `start_seconds` on, for `duration_seconds` or to the end, whichever comes first.
    Range {
        /// Seconds from the first audible frame, rounded to the nearest frame.
        start_seconds: f64,
        /// Seconds, rounded to the nearest frame; `None` decodes to the end.
        duration_seconds: Option<f64>,
    },
    /// The middle `seconds`, or all of a shorter source.
    Middle {
        /// Seconds, rounded to the nearest frame.
        seconds: f64,
    },
}

/// How to decode. The default keeps rate and channels, decodes all, and allows one hour.
///
/// ```
/// use timbral_decode::DecodeConfig;
///
/// let options = DecodeConfig::default().mono().sample_rate(22_050).middle(30.0);
/// assert_eq!(options.sample_rate, Some(22_050));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeConfig {
    /// Mix all channels to one, as their mean. Default: `false`, channels are kept.
    pub mono: bool,
    /// The rate to resample to, in Hz. Default: `None`, the rate of the source.
    pub sample_rate: Option<u32>,
    /// The part to decode. Default: [`Excerpt::Whole`].
    pub excerpt: Excerpt,
    /// Turn damage (see [`WarningKind::is_damage`](crate::WarningKind::is_damage)) into errors. Default: `false`.
    pub strict: bool,
    /// The longest sound decoded, in seconds of the source; a longer one is an error, so that a small file cannot
    /// fill the memory. It counts what is decoded: an excerpt of a longer source is allowed. Default: 3600.
    pub max_duration_seconds: f64,
    /// The most channels a source may have. Default: 32.
    pub max_channels: usize,
    /// The most bytes of samples (4 each) that `decode_*` hold in memory. Default: 2 GiB. [`Decoder`](crate::Decoder)
    /// holds one block at a time and does not look at it.
    pub max_bytes: u64,
    /// The most bytes read from the source, so that an endless stream ends. Default: 8 GiB.
    pub max_input_bytes: u64,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self {
            mono: false,
            sample_rate: None,
            excerpt: Excerpt::Whole,
            strict: false,
            max_duration_seconds: 3600.0,
            max_channels: 32,
            max_bytes: 2 << 30,
            max_input_bytes: 8 << 30,
        }
    }
}

impl DecodeConfig {
    /// The lowest rate of a source and of the output, in Hz.
    pub const MIN_SAMPLE_RATE: u32 = 100;
    /// The highest rate of a source and of the output, in Hz.
    pub const MAX_SAMPLE_RATE: u32 = 768_000;

    /// Mixes all channels to one.
    #[must_use]
    pub fn mono(mut self) -> Self {
        self.mono = true;
        self
    }

    /// Resamples to `rate` Hz.
    #[must_use]
    pub fn sample_rate(mut self, rate: u32) -> Self {
        self.sample_rate = Some(rate);
        self
    }

    /// Decodes `duration_seconds` from `start_seconds` on, or less where the source ends.
    #[must_use]
    pub fn excerpt(mut self, start_seconds: f64, duration_seconds: f64) -> Self {
        self.excerpt = Excerpt::Range { start_seconds, duration_seconds: Some(duration_seconds) };
        self
    }

    /// Decodes from `start_seconds` to the end.
    #[must_use]
    pub fn start(mut self, start_seconds: f64) -> Self {
        self.excerpt = Excerpt::Range { start_seconds, duration_seconds: None };
        self
    }

    /// Decodes the middle `seconds`, or all of a shorter source.
    #[must_use]
    pub fn middle(mut self, seconds: f64) -> Self {
        self.excerpt = Excerpt::Middle { seconds };
        self
    }

    /// Turns damage into errors.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Sets the longest sound decoded, in seconds; `f64::INFINITY` lifts the limit.
    #[must_use]
    pub fn max_duration(mut self, seconds: f64) -> Self {
        self.max_duration_seconds = seconds;
        self
    }

    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        if let Some(rate) = self.sample_rate
            && !(Self::MIN_SAMPLE_RATE..=Self::MAX_SAMPLE_RATE).contains(&rate)
        {
            return Err(DecodeError::config(
                "sample_rate",
                format!("{rate} Hz"),
                "between 100 and 768000 Hz",
            ));
        }
        let seconds = |field, value: f64| {
            if value.is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(DecodeError::config(field, format!("{value} s"), "finite and not negative"))
            }
        };
        match self.excerpt {
            Excerpt::Whole => {}
            Excerpt::Range { start_seconds, duration_seconds } => {
                seconds("excerpt (start)", start_seconds)?;
                seconds("excerpt (duration)", duration_seconds.unwrap_or(0.0))?;
            }
            Excerpt::Middle { seconds: length } => seconds("excerpt (middle)", length)?,
        }
        if self.max_duration_seconds.is_nan() || self.max_duration_seconds < 0.0 {
            let given = self.max_duration_seconds.to_string();
            return Err(DecodeError::config(
                "max_duration_seconds",
                given,
                "a number of seconds that is not negative",
            ));
        }
        Ok(())
    }
}

/// The limits that hold while a source is opened.
pub(crate) struct Limits {
    pub(crate) max_channels: usize,
    pub(crate) max_input_bytes: u64,
    /// Compare with the checksum of the whole sound where the format has one.
    pub(crate) verify: bool,
}

impl Limits {
    pub(crate) fn check_channels(&self, name: &str, channels: usize) -> Result<(), DecodeError> {
        if channels <= self.max_channels {
            return Ok(());
        }
        Err(DecodeError::Limit {
            name: name.to_owned(),
            option: "max_channels",
            value: format!("a source of {channels} channels"),
            limit: format!("{} channels", self.max_channels),
        })
    }

    pub(crate) fn check_rate(name: &str, rate: u32) -> Result<(), DecodeError> {
        if (DecodeConfig::MIN_SAMPLE_RATE..=DecodeConfig::MAX_SAMPLE_RATE).contains(&rate) {
            return Ok(());
        }
        Err(DecodeError::Malformed {
            name: name.to_owned(),
            reason: format!("its sample rate of {rate} Hz lies outside 100..=768000 Hz"),
        })
    }
}
