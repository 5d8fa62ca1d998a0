//! Models taken apart and put together again, and parts that nobody wrote in good faith.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

mod common;

use std::sync::Arc;

use common::{all_learners, clouds};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use timbral_classic::{
    ClassicError, Components, Config, FeatureScore, FittedModel, Learner, LearnerConfig, PartValues, Parts,
    PcaConfig, PipelineConfig, Predictor, SelectKBestConfig, SharedBytes, StackingConfig, Temperature,
    TransformerConfig, VotingConfig,
};

const N_CLASSES: usize = 4;

fn all_transformers() -> Vec<TransformerConfig> {
    use TransformerConfig as T;
    vec![
        T::Power(Default::default()),
        T::MinMax(Default::default()),
        T::Standard(Default::default()),
        T::SelectKBest(SelectKBestConfig { k: 5, ..Default::default() }),
        T::SelectKBest(SelectKBestConfig {
            k: 4,
            score: FeatureScore::MutualInformation { n_neighbors: 3, seed: 1 },
        }),
        T::Pca(PcaConfig { components: Components::Count(3), whiten: true }),
    ]
}

fn pipelines() -> Vec<PipelineConfig> {
    let of = |(_, learner): (_, LearnerConfig)| PipelineConfig { transformers: all_transformers(), learner };
    all_learners().into_iter().map(of).collect()
}

/// One model of each kind, the pipelines with each learner; one class has no rows.
fn models() -> (Vec<FittedModel>, Array2<f64>) {
    let (x, y) = clouds(90, 6, 3, 1.0, 11);
    let mut models: Vec<FittedModel> = pipelines()
        .into_iter()
        .map(|p| p.check().unwrap().fit(x.view(), &y, N_CLASSES).unwrap().into())
        .collect();
    let members = pipelines().split_off(3);
    let voting = VotingConfig { members: members.clone(), weights: Some(vec![1.0, 2.0, 0.5]) };
    models.push(voting.check().unwrap().fit(x.view(), &y, N_CLASSES).unwrap().into());
    let stacking = StackingConfig { members, combiner: Default::default() };
    let folds: Vec<usize> = (0..90).map(|i| i / 3 % 3).collect();
    models.push(stacking.check().unwrap().fit(x.view(), &y, N_CLASSES, &folds).unwrap().into());
    (models, x)
}

/// Whether a description holds a list of numbers.
fn holds_numbers(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| item.is_number() || holds_numbers(item)),
        Value::Object(items) => items.values().any(holds_numbers),
        _ => false,
    }
}

#[test]
fn parts_hold_the_model_exactly() {
    let (models, x) = models();
    for model in &models {
        let parts = model.to_parts();
        assert!(!holds_numbers(&parts.description), "{}", parts.description);
        for (name, array) in &parts.arrays {
            assert_eq!(array.shape.iter().product::<usize>(), array.values.len(), "{name}");
        }
        // Through text, as a header and a file of arrays would.
        let text = serde_json::to_string(&parts).unwrap();
        let read: Parts = serde_json::from_str(&text).unwrap();
        let again = FittedModel::from_parts(&read).unwrap();
        assert_eq!(&again, model);
        let bits = |m: &FittedModel| m.predict_proba(x.view()).unwrap().mapv(f64::to_bits);
        assert_eq!(bits(&again), bits(model));
        assert_eq!(again.predict(x.view()).unwrap(), model.predict(x.view()).unwrap());
        // Serde goes the same way.
        assert_eq!(
            &serde_json::from_str::<FittedModel>(&serde_json::to_string(model).unwrap()).unwrap(),
            model
        );
    }
    let scores = Array2::from_shape_fn((9, 3), |(i, j)| f64::from(u8::from(i % 3 == j)) + 0.1 * i as f64);
    let temperature = Temperature::fit(scores.view(), &[0, 1, 2, 0, 1, 2, 1, 1, 2]).unwrap();
    assert_eq!(Temperature::from_parts(&temperature.to_parts()).unwrap(), temperature);
}

