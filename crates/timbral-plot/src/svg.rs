use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::font;
use crate::raster::encode_indexed;
use crate::scene::{Anchor, Area, Fill, Item, Picture, Scene, Stroke, Text};

/// Writes a scene as an SVG document without identifiers, so that many can stand in one page.
pub(crate) fn write(scene: &Scene, title: &str) -> String {
    let mut out = String::new();
    let (width, height) = (number(scene.width), number(scene.height));
    push(
        &mut out,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" font-family=\"{}\" role=\"img\">\n",
            font::FAMILY
        ),
    );
    if !title.is_empty() {
        push(&mut out, format_args!("<title>{}</title>\n", escape(title)));
    }
    push(&mut out, format_args!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"));
    for item in &scene.items {
        write_item(&mut out, item);
    }
    out.push_str("</svg>\n");
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing into a string does not fail.
    let _ = out.write_fmt(text);
}

fn write_item(out: &mut String, item: &Item) {
    match item {
        Item::Rectangle { area, fill } => {
            push(out, format_args!("<rect {} {}/>\n", place(area), fill_attributes(fill)));
        }
        Item::Rule { from, to, stroke } => push(
            out,
            format_args!(
                "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" {} shape-rendering=\"crispEdges\"/>\n",
                number(from.0),
                number(from.1),
                number(to.0),
                number(to.1),
                stroke_attributes(stroke)
            ),
        ),
        Item::Line { points, stroke } => push(
            out,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke-linejoin=\"round\" {}/>\n",
                list(points),
                stroke_attributes(stroke)
            ),
        ),
        Item::Polygon { points, fill } => {
            push(out, format_args!("<polygon points=\"{}\" {}/>\n", list(points), fill_attributes(fill)));
        }
        Item::Disc { center, radius, fill } => push(
            out,
            format_args!(
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" {}/>\n",
                number(center.0),
                number(center.1),
                number(*radius),
                fill_attributes(fill)
            ),
        ),
        Item::Picture { area, picture } => write_picture(out, area, picture),
        Item::Text(text) => write_text(out, text),
    }
}

fn write_picture(out: &mut String, area: &Area, picture: &Picture) {
    // A picture that cannot be encoded (it has no pixels) is not there.
    if let Ok(bytes) = encode_indexed(picture) {
        push(
            out,
            format_args!(
                "<image {} preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>\n",
                place(area),
                STANDARD.encode(bytes)
            ),
        );
    }
}

fn write_text(out: &mut String, text: &Text) {
    let (x, y) = (number(text.x), number(text.y));
    push(
        out,
        format_args!(
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"",
            number(text.size),
            text.color.hex()
        ),
    );
    match text.anchor {
        Anchor::Start => {}
        Anchor::Middle => out.push_str(" text-anchor=\"middle\""),
        Anchor::End => out.push_str(" text-anchor=\"end\""),
    }
    if text.angle != 0.0 {
        push(out, format_args!(" transform=\"rotate({} {x} {y})\"", number(text.angle)));
    }
    out.push('>');
    if let Some(whole) = &text.whole {
        push(out, format_args!("<title>{}</title>", escape(whole)));
    }
    push(out, format_args!("{}</text>\n", escape(&text.text)));
}

fn place(area: &Area) -> String {
    format!(
        "x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"",
        number(area.x),
        number(area.y),
        number(area.width),
        number(area.height)
    )
}

fn fill_attributes(fill: &Fill) -> String {
    let color = fill.color.hex();
    if fill.opacity < 1.0 {
        format!("fill=\"{color}\" fill-opacity=\"{}\"", number(fill.opacity))
    } else {
        format!("fill=\"{color}\"")
    }
}

fn stroke_attributes(stroke: &Stroke) -> String {
    let mut out = format!("stroke=\"{}\" stroke-width=\"{}\"", stroke.color.hex(), number(stroke.width));
    if !stroke.dashes.is_empty() {
        let dashes: Vec<String> = stroke.dashes.iter().copied().map(number).collect();
        push(&mut out, format_args!(" stroke-dasharray=\"{}\"", dashes.join(" ")));
    }
    out
}

fn list(points: &[(f64, f64)]) -> String {
    let points: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", number(x), number(y))).collect();
    points.join(" ")
}

/// Two decimals, without trailing zeros.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text of XML: marks are written as entities, and characters that XML 1.0 forbids are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{0}'..='\u{1f}' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1.0), "1");
        assert_eq!(number(-0.001), "0");
        assert_eq!(number(100.0), "100");
        assert_eq!(number(0.256), "0.26");
    }

    #[test]
    fn marks_are_escaped() {
        assert_eq!(escape("R&B <\"x\">\u{1}\u{ffff}"), "R&amp;B &lt;&quot;x&quot;&gt; ");
    }
}
