use std::sync::Arc;

use crate::Color;

/// A rectangle in the pixels of a scene, y growing downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) fn right(&self) -> f64 {
        self.x + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// Which point of a text lies at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// What fills a shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fill {
    pub(crate) color: Color,
    pub(crate) opacity: f64,
}

impl From<Color> for Fill {
    fn from(color: Color) -> Self {
        Self { color, opacity: 1.0 }
    }
}

/// How a line is drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) color: Color,
    pub(crate) width: f64,
    /// Lengths of dashes and gaps; none for a whole line.
    pub(crate) dashes: &'static [f64],
}

impl Stroke {
    pub(crate) fn new(color: Color, width: f64) -> Self {
        Self { color, width, dashes: &[] }
    }

    /// The dashes of line `index`: lines whose colours repeat differ in them.
    pub(crate) fn dashed(mut self, index: usize) -> Self {
        const DASHES: [&[f64]; 4] = [&[], &[7.0, 3.0], &[2.0, 2.5], &[8.0, 3.0, 2.0, 3.0]];
        self.dashes = DASHES[index % DASHES.len()];
        self
    }
}

/// A picture of 256 colours, rows from the top.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) palette: Vec<Color>,
    pub(crate) pixels: Vec<u8>,
}

/// One line of text.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) x: f64,
    /// Of the base line.
    pub(crate) y: f64,
    pub(crate) text: String,
    /// The whole of a text that was cut, shown when a viewer's pointer rests on it.
    pub(crate) whole: Option<Arc<str>>,
    pub(crate) size: f64,
    pub(crate) color: Color,
    pub(crate) anchor: Anchor,
    /// Degrees clockwise around its place.
    pub(crate) angle: f64,
}

impl Text {
    pub(crate) fn new(x: f64, y: f64, text: impl Into<String>, size: f64) -> Self {
        Self {
            x,
            y,
            text: text.into(),
            whole: None,
            size,
            color: Color::TEXT,
            anchor: Anchor::Start,
            angle: 0.0,
        }
    }

    pub(crate) fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    pub(crate) fn angle(mut self, degrees: f64) -> Self {
        self.angle = degrees;
        self
    }

    pub(crate) fn color(mut self, color: Color) -> Self {
        self.color = color;
        self
    }

    /// Remembers the whole text if this is only its beginning.
    pub(crate) fn whole(mut self, whole: &str) -> Self {
        if whole != self.text {
            self.whole = Some(whole.into());
        }
        self
    }
}

/// One thing in a scene.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A rectangle with sides along the axes.
    Rectangle { area: Area, fill: Fill },
    /// A horizontal or vertical line, drawn sharp.
    Rule { from: (f64, f64), to: (f64, f64), stroke: Stroke },
    /// A line through points.
    Line { points: Vec<(f64, f64)>, stroke: Stroke },
    /// A closed shape.
    Polygon { points: Vec<(f64, f64)>, fill: Fill },
    /// A disc.
    Disc { center: (f64, f64), radius: f64, fill: Fill },
    /// A picture stretched over an area.
    Picture { area: Area, picture: Arc<Picture> },
    /// A line of text.
    Text(Text),
}

impl Item {
    /// The same thing elsewhere.
    fn moved(mut self, dx: f64, dy: f64) -> Self {
        let shift = |p: &mut (f64, f64)| *p = (p.0 + dx, p.1 + dy);
        match &mut self {
            Self::Rectangle { area, .. } | Self::Picture { area, .. } => {
                (area.x, area.y) = (area.x + dx, area.y + dy);
            }
            Self::Rule { from, to, .. } => {
                shift(from);
                shift(to);
            }
            Self::Line { points, .. } | Self::Polygon { points, .. } => points.iter_mut().for_each(shift),
            Self::Disc { center, .. } => shift(center),
            Self::Text(text) => (text.x, text.y) = (text.x + dx, text.y + dy),
        }
        self
    }
}

/// Things to draw, one over the other, on white.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) items: Vec<Item>,
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, items: Vec::new() }
    }

    pub(crate) fn rectangle(&mut self, area: Area, fill: impl Into<Fill>) {
        if area.width > 0.0 && area.height > 0.0 {
            let fill = fill.into();
            self.items.push(Item::Rectangle { area, fill });
        }
    }

    /// The outline of a rectangle.
    pub(crate) fn frame(&mut self, area: Area, stroke: &Stroke) {
        let corners = [
            (area.x, area.y),
            (area.right(), area.y),
            (area.right(), area.bottom()),
            (area.x, area.bottom()),
            (area.x, area.y),
        ];
        corners.windows(2).for_each(|ends| self.rule(ends[0], ends[1], stroke.clone()));
    }

    pub(crate) fn rule(&mut self, from: (f64, f64), to: (f64, f64), stroke: Stroke) {
        self.items.push(Item::Rule { from, to, stroke });
    }

    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        if points.len() > 1 {
            self.items.push(Item::Line { points, stroke });
        }
    }

    pub(crate) fn polygon(&mut self, points: Vec<(f64, f64)>, fill: impl Into<Fill>) {
        if points.len() > 2 {
            let fill = fill.into();
            self.items.push(Item::Polygon { points, fill });
        }
    }

    pub(crate) fn disc(&mut self, center: (f64, f64), radius: f64, fill: impl Into<Fill>) {
        let fill = fill.into();
        self.items.push(Item::Disc { center, radius, fill });
    }

    pub(crate) fn text(&mut self, text: Text) {
        if !text.text.is_empty() {
            self.items.push(Item::Text(text));
        }
    }

    /// Another scene with its upper left corner at a place.
    pub(crate) fn insert(&mut self, other: Self, x: f64, y: f64) {
        self.items.extend(other.items.into_iter().map(|item| item.moved(x, y)));
    }
}
