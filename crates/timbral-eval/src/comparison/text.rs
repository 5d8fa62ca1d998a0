use std::fmt::{self, Write as _};

use super::{Baseline, Comparison, ComparisonRow, ComparisonTable};
use crate::bootstrap::Interval;

/// The columns that the MusiCNN project prints, with intervals, and what it lacks.
const COLUMNS: [&str; 8] = [
    "classifier",
    "average accuracy",
    "average precision",
    "ROC-AUC",
    "log loss",
    "training",
    "testing",
    "p against best",
];

impl Comparison {
    /// The tables in Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut out = String::new();
        for table in &self.tables {
            // Writing into a string does not fail.
            let _ = writeln!(out, "{}\n", sentence(self, table));
            push_markdown(&mut out, &cells(table));
            out.push('\n');
        }
        if !self.baselines.is_empty() {
            out.push_str("Quoted, measured by others on other tracks or by other protocols:\n\n");
            push_markdown(&mut out, &quoted_cells(&self.baselines));
        }
        out
    }

    /// The accuracies of each learner by every protocol side by side, in Markdown: what leaks are worth.
    #[must_use]
    pub fn leakage_markdown(&self) -> String {
        let mut rows = vec![vec!["classifier".to_owned()]];
        rows[0].extend(self.tables.iter().map(|table| table.protocol.clone()));
        let Some(first) = self.tables.first() else {
            return String::new();
        };
        for row in &first.rows {
            let of = |table: &ComparisonTable| {
                let same = table.rows.iter().find(|other| other.name == row.name);
                same.map_or("-".to_owned(), |other| format!("{:.3}", other.accuracy))
            };
            let mut cells = vec![row.name.clone()];
            cells.extend(self.tables.iter().map(of));
            rows.push(cells);
        }
        let mut out = String::new();
        push_markdown(&mut out, &rows);
        out
    }

    /// One line a learner and protocol, every number in full; quoted figures follow with `quoted` as their protocol.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let mut out = "protocol,leaky,unit,classifier,rows,accuracy,accuracy_low,accuracy_high,macro_f1,average_precision,\
                       average_precision_low,average_precision_high,roc_auc,roc_auc_low,roc_auc_high,log_loss,fit_seconds,\
                       predict_seconds,only_best_right,only_this_right,p_value\n"
            .to_owned();
        let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
        let ends = |i: &Option<Interval>| [number(i.map(|i| i.low)), number(i.map(|i| i.high))];
        for table in &self.tables {
            for row in &table.rows {
                let [precision_low, precision_high] = ends(&row.average_precision_interval);
                let [area_low, area_high] = ends(&row.roc_auc_interval);
                let test = row.against_best;
                let fields = [
                    quote(&table.protocol),
                    table.leaky.to_string(),
                    table.unit.clone(),
                    quote(&row.name),
                    row.n_rows.to_string(),
                    row.accuracy.to_string(),
                    row.accuracy_interval.low.to_string(),
                    row.accuracy_interval.high.to_string(),
                    row.macro_f1.to_string(),
                    number(row.average_precision),
                    precision_low,
                    precision_high,
                    number(row.roc_auc),
                    area_low,
                    area_high,
                    number(row.log_loss),
                    row.fit_seconds.to_string(),
                    row.predict_seconds.to_string(),
                    test.map_or(String::new(), |t| t.only_first.to_string()),
                    test.map_or(String::new(), |t| t.only_second.to_string()),
                    number(test.map(|t| t.p_value)),
                ];
                out += &fields.join(",");
                out.push('\n');
            }
        }
        for q in &self.baselines {
            let mut fields = vec![String::new(); 21];
            fields[0] = quote(&format!("quoted: {}; {}", q.protocol, q.source));
            fields[3] = quote(&q.name);
            fields[5] = number(q.accuracy);
            fields[9] = number(q.average_precision);
            fields[12] = number(q.roc_auc);
            fields[16] = number(q.fit_seconds);
            fields[17] = number(q.predict_seconds);
            out += &fields.join(",");
            out.push('\n');
        }
        out
    }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn sentence(comparison: &Comparison, table: &ComparisonTable) -> String {
    let Comparison { data, n_tracks, n_groups, .. } = comparison;
    let data = if data.is_empty() { String::new() } else { format!("{data}: ") };
    let leaky = if table.leaky { " LEAKY, not test accuracy." } else { "" };
    let hash = match table.fold_hashes.as_slice() {
        [] => String::new(),
        [first, ..] => format!(", folds {}", first.get(..12).unwrap_or(first)),
    };
    format!(
        "{data}{n_tracks} tracks of {n_groups} groups, {}{hash}.{leaky} Intervals: 95 % bootstrap over groups.",
        table.protocol
    )
}

