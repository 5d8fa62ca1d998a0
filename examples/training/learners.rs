//! Learners by name, and the tracks to use.

/// Learners by name, with settings that suit about fifty features of several hundred songs.
pub fn learners() -> Vec<(&'static str, timbral_classic::LearnerConfig)> {
    use timbral_classic::{
        GradientBoostingConfig, KNeighborsConfig, LearnerConfig as L, LogisticRegressionConfig, MaxFeatures,
        NeighborWeight, RandomForestConfig, SvcConfig,
    };
    let logistic = LogisticRegressionConfig { c: 0.1, ..Default::default() };
    let svc = SvcConfig { c: 5.0, probability: true, ..Default::default() };
    let neighbours =
        KNeighborsConfig { n_neighbors: 7, weight: NeighborWeight::Distance, ..Default::default() };
    let forest =
        RandomForestConfig { n_trees: 300, max_features: MaxFeatures::Fraction(0.3), ..Default::default() };
    let boosting = GradientBoostingConfig { learning_rate: 0.1, max_depth: 3, ..Default::default() };
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
