//! Pages of HTML: text, tables and pictures in one file that needs nothing beside it.

mod evaluation;
mod labelled;

use std::fmt::Write as _;
use std::path::Path;

use timbral_plot::Figure;

use crate::EvalError;
use crate::atomic::write_atomically;

pub use evaluation::EvaluationPage;
pub use labelled::LabelledRows;

/// A page of HTML in the making: sections of paragraphs, tables and pictures, one after the other.
///
/// The page is one file: pictures stand in it as SVG, there is no script and no link to anything outside, and it forbids
/// itself both. It reads on a phone and prints with its pictures whole. All text that is given is escaped.
#[derive(Clone, Debug)]
pub struct HtmlPage {
    title: String,
    body: String,
}

/// One column of text; tables and pictures as wide as the screen allows, and scrolled within themselves where it is not.
const STYLE: &str = "\
:root{color-scheme:light}\
body{font:16px/1.5 system-ui,sans-serif;color:#222;background:#fff;max-width:1340px;margin:0 auto;padding:1em}\
h1{font-size:1.6em;line-height:1.2;overflow-wrap:anywhere}h2{font-size:1.25em;margin-top:2em}\
p,li,td,th,pre{overflow-wrap:anywhere}\
.warning{border-left:6px solid #d55e00;background:#fdf1e7;padding:.5em 1em}\
.wide{overflow-x:auto}table{border-collapse:collapse;margin:1em 0}\
th,td{padding:.25em .75em;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}\
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\
thead th{border-bottom:2px solid #888}\
.figures{display:flex;flex-wrap:wrap;gap:1em}figure{margin:0;max-width:100%}\
svg{display:block;max-width:100%;height:auto}pre{white-space:pre-wrap;background:#f5f5f5;padding:.5em 1em}\
@media print{body{max-width:none;padding:0;font-size:11pt}h2{break-after:avoid}figure,tr{break-inside:avoid}\
.wide{overflow:visible}}";

impl HtmlPage {
    /// A page with nothing but its title.
    #[must_use]
    pub fn new(title: &str) -> Self {
        Self { title: title.to_owned(), body: String::new() }
    }

    /// Begins a section.
    pub fn heading(&mut self, text: &str) {
        self.element("h2", "", text);
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.element("p", "", text);
    }

    /// Adds a paragraph that stands out.
    pub fn warning(&mut self, text: &str) {
        self.element("p", " class=\"warning\"", text);
    }

    /// Adds text whose lines stay as they are.
    pub fn preformatted(&mut self, text: &str) {
        self.element("pre", "", text);
    }

    /// Adds a table: its head, which may be empty, and its rows. Columns in which every cell begins with a digit, a sign or
    /// a dash are set as numbers.
    pub fn table<S: AsRef<str>>(&mut self, head: &[&str], rows: &[Vec<S>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(head.len());
        let is_number = |text: &str| {
            text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit() || "-+−–".contains(c))
        };
        let numbers: Vec<bool> = (0..columns)
            .map(|c| rows.iter().all(|row| row.get(c).is_none_or(|cell| is_number(cell.as_ref()))))
            .collect();
        let class = |c: usize| {
            if numbers.get(c) == Some(&true) { " class=\"number\"" } else { "" }
        };
        self.body.push_str("<div class=\"wide\"><table>\n");
        if !head.is_empty() {
            self.body.push_str("<thead><tr>");
            for (c, text) in head.iter().enumerate() {
                self.element("th", &format!(" scope=\"col\"{}", class(c)), text);
            }
            self.body.push_str("</tr></thead>\n");
        }
        self.body.push_str("<tbody>\n");
        for row in rows {
            self.body.push_str("<tr>");
            for (c, text) in row.iter().enumerate() {
                // The first cell names the row, where it is no number.
                let (name, scope) = if c == 0 && !numbers[0] { ("th", " scope=\"row\"") } else { ("td", "") };
                self.element(name, &format!("{scope}{}", class(c)), text.as_ref());
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</tbody></table></div>\n");
    }

    /// Adds pictures, as many beside each other as fit.
    pub fn figures(&mut self, figures: impl IntoIterator<Item = Figure>) {
        self.body.push_str("<div class=\"figures\">\n");
        for figure in figures {
            // The SVG escapes its own text.
            self.push(format_args!("<figure>{}</figure>\n", figure.to_svg()));
        }
        self.body.push_str("</div>\n");
    }

    /// The page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let title = escape(&self.title);
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
             <meta http-equiv=\"Content-Security-Policy\" \
             content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"/>\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{}</body>\n</html>\n",
            self.body
        )
    }

    /// Writes the page, in one step.
    ///
    /// # Errors
    ///
    /// [`EvalError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), EvalError> {
        write_atomically(path.as_ref(), &[self.to_html().as_bytes()])
    }

    fn element(&mut self, name: &str, attributes: &str, text: &str) {
        self.push(format_args!("<{name}{attributes}>{}</{name}>\n", escape(text)));
    }

    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.body.write_fmt(text);
    }
}

/// Text as HTML shows it: the signs of markup as entities, control characters, which HTML does not allow, as `�`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}
