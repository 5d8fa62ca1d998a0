//! The place of everything around the data: title, axes, ticks, legend, colour bar.

use std::sync::Arc;

use crate::scene::{Anchor, Area, Fill, Picture, Scene, Stroke, Text};
use crate::ticks::{self, Tick};
use crate::{Color, ColorMap, Figure, font};

pub(crate) const TICK_SIZE: f64 = 11.0;
const LABEL_SIZE: f64 = 12.0;
const TITLE_SIZE: f64 = 15.0;
/// From the border to what is nearest to it.
const MARGIN: f64 = 12.0;
const TICK_LENGTH: f64 = 4.0;
const GAP: f64 = 4.0;
/// Height of one line of tick labels, and of one key of a legend.
const LINE: f64 = 15.0;
const KEY_LINE: f64 = 18.0;
const SWATCH: f64 = 22.0;
const BAR: f64 = 14.0;
/// Pixels that one tick of a scale should have at least.
const TICK_ROOM: (f64, f64) = (70.0, 27.0);
/// Longest label of a category that is slanted under the axis.
const SLANTED: f64 = 150.0;

/// What stands along an axis.
#[derive(Clone, Debug)]
pub(crate) enum Marks {
    Linear,
    Whole,
    Time,
    /// Names of what lies at 0.5, 1.5 and so on.
    Categories(Vec<String>),
    /// In the order of importance: one that would cover an earlier one is left out.
    Fixed(Vec<Tick>),
}

/// One axis, from its left or lower end to the other; `low` may be the larger number.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) marks: Marks,
    pub(crate) grid: bool,
}

impl Axis {
    pub(crate) fn new(label: impl Into<String>, (low, high): (f64, f64), marks: Marks) -> Self {
        Self { label: label.into(), low, high, marks, grid: false }
    }

    pub(crate) fn with_grid(mut self) -> Self {
        self.grid = true;
        self
    }

    /// An axis of names, the first at the left or, with `down`, at the top.
    pub(crate) fn categories(label: impl Into<String>, names: &[String], down: bool) -> Self {
        let n = names.len().max(1) as f64;
        let ends = if down { (n, 0.0) } else { (0.0, n) };
        Self::new(label, ends, Marks::Categories(names.to_vec()))
    }

    fn ticks(&self, length: f64, room: f64) -> Vec<Tick> {
        let (low, high) = (self.low.min(self.high), self.low.max(self.high));
        let most = ((length / room) as usize).max(1);
        match &self.marks {
            Marks::Linear => ticks::linear(low, high, most),
            Marks::Whole => ticks::whole(low, high, most),
            Marks::Time => ticks::time(low, high, most),
            Marks::Categories(names) => {
                names.iter().enumerate().map(|(i, name)| Tick::new(i as f64 + 0.5, name)).collect()
            }
            Marks::Fixed(ticks) => ticks.iter().filter(|t| t.at >= low && t.at <= high).cloned().collect(),
        }
    }

    fn share(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 }
    }

    fn named(&self) -> bool {
        matches!(self.marks, Marks::Categories(_))
    }
}

/// How something looks in the picture, for the legend.
#[derive(Clone, Debug)]
pub(crate) enum Swatch {
    Line(Stroke),
    Square(Fill),
    /// The mark of a class of points.
    Mark(usize),
    Dot(Fill),
    /// A line of text alone.
    None,
}

/// One line of a legend.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) swatch: Swatch,
}

/// What the colours of a picture mean.
#[derive(Clone, Debug)]
pub(crate) struct ColorBar {
    pub(crate) map: ColorMap,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) label: String,
}

/// A picture before its data.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) title: &'a str,
    pub(crate) size: (f64, f64),
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) keys: Vec<Key>,
    pub(crate) bar: Option<ColorBar>,
    /// Whether one unit is as long on both axes.
    pub(crate) square: bool,
}

