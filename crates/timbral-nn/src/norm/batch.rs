//! Batch normalisation, alone or fused with what usually follows it.

use candle_core::{ModuleT, Result, Tensor, Var};
use candle_nn::{Init, VarBuilder};

use super::batch_op::{BatchNormOp, Statistics, channel_statistics};
use crate::error::shape_error;
pub use crate::kernels::BatchNormConfig;

/// Batch normalisation (Ioffe and Szegedy 2015) over all axes but the second, as PyTorch's `nn.BatchNorm1d` and
/// `nn.BatchNorm2d`.
///
/// In training the statistics are those of the batch, and the running ones move by `momentum` (the running variance
/// takes the unbiased estimate); otherwise the running ones are applied.
///
/// Parameters: `weight`, `bias` (channels); statistics: `running_mean`, `running_var` (channels).
#[derive(Debug, Clone)]
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_var: Var,
    config: BatchNormConfig,
    ranks: &'static [usize],
}

/// A batch normalisation of (batch, channels, height, width).
///
/// # Errors
/// If a setting breaks its rule or the variables have other shapes.
pub fn batch_norm_2d(config: BatchNormConfig, vb: VarBuilder<'_>) -> Result<BatchNorm> {
    BatchNorm::with_ranks(config, &vb, &[4])
}

/// A batch normalisation of (batch, channels) or (batch, channels, length).
///
/// # Errors
/// If a setting breaks its rule or the variables have other shapes.
pub fn batch_norm_1d(config: BatchNormConfig, vb: VarBuilder<'_>) -> Result<BatchNorm> {
    BatchNorm::with_ranks(config, &vb, &[2, 3])
}

impl BatchNorm {
    fn with_ranks(config: BatchNormConfig, vb: &VarBuilder<'_>, ranks: &'static [usize]) -> Result<Self> {
        config.check()?;
        let channels = config.channels;
        Ok(Self {
            weight: vb.get_with_hints(channels, "weight", Init::Const(1.0))?,
            bias: vb.get_with_hints(channels, "bias", Init::Const(0.0))?,
            running_mean: as_var(&vb.get_with_hints(channels, "running_mean", Init::Const(0.0))?)?,
            running_var: as_var(&vb.get_with_hints(channels, "running_var", Init::Const(1.0))?)?,
            config,
            ranks,
        })
    }

    /// The running mean, shape (channels).
    #[must_use]
    pub fn running_mean(&self) -> &Tensor {
        self.running_mean.as_tensor()
    }

    /// The running variance, shape (channels).
    #[must_use]
    pub fn running_var(&self) -> &Tensor {
        self.running_var.as_tensor()
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &BatchNormConfig {
        &self.config
    }

    /// Normalises, then applies ReLU, in one operation with one backward pass.
    ///
    /// # Errors
    /// If the input has another rank or other channels.
    pub fn forward_relu_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.run(x, train, true, None)
    }

    /// Normalises, applies ReLU and takes the maximum of each window of `pool` (height, width) elements that lie beside
    /// each other; elements beyond the last whole window are left out. One operation with one backward pass: the
    /// normalised tensor is never stored.
    ///
    /// # Errors
    /// If the input has not the shape (batch, channels, height, width), or is smaller than a window.
    pub fn forward_relu_max_pool_t(&self, x: &Tensor, train: bool, pool: (usize, usize)) -> Result<Tensor> {
        self.run(x, train, true, Some(pool))
    }