/// The bits of the half number nearest to one inside its range, cut towards zero.
fn half_bits(value: f64) -> u16 {
    let magnitude = value.abs() as f32;
    let sign = if value < 0.0 { 0x8000 } else { 0 };
    if magnitude < 2_f32.powi(-14) {
        return sign | (magnitude * 2_f32.powi(24)) as u16;
    }
    sign | ((magnitude.to_bits() - (112 << 23)) >> 13) as u16
}

fn narrowed(parts: &Parts, half: bool) -> Parts {
    let mut narrow = parts.clone();
    for array in narrow.arrays.values_mut() {
        let PartValues::F64(values) = &array.values else { continue };
        let fits = values.iter().all(|v| v.abs() < 65_504.0);
        array.values = if half && fits {
            PartValues::F16(
                values.iter().flat_map(|&v| half_bits(v).to_le_bytes()).collect::<Vec<u8>>().into(),
            )
        } else if values.iter().all(|v| v.abs() < 1e38) {
            PartValues::F32(values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect::<Vec<u8>>().into())
        } else {
            continue;
        };
    }
    narrow
}

fn widened(parts: &Parts) -> Parts {
    let mut wide = parts.clone();
    for array in wide.arrays.values_mut() {
        if let Some(values) = array.values.to_f64() {
            array.values = PartValues::F64(values.into_owned());
        }
    }
    wide
}

#[test]
fn a_model_of_narrow_arrays_predicts_what_the_widened_one_does() {
    let (models, x) = models();
    let mut compared = 0;
    for (model, half) in models.iter().flat_map(|model| [(model, false), (model, true)]) {
        let narrow = narrowed(&model.to_parts(), half);
        let (got, expected) = (FittedModel::from_parts(&narrow), FittedModel::from_parts(&widened(&narrow)));
        let (Ok(got), Ok(expected)) = (got, expected.clone()) else {
            // Rounding breaks some rules, such as weights that sum to 1, for both alike.
            assert!(expected.is_err() && FittedModel::from_parts(&narrow).is_err());
            continue;
        };
        // A few rows and many go different ways.
        for rows in [1, 2, 8, 9, x.nrows()] {
            let rows = x.view().split_at(ndarray::Axis(0), rows).0;
            let (got, expected) = (got.predict_proba(rows).unwrap(), expected.predict_proba(rows).unwrap());
            got.iter().zip(&expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} is not {b}"));
        }
        // What is kept narrow stays narrow when the model is taken apart again, here and through text.
        let parts = got.to_parts();
        for (name, array) in parts.arrays.iter().filter(|(_, a)| !matches!(a.values, PartValues::F64(_))) {
            assert_eq!(array, &narrow.arrays[name], "{name}");
        }
        let large = |(name, array): (&String, &timbral_classic::PartArray)| {
            let last = name.rsplit('.').next().unwrap();
            let is_large = ["support_vectors", "coefficients", "components", "x"].contains(&last);
            is_large && !matches!(array.values, PartValues::F32(_) | PartValues::F16(_))
        };
        assert!(!parts.arrays.iter().any(large));
        let text = serde_json::to_string(&parts).unwrap();
        assert_eq!(serde_json::from_str::<Parts>(&text).unwrap(), parts);
        compared += 1;
    }
    assert!(compared >= 8, "{compared}");
}

