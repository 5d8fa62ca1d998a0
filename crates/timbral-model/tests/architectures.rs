//! Every architecture: shapes, summaries, gradients, seeds, files, and configurations that ask for too much.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarMap;
use timbral_features::log_mel_statistics::LogMelStatisticsConfig;
use timbral_model::graph::{LayerGraph, Op};
use timbral_model::{
    Architecture, CompactCnnConfig, CrnnConfig, Header, Input, JsonValue, MfccCnnConfig, Model, ModelError,
    ModelFile, ResidualCnnConfig, SampleCnnConfig, SpectrogramTransformerConfig, StatisticsNetConfig,
    TransferConfig, from_candle, to_candle,
};
use timbral_nn::parameters::assert_all_have_gradients;
use timbral_nn::{
    CrossEntropyConfig, SeededInit, Target, TrainingClock, cross_entropy, named_variables, parameters,
};

const CLASSES: usize = 3;

/// One of each, small enough to train in a moment.
fn small() -> Vec<Architecture> {
    let compact = Architecture::CompactCnn(CompactCnnConfig {
        bands: 16,
        channels: vec![3, 4],
        crop_frames: 24,
        ..CompactCnnConfig::default()
    });
    let statistics = Architecture::StatisticsNet(StatisticsNetConfig {
        statistics: LogMelStatisticsConfig {
            bands: 16,
            coefficients: 6,
            correlated: 3,
            bands_per_group: 4,
            modulation_frames: 16,
            modulation_bins: 4,
            ..LogMelStatisticsConfig::default()
        },
        hidden: vec![5, 4],
        ..StatisticsNetConfig::default()
    });
    let residual = Architecture::ResidualCnn(ResidualCnnConfig {
        bands: 16,
        channels: vec![4, 6],
        reduction: 1,
        crop_frames: 24,
        ..ResidualCnnConfig::default()
    });
    let crnn = |bidirectional| {
        Architecture::Crnn(CrnnConfig {
            bands: 16,
            channels: vec![3, 4],
            pools: vec![(2, 2), (2, 1)],
            hidden: 5,
            bidirectional,
            crop_frames: 24,
            ..CrnnConfig::default()
        })
    };
    let transformer = Architecture::SpectrogramTransformer(SpectrogramTransformerConfig {
        bands: 16,
        patch_bands: 8,
        patch_frames: 5,
        size: 8,
        depth: 2,
        heads: 2,
        hidden: 12,
        crop_frames: 24,
        ..SpectrogramTransformerConfig::default()
    });
    let mfcc = Architecture::MfccCnn(MfccCnnConfig {
        bands: 16,
        coefficients: 7,
        channels: vec![3, 4],
        units: 6,
        crop_frames: 25,
        ..MfccCnnConfig::default()
    });
    let sample = Architecture::SampleCnn(SampleCnnConfig {
        stem: 3,
        channels: vec![4, 5],
        features: 6,
        crop_samples: 81,
        ..SampleCnnConfig::default()
    });
    let tuned = Architecture::Transfer(TransferConfig {
        frozen: false,
        hidden: vec![5],
        ..TransferConfig::new(compact.clone())
    });
    let joined = Architecture::Transfer(TransferConfig::new(Architecture::Ensemble {
        members: vec![compact.clone(), statistics.clone()],
    }));
    vec![compact, statistics, residual, crnn(true), crnn(false), transformer, mfcc, sample, tuned, joined]
}

/// A network with a residual connection, layer by layer.
fn custom() -> Architecture {
    let mut graph = LayerGraph::new(Input::LogMel { bands: 16 }).with_crop(24);
    graph.push("repeat", Op::Repeat { least: 4 });
    graph.push("input", Op::BatchNorm { relu: false });
    graph.push("image", Op::Image);
    graph.push("stem", Op::Conv2d { channels: 3, kernel: (5, 3), stride: (2, 1), same: true, bias: true });
    let trunk = graph.push("norm", Op::BatchNorm { relu: true });
    graph.push("conv", Op::conv(3, (3, 3)));
    let branch = graph.push("depth", Op::StochasticDepth { probability: 0.1 });
    graph.push_from("sum", Op::Add, &[trunk, branch]);
    graph.push("pool", Op::MaxPool { window: (2, 2) });
    graph.push("mean", Op::GlobalMean);
    graph.push("dense", Op::dense(4));
    Architecture::Graph(graph)
}

