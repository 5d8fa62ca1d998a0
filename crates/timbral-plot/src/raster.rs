use png::{BitDepth, ColorType, Encoder};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Transform,
};

use crate::font::{self, Outline};
use crate::scene::{Anchor, Area, Fill, Item, Picture, Scene, Stroke, Text};
use crate::{Color, PlotError};

/// Smallest and largest side of a drawn picture in pixels.
const SIDES: (u64, u64) = (16, 16_384);
/// Largest number of pixels: 64 million, which hold 256 MB.
const MOST_PIXELS: u64 = 64 << 20;

/// The pixels of a scene.
pub(crate) struct Canvas {
    pixmap: Pixmap,
    scale: f64,
}

/// Draws a scene `width` pixels wide, with its text or without.
pub(crate) fn draw(scene: &Scene, width: u32, with_text: bool) -> Result<Canvas, PlotError> {
    let check = |what, given: u64, (low, high): (u64, u64)| {
        if (low..=high).contains(&given) { Ok(()) } else { Err(PlotError::Limit { what, given, low, high }) }
    };
    check("width in pixels", u64::from(width), SIDES)?;
    let scale = f64::from(width) / scene.width;
    let height = (scene.height * scale).round().max(1.0) as u64;
    check("height in pixels", height, (1, SIDES.1))?;
    check("number of pixels", u64::from(width) * height, (1, MOST_PIXELS))?;
    let mut pixmap = Pixmap::new(width, height as u32)
        .ok_or_else(|| PlotError::Encode { reason: format!("no memory for {width} x {height} pixels") })?;
    pixmap.fill(tiny_skia::Color::WHITE);
    let mut canvas = Canvas { pixmap, scale };
    for item in &scene.items {
        if with_text || !matches!(item, Item::Text(_)) {
            canvas.item(item);
        }
    }
    Ok(canvas)
}

impl Canvas {
    pub(crate) fn width(&self) -> usize {
        self.pixmap.width() as usize
    }

    pub(crate) fn height(&self) -> usize {
        self.pixmap.height() as usize
    }

    /// Colour of a pixel; white beyond the borders.
    pub(crate) fn color(&self, x: usize, y: usize) -> Color {
        let pixel = || self.pixmap.pixel(u32::try_from(x).ok()?, u32::try_from(y).ok()?);
        pixel().map_or(Color::WHITE, |p| {
            let p = p.demultiply();
            Color { red: p.red(), green: p.green(), blue: p.blue() }
        })
    }