fn cells(table: &ComparisonTable) -> Vec<Vec<String>> {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(table.rows.iter().map(|row| row_cells(row, table.leaky)));
    rows
}

fn row_cells(row: &ComparisonRow, leaky: bool) -> Vec<String> {
    let with_ends = |value: Option<f64>, interval: Option<Interval>| match (value, interval) {
        (Some(value), Some(i)) => format!("{value:.3} ({:.3} to {:.3})", i.low, i.high),
        (Some(value), None) => format!("{value:.3}"),
        _ => "-".to_owned(),
    };
    vec![
        format!("{}{}", row.name, if leaky { " (leaky)" } else { "" }),
        with_ends(Some(row.accuracy), Some(row.accuracy_interval)),
        with_ends(row.average_precision, row.average_precision_interval),
        with_ends(row.roc_auc, row.roc_auc_interval),
        with_ends(row.log_loss, None),
        seconds(Some(row.fit_seconds)),
        seconds(Some(row.predict_seconds)),
        match row.against_best {
            None => "best".to_owned(),
            Some(test) if test.p_value < 0.001 => "< 0.001".to_owned(),
            Some(test) => format!("{:.3}", test.p_value),
        },
    ]
}

fn quoted_cells(quoted: &[Baseline]) -> Vec<Vec<String>> {
    let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
    let header = [
        "classifier",
        "average accuracy",
        "average precision",
        "ROC-AUC",
        "training",
        "testing",
        "measured on",
        "source",
    ];
    let row = |q: &Baseline| {
        vec![
            format!("{} (quoted)", q.name),
            shown(q.accuracy),
            shown(q.average_precision),
            shown(q.roc_auc),
            seconds(q.fit_seconds),
            seconds(q.predict_seconds),
            q.protocol.clone(),
            q.source.clone(),
        ]
    };
    std::iter::once(header.map(str::to_owned).to_vec()).chain(quoted.iter().map(row)).collect()
}

/// `4 m 40 s`, `45.9 s`, `569 ms`.
fn seconds(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(s) if s < 1.0 => format!("{:.0} ms", 1e3 * s),
        Some(s) if s < 100.0 => format!("{s:.1} s"),
        Some(s) => format!("{:.0} m {:02.0} s", (s.round() / 60.0).floor(), s.round() % 60.0),
    }
}

/// A table of Markdown; a bar or line break in a cell would end it.
fn push_markdown(out: &mut String, rows: &[Vec<String>]) {
    for (i, row) in rows.iter().enumerate() {
        let escaped = row.iter().map(|c| c.replace('|', "\\|").replace(['\n', '\r'], " "));
        let _ = writeln!(out, "| {} |", escaped.collect::<Vec<_>>().join(" | "));
        if i == 0 {
            let rule = (0..row.len()).map(|c| if c == 0 { "---" } else { "---:" });
            let _ = writeln!(out, "|{}|", rule.collect::<Vec<_>>().join("|"));
        }
    }
}

/// Columns beside each other, the first to the left, the others to the right.
fn push_aligned(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |c: usize| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match c {
                0 => write!(f, "{cell:<width$}")?,
                _ => write!(f, "  {cell:>width$}")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, table) in self.tables.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            writeln!(f, "{}", sentence(self, table))?;
            push_aligned(f, &cells(table))?;
        }
        if !self.baselines.is_empty() {
            writeln!(f, "\nquoted, measured by others on other tracks or by other protocols")?;
            push_aligned(f, &quoted_cells(&self.baselines))?;
        }
        Ok(())
    }
}