/// The same at the sizes of their defaults.
fn defaults() -> Vec<Architecture> {
    let compact = Architecture::CompactCnn(CompactCnnConfig::default());
    vec![
        compact.clone(),
        Architecture::StatisticsNet(StatisticsNetConfig::default()),
        Architecture::ResidualCnn(ResidualCnnConfig::default()),
        Architecture::Crnn(CrnnConfig::default()),
        Architecture::SpectrogramTransformer(SpectrogramTransformerConfig::default()),
        Architecture::MfccCnn(MfccCnnConfig::default()),
        Architecture::SampleCnn(SampleCnnConfig::default()),
        Architecture::Transfer(TransferConfig::new(compact)),
    ]
}

fn build(architecture: &Architecture, seed: u64) -> (VarMap, Box<dyn timbral_model::Network>) {
    let map = VarMap::new();
    let vb = SeededInit::new(&map, seed).var_builder(DType::F32, &Device::Cpu);
    let network = architecture.build(CLASSES, &TrainingClock::new(seed), vb).unwrap();
    (map, network)
}

/// Five different examples.
fn batch(architecture: &Architecture, frames: usize) -> Tensor {
    let bands = architecture.bands();
    let scale = match architecture.input() {
        Input::Waveform => 0.01,
        _ => 1.0,
    };
    let values: Vec<f32> =
        (0..5 * bands * frames).map(|i| (((i * 7919 + i / 13) % 101) as f32 - 50.0) * scale).collect();
    Tensor::from_vec(values, (5, bands, frames), &Device::Cpu).unwrap()
}

fn loss(network: &dyn timbral_model::Network, x: &Tensor, train: bool) -> Tensor {
    let scores = network.forward_t(x, train).unwrap();
    cross_entropy(&scores, Target::Classes(&[0, 1, 2, 1, 0]), &CrossEntropyConfig::default()).unwrap()
}

fn file(architecture: &Architecture) -> ModelFile {
    let tensors = named_variables(&build(architecture, 3).0);
    let labels = ["a", "b", "c"].map(String::from).to_vec();
    ModelFile {
        header: Header::new("test", architecture.clone(), JsonValue::default(), labels),
        tensors: from_candle(tensors.iter().map(|(name, var)| (name, var.as_tensor()))).unwrap(),
    }
}

#[test]
fn any_length_gives_one_row_of_finite_logits_an_example() {
    for architecture in small() {
        let (_, network) = build(&architecture, 1);
        // One frame, just below and at a crop, some that leave remainders, and several crops.
        for frames in [1, 2, 23, 24, 25, 37, 81, 200] {
            let rows = network.forward_t(&batch(&architecture, frames), false).unwrap();
            assert_eq!(rows.dims(), [5, CLASSES], "{architecture:?}, {frames} frames");
            let finite = rows.flatten_all().unwrap().to_vec1::<f32>().unwrap().iter().all(|v| v.is_finite());
            assert!(finite, "{architecture:?}, {frames} frames");
        }
        let wrong = Tensor::zeros((2, architecture.bands() + 1, 30), DType::F32, &Device::Cpu).unwrap();
        assert!(network.forward_t(&wrong, false).is_err(), "{architecture:?}");
        let empty = Tensor::zeros((2, architecture.bands(), 0), DType::F32, &Device::Cpu);
        assert!(empty.is_err() || network.forward_t(&empty.unwrap(), false).is_err());
    }
}