    pub(crate) fn to_png(&self) -> Result<Vec<u8>, PlotError> {
        let mut rgb = Vec::with_capacity(3 * self.pixmap.pixels().len());
        for pixel in self.pixmap.pixels() {
            // Everything lies on white, so nothing is transparent.
            rgb.extend([pixel.red(), pixel.green(), pixel.blue()]);
        }
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.pixmap.width(), self.pixmap.height());
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(BitDepth::Eight);
        finish(encoder, &rgb)?;
        Ok(bytes)
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Rectangle { area, fill } => self.rectangle(area, fill),
            Item::Rule { from, to, stroke } => self.rule(*from, *to, stroke),
            Item::Line { points, stroke } => self.stroke(points, stroke),
            Item::Polygon { points, fill } => {
                let mut path = PathBuilder::new();
                trace(&mut path, points);
                path.close();
                self.fill_path(path, fill, self.scaled());
            }
            Item::Disc { center, radius, fill } => {
                let mut path = PathBuilder::new();
                path.push_circle(center.0 as f32, center.1 as f32, *radius as f32);
                self.fill_path(path, fill, self.scaled());
            }
            Item::Picture { area, picture } => self.picture(area, picture),
            Item::Text(text) => self.text(text),
        }
    }

    fn scaled(&self) -> Transform {
        Transform::from_scale(self.scale as f32, self.scale as f32)
    }

    fn fill_path(&mut self, path: PathBuilder, fill: &Fill, transform: Transform) {
        if let Some(path) = path.finish() {
            self.pixmap.fill_path(&path, &paint(fill), FillRule::Winding, transform, None);
        }
    }

    /// Edges of rectangles fall between pixels, so that neighbours leave no seam.
    fn rectangle(&mut self, area: &Area, fill: &Fill) {
        let [left, top, right, bottom] =
            [area.x, area.y, area.right(), area.bottom()].map(|v| (v * self.scale).round() as f32);
        let sides = Rect::from_ltrb(left, top, right.max(left + 1.0), bottom.max(top + 1.0));
        if let Some(sides) = sides {
            self.pixmap.fill_rect(sides, &paint(fill), Transform::identity(), None);
        }
    }

    /// Lines along the axes cover whole pixels.
    fn rule(&mut self, from: (f64, f64), to: (f64, f64), stroke: &Stroke) {
        let wide = (stroke.width * self.scale).round().max(1.0);
        let snap = |v: f64| {
            if wide as u64 % 2 == 1 { (v * self.scale).floor() + 0.5 } else { (v * self.scale).round() }
        };
        let mut path = PathBuilder::new();
        path.move_to(snap(from.0) as f32, snap(from.1) as f32);
        path.line_to(snap(to.0) as f32, snap(to.1) as f32);
        let stroke = Stroke { width: wide, ..stroke.clone() };
        self.stroke_path(path, &stroke, self.scale, Transform::identity());
    }

    fn stroke(&mut self, points: &[(f64, f64)], stroke: &Stroke) {
        let mut path = PathBuilder::new();
        trace(&mut path, points);
        self.stroke_path(path, stroke, 1.0, self.scaled());
    }

    fn stroke_path(&mut self, path: PathBuilder, stroke: &Stroke, dash_scale: f64, transform: Transform) {
        let Some(path) = path.finish() else { return };
        let dashes = stroke.dashes.iter().map(|d| (d * dash_scale) as f32).collect();
        let how = tiny_skia::Stroke {
            width: stroke.width as f32,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            dash: tiny_skia::StrokeDash::new(dashes, 0.0),
            ..tiny_skia::Stroke::default()
        };
        self.pixmap.stroke_path(&path, &paint(&stroke.color.into()), &how, transform, None);
    }

    fn text(&mut self, text: &Text) {
        let mut sink = Glyphs(PathBuilder::new());
        font::outline(&text.text, text.size, &mut sink);
        let shift = match text.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -0.5 * font::width(&text.text, text.size),
            Anchor::End => -font::width(&text.text, text.size),
        };
        let transform = Transform::from_translate(shift as f32, 0.0)
            .post_concat(Transform::from_rotate(text.angle as f32))
            .post_translate(text.x as f32, text.y as f32)
            .post_concat(self.scaled());
        self.fill_path(sink.0, &text.color.into(), transform);
    }

    /// Each pixel of the canvas takes the mean of what lies under it, or the nearest where that is less than one pixel.
    fn picture(&mut self, area: &Area, picture: &Picture) {
        let [left, top, right, bottom] =
            [area.x, area.y, area.right(), area.bottom()].map(|v| (v * self.scale).round().max(0.0) as usize);
        if right <= left || bottom <= top || picture.pixels.is_empty() {
            return;
        }
        let columns = spans(right - left, picture.width);
        let rows = spans(bottom - top, picture.height);
        let (width, height) = (self.width(), self.height());
        let pixels = self.pixmap.pixels_mut();
        for (y, &(row0, row1)) in (top..height).zip(&rows) {
            for (x, &(column0, column1)) in (left..width).zip(&columns) {
                let mut sum = [0_u32; 3];
                for row in row0..row1 {
                    for &index in &picture.pixels[row * picture.width..][column0..column1] {
                        let color =
                            picture.palette.get(usize::from(index)).copied().unwrap_or(Color::MISSING);
                        let parts = [color.red, color.green, color.blue];
                        sum.iter_mut().zip(parts).for_each(|(sum, part)| *sum += u32::from(part));
                    }
                }
                let n = ((row1 - row0) * (column1 - column0)) as u32;
                let [red, green, blue] = sum.map(|s| ((s + n / 2) / n) as u8);
                if let Some(color) = PremultipliedColorU8::from_rgba(red, green, blue, 255) {
                    pixels[y * width + x] = color;
                }
            }
        }
    }
}

