//! Seeded initialisation of variables: the same seed and names give the same weights, on any machine.

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::init::NormalOrUniform;
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder, VarMap};
use rand::Rng;

use crate::error::{NnError, shape_error};
use crate::random::{generator, normal};

/// The backend of a `VarBuilder` whose variables depend on the seed and their **name** alone: neither the order of
/// construction nor other variables change them, and candle's unseeded CPU generator is never asked.
///
/// Variables that the map already holds are handed out as they are, after a check of their shape.
///
/// ```
/// use candle_core::{DType, Device};
/// use candle_nn::VarMap;
/// use timbral_nn::{LinearConfig, SeededInit, linear};
///
/// let map = VarMap::new();
/// let vb = SeededInit::new(&map, 7).var_builder(DType::F32, &Device::Cpu);
/// linear(LinearConfig { in_features: 4, out_features: 2, bias: true }, vb.pp("head"))?;
/// assert_eq!(map.all_vars().len(), 2);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone)]
pub struct SeededInit {
    map: VarMap,
    seed: u64,
}

impl std::fmt::Debug for SeededInit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SeededInit").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl SeededInit {
    /// A backend that stores its variables in `map`.
    #[must_use]
    pub fn new(map: &VarMap, seed: u64) -> Self {
        Self { map: map.clone(), seed }
    }

    /// A `VarBuilder` over this backend.
    #[must_use]
    pub fn var_builder(self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self), dtype, device.clone())
    }

    fn draw(&self, init: Init, shape: &Shape, name: &str) -> Result<Tensor> {
        let mut generator = generator(self.seed, name, 0);
        let count = shape.elem_count();
        let mut uniform = |low: f64, high: f64| -> Vec<f64> {
            (0..count).map(|_| low + (high - low) * generator.random::<f64>()).collect()
        };
        let values = match init {
            Init::Const(value) => vec![value; count],
            Init::Uniform { lo, up } => uniform(lo, up),
            Init::Randn { mean, stdev } => {
                (0..count).map(|_| mean + stdev * normal(&mut generator)).collect()
            }
            Init::Kaiming { dist, fan, non_linearity } => {
                #[allow(clippy::cast_precision_loss, reason = "a fan is far below 2^52")]
                let deviation = non_linearity.gain() / (fan.for_shape(shape).max(1) as f64).sqrt();
                match dist {
                    NormalOrUniform::Uniform => uniform(-deviation * 3f64.sqrt(), deviation * 3f64.sqrt()),
                    NormalOrUniform::Normal => {
                        (0..count).map(|_| deviation * normal(&mut generator)).collect()
                    }
                }
            }
        };
        Tensor::from_vec(values, shape.clone(), &Device::Cpu)
    }

    fn variables(&self) -> std::sync::MutexGuard<'_, std::collections::HashMap<String, Var>> {
        self.map.data().lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl SimpleBackend for SeededInit {
    fn get(&self, shape: Shape, name: &str, init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let mut variables = self.variables();
        if let Some(var) = variables.get(name) {
            if var.shape() != &shape {
                return Err(shape_error(
                    "shape of the stored variable",
                    (name, var.shape()),
                    format!("{shape:?}"),
                ));
            }
            return Ok(var.as_tensor().clone());
        }
        let var = Var::from_tensor(&self.draw(init, &shape, name)?.to_dtype(dtype)?.to_device(device)?)?;
        let tensor = var.as_tensor().clone();
        variables.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        match self.variables().get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => Err(NnError::State { what: "no such variable", name: name.to_owned() }.into()),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.variables().contains_key(name)
    }
}
