//! Pictures of a search.

use timbral_plot::{Figure, Scatter};
use timbral_train::SearchConfig;
use timbral_train::search::{Scale, SearchTable, Setting, Space, Trial};

/// The objective over the trials and over each field.
pub(crate) fn picture(config: &SearchConfig, found: &SearchTable) -> Figure {
    let over_trials = drawn(found, "Trial", |trial| Some(trial.number as f64)).whole_x();
    let fields = config.parameters.iter().map(|(name, space)| {
        if let Space::Range { scale, .. } = space {
            let plot = drawn(found, name, |trial| trial.values.get(name)?.as_number());
            return if *scale == Scale::Log { plot.log_x() } else { plot };
        }
        let Space::Values(values) = space else {
            return Scatter::new(name.as_str(), "");
        };
        let place = |trial: &Trial| values.iter().position(|v| trial.values.get(name) == Some(v));
        let names: Vec<String> = values.iter().map(shown).collect();
        drawn(found, name, |trial| place(trial).map(|p| p as f64)).names_x(&names)
    });
    let figures = std::iter::once(over_trials).chain(fields).map(|plot| plot.size(520.0, 360.0).figure());
    Figure::grid("Search", 2, figures)
}

fn shown(value: &Setting) -> String {
    match value {
        Setting::Text(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One class of points per budget, the largest first, and the best trial.
fn drawn(found: &SearchTable, label: &str, x: impl Fn(&Trial) -> Option<f64>) -> Scatter {
    let mut budgets: Vec<Option<usize>> = found.ranked.iter().map(|row| row.budget).collect();
    budgets.dedup();
    let best = found.best().map(|row| row.rank);
    let points = |test: &dyn Fn(Option<usize>, usize) -> bool| -> Vec<(f64, f64)> {
        let rows = found.ranked.iter().filter(|row| test(row.budget, row.rank));
        rows.filter_map(|row| Some((x(&row.trial)?, row.measured?.score))).collect()
    };
    let plot =
        Scatter::new(label, found.objective.name()).class("best", &points(&|_, rank| Some(rank) == best));
    budgets.iter().fold(plot, |plot, &budget| {
        let name = budget.map_or("other trials".to_owned(), |b| format!("budget {b}"));
        plot.class(name, &points(&|b, rank| b == budget && Some(rank) != best))
    })
}
