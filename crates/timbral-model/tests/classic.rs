//! Classic models in model files, alone and beside networks.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;

use candle_core::{DType, Device};
use candle_nn::{VarBuilder, VarMap};
use ndarray::{Array2, Array3, Axis};
use timbral_classic::{
    Config as _, FittedModel, GradientBoostingConfig, KNeighborsConfig, Learner as _, LearnerConfig,
    PipelineConfig, Predictor as _, SvcConfig, TransformerConfig,
};
use timbral_features::log_mel_statistics::{LogMelStatistics, LogMelStatisticsConfig};
use timbral_model::{
    Architecture, ArrayKind, ClassicConfig, Header, JsonValue, Kind, Model, ModelFile, Precision,
    StatisticsNetConfig, StoredTensor, TensorFile, from_candle, member_path, to_candle,
};
use timbral_nn::{SeededInit, TrainingClock, named_variables};

fn file(kind: Kind, architecture: Architecture, tensors: BTreeMap<String, StoredTensor>) -> ModelFile {
    let labels = vec!["a".into(), "b".into()];
    let mut header = Header::new("test", architecture, JsonValue::default(), labels);
    header.kind = kind;
    ModelFile { header, tensors }
}

fn fit(learner: LearnerConfig, x: &Array2<f64>) -> FittedModel {
    let y: Vec<usize> = (0..x.nrows()).map(|i| i % 2).collect();
    let parameters =
        PipelineConfig { transformers: vec![TransformerConfig::Standard(Default::default())], learner };
    parameters.check().unwrap().fit(x.view(), &y, 2).unwrap().into()
}

fn svc() -> LearnerConfig {
    LearnerConfig::Svc(SvcConfig { probability: true, ..Default::default() })
}

/// Rows of which every second lies elsewhere.
fn rows(n: usize, width: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, width), |(i, j)| ((i * 7 + j * 3) as f64).sin() + 2.0 * (i % 2) as f64)
}

#[test]
fn answers_survive_the_file() {
    let x = rows(24, 5);
    let boosting = LearnerConfig::GradientBoosting(GradientBoostingConfig::default());
    for learner in [svc(), boosting] {
        let fitted = fit(learner, &x);
        let (config, tensors) = ClassicConfig::store(&fitted).unwrap();
        let bytes = file(Kind::Classic, Architecture::Classic(config), tensors).to_bytes().unwrap();
        let read = ModelFile::from_bytes(bytes.clone()).unwrap();
        assert_eq!(read.to_bytes().unwrap(), bytes);
        let model = Model::from_file(&read).unwrap();
        // Halves are exact in single precision, through which inputs pass.
        let x = x.mapv(|v| (v * 4.0).round() / 4.0);
        let batch = x.mapv(|v| v as f32).insert_axis(Axis(2));
        let given = model.probabilities(batch.view()).unwrap();
        let expected = fitted.predict_proba(x.view()).unwrap();
        for (given, expected) in given.iter().zip(&expected) {
            assert!((f64::from(*given) - expected).abs() < 1e-6);
        }
        let summary = model.header().architecture.summary(2, 1).unwrap();
        assert!(summary.to_string().contains("classic model"));
    }
}

/// As it stands in a training configuration.
fn unfitted(statistics: &LogMelStatisticsConfig) -> ClassicConfig {
    serde_json::from_value(serde_json::json!({
        "statistics": statistics,
        "pipeline": { "learner": { "svc": { "c": 10.0, "probability": true } } },
    }))
    .unwrap()
}

#[test]
fn what_is_not_fitted_is_checked_but_not_built() {
    let config = unfitted(&LogMelStatisticsConfig::default());
    let build = |config: &ClassicConfig| {
        let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
        Architecture::Classic(config.clone()).build(2, &TrainingClock::new(0), vb)
    };
    Architecture::Classic(config.clone()).validate().unwrap();
    assert!(build(&config).unwrap_err().to_string().contains("not fitted"));
    let bare = ClassicConfig { pipeline: None, ..config.clone() };
    assert!(build(&bare).unwrap_err().to_string().contains("statistics and a pipeline"));
    let mut wrong = config;
    let Some(LearnerConfig::Svc(svc)) = wrong.pipeline.as_mut().map(|p| &mut p.learner) else {
        panic!("an SVC was asked for")
    };
    svc.c = -1.0;
    let error = build(&wrong).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "c is -1; it must be finite and above 0");
}