#[test]
fn serving_equals_the_network_on_candle() {
    let ensemble = Architecture::Ensemble { members: small()[..4].to_vec() };
    for architecture in small().into_iter().chain([ensemble, custom()]) {
        let (map, network) = build(&architecture, 5);
        // Running statistics and biases that are not those of a fresh layer.
        for (index, (name, var)) in named_variables(&map).into_iter().enumerate() {
            let scale = if name.ends_with("running_var") { 1.5 } else { 1.0 };
            let shift = if name.contains("running_mean") { 0.3 } else { 0.02 * (index % 5) as f64 };
            var.set(&var.as_tensor().affine(scale, shift).unwrap()).unwrap();
        }
        let tensors = named_variables(&map);
        let tensors = from_candle(tensors.iter().map(|(name, var)| (name, var.as_tensor()))).unwrap();
        let model = Model::from_file(&ModelFile { tensors, ..file(&architecture) }).unwrap();
        for frames in [1, 2, 23, 24, 25, 37, 81, 200] {
            for examples in [1, 5] {
                let x = batch(&architecture, frames).narrow(0, 0, examples).unwrap();
                let values: Vec<f32> = x.flatten_all().unwrap().to_vec1().unwrap();
                let view = ndarray::ArrayView3::from_shape(x.dims3().unwrap(), &values).unwrap();
                let served = model.probabilities(view).unwrap();
                let trained = timbral_nn::softmax(&network.forward_t(&x, false).unwrap(), 1).unwrap();
                let trained: Vec<f32> = trained.flatten_all().unwrap().to_vec1().unwrap();
                assert_eq!(served.dim(), (examples, CLASSES));
                for (a, b) in served.iter().zip(&trained) {
                    assert!((a - b).abs() < 1e-5, "{architecture:?}, {frames} frames: {a} {b}");
                }
            }
        }
    }
}