    fn run(&self, x: &Tensor, train: bool, relu: bool, pool: Option<(usize, usize)>) -> Result<Tensor> {
        let dims = x.dims();
        if !self.ranks.contains(&dims.len()) || dims[1] != self.config.channels {
            let expected = format!("rank {:?} and {} channels on axis 1", self.ranks, self.config.channels);
            return Err(shape_error("shape of the input of batch normalisation", dims, expected));
        }
        if let Some((height, width)) = pool
            && (dims.len() != 4 || height == 0 || width == 0 || height > dims[2] || width > dims[3])
        {
            return Err(shape_error(
                "window of pooling",
                (height, width),
                format!("at least 1 and at most the height and width of an input {dims:?}"),
            ));
        }
        if !x.device().is_cpu() {
            return self.on_device(x, train, relu, pool);
        }
        if x.dtype() != self.weight.dtype() {
            return Err(shape_error(
                "element type of the input",
                x.dtype(),
                format!("{:?}", self.weight.dtype()),
            ));
        }
        let x = x.contiguous()?;
        let statistics = if train {
            let count = x.elem_count() / self.config.channels;
            if count < 2 {
                return Err(shape_error(
                    "shape of a batch in training",
                    dims,
                    "one with two values or more for each channel",
                ));
            }
            let statistics = channel_statistics(&x)?;
            self.update(&statistics, count)?;
            statistics
        } else {
            Statistics { mean: doubles(self.running_mean())?, variance: doubles(self.running_var())? }
        };
        let op = BatchNormOp::new(x.dims(), &statistics, self.config.epsilon, train, relu, pool);
        x.apply_op3(&self.weight.contiguous()?, &self.bias.contiguous()?, op)
    }

    #[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
    fn update(&self, batch: &Statistics, count: usize) -> Result<()> {
        let unbiased = count as f64 / (count as f64 - 1.0);
        let momentum = self.config.momentum;
        let blend = |running: &Var, batch: &mut dyn Iterator<Item = f64>| -> Result<()> {
            let values: Vec<f64> = doubles(running.as_tensor())?
                .into_iter()
                .zip(batch)
                .map(|(old, new)| (1.0 - momentum) * old + momentum * new)
                .collect();
            let values = Tensor::from_vec(values, running.shape(), running.device())?;
            running.set(&values.to_dtype(running.dtype())?)
        };
        blend(&self.running_mean, &mut batch.mean.iter().copied())?;
        blend(&self.running_var, &mut batch.variance.iter().map(|variance| variance * unbiased))
    }

    /// The same from candle's operations, for other devices.
    #[allow(clippy::cast_precision_loss, reason = "element counts stay far below 2^52")]
    fn on_device(&self, x: &Tensor, train: bool, relu: bool, pool: Option<(usize, usize)>) -> Result<Tensor> {
        let mut shape = vec![1; x.rank()];
        shape[1] = self.config.channels;
        let (mean, variance) = if train {
            let rows = x.transpose(0, 1)?.flatten_from(1)?;
            let count = rows.dim(1)? as f64;
            let mean = rows.mean(1)?;
            let variance = rows.broadcast_sub(&mean.unsqueeze(1)?)?.sqr()?.mean(1)?;
            let momentum = self.config.momentum;
            for (running, batch, factor) in
                [(&self.running_mean, &mean, 1.0), (&self.running_var, &variance, count / (count - 1.0))]
            {
                let next =
                    ((running.as_tensor() * (1.0 - momentum))? + (batch.detach() * (momentum * factor))?)?;
                running.set(&next.detach())?;
            }
            (mean, variance)
        } else {
            (self.running_mean.as_detached_tensor(), self.running_var.as_detached_tensor())
        };
        let scale = (&self.weight / (variance + self.config.epsilon)?.sqrt()?)?;
        let shift = (&self.bias - (&mean * &scale)?)?;
        let mut y = x
            .broadcast_mul(&scale.reshape(shape.as_slice())?)?
            .broadcast_add(&shift.reshape(shape.as_slice())?)?;
        if relu {
            y = y.relu()?;
        }
        if let Some((height, width)) = pool {
            let (b, c, h, w) = y.dims4()?;
            let (h, w) = (h / height, w / width);
            let y = y.narrow(2, 0, h * height)?.narrow(3, 0, w * width)?;
            return y.reshape((b, c, h, height, w, width))?.max(5)?.max(3);
        }
        Ok(y)
    }
}

impl ModuleT for BatchNorm {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.run(x, train, false, None)
    }
}

/// The variable behind a tensor of a `VarMap`, or a new one if the tensor comes from a file.
pub(crate) fn as_var(tensor: &Tensor) -> Result<Var> {
    // `Var::from_tensor` shares a variable's storage and copies anything else.
    Var::from_tensor(tensor)
}

fn doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    tensor.to_dtype(candle_core::DType::F64)?.flatten_all()?.to_vec1()
}