#[test]
fn large_arrays_may_be_kept_in_less_than_double_precision() {
    let x = rows(400, 3).mapv(|v| v + 1e-9);
    let wide = ndarray::concatenate(ndarray::Axis(1), &vec![x.view(); 100]).unwrap();
    // So small a weight makes nearly every row a support vector.
    let soft = SvcConfig { c: 0.01, probability: true, ..SvcConfig::default() };
    let fitted = fit(LearnerConfig::Svc(soft), &wide);
    let (double, exact) = ClassicConfig::store(&fitted).unwrap();
    assert!(double.arrays.values().all(|kind| matches!(kind, ArrayKind::F64 | ArrayKind::U32)));
    let answers = |config: ClassicConfig, tensors: &BTreeMap<String, StoredTensor>| {
        let tensors = to_candle(tensors).unwrap().into_iter().collect();
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let network = Architecture::Classic(config).build(2, &TrainingClock::new(0), vb).unwrap();
        let values = wide.iter().map(|v| *v as f32);
        let batch =
            candle_core::Tensor::from_iter(values, &Device::Cpu).unwrap().reshape(wide.dim()).unwrap();
        network.forward_t(&batch, false).unwrap().to_vec2::<f32>().unwrap()
    };
    let exact_answers = answers(double.clone(), &exact);
    for (precision, kept, most) in
        [(Precision::Single, ArrayKind::F32, 1e-4), (Precision::Half, ArrayKind::F16, 0.02)]
    {
        let config = ClassicConfig { precision, ..double.clone() };
        let (config, rounded) = config.fitted(&fitted).unwrap();
        assert!(config.arrays.values().any(|kind| *kind == kept));
        // Through the bytes of a file and back.
        let file = TensorFile { text: String::new(), tensors: rounded };
        let read = TensorFile::from_bytes(file.to_bytes().unwrap()).unwrap().tensors;
        let rounded = answers(config, &read);
        for (a, b) in exact_answers.iter().flatten().zip(rounded.iter().flatten()) {
            assert!((a - b).abs() < most, "{a} {b}");
        }
    }
    // What half precision cannot hold is kept in single.
    let neighbours = PipelineConfig {
        transformers: Vec::new(),
        learner: LearnerConfig::KNeighbors(KNeighborsConfig::default()),
    };
    let (large, y) = (wide.mapv(|v| v * 1e6), [0, 1].repeat(wide.nrows() / 2));
    let large = neighbours.check().unwrap().fit(large.view(), &y, 2).unwrap();
    let config = ClassicConfig { precision: Precision::Half, ..double };
    let (config, _) = config.fitted(&large.into()).unwrap();
    let kinds: Vec<_> = config.arrays.values().collect();
    assert!(kinds.contains(&&ArrayKind::F32) && !kinds.contains(&&ArrayKind::F16));
}

#[test]
fn a_classic_model_stands_beside_a_network() {
    let statistics = LogMelStatisticsConfig {
        bands: 16,
        coefficients: 4,
        correlated: 2,
        bands_per_group: 8,
        modulation_frames: 8,
        modulation_bins: 2,
        ..LogMelStatisticsConfig::default()
    };
    let songs: Vec<Array3<f32>> = (0..12)
        .map(|song| {
            let value = |i: usize| (i as f32 * 0.37 * (1.0 + (song % 2) as f32)).sin() - song as f32 % 3.0;
            Array3::from_shape_vec((1, 16, 20), (0..16 * 20).map(value).collect()).unwrap()
        })
        .collect();
    let plan = LogMelStatistics::new(statistics.clone()).unwrap();
    let mut x = Array2::zeros((12, statistics.len()));
    for (song, mut row) in songs.iter().zip(x.rows_mut()) {
        let values = plan.compute(song.index_axis(Axis(0), 0)).unwrap();
        row.iter_mut().zip(values).for_each(|(to, v)| *to = f64::from(v));
    }
    let fitted = fit(svc(), &x);
    let (config, classic) = unfitted(&statistics).fitted(&fitted).unwrap();

    let net =
        Architecture::StatisticsNet(StatisticsNetConfig { statistics, ..StatisticsNetConfig::default() });
    let map = VarMap::new();
    let vb = SeededInit::new(&map, 3).var_builder(DType::F32, &Device::Cpu);
    net.build(2, &TrainingClock::new(3), vb).unwrap();
    let mut tensors = BTreeMap::new();
    let variables = named_variables(&map);
    for (name, tensor) in from_candle(variables.iter().map(|(name, var)| (name, var.as_tensor()))).unwrap() {
        tensors.insert(format!("{}.{name}", member_path(0)), tensor);
    }
    for (name, tensor) in classic {
        tensors.insert(format!("{}.{name}", member_path(1)), tensor);
    }
    let members = vec![net, Architecture::Classic(config.clone())];
    let bytes = file(Kind::Network, Architecture::Ensemble { members }, tensors).to_bytes().unwrap();
    let model = Model::from_file(&ModelFile::from_bytes(bytes.clone()).unwrap()).unwrap();
    let expected = fitted.predict_proba(x.view()).unwrap();
    for (song, expected) in songs.iter().zip(expected.rows()) {
        let both = model.probabilities(song.view()).unwrap().row(0).to_owned();
        // The mean with the network's, which lies within 0 and 1.
        for (both, classic) in both.iter().zip(expected) {
            let network = 2.0 * f64::from(*both) - classic;
            assert!((-1e-5..=1.0 + 1e-5).contains(&network), "{both} {classic}");
        }
        assert!((both.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }

    let wrong = ClassicConfig { columns: 3, ..config };
    assert!(Architecture::Classic(wrong).validate().is_err());
}

#[test]
fn kind_and_architecture_agree() {
    let (config, tensors) = ClassicConfig::store(&fit(svc(), &rows(10, 3))).unwrap();
    let mut wrong = file(Kind::Network, Architecture::Classic(config), tensors);
    assert!(Model::from_file(&wrong).is_err());
    wrong.header.kind = Kind::Classic;
    assert!(Model::from_file(&wrong).is_ok());
    let name = wrong.tensors.keys().next().unwrap().clone();
    wrong.tensors.insert(name, StoredTensor::from_f32([1], &[0.0]).unwrap());
    assert!(Model::from_file(&wrong).is_err());
}
