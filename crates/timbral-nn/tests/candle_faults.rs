//! Faults of candle 0.11.1 that this crate works around. A failure here is good news: an update has mended one, and the
//! workaround may go.

use candle_core::{DType, Device, Module, Tensor, Var};

#[test]
fn the_gradient_of_candles_max_pooling_is_a_quarter() {
    let x = Var::new(&[[[[1f64, 2.], [3., 4.]]]], &Device::Cpu).unwrap();
    let grads = x.max_pool2d(2).unwrap().sum_all().unwrap().backward().unwrap();
    let gradient = grads.get(&x).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert_eq!(gradient, [0., 0., 0., 0.25]);
}

#[test]
fn candles_layer_norm_has_no_gradient() {
    let weight = Var::ones(4, DType::F32, &Device::Cpu).unwrap();
    let norm = candle_nn::LayerNorm::new(
        weight.as_tensor().clone(),
        Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap(),
        1e-5,
    );
    let x = Tensor::new(&[[1f32, 2., 3., 5.]], &Device::Cpu).unwrap();
    let grads = norm.forward(&x).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&weight).is_none());
}

#[test]
fn candle_cannot_differentiate_strided_convolution_of_mixed_parity() {
    let x = Var::ones((1, 1, 9, 12), DType::F64, &Device::Cpu).unwrap();
    let w = Tensor::ones((1, 1, 3, 3), DType::F64, &Device::Cpu).unwrap();
    let loss = x.conv2d(&w, 1, 2, 1, 1).unwrap().sum_all().unwrap();
    assert!(loss.backward().is_err());
}