#[test]
fn narrow_arrays_are_checked_and_may_lie_in_a_shared_buffer() {
    let (models, x) = models();
    let narrow = narrowed(&models[0].to_parts(), true);
    let expected = FittedModel::from_parts(&narrow).unwrap();
    let mut inside = narrow.clone();
    let mut buffer = vec![1];
    let mut ranges = Vec::new();
    for (name, array) in &narrow.arrays {
        let (PartValues::F16(bytes) | PartValues::F32(bytes)) = &array.values else { continue };
        ranges.push((name, buffer.len()..buffer.len() + bytes.as_slice().len()));
        buffer.extend_from_slice(bytes.as_slice());
    }
    let buffer = Arc::new(std::borrow::Cow::Owned(buffer));
    for (name, range) in ranges {
        let bytes = SharedBytes::part_of(Arc::clone(&buffer), range).unwrap();
        let values = &mut inside.arrays.get_mut(name).unwrap().values;
        *values =
            if let PartValues::F32(_) = values { PartValues::F32(bytes) } else { PartValues::F16(bytes) };
    }
    assert_eq!(FittedModel::from_parts(&inside).unwrap(), expected);
    assert!(SharedBytes::part_of(Arc::clone(&buffer), 1..buffer.len() + 1).is_none());

    for name in narrow.arrays.keys() {
        for bad in [0x7c00_u16, 0xfc01] {
            let mut broken = narrow.clone();
            let values = &mut broken.arrays.get_mut(name).unwrap().values;
            let PartValues::F16(bytes) = &values else { continue };
            let mut bytes = bytes.as_slice().to_vec();
            bytes[..2].copy_from_slice(&bad.to_le_bytes());
            *values = PartValues::F16(bytes.into());
            let error = FittedModel::from_parts(&broken).unwrap_err();
            assert!(matches!(error, ClassicError::Data { .. }), "{name}: {error}");
        }
        let mut broken = narrow.clone();
        let values = &mut broken.arrays.get_mut(name).unwrap().values;
        let PartValues::F16(bytes) = &values else { continue };
        // Half a number too much.
        *values = PartValues::F16([bytes.as_slice(), &[0]].concat().into());
        assert!(matches!(FittedModel::from_parts(&broken), Err(ClassicError::Data { .. })), "{name}");
    }
    assert!(expected.predict(x.view()).is_ok());
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let (models, _) = models();
    for model in &models {
        let parts = model.to_parts();
        for name in parts.arrays.keys() {
            let mut broken = parts.clone();
            broken.arrays.remove(name);
            let last = name.rsplit('.').next().unwrap();
            // Without slopes there are no probabilities; everything else is needed.
            match FittedModel::from_parts(&broken) {
                Ok(_) => assert_eq!(last, "sigmoid_slopes"),
                Err(error) => assert!(error.to_string().contains(last), "{name}: {error}"),
            }
            let mut broken = parts.clone();
            broken.arrays.get_mut(name).unwrap().shape = vec![usize::MAX, 2];
            let is_left_alone = last == "sigmoid_offsets" || last == "sigmoid_slopes";
            assert!(FittedModel::from_parts(&broken).is_err() || is_left_alone, "{name}");
        }
        let mut broken = parts.clone();
        broken.description["kind"] = json!("oracle");
        let error = FittedModel::from_parts(&broken).unwrap_err().to_string();
        assert!(error.contains("oracle"), "{error}");
        broken.description = Value::Null;
        assert!(FittedModel::from_parts(&broken).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, rng_seed: RngSeed::Fixed(9), ..ProptestConfig::default() })]

    #[test]
    fn no_parts_bring_a_panic(
        numbers in prop::collection::vec((any::<prop::sample::Index>(), prop::num::f64::ANY), 1..4),
        indices in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![0_u32..20, any::<u32>()]), 1..4),
        cut in 0_usize..3,
    ) {
        thread_local!(static MODELS: (Vec<FittedModel>, Array2<f64>) = models());
        MODELS.with(|(models, x)| {
            for model in models {
                let whole = model.to_parts();
                for name in whole.arrays.keys() {
                    let mut broken = whole.clone();
                    let array = broken.arrays.get_mut(name).unwrap();
                    match &mut array.values {
                        PartValues::F64(values) if !values.is_empty() => {
                            values.truncate(values.len().saturating_sub(cut).max(1));
                            numbers.iter().for_each(|(at, value)| { let at = at.index(values.len()); values[at] = *value; });
                            array.shape = if array.shape.len() == 1 { vec![values.len()] } else { vec![1, values.len()] };
                        }
                        PartValues::U32(values) if !values.is_empty() => {
                            values.truncate(values.len().saturating_sub(cut).max(1));
                            indices.iter().for_each(|(at, value)| { let at = at.index(values.len()); values[at] = *value; });
                            array.shape = vec![values.len()];
                        }
                        _ => continue,
                    }
                    if let Ok(model) = FittedModel::from_parts(&broken) {
                        // It may answer or refuse, as a wild power makes values overflow.
                        let _ = model.predict_proba(x.view());
                        let _ = model.predict(x.view());
                    }
                }
            }
        });
    }
}