/// A picture that takes its data.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) scene: Scene,
    pub(crate) area: Area,
    x: Axis,
    y: Axis,
    title: String,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(title: &'a str, size: (f64, f64), x: Axis, y: Axis) -> Self {
        Self { title, size, x, y, keys: Vec::new(), bar: None, square: false }
    }

    /// Places everything and draws what lies under the data.
    pub(crate) fn begin(self) -> Plot {
        let (width, height) = self.size;
        let mut scene = Scene::new(width, height);
        let title = font::wrap(self.title, TITLE_SIZE, width - 2.0 * MARGIN, 2);
        let top = MARGIN + title.len() as f64 * 1.25 * TITLE_SIZE + if title.is_empty() { 0.0 } else { 6.0 };

        let legend = Legend::new(&self.keys, height - top - MARGIN, 0.35 * width);
        let bar_ticks =
            self.bar.as_ref().map(|bar| ticks::linear(bar.low, bar.high, (height / 40.0) as usize));
        let bar_width = bar_ticks
            .as_ref()
            .map_or(0.0, |ticks| BAR + TICK_LENGTH + GAP + widest(ticks) + 2.0 * GAP + LINE);
        let beside: f64 =
            [legend.width, bar_width].into_iter().filter(|w| *w > 0.0).map(|w| w + MARGIN).sum();

        // The ticks of the y axis depend on its length, and that on the labels of the x axis, which depend on the room
        // that the y axis leaves: an estimate of its length ends the circle.
        let y_room = 0.3 * width;
        let y_ticks = self.y.ticks(height - top - 60.0, TICK_ROOM.1);
        let y_label = if self.y.label.is_empty() { 0.0 } else { LINE + GAP };
        let y_marks = if y_ticks.is_empty() { 0.0 } else { widest(&y_ticks).min(y_room) + TICK_LENGTH + GAP };
        let mut left = MARGIN + y_label + y_marks;
        let right_most = width - MARGIN.max(beside + MARGIN);
        let x_ticks = self.x.ticks(right_most - left, TICK_ROOM.0);
        // Cells that are square are no wider than they are high.
        let across =
            if self.square { (right_most - left).min(height - top - 60.0) } else { right_most - left };
        let slot = across / (self.x.high - self.x.low).abs().max(1.0);
        let slanted = self.x.named() && widest(&x_ticks) > slot - 2.0 * GAP;
        let x_marks = if x_ticks.is_empty() {
            0.0
        } else if slanted {
            // The first label reaches to the left of its category.
            let reach =
                x_ticks.first().map_or(0.0, |t| font::width(&t.label, TICK_SIZE).min(SLANTED)) * slant().1;
            left = left.max(MARGIN + y_label.min(LINE) + reach - 0.5 * slot);
            widest(&x_ticks).min(SLANTED) * slant().0 + TICK_LENGTH + 2.0 * GAP + 0.5 * TICK_SIZE
        } else {
            LINE + TICK_LENGTH
        };
        let x_label = if self.x.label.is_empty() { 0.0 } else { LINE + GAP };
        // Half of the last label of the x axis lies beyond its end.
        let overhang = match x_ticks.last() {
            Some(tick) if !slanted => {
                let end = left + self.x.share(tick.at) * (right_most - left);
                (end + 0.5 * font::width(&tick.label, TICK_SIZE) - (width - 0.5 * MARGIN - beside)).max(0.0)
            }
            _ => 0.0,
        };
        let mut area = Area {
            x: left,
            y: top,
            width: (right_most - overhang - left).max(20.0),
            height: (height - top - MARGIN.max(x_marks + x_label + 0.5 * MARGIN)).max(20.0),
        };
        if self.square {
            let (x_span, y_span) = ((self.x.high - self.x.low).abs(), (self.y.high - self.y.low).abs());
            let unit = (area.width / x_span).min(area.height / y_span);
            area.x += 0.5 * (area.width - unit * x_span);
            (area.width, area.height) = (unit * x_span, unit * y_span);
        }

        for (i, line) in title.into_iter().enumerate() {
            let y = MARGIN + (1.0 + 1.25 * i as f64) * TITLE_SIZE;
            let text = Text::new(width / 2.0, y, line, TITLE_SIZE);
            scene.text(text.anchor(Anchor::Middle));
        }
        let mut plot = Plot { scene, area, x: self.x, y: self.y, title: self.title.to_owned() };
        plot.grid(&x_ticks, &y_ticks);
        plot.x_ticks(&x_ticks, slanted);
        plot.y_ticks(&y_ticks, y_room);
        plot.axis_labels(x_marks, y_marks);
        let mut beside = area.right() + MARGIN;
        if let (Some(bar), Some(ticks)) = (&self.bar, &bar_ticks) {
            plot.color_bar(bar, ticks, beside);
            beside += bar_width + MARGIN;
        }
        legend.draw(&mut plot.scene, &self.keys, (beside, area.y));
        plot
    }
}

/// Angle of slanted labels in degrees, and its sine and cosine.
const SLANT: f64 = 40.0;

fn slant() -> (f64, f64) {
    SLANT.to_radians().sin_cos()
}

fn widest(ticks: &[Tick]) -> f64 {
    ticks.iter().map(|t| font::width(&t.label, TICK_SIZE)).fold(0.0, f64::max)
}

