//! Models taken apart and put together again, and parts that nobody wrote in good faith.
#![allow(clippy::unwrap_used, reason = "a test says what must hold")]

mod common;

use common::{all_learners, clouds};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Value, json};
use timbral_classic::{
    Classifier, Components, FeatureScore, FittedModel, Learner, LearnerParameters, Parameters, PartValues,
    Parts, PcaParameters, PipelineParameters, SelectKBestParameters, StackingParameters, Temperature,
    TransformerParameters, VotingParameters,
};

const N_CLASSES: usize = 4;

fn all_transformers() -> Vec<TransformerParameters> {
    use TransformerParameters as T;
    vec![
        T::Power(Default::default()),
        T::MinMax(Default::default()),
        T::Standard(Default::default()),
        T::SelectKBest(SelectKBestParameters { k: 5, ..Default::default() }),
        T::SelectKBest(SelectKBestParameters {
            k: 4,
            score: FeatureScore::MutualInformation { n_neighbors: 3, seed: 1 },
        }),
        T::Pca(PcaParameters { components: Components::Count(3), whiten: true }),
    ]
}

fn pipelines() -> Vec<PipelineParameters> {
    let of = |(_, learner): (_, LearnerParameters)| PipelineParameters {
        transformers: all_transformers(),
        learner,
    };
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
    let voting = VotingParameters { members: members.clone(), weights: Some(vec![1.0, 2.0, 0.5]) };
    models.push(voting.check().unwrap().fit(x.view(), &y, N_CLASSES).unwrap().into());
    let stacking = StackingParameters { members, combiner: Default::default() };
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
            let n = match &array.values {
                PartValues::F64(values) => values.len(),
                PartValues::U32(values) => values.len(),
            };
            assert_eq!(array.shape.iter().product::<usize>(), n, "{name}");
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
