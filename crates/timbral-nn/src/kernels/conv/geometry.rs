//! The sizes of one convolution, checked once.

use super::{Conv2dConfig, Padding};
use crate::NnError;

/// One axis of a sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) input: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) before: usize,
    pub(crate) output: usize,
}

impl Axis {
    fn new(
        input: usize,
        kernel: usize,
        stride: usize,
        dilation: usize,
        before: usize,
        after: usize,
    ) -> Result<Self, NnError> {
        let reach = (kernel - 1).checked_mul(dilation).and_then(|reach| reach.checked_add(1));
        let padded = input.checked_add(before).and_then(|size| size.checked_add(after));
        match (reach, padded) {
            (Some(reach), Some(padded)) if input > 0 && reach <= padded => {
                let output = (padded - reach) / stride + 1;
                Ok(Self { input, kernel, stride, dilation, before, output })
            }
            _ => Err(NnError::shape(
                "(input, kernel) of a window",
                (input, kernel),
                format!(
                    "an input that is not empty and, padded by {before} and {after}, holds the kernel dilated by \
                     {dilation}"
                ),
            )),
        }
    }

    /// The outputs whose tap `k` lies inside the input, and the input position of the first of them.
    pub(crate) fn valid(&self, k: usize) -> (std::ops::Range<usize>, usize) {
        let offset = k * self.dilation;
        let first = self.before.saturating_sub(offset).div_ceil(self.stride).min(self.output);
        let end = if self.input + self.before > offset {
            ((self.input + self.before - offset - 1) / self.stride + 1).min(self.output)
        } else {
            0
        };
        let first = first.min(end);
        (first..end, (first * self.stride + offset).saturating_sub(self.before))
    }
}

/// Both axes of a sliding window, with the padding resolved.
pub(crate) fn axes(
    input: (usize, usize),
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
    padding: Padding,
) -> Result<(Axis, Axis), NnError> {
    if kernel.0 == 0 || kernel.1 == 0 {
        return Err(NnError::config("kernel", kernel, "at least 1 on both axes"));
    }
    if stride.0 == 0 || stride.1 == 0 {
        return Err(NnError::config("stride", stride, "at least 1 on both axes"));
    }
    if dilation.0 == 0 || dilation.1 == 0 {
        return Err(NnError::config("dilation", dilation, "at least 1 on both axes"));
    }
    let same = |input: usize, kernel: usize, stride: usize, dilation: usize| {
        let reach = (kernel - 1).saturating_mul(dilation).saturating_add(1);
        let covered = (input.div_ceil(stride).max(1) - 1).saturating_mul(stride).saturating_add(reach);
        let total = covered.saturating_sub(input);
        (total / 2, total - total / 2)
    };
    let ((top, bottom), (left, right)) = match padding {
        Padding::Valid => ((0, 0), (0, 0)),
        Padding::Same => {
            (same(input.0, kernel.0, stride.0, dilation.0), same(input.1, kernel.1, stride.1, dilation.1))
        }
        Padding::Symmetric(height, width) => ((height, height), (width, width)),
        Padding::Explicit { top, bottom, left, right } => ((top, bottom), (left, right)),
    };
    Ok((
        Axis::new(input.0, kernel.0, stride.0, dilation.0, top, bottom)?,
        Axis::new(input.1, kernel.1, stride.1, dilation.1, left, right)?,
    ))
}

/// Every size of a convolution over a batch of images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) batch: usize,
    pub(crate) in_channels: usize,
    pub(crate) out_channels: usize,
    pub(crate) groups: usize,
    pub(crate) height: Axis,
    pub(crate) width: Axis,
}

impl Geometry {
    pub(crate) fn new(input: &[usize], weight: &[usize], config: &Conv2dConfig) -> Result<Self, NnError> {
        let (&[batch, in_channels, in_height, in_width], &[out_channels, group_channels, kernel_h, kernel_w]) =
            (input, weight)
        else {
            return Err(NnError::shape(
                "shape of input and weight of a convolution",
                (input, weight),
                "(batch, channels, height, width) and (out, in / groups, height, width)",
            ));
        };
        let groups = config.groups;
        if groups == 0 || !in_channels.is_multiple_of(groups) || !out_channels.is_multiple_of(groups) {
            return Err(NnError::config(
                "groups, input and output channels",
                (groups, in_channels, out_channels),
                "groups of at least 1 that divide both numbers of channels",
            ));
        }
        if batch == 0 || out_channels == 0 || group_channels == 0 || in_channels != group_channels * groups {
            return Err(NnError::shape(
                "shape of input and weight of a convolution",
                (input, weight),
                "a batch that is not empty, and weight.1 * groups input channels",
            ));
        }
        let (height, width) = axes(
            (in_height, in_width),
            (kernel_h, kernel_w),
            config.stride,
            config.dilation,
            config.padding,
        )?;
        let geometry = Self { batch, in_channels, out_channels, groups, height, width };
        let sizes = [batch, in_channels.max(out_channels), height.output, width.output, kernel_h, kernel_w];
        if sizes.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).is_none() {
            return Err(NnError::shape(
                "shape of input and weight of a convolution",
                (input, weight),
                "sizes whose product fits into memory",
            ));
        }
        Ok(geometry)
    }

    pub(crate) fn in_plane(&self) -> usize {
        self.height.input * self.width.input
    }

    pub(crate) fn out_plane(&self) -> usize {
        self.height.output * self.width.output
    }

    pub(crate) fn in_image(&self) -> usize {
        self.in_channels * self.in_plane()
    }

    pub(crate) fn out_image(&self) -> usize {
        self.out_channels * self.out_plane()
    }

    pub(crate) fn group_in(&self) -> usize {
        self.in_channels / self.groups
    }

    pub(crate) fn group_out(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Rows of the column matrix: the taps that one output of a group sums over.
    pub(crate) fn taps(&self) -> usize {
        self.group_in() * self.height.kernel * self.width.kernel
    }

    pub(crate) fn out_shape(&self) -> [usize; 4] {
        [self.batch, self.out_channels, self.height.output, self.width.output]
    }
}
