//! Writes a technical report from a template, with tables and numbers from the results of runs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use timbral_eval::{Comparison, Report};
use timbral_train::training::RunSummary;

/// Write a technical report from a template and the results of runs.
///
/// Placeholders, where NAME is a JSON file without its extension, or a folder with compare.json or report.json:
/// {{table:NAME}} all tables, {{leakage:NAME}} accuracies of all protocols side by side, {{repeats:NAME}} accuracies of each
/// repeat, {{runs:FOLDER}} the runs of `train` in the subfolders, best first, {{value:NAME#/path/in/json}} a number to three
/// places, {{percent:NAME#/path/in/json}} the same in per cent, {{text:FILE}} a file as it is. A comment `<!-- … -->` at the
/// head of the template is dropped.
#[derive(Parser)]
#[command(
    version,
    verbatim_doc_comment,
    after_help = "Example:\n  report docs/report_template.md --runs runs -o docs/REPORT.md"
)]
struct Arguments {
    /// Template (Markdown).
    template: PathBuf,
    /// Folder of the runs.
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
    /// Report to write [default: stdout].
    #[arg(short, long)]
    output: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    cli::run(|| {
        let arguments = Arguments::parse();
        let template = read(&arguments.template)?;
        let report = fill(body(&template), &arguments.runs)?;
        match &arguments.output {
            Some(path) => {
                timbral_atomic::write(path, [report.as_bytes()]).with_context(|| path.display().to_string())
            }
            None => cli::text(&report),
        }
    })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

/// The template without the comment at its head.
fn body(template: &str) -> &str {
    match template.trim_start().strip_prefix("<!--").and_then(|rest| rest.split_once("-->")) {
        Some((_, body)) => body.trim_start(),
        None => template,
    }
}

/// The text with every placeholder filled; all placeholders that cannot be filled are reported together.
fn fill(text: &str, runs: &Path) -> Result<String> {
    let (mut out, mut faults) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (place, after) =
            after.split_once("}}").with_context(|| format!("no }}}} after {{{{{after:.40}"))?;
        out.push_str(before);
        match filled(place, runs) {
            Ok(text) => out.push_str(text.trim_end()),
            Err(error) => faults.push(format!("{{{{{place}}}}}: {}", cli::chain(&error))),
        }
        rest = after;
    }
    out.push_str(rest);
    if !faults.is_empty() {
        bail!("the runs lack what the template names:\n  {}", faults.join("\n  "));
    }
    Ok(out)
}

fn filled(place: &str, runs: &Path) -> Result<String> {
    let (kind, name) = place.split_once(':').context("a placeholder must be {{kind:name}}")?;
    match kind {
        "text" => return read(&runs.join(name)),
        "runs" => return all_runs(&runs.join(name)),
        _ => {}
    }
    let (name, pointer) = name.split_once('#').unwrap_or((name, ""));
    let path = result(&runs.join(name))?;
    match kind {
        "table" => match Comparison::load(&path) {
            Ok(comparison) => Ok(comparison.to_markdown()),
            Err(_) => Ok(Report::load(&path)?.to_markdown()),
        },
        "repeats" => Ok(repeats(&Comparison::load(&path)?)),
        "leakage" => Ok(Comparison::load(&path)?.leakage_markdown()),
        "value" | "percent" => {
            let json: serde_json::Value = serde_json::from_str(&read(&path)?)?;
            let value =
                json.pointer(pointer).with_context(|| format!("{} has no {pointer}", path.display()))?;
            match (kind, value.as_f64()) {
                ("percent", Some(number)) => Ok(format!("{:.1}", 100.0 * number)),
                (_, Some(_)) if value.is_u64() => Ok(value.to_string()),
                (_, Some(number)) => Ok(format!("{number:.3}")),
                (_, None) => Ok(value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
            }
        }
        _ => bail!("a kind must be one of table, leakage, repeats, runs, value, percent, text"),
    }
}

/// One table of the runs in the folders of a folder, best first.
fn all_runs(folder: &Path) -> Result<String> {
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.join("report.json").is_file() {
            runs.push(RunSummary::read(&path)?);
        }
    }
    runs.sort_by(|a, b| b.report.accuracy.total_cmp(&a.report.accuracy));
    Ok(RunSummary::markdown(&runs))
}

/// The JSON file of a run.
fn result(path: &Path) -> Result<PathBuf> {
    let mut file = path.to_owned().into_os_string();
    file.push(".json");
    [file.into(), path.join("compare.json"), path.join("report.json")]
        .into_iter()
        .find(|path: &PathBuf| path.is_file())
        .with_context(|| format!("neither {0}.json nor a result within {0}", path.display()))
}

/// The accuracy of each learner in each repeat of the first table, to four places.
fn repeats(comparison: &Comparison) -> String {
    let rows = comparison.tables.iter().take(1).flat_map(|table| &table.rows);
    rows.map(|row| {
        let each: Vec<String> = row.accuracies.iter().map(|accuracy| format!("{accuracy:.4}")).collect();
        format!("{:<28} accuracy {}\n", row.name, each.join(" "))
    })
    .collect()
}
