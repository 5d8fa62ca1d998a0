//! Learners by name, and the tracks to use.

/// Learners by name, with settings that suit about fifty features of several hundred songs.
pub fn learners() -> Vec<(&'static str, timbral_classic::LearnerParameters)> {
    use timbral_classic::{
        GradientBoostingParameters, KNeighborsParameters, LearnerParameters as L,
        LogisticRegressionParameters, MaxFeatures, NeighborWeight, RandomForestParameters, SvcParameters,
    };
    let logistic = LogisticRegressionParameters { c: 0.1, ..Default::default() };
    let svc = SvcParameters { c: 5.0, probability: true, ..Default::default() };
    let neighbours =
        KNeighborsParameters { n_neighbors: 7, weight: NeighborWeight::Distance, ..Default::default() };
    let forest =
        RandomForestParameters { n_trees: 300, max_features: MaxFeatures::Share(0.3), ..Default::default() };
    let boosting = GradientBoostingParameters { learning_rate: 0.1, max_depth: 3, ..Default::default() };
    vec![
        ("logistic", L::LogisticRegression(logistic)),
        ("svc", L::Svc(svc)),
        ("neighbours", L::KNeighbors(neighbours)),
        ("bayes", L::GaussianNaiveBayes(Default::default())),
        ("forest", L::RandomForest(forest)),
        ("boosting", L::GradientBoosting(boosting)),
    ]
}

/// Whether to use a track: its official subset is one of `parts`, or it has none.
pub fn takes_part(track: &timbral_data::TrackInfo, parts: &[timbral_data::Part]) -> bool {
    track.official_split.is_none_or(|part| parts.contains(&part))
}
