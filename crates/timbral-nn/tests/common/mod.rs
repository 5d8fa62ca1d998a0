//! Helpers of the tests.
#![allow(dead_code, reason = "each test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::{VarBuilder, VarMap};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use timbral_nn::SeededInit;
use timbral_nn::gradcheck::{GradcheckConfig, gradcheck};

/// Distinct values within (-1, 1) in f64.
pub(crate) fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f64> = (0..shape.iter().product()).map(|_| generator.random_range(-1.0..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The same values in another memory order: not contiguous.
pub(crate) fn strided(x: &Tensor) -> Tensor {
    let last = x.rank() - 1;
    let y = x.transpose(0, last).unwrap().contiguous().unwrap().transpose(0, last).unwrap();
    assert!(!y.is_contiguous() || x.dim(0).unwrap() == 1 || x.dim(last).unwrap() == 1);
    y
}

pub(crate) fn check(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> candle_core::Result<Tensor>) {
    gradcheck(inputs, f, GradcheckConfig::default()).unwrap();
}

pub(crate) fn builder(seed: u64, dtype: DType) -> (VarMap, VarBuilder<'static>) {
    let map = VarMap::new();
    let vb = SeededInit::new(&map, seed).var_builder(dtype, &Device::Cpu);
    (map, vb)
}

/// What `tests/pytorch/make.py` stored.
pub(crate) fn cases() -> HashMap<String, Tensor> {
    candle_core::safetensors::load_buffer(include_bytes!("../pytorch/cases.safetensors"), &Device::Cpu)
        .unwrap()
}

pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn assert_close(a: &Tensor, b: &Tensor, limit: f64) {
    assert_eq!(a.dims(), b.dims());
    let (a, b) = (values(a), values(b));
    let scale = b.iter().fold(1e-12, |m: f64, v| m.max(v.abs()));
    for (i, (a, b)) in a.iter().zip(&b).enumerate() {
        assert!((a - b).abs() <= limit * scale, "element {i}: {a} against {b}");
    }
}