/// The ticks of which none covers an earlier one; each takes `room` around its place.
fn uncovered(ticks: &[Tick], place: impl Fn(&Tick) -> f64, room: impl Fn(&Tick) -> f64) -> Vec<&Tick> {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    let mut kept = Vec::new();
    for tick in ticks {
        let (low, high) = (place(tick) - 0.5 * room(tick), place(tick) + 0.5 * room(tick));
        if taken.iter().all(|&(l, h)| high <= l || low >= h) {
            taken.push((low, high));
            kept.push(tick);
        }
    }
    kept
}

impl Plot {
    /// Where a value of the x axis lies; values beyond its ends lie at them.
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.area.x + self.x.share(value) * self.area.width
    }

    /// Where a value of the y axis lies.
    pub(crate) fn y(&self, value: f64) -> f64 {
        self.area.bottom() - self.y.share(value) * self.area.height
    }

    pub(crate) fn point(&self, x: f64, y: f64) -> (f64, f64) {
        (self.x(x), self.y(y))
    }

    /// A line through points, broken where one is not finite.
    pub(crate) fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, stroke: &Stroke) {
        let mut part = Vec::new();
        for (x, y) in points {
            if x.is_finite() && y.is_finite() {
                part.push(self.point(x, y));
            } else {
                self.scene.line(std::mem::take(&mut part), stroke.clone());
            }
        }
        self.scene.line(part, stroke.clone());
    }

    /// The rectangle between two points of the axes.
    pub(crate) fn rectangle(&self, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> Area {
        let ((x0, y0), (x1, y1)) = (self.point(x0, y0), self.point(x1, y1));
        Area { x: x0.min(x1), y: y0.min(y1), width: (x1 - x0).abs(), height: (y1 - y0).abs() }
    }

    /// A short text in the middle of the area, where there is nothing to draw.
    pub(crate) fn note(&mut self, text: &str) {
        let (x, y) = (self.area.x + 0.5 * self.area.width, self.area.y + 0.5 * self.area.height);
        let shown = font::fit(text, LABEL_SIZE, self.area.width);
        self.scene.text(Text::new(x, y, shown, LABEL_SIZE).anchor(Anchor::Middle).color(Color::SOFT_TEXT));
    }

    /// Draws the frame of the area over the data.
    pub(crate) fn finish(mut self) -> Figure {
        self.scene.frame(self.area, &Stroke::new(Color::SOFT_TEXT, 1.0));
        Figure { scene: self.scene, title: self.title }
    }

    fn grid(&mut self, x_ticks: &[Tick], y_ticks: &[Tick]) {
        let stroke = Stroke::new(Color::GRID, 1.0);
        if self.x.grid {
            for tick in x_ticks {
                let x = self.x(tick.at);
                self.scene.rule((x, self.area.y), (x, self.area.bottom()), stroke.clone());
            }
        }
        if self.y.grid {
            for tick in y_ticks {
                let y = self.y(tick.at);
                self.scene.rule((self.area.x, y), (self.area.right(), y), stroke.clone());
            }
        }
    }

    fn x_ticks(&mut self, ticks: &[Tick], slanted: bool) {
        let below = self.area.bottom() + TICK_LENGTH;
        let room = |tick: &Tick| {
            if slanted { 1.5 * TICK_SIZE } else { font::width(&tick.label, TICK_SIZE) + 2.0 * GAP }
        };
        for tick in uncovered(ticks, |t| self.x(t.at), room) {
            let x = self.x(tick.at);
            self.scene.rule((x, self.area.bottom()), (x, below), Stroke::new(Color::SOFT_TEXT, 1.0));
            let text = if slanted {
                let shown = font::fit(&tick.label, TICK_SIZE, SLANTED);
                Text::new(x + 0.3 * TICK_SIZE, below + GAP + 0.5 * TICK_SIZE, shown, TICK_SIZE)
                    .anchor(Anchor::End)
                    .angle(-SLANT)
            } else {
                Text::new(x, below + TICK_SIZE, tick.label.as_str(), TICK_SIZE).anchor(Anchor::Middle)
            };
            self.scene.text(text.whole(&tick.label));
        }
    }

    fn y_ticks(&mut self, ticks: &[Tick], y_room: f64) {
        let beside = self.area.x - TICK_LENGTH;
        for tick in uncovered(ticks, |t| self.y(t.at), |_| 1.15 * TICK_SIZE) {
            let y = self.y(tick.at);
            self.scene.rule((beside, y), (self.area.x, y), Stroke::new(Color::SOFT_TEXT, 1.0));
            let shown = font::fit(&tick.label, TICK_SIZE, y_room);
            let text = Text::new(beside - GAP, y + 0.36 * TICK_SIZE, shown, TICK_SIZE);
            self.scene.text(text.anchor(Anchor::End).whole(&tick.label));
        }
    }

    fn axis_labels(&mut self, x_marks: f64, y_marks: f64) {
        let area = self.area;
        let shown = font::fit(&self.x.label, LABEL_SIZE, area.width);
        let (x, y) = (area.x + 0.5 * area.width, area.bottom() + x_marks + LINE);
        self.scene.text(Text::new(x, y, shown, LABEL_SIZE).anchor(Anchor::Middle).whole(&self.x.label));
        let shown = font::fit(&self.y.label, LABEL_SIZE, area.height);
        let (x, y) = (area.x - y_marks - GAP - 2.0, area.y + 0.5 * area.height);
        let text = Text::new(x, y, shown, LABEL_SIZE).anchor(Anchor::Middle).angle(-90.0);
        self.scene.text(text.whole(&self.y.label));
    }

    fn color_bar(&mut self, bar: &ColorBar, ticks: &[Tick], x: f64) {
        let area = Area { x, width: BAR, ..self.area };
        let picture = Picture {
            width: 1,
            height: 256,
            palette: (0..=255).map(|i| bar.map.color(f64::from(i) / 255.0)).collect(),
            pixels: (0..=255).rev().collect(),
        };
        self.scene.items.push(crate::scene::Item::Picture { area, picture: Arc::new(picture) });
        self.scene.frame(area, &Stroke::new(Color::SOFT_TEXT, 1.0));
        let place = |tick: &Tick| area.bottom() - (tick.at - bar.low) / (bar.high - bar.low) * area.height;
        for tick in uncovered(ticks, place, |_| 1.15 * TICK_SIZE) {
            let y = place(tick);
            let ends = ((area.right(), y), (area.right() + TICK_LENGTH, y));
            self.scene.rule(ends.0, ends.1, Stroke::new(Color::SOFT_TEXT, 1.0));
            let label = Text::new(ends.1.0 + GAP, y + 0.36 * TICK_SIZE, tick.label.as_str(), TICK_SIZE);
            self.scene.text(label);
        }
        let x = area.right() + TICK_LENGTH + GAP + widest(ticks) + GAP + TICK_SIZE;
        let y = area.y + 0.5 * area.height;
        let shown = font::fit(&bar.label, LABEL_SIZE, area.height);
        let text = Text::new(x, y, shown, LABEL_SIZE).anchor(Anchor::Middle).angle(-90.0);
        self.scene.text(text.whole(&bar.label));
    }
}

