use std::sync::OnceLock;

use ttf_parser::{Face, OutlineBuilder};

/// DejaVu Sans, cut down to the European scripts, signs of mathematics and music; its licence lies beside it.
static DATA: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");

/// Families that a viewer of an SVG has: the first two have the widths that were measured, the rest are narrower, so
/// that no label outgrows its place.
pub(crate) const FAMILY: &str = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif";

/// Width in ems of a character that the font does not hold: those of East Asia are square.
const MISSING_WIDTH: f64 = 1.0;

fn face() -> Option<&'static Face<'static>> {
    static FACE: OnceLock<Option<Face<'static>>> = OnceLock::new();
    FACE.get_or_init(|| Face::parse(DATA, 0).ok()).as_ref()
}

fn advance(character: char) -> f64 {
    let known = || {
        let face = face()?;
        let advance = face.glyph_hor_advance(face.glyph_index(character)?)?;
        Some(f64::from(advance) / f64::from(face.units_per_em()))
    };
    known().unwrap_or(MISSING_WIDTH)
}

/// Width of a line of text at a size in pixels.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    size * text.chars().map(advance).sum::<f64>()
}

/// The text, or as much of its beginning as fits into `room`, then an ellipsis.
pub(crate) fn fit(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut used = size * advance('…');
    let kept: String = text
        .chars()
        .take_while(|&c| {
            used += size * advance(c);
            used <= room
        })
        .collect();
    format!("{}…", kept.trim_end())
}

/// The text in lines that fit into `room`, broken at spaces; the last of at most `max_lines` ends in an ellipsis if there
/// is more.
pub(crate) fn wrap(text: &str, size: f64, room: f64, max_lines: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if has_room(line, word, size, room) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    if lines.len() > max_lines {
        let rest = lines.split_off(max_lines.saturating_sub(1)).join(" ");
        lines.push(rest);
    }
    lines.iter().map(|line| fit(line, size, room)).collect()
}

fn has_room(line: &str, word: &str, size: f64, room: f64) -> bool {
    width(line, size) + size * advance(' ') + width(word, size) <= room
}

/// Draws the outlines of a line of text that begins at the origin, in pixels, y growing downwards.
pub(crate) fn outline(text: &str, size: f64, sink: &mut impl Outline) {
    let Some(face) = face() else { return };
    let scale = size / f64::from(face.units_per_em());
    let mut x = 0.0;
    for character in text.chars() {
        // Glyph 0 is the box that stands for what is missing.
        let glyph = face.glyph_index(character).unwrap_or_default();
        if !character.is_whitespace() {
            face.outline_glyph(glyph, &mut Placed { sink, x, scale });
        }
        x += size * advance(character);
    }
}

/// Takes the curves of glyphs.
pub(crate) trait Outline {
    fn move_to(&mut self, x: f64, y: f64);
    fn line_to(&mut self, x: f64, y: f64);
    fn quad_to(&mut self, x1: f64, y1: f64, x: f64, y: f64);
    fn cubic_to(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, x: f64, y: f64);
    fn close(&mut self);
}

struct Placed<'a, S> {
    sink: &'a mut S,
    x: f64,
    scale: f64,
}

impl<S> Placed<'_, S> {
    fn place(&self, x: f32, y: f32) -> (f64, f64) {
        (self.x + self.scale * f64::from(x), -self.scale * f64::from(y))
    }
}

impl<S: Outline> OutlineBuilder for Placed<'_, S> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.sink.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.sink.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.sink.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.sink.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.sink.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_is_read_and_holds_what_labels_need() {
        let face = face().unwrap();
        for c in "AZaz09é ß Я λ − – … ♯ ♭ ° × ≤ · → µ".chars() {
            assert!(face.glyph_index(c).is_some(), "{c}");
        }
        assert!(width("mm", 10.0) > width("ii", 10.0));
        assert!((width("genre", 20.0) - 2.0 * width("genre", 10.0)).abs() < 1e-9);
    }

    #[test]
    fn text_is_cut_to_its_room() {
        let cut = fit("a very long name of a class", 12.0, 80.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 80.0 && cut.starts_with("a very"));
        assert_eq!(fit("jazz", 12.0, 80.0), "jazz");
        let lines = wrap("one two three four five six seven", 12.0, 60.0, 2);
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|l| width(l, 12.0) <= 60.0));
        assert!(lines[1].ends_with('…'));
        assert!(wrap("", 12.0, 60.0, 2).is_empty());
    }
}