#[test]
fn a_custom_graph_trains_and_serves_and_a_broken_one_is_an_error() {
    let architecture = custom();
    let (map, network) = build(&architecture, 1);
    let gradients = loss(network.as_ref(), &batch(&architecture, 24), true).backward().unwrap();
    assert_all_have_gradients(&parameters(&map), &gradients).unwrap();
    let text = serde_json::to_string(&architecture).unwrap();
    assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), architecture);
    let broken = |text: &str, part: &str| {
        let architecture: Architecture = serde_json::from_str(text).unwrap();
        let error = architecture.validate().unwrap_err();
        assert!(matches!(error, ModelError::Config { .. } | ModelError::Limit { .. }), "{error:?}");
        assert!(error.to_string().contains(part), "{text}: {error}");
    };
    let graph = |layers: &str| {
        format!(r#"{{"type": "graph", "input": {{"log_mel": {{"bands": 8}}}}, "layers": [{layers}]}}"#)
    };
    broken(&graph(""), "layers");
    broken(&graph(r#"{"name": "a", "op": "flatten", "inputs": [1]}"#), "computed before it");
    broken(&graph(r#"{"name": "a", "op": "add"}"#), "two values");
    broken(&graph(r#"{"name": "a", "op": "image"}"#), "of one axis");
    broken(&graph(r#"{"name": "", "op": "flatten"}"#), "name");
    broken(&graph(r#"{"name": "a", "op": {"group_rows": {"size": 3}}}"#), "a divisor of 8");
    broken(
        &graph(r#"{"name": "a", "op": "layer_norm"}, {"name": "b", "op": {"attention": {"heads": 3}}}"#),
        "heads",
    );
    let most = usize::MAX;
    broken(
        &graph(&format!(
            r#"{{"name": "a", "op": "flatten"}}, {{"name": "b", "op": {{"linear": {{"units": {most}}}}}}}"#
        )),
        "number of weights",
    );
}

#[test]
fn long_inputs_are_the_mean_over_crops() {
    for architecture in small() {
        let crop = match &architecture {
            Architecture::StatisticsNet(_) | Architecture::Transfer(_) => continue,
            other => other.default_frames(),
        };
        let (_, network) = build(&architecture, 1);
        let x = batch(&architecture, 2 * crop);
        let softmax = |x: &Tensor| timbral_nn::softmax(&network.forward_t(x, false).unwrap(), 1).unwrap();
        // Half overlap: three crops where the length is even, four where half a crop is rounded down.
        let steps = crop.div_ceil(crop / 2);
        let mut mean = Tensor::zeros((5, CLASSES), DType::F32, &Device::Cpu).unwrap();
        for step in 0..=steps {
            let part = x.narrow(2, step * crop / steps, crop).unwrap();
            mean = (mean + softmax(&part).affine(1.0 / (steps + 1) as f64, 0.0).unwrap()).unwrap();
        }
        let difference =
            (softmax(&x) - mean).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(difference < 1e-6, "{architecture:?}: {difference}");
    }
}

#[test]
fn summaries_count_the_weights_that_are_built() {
    for architecture in small().into_iter().chain(defaults()) {
        let (map, _) = build(&architecture, 1);
        let frames = architecture.default_frames();
        let summary = architecture.summary(CLASSES, frames).unwrap();
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, var) in named_variables(&map) {
            let layer = summary
                .layers
                .iter()
                .filter(|layer| name.strip_prefix(&layer.name).is_some_and(|rest| rest.starts_with('.')))
                .max_by_key(|layer| layer.name.len())
                .unwrap_or_else(|| panic!("no layer has {name}"));
            *counted.entry(&layer.name).or_default() += var.elem_count() as u64;
        }
        for layer in &summary.layers {
            let built = counted.remove(layer.name.as_str()).unwrap_or(0);
            assert_eq!(layer.weights + layer.statistics, built, "{} of {architecture:?}", layer.name);
        }
        assert_eq!(summary.layers.last().unwrap().output, [CLASSES]);
        let json = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<timbral_model::Summary>(&json).unwrap(), summary);
    }
}

#[test]
fn a_summary_is_a_table() {
    let architecture = Architecture::CompactCnn(CompactCnnConfig::default());
    let summary = architecture.summary(10, 128).unwrap();
    // By hand: 3x3 kernels over 64 x 128, 32 x 64, 16 x 32 and 8 x 16 cells, and 256 x 10.
    let kernels = [24, 24 * 48, 48 * 96, 96 * 128].map(|pairs: u64| 9 * pairs);
    let products: u64 =
        kernels.iter().zip([8192, 2048, 512, 128]).map(|(kernel, cells)| kernel * cells).sum();
    assert_eq!(summary.multiply_adds(), products + 2560);
    assert_eq!(summary.weights(), kernels.iter().sum::<u64>() + 2 * (64 + 24 + 48 + 96 + 128) + 2570);
    let table = summary.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("layer"), "{table}");
    assert!(table.contains("block1.conv") && table.contains("48 x 32 x 64"), "{table}");
    assert!(lines.last().unwrap().starts_with("total"), "{table}");
    // The cells of a transformer: 8 rows of 16 patches.
    let transformer = Architecture::SpectrogramTransformer(SpectrogramTransformerConfig::default());
    let layers = transformer.summary(10, 128).unwrap().layers;
    let attention = layers.iter().find(|layer| layer.name == "block0.attention").unwrap();
    assert_eq!(attention.output, [128, 96]);
    assert_eq!(attention.multiply_adds, 128 * 4 * 96 * 96 + 2 * 128 * 128 * 96);
}

#[test]
fn gradients_reach_every_weight() {
    for architecture in small() {
        let (map, network) = build(&architecture, 4);
        let trained: Vec<_> = parameters(&map)
            .into_iter()
            .filter(|parameter| !architecture.is_frozen(&parameter.name))
            .collect();
        let x = batch(&architecture, architecture.default_frames());
        // Without dropout, or a part may well see nothing.
        let gradients = loss(network.as_ref(), &x, false).backward().unwrap();
        assert_all_have_gradients(&trained, &gradients).unwrap();
        for parameter in &trained {
            let size = gradients
                .get(&parameter.var)
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap();
            // A softmax does not change with a constant added to its scores.
            if !parameter.name.ends_with("score.bias") {
                assert!(size > 0.0, "{} of {architecture:?}", parameter.name);
            }
        }
        for parameter in parameters(&map) {
            let frozen = architecture.is_frozen(&parameter.name);
            assert_eq!(gradients.get(&parameter.var).is_none(), frozen, "{}", parameter.name);
        }
    }
}

#[test]
fn a_seed_fixes_a_training_step_on_any_number_of_threads() {
    for architecture in small() {
        let step = |seed, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (map, network) = build(&architecture, seed);
                let x = batch(&architecture, architecture.default_frames());
                let gradients = loss(network.as_ref(), &x, true).backward().unwrap();
                parameters(&map)
                    .iter()
                    .filter_map(|parameter| gradients.get(&parameter.var))
                    .chain(named_variables(&map).iter().map(|(_, var)| var.as_tensor()))
                    .flat_map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap())
                    .map(f32::to_bits)
                    .collect::<Vec<_>>()
            })
        };
        let first = step(6, 1);
        assert!(first == step(6, 1), "{architecture:?}");
        assert!(first == step(6, 3), "{architecture:?}");
        assert!(first != step(7, 1), "{architecture:?}");
    }
}

#[test]
fn files_and_configurations_keep_every_architecture() {
    for architecture in small() {
        let text = serde_json::to_string(&architecture).unwrap();
        assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), architecture);
        let before = file(&architecture);
        let after = ModelFile::from_bytes(before.to_bytes().unwrap()).unwrap();
        assert_eq!(after.header, before.header);
        let x = batch(&architecture, 60);
        let x =
            ndarray::Array3::from_shape_vec(x.dims3().unwrap(), x.flatten_all().unwrap().to_vec1().unwrap());
        let x = x.unwrap();
        let rows = |file| Model::from_file(file).unwrap().probabilities(x.view()).unwrap();
        assert_eq!(rows(&before), rows(&after));
    }
    for architecture in defaults() {
        assert!(architecture.validate().is_ok(), "{architecture:?}");
    }
    let named: Architecture = serde_json::from_str(r#"{"type": "crnn", "hidden": 7}"#).unwrap();
    assert!(matches!(named, Architecture::Crnn(config) if config.hidden == 7));
}

#[test]
fn a_frozen_trunk_answers_as_its_file_and_stays() {
    let source = file(&small()[0]);
    let tensors = to_candle(&source.trunk_tensors().unwrap()).unwrap();
    assert!(tensors.contains_key("trunk.block0.conv.weight"));
    assert!(!tensors.keys().any(|name| name.contains("output")));
    let architecture = Architecture::Transfer(TransferConfig::new(source.header.architecture.clone()));
    let (map, network) = build(&architecture, 9);
    for (name, var) in named_variables(&map) {
        if let Some(tensor) = tensors.get(&name) {
            var.set(tensor).unwrap();
        }
    }
    let known: std::collections::HashMap<_, _> = to_candle(&source.tensors).unwrap().into_iter().collect();
    let vb = candle_nn::VarBuilder::from_tensors(known, DType::F32, &Device::Cpu);
    let trunk = source.header.architecture.build_trunk(&TrainingClock::new(0), vb).unwrap();
    let x = batch(&architecture, 24);
    let features = trunk.features(&x, false).unwrap();
    let variables: BTreeMap<_, _> = named_variables(&map).into_iter().collect();
    let head = timbral_nn::Linear::new(
        variables["output.weight"].as_tensor().clone(),
        Some(variables["output.bias"].as_tensor().clone()),
    )
    .unwrap();
    let expected = candle_core::Module::forward(&head, &features).unwrap();
    let given = network.forward_t(&x, false).unwrap();
    assert_eq!(given.to_vec2::<f32>().unwrap(), expected.to_vec2::<f32>().unwrap());
    // A training step changes running statistics, but not those of a frozen trunk.
    network.forward_t(&x, true).unwrap();
    for (name, tensor) in &tensors {
        let now = variables[name].flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(now, tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), "{name}");
    }
}

#[test]
fn sizes_that_ask_for_too_much_are_refused() {
    let refused = |text: &str, part: &str| {
        let architecture: Architecture = serde_json::from_str(text).unwrap();
        let error = architecture.validate().unwrap_err().to_string();
        assert!(error.contains(part), "{text}: {error}");
        assert!(architecture.summary(3, 100).is_err());
        let map = VarMap::new();
        let vb = SeededInit::new(&map, 1).var_builder(DType::F32, &Device::Cpu);
        assert!(architecture.build(3, &TrainingClock::new(1), vb).is_err());
        assert!(map.all_vars().is_empty(), "{text}");
    };
    let most = usize::MAX;
    refused(
        r#"{"type": "residual_cnn", "channels": [4096, 4096, 4096, 4096], "blocks_per_stage": 16}"#,
        "number of weights",
    );
    refused(
        r#"{"type": "residual_cnn", "channels": [1024], "blocks_per_stage": 1, "crop_frames": 65536}"#,
        "a layer puts out",
    );
    refused(&format!(r#"{{"type": "residual_cnn", "reduction": 0, "channels": [{most}]}}"#), "4096");
    refused(r#"{"type": "residual_cnn", "bands": 1, "bands_per_group": 1}"#, "at least 2");
    refused(&format!(r#"{{"type": "crnn", "hidden": {most}}}"#), "hidden");
    refused(r#"{"type": "crnn", "pools": [[2, 2]]}"#, "number of pools is 1");
    refused(r#"{"type": "crnn", "pools": [[8, 2], [8, 2], [8, 2]]}"#, "at most 64 bands together");
    refused(r#"{"type": "crnn", "pools": [[1, 16], [1, 16], [1, 17]]}"#, "1 to 16 frames");
    refused(r#"{"type": "spectrogram_transformer", "heads": 0}"#, "heads is 0");
    refused(
        r#"{"type": "spectrogram_transformer", "patch_bands": 1, "patch_frames": 1}"#,
        "patches in a crop",
    );
    refused(&format!(r#"{{"type": "spectrogram_transformer", "depth": {most}}}"#), "depth");
    refused(r#"{"type": "mfcc_cnn", "coefficients": 4}"#, "halve to 1");
    refused(r#"{"type": "mfcc_cnn", "crop_frames": 0}"#, "crop_frames");
    refused(
        r#"{"type": "mfcc_cnn", "units": 16384, "coefficients": 128, "crop_frames": 65536}"#,
        "number of weights",
    );
    refused(&format!(r#"{{"type": "sample_cnn", "crop_samples": {most}}}"#), "crop_samples");
    refused(r#"{"type": "sample_cnn", "channels": [1,1,1,1,1,1,1,1,1,1,1,1,1]}"#, "number of channels is 13");
    refused(
        r#"{"type": "transfer", "trunk": {"type": "compact_cnn", "channels": []}}"#,
        "number of channels is 0",
    );
    refused(r#"{"type": "transfer", "trunk": {"type": "compact_cnn"}, "hidden": [0]}"#, "hidden");
    let mut nested = r#"{"type": "compact_cnn"}"#.to_owned();
    for _ in 0..5 {
        nested = format!(r#"{{"type": "transfer", "trunk": {nested}}}"#);
    }
    refused(&nested, "networks within networks is 5");
    for name in ["residual_cnn", "crnn", "spectrogram_transformer", "mfcc_cnn", "sample_cnn"] {
        refused(&format!(r#"{{"type": "{name}", "dropout": 1.0}}"#), "dropout");
        let stranger = format!(r#"{{"type": "{name}", "chanels": [1]}}"#);
        assert!(serde_json::from_str::<Architecture>(&stranger).is_err(), "{name}");
    }
    let mixed = Architecture::Ensemble {
        members: vec![
            Architecture::CompactCnn(CompactCnnConfig::default()),
            Architecture::SampleCnn(SampleCnnConfig::default()),
        ],
    };
    assert!(mixed.validate().unwrap_err().to_string().contains("waveform"));
}

#[test]
fn a_longer_segment_in_training_is_refused_where_the_length_is_fixed() {
    let architecture = Architecture::MfccCnn(MfccCnnConfig::default());
    let (_, network) = build(&architecture, 1);
    let error = network.forward_t(&batch(&architecture, 40), true).unwrap_err().to_string();
    assert!(error.contains("at most 39"), "{error}");
}