/// Keys in a column beside the data, where they hide nothing.
struct Legend {
    width: f64,
    /// How many keys are shown; of more, the number of the rest is shown.
    shown: usize,
}

impl Legend {
    fn new(keys: &[Key], height: f64, most: f64) -> Self {
        if keys.is_empty() {
            return Self { width: 0.0, shown: 0 };
        }
        let lines = ((height / KEY_LINE) as usize).max(1);
        let shown = if keys.len() <= lines { keys.len() } else { lines - 1 };
        let text = keys.iter().map(|k| font::width(&k.name, TICK_SIZE)).fold(0.0, f64::max);
        Self { width: (SWATCH + GAP + text).min(most), shown }
    }

    fn draw(&self, scene: &mut Scene, keys: &[Key], (x, y): (f64, f64)) {
        let room = self.width - SWATCH - GAP;
        for (i, key) in keys.iter().take(self.shown).enumerate() {
            let middle = y + (i as f64 + 0.5) * KEY_LINE;
            match &key.swatch {
                Swatch::Line(stroke) => {
                    scene.line(vec![(x, middle), (x + SWATCH - 2.0, middle)], stroke.clone());
                }
                Swatch::Square(fill) => {
                    scene.rectangle(Area { x: x + 5.0, y: middle - 6.0, width: 12.0, height: 12.0 }, *fill);
                }
                Swatch::Dot(fill) => scene.disc((x + 11.0, middle), 3.5, *fill),
                Swatch::None => {}
                Swatch::Mark(index) => crate::scatter::mark(scene, *index, (x + 11.0, middle), 4.5, 1.0),
            }
            let text = Text::new(
                x + SWATCH + GAP,
                middle + 0.36 * TICK_SIZE,
                font::fit(&key.name, TICK_SIZE, room),
                TICK_SIZE,
            );
            scene.text(text.whole(&key.name));
        }
        if self.shown < keys.len() {
            let y = y + (self.shown as f64 + 0.5) * KEY_LINE + 0.36 * TICK_SIZE;
            let rest = format!("and {} more", keys.len() - self.shown);
            scene.text(Text::new(x, y, rest, TICK_SIZE).color(Color::SOFT_TEXT));
        }
    }
}