/// Which pixels of `from` lie under each of `to`: at least one.
fn spans(to: usize, from: usize) -> Vec<(usize, usize)> {
    let ratio = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            if ratio <= 1.0 {
                let nearest = (((i as f64 + 0.5) * ratio) as usize).min(from - 1);
                return (nearest, nearest + 1);
            }
            let first = ((i as f64 * ratio).round() as usize).min(from - 1);
            let end = (((i + 1) as f64 * ratio).round() as usize).clamp(first + 1, from);
            (first, end)
        })
        .collect()
}

fn paint(fill: &Fill) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    let alpha = (255.0 * fill.opacity.clamp(0.0, 1.0)).round() as u8;
    paint.set_color_rgba8(fill.color.red, fill.color.green, fill.color.blue, alpha);
    paint
}

fn trace(path: &mut PathBuilder, points: &[(f64, f64)]) {
    for (i, &(x, y)) in points.iter().enumerate() {
        if i == 0 {
            path.move_to(x as f32, y as f32);
        } else {
            path.line_to(x as f32, y as f32);
        }
    }
}

struct Glyphs(PathBuilder);

impl Outline for Glyphs {
    fn move_to(&mut self, x: f64, y: f64) {
        self.0.move_to(x as f32, y as f32);
    }

    fn line_to(&mut self, x: f64, y: f64) {
        self.0.line_to(x as f32, y as f32);
    }

    fn quad_to(&mut self, x1: f64, y1: f64, x: f64, y: f64) {
        self.0.quad_to(x1 as f32, y1 as f32, x as f32, y as f32);
    }

    fn cubic_to(&mut self, x1: f64, y1: f64, x2: f64, y2: f64, x: f64, y: f64) {
        self.0.cubic_to(x1 as f32, y1 as f32, x2 as f32, y2 as f32, x as f32, y as f32);
    }

    fn close(&mut self) {
        self.0.close();
    }
}

/// A picture as a PNG file of one byte a pixel.
pub(crate) fn encode_indexed(picture: &Picture) -> Result<Vec<u8>, PlotError> {
    let side = |n: usize| u32::try_from(n).map_err(|e| PlotError::Encode { reason: e.to_string() });
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, side(picture.width)?, side(picture.height)?);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::Eight);
    let palette: Vec<u8> = picture.palette.iter().flat_map(|c| [c.red, c.green, c.blue]).collect();
    encoder.set_palette(palette);
    finish(encoder, &picture.pixels)?;
    Ok(bytes)
}

fn finish(encoder: Encoder<'_, &mut Vec<u8>>, pixels: &[u8]) -> Result<(), PlotError> {
    let encode = |e: png::EncodingError| PlotError::Encode { reason: e.to_string() };
    let mut writer = encoder.write_header().map_err(encode)?;
    writer.write_image_data(pixels).map_err(encode)?;
    writer.finish().map_err(encode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_everything_once_when_shrinking() {
        for (to, from) in [(1, 7), (3, 7), (7, 7), (5, 1000)] {
            let spans = spans(to, from);
            assert_eq!((spans[0].0, spans[to - 1].1), (0, from));
            assert!(spans.windows(2).all(|w| w[0].1 == w[1].0), "{to} {from}");
        }
        assert_eq!(spans(4, 2), [(0, 1), (0, 1), (1, 2), (1, 2)]);
    }
}
