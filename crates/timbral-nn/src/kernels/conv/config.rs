//! The settings of convolutions.

use crate::NnError;

/// How a convolution or pooling extends its input at the borders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// No padding: the kernel stays inside the input.
    #[default]
    Valid,
    /// Zeros such that a stride of one keeps the size; with stride `s` the output has `ceil(size / s)` elements.
    /// The odd zero of an even kernel goes to the bottom and right.
    Same,
    /// The same number of zeros on both sides: (height, width).
    Symmetric(usize, usize),
    /// Zeros for each side.
    Explicit {
        /// Rows above.
        top: usize,
        /// Rows below.
        bottom: usize,
        /// Columns to the left.
        left: usize,
        /// Columns to the right.
        right: usize,
    },
}

/// Settings of a two-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2dConfig {
    /// Channels of the input; no default worth having, so 1.
    pub in_channels: usize,
    /// Channels of the output. Default: 1.
    pub out_channels: usize,
    /// Kernel size (height, width). Default: (3, 3).
    pub kernel: (usize, usize),
    /// Step between windows (height, width). Default: (1, 1).
    pub stride: (usize, usize),
    /// Zeros at the borders. Default: [`Padding::Valid`].
    pub padding: Padding,
    /// Distance between the taps of the kernel (height, width). Default: (1, 1).
    pub dilation: (usize, usize),
    /// Groups of channels that do not see each other; equal to `in_channels` for a depthwise convolution. Default: 1.
    pub groups: usize,
    /// Whether a bias is added. Default: true. Leave it out before a normalisation, which removes it.
    pub bias: bool,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self {
            in_channels: 1,
            out_channels: 1,
            kernel: (3, 3),
            stride: (1, 1),
            padding: Padding::Valid,
            dilation: (1, 1),
            groups: 1,
            bias: true,
        }
    }
}

impl Conv2dConfig {
    /// The shape of the weight, (out, in / groups, height, width).
    ///
    /// # Errors
    /// [`NnError::Config`] if a number of channels, groups, the kernel, stride or dilation is zero, or groups do not divide
    /// the channels.
    pub fn weight_shape(&self) -> Result<[usize; 4], NnError> {
        let Self { in_channels, out_channels, kernel, groups, .. } = *self;
        for (field, given) in
            [("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)]
        {
            if given == 0 {
                return Err(NnError::config(field, given, "at least 1"));
            }
        }
        for (field, given) in [("kernel", kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if given.0 == 0 || given.1 == 0 {
                return Err(NnError::config(field, given, "at least 1 on both axes"));
            }
        }
        if !in_channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            let rule = format!("a divisor of in_channels ({in_channels}) and out_channels ({out_channels})");
            return Err(NnError::config("groups", groups, rule));
        }
        Ok([out_channels, in_channels / groups, kernel.0, kernel.1])
    }
}

/// Settings of a one-dimensional convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv1dConfig {
    /// Channels of the input. Default: 1.
    pub in_channels: usize,
    /// Channels of the output. Default: 1.
    pub out_channels: usize,
    /// Kernel size. Default: 3.
    pub kernel: usize,
    /// Step between windows. Default: 1.
    pub stride: usize,
    /// Zeros before and after; `None` keeps the size at stride 1 (`same`). Default: `Some((0, 0))`. A causal
    /// convolution has `Some((dilation * (kernel - 1), 0))`.
    pub padding: Option<(usize, usize)>,
    /// Distance between the taps of the kernel. Default: 1.
    pub dilation: usize,
    /// Groups of channels that do not see each other. Default: 1.
    pub groups: usize,
    /// Whether a bias is added. Default: true.
    pub bias: bool,
}

impl Default for Conv1dConfig {
    fn default() -> Self {
        Self {
            in_channels: 1,
            out_channels: 1,
            kernel: 3,
            stride: 1,
            padding: Some((0, 0)),
            dilation: 1,
            groups: 1,
            bias: true,
        }
    }
}

impl Conv1dConfig {
    /// The same convolution over images of height one.
    pub(crate) fn flat(self) -> Conv2dConfig {
        let Self { in_channels, out_channels, kernel, stride, padding, dilation, groups, bias } = self;
        let padding = match padding {
            Some((left, right)) => Padding::Explicit { top: 0, bottom: 0, left, right },
            None => Padding::Same,
        };
        Conv2dConfig {
            in_channels,
            out_channels,
            kernel: (1, kernel),
            stride: (1, stride),
            padding,
            dilation: (1, dilation),
            groups,
            bias,
        }
    }
}
