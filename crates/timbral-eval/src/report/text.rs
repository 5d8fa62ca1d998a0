use std::fmt::{self, Write as _};

use super::Report;
use crate::bootstrap::Interval;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |x: f64| format!("{:.1}", 100.0 * x);
        let ends = |i: &Interval| format!("{} to {}", percent(i.low), percent(i.high));
        writeln!(f, "{}", self.title)?;
        if let Some(protocol) = &self.protocol {
            write!(f, "{protocol}")?;
            match &self.split_hash {
                Some(hash) => writeln!(f, ", split {}", hash.get(..12).unwrap_or(hash))?,
                None => writeln!(f)?,
            }
        }
        if self.protocol.is_none() {
            writeln!(
                f,
                "split not stated: these are test accuracies only if no track or artist was trained on"
            )?;
        }
        if self.leaky {
            writeln!(f, "LEAKY: tracks or artists lie on both sides; these are not test accuracies")?;
        }
        writeln!(f)?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "{name:<26}{value}");
        line(f, "rows", format!("{} {}s", self.n_rows, self.unit))?;
        line(f, "accuracy %", format!("{}  (95 %: {})", percent(self.accuracy), ends(&self.interval)))?;
        if let Some(interval) = &self.group_interval {
            line(f, "  over groups", format!("{}  (95 %: {})", percent(self.accuracy), ends(interval)))?;
        }
        line(
            f,
            "macro-F1 %",
            format!("{}  (95 %: {})", percent(self.macro_f1), ends(&self.macro_f1_interval)),
        )?;
        line(f, "balanced accuracy %", percent(self.balanced_accuracy))?;
        line(f, "top-3 accuracy %", percent(self.top_3_accuracy))?;
        let shown = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.3}"));
        let with_ends = |value: Option<f64>, i: &Option<Interval>| match i {
            Some(i) => format!("{}  (95 %: {:.3} to {:.3})", shown(value), i.low, i.high),
            None => shown(value),
        };
        line(f, "ROC-AUC (one vs rest)", with_ends(self.roc_auc, &self.roc_auc_interval))?;
        line(f, "average precision", with_ends(self.average_precision, &self.average_precision_interval))?;
        line(f, "log loss", format!("{:.3}", self.log_loss))?;
        line(f, "Brier score", format!("{:.3}", self.brier))?;
        line(f, "calibration error", format!("{:.3}", self.expected_calibration_error))?;
        let seconds = |name: &str, time: Option<f64>| time.map(|s| format!("{s:.2} s of {name}"));
        let times = [seconds("fitting", self.fit_seconds), seconds("predicting", self.predict_seconds)];
        let times: Vec<String> = times.into_iter().flatten().collect();
        if !times.is_empty() {
            line(f, "time", times.join(", "))?;
        }
        if let Some(windows) = &self.windows {
            let shown = percent(windows.accuracy);
            line(
                f,
                "windows alone",
                format!(
                    "accuracy {shown} %  (95 % over tracks: {}), {} windows",
                    ends(&windows.interval),
                    windows.n_rows
                ),
            )?;
        }

        let width = self.labels.iter().map(|l| l.chars().count()).max().unwrap_or(0).max(8);
        writeln!(
            f,
            "\n{:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "class", "precision", "recall", "F1", "ROC-AUC", "AP", "support"
        )?;
        for class in &self.per_class {
            let s = &class.scores;
            writeln!(
                f,
                "{:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                class.label,
                percent(s.precision),
                percent(s.recall),
                percent(s.f1),
                shown(class.roc_auc),
                shown(class.average_precision),
                s.support
            )?;
        }
        for (name, s) in [("macro", &self.macro_average), ("weighted", &self.weighted_average)] {
            writeln!(
                f,
                "{name:<width$} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
                percent(s.precision),
                percent(s.recall),
                percent(s.f1),
                "",
                "",
                s.support
            )?;
        }
        writeln!(f, "\nconfusion (rows: truth, columns: answer, in the same order)")?;
        for (label, row) in self.labels.iter().zip(&self.confusion) {
            write!(f, "{label:<width$}")?;
            row.iter().try_for_each(|count| write!(f, " {count:>5}"))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Report {
    /// Scores, classes and confusion as tables of Markdown.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let percent = |x: f64| format!("{:.1}", 100.0 * x);
        let number = |x: f64| format!("{x:.3}");
        let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
        let mut out = String::new();
        // Writing into a string does not fail.
        if self.leaky {
            out.push_str("LEAKY: tracks or artists lie on both sides; these are not test accuracies.\n\n");
        }
        out.push_str("| score | value | 95 % over tracks | 95 % over artists |\n|---|---:|---:|---:|\n");
        let mut line = |name: &str,
                        value: Option<f64>,
                        rows: Option<Interval>,
                        groups: Option<Interval>,
                        shown: &dyn Fn(f64) -> String| {
            let ends = |i: Option<Interval>| {
                i.map_or(String::new(), |i| format!("{} to {}", shown(i.low), shown(i.high)))
            };
            let value = value.map_or("-".to_owned(), shown);
            let _ = writeln!(out, "| {name} | {value} | {} | {} |", ends(rows), ends(groups));
        };
        let (rows, groups) = (Some(self.interval), self.group_interval);
        line("accuracy, %", Some(self.accuracy), rows, groups, &percent);
        line("balanced accuracy, %", Some(self.balanced_accuracy), None, None, &percent);
        let (rows, groups) = (Some(self.macro_f1_interval), self.macro_f1_group_interval);
        line("macro-F1, %", Some(self.macro_f1), rows, groups, &percent);
        line("weighted F1, %", Some(self.weighted_average.f1), None, None, &percent);
        line("among the first three, %", Some(self.top_3_accuracy), None, None, &percent);
        line("ROC-AUC", self.roc_auc, self.roc_auc_interval, self.roc_auc_group_interval, &number);
        let (rows, groups) = (self.average_precision_interval, self.average_precision_group_interval);
        line("average precision", self.average_precision, rows, groups, &number);
        line("log loss", Some(self.log_loss), None, None, &number);
        line("Brier score", Some(self.brier), None, None, &number);
        line("calibration error", Some(self.expected_calibration_error), None, None, &number);
        if let Some(windows) = &self.windows {
            let (rows, groups) = (Some(windows.interval), windows.group_interval);
            line("accuracy of windows alone, %", Some(windows.accuracy), rows, groups, &percent);
        }
        out.push_str("\n| class | precision | recall | F1 | ROC-AUC | average precision | support |\n");
        out.push_str("|---|---:|---:|---:|---:|---:|---:|\n");
        let optional = |value: Option<f64>| value.map_or("-".to_owned(), number);
        for class in &self.per_class {
            let s = &class.scores;
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                cell(&class.label),
                percent(s.precision),
                percent(s.recall),
                percent(s.f1),
                optional(class.roc_auc),
                optional(class.average_precision),
                s.support
            );
        }
        let names: Vec<String> = self.labels.iter().map(|label| cell(label)).collect();
        let _ = writeln!(out, "\n| truth \\ answer | {} |", names.join(" | "));
        let _ = writeln!(out, "|---|{}", "---:|".repeat(names.len()));
        for (name, row) in names.iter().zip(&self.confusion) {
            let row: Vec<String> = row.iter().map(u64::to_string).collect();
            let _ = writeln!(out, "| {name} | {} |", row.join(" | "));
        }
        out
    }
}
