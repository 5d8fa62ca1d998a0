use std::fmt::Write as _;

use crate::raster::{self, Canvas};
use crate::scene::{Anchor, Item, Scene, Text};
use crate::{Color, PlotError, font};

/// One place of the screen: two pixels, or a character on their mean colour.
#[derive(Clone, Copy)]
struct Cell {
    upper: Color,
    lower: Color,
    character: Option<(char, Color)>,
}

/// Colours that a terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TerminalColors {
    /// Any colour, in 24 bits.
    #[default]
    True,
    /// The 256 of xterm, of which 240 look alike everywhere.
    Indexed,
    /// None: the darker a place, the denser its character, without any control sequence.
    None,
}

impl TerminalColors {
    /// What the terminal says of itself by the variables `NO_COLOR`, `COLORTERM` and `TERM`; `variable` gets their names.
    /// Pass [`std::env::var`] with its error left out, or [`TerminalColors::None`] right away where the output is a file.
    #[must_use]
    pub fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        if is_set("NO_COLOR") || term.is_empty() || term == "dumb" {
            return Self::None;
        }
        let color_term = variable("COLORTERM").unwrap_or_default();
        let known = ["direct", "truecolor", "kitty", "alacritty", "wezterm", "ghostty", "foot"];
        if ["truecolor", "24bit"].contains(&color_term.as_str())
            || known.iter().any(|name| term.contains(name))
        {
            Self::True
        } else if term.contains("256color") {
            Self::Indexed
        } else {
            Self::None
        }
    }
}

/// Draws a scene in half-block characters, and its text in the characters of the terminal themselves.
pub(crate) fn write(scene: &Scene, columns: u32, colors: TerminalColors) -> Result<String, PlotError> {
    let canvas = raster::draw(scene, columns, false)?;
    let mut cells = cells(&canvas);
    let scale = f64::from(columns) / scene.width;
    // The largest text first: where there is no room for all, a title is worth more than a tick.
    let mut texts: Vec<&Text> = scene
        .items
        .iter()
        .filter_map(|item| if let Item::Text(text) = item { Some(text) } else { None })
        .collect();
    texts.sort_by(|a, b| b.size.total_cmp(&a.size));
    for text in texts {
        set_text(&mut cells, text, scale);
    }
    Ok(match colors {
        TerminalColors::None => to_plain(&cells),
        _ => to_string(&cells, colors),
    })
}

fn cells(canvas: &Canvas) -> Vec<Vec<Cell>> {
    let row = |y: usize| {
        let cell =
            |x| Cell { upper: canvas.color(x, 2 * y), lower: canvas.color(x, 2 * y + 1), character: None };
        (0..canvas.width()).map(cell).collect()
    };
    (0..canvas.height().div_ceil(2)).map(row).collect()
}

/// Writes a text over the picture if no other is in its way.
fn set_text(cells: &mut [Vec<Cell>], text: &Text, scale: f64) {
    let characters: Vec<char> = text.text.chars().filter(|c| !c.is_control()).collect();
    let n = characters.len() as f64;
    let before = match text.anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => 0.5,
        Anchor::End => 1.0,
    };
    // The middle of the letters lies above the base line by about a third of the size.
    let angle = text.angle.to_radians();
    let lift = 0.35 * text.size;
    let (x, y) = (text.x + lift * angle.sin(), text.y - lift * angle.cos());
    let upright = text.angle.abs() < 60.0;
    let places: Vec<(i64, i64)> = if upright {
        // A slanted text is written level, where its anchored end is.
        let first = (x * scale - before * n).round() as i64;
        (first..).zip(&characters).map(|(column, _)| (column, (y * scale / 2.0).floor() as i64)).collect()
    } else {
        // Read from the bottom up, but in letters that stand: from the top down.
        let extent = font::width(&text.text, text.size);
        let middle = y + (before - 0.5) * extent;
        let first = (middle * scale / 2.0 - n / 2.0).round() as i64;
        (first..).zip(&characters).map(|(row, _)| ((x * scale).floor() as i64, row)).collect()
    };
    let free = |&(column, row): &(i64, i64)| {
        let cell = get(cells, column, row)?;
        let beside =
            [column - 1, column + 1].map(|c| get(cells, c, row).is_none_or(|cell| cell.character.is_none()));
        (cell.character.is_none() && (!upright || beside == [true, true])).then_some(())
    };
    if !places.iter().all(|place| free(place).is_some()) {
        return;
    }
    for ((column, row), character) in places.into_iter().zip(characters) {
        let cell = usize::try_from(row)
            .ok()
            .and_then(|row| cells.get_mut(row))
            .zip(usize::try_from(column).ok())
            .and_then(|(row, column)| row.get_mut(column));
        if let Some(cell) = cell {
            cell.character = Some((character, text.color));
        }
    }
}

fn get(cells: &[Vec<Cell>], column: i64, row: i64) -> Option<&Cell> {
    cells.get(usize::try_from(row).ok()?)?.get(usize::try_from(column).ok()?)
}

/// Characters from no ink to much.
const INK: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

fn to_plain(cells: &[Vec<Cell>]) -> String {
    let mut out = String::new();
    for row in cells {
        let character = |cell: &Cell| match cell.character {
            Some((character, _)) => character,
            None => {
                let Color { red, green, blue } = cell.upper.between(cell.lower, 0.5);
                let light = 0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue);
                INK[((1.0 - light / 255.0) * INK.len() as f64).clamp(0.0, 9.0) as usize]
            }
        };
        let line: String = row.iter().map(character).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The nearest of xterm's 240 fixed colours: a cube of six steps a side, and 24 greys.
fn indexed(color: Color) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |value: u8| {
        let distance = |&i: &usize| STEPS[i].abs_diff(value);
        (0..STEPS.len()).min_by_key(distance).unwrap_or(0)
    };
    let Color { red, green, blue } = color;
    let squared = |r: u8, g: u8, b: u8| {
        [(r, red), (g, green), (b, blue)].iter().map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum::<u32>()
    };
    let (r, g, b) = (nearest(red), nearest(green), nearest(blue));
    let mean = (u32::from(red) + u32::from(green) + u32::from(blue)) / 3;
    // Greys are 8, 18, … 238.
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let level = 8 + 10 * grey;
    if squared(level, level, level) < squared(STEPS[r], STEPS[g], STEPS[b]) {
        232 + grey
    } else {
        16 + (36 * r + 6 * g + b) as u8
    }
}

fn to_string(cells: &[Vec<Cell>], colors: TerminalColors) -> String {
    let mut out = String::new();
    let set = |out: &mut String, layer: u8, color: Color| {
        let Color { red, green, blue } = color;
        // Writing into a string does not fail.
        let _ = match colors {
            TerminalColors::Indexed => write!(out, "\x1b[{layer};5;{}m", indexed(color)),
            _ => write!(out, "\x1b[{layer};2;{red};{green};{blue}m"),
        };
    };
    for row in cells {
        let mut last = (None, None);
        for cell in row {
            let (character, front, back) = match cell.character {
                Some((character, color)) => (character, color, cell.upper.between(cell.lower, 0.5)),
                None if cell.upper == cell.lower => (' ', cell.upper, cell.lower),
                None => ('▀', cell.upper, cell.lower),
            };
            if last.1 != Some(back) {
                set(&mut out, 48, back);
                last.1 = Some(back);
            }
            if character != ' ' && last.0 != Some(front) {
                set(&mut out, 38, front);
                last.0 = Some(front);
            }
            out.push(character);
        }
        out.push_str("\x1b[0m\n");
    }
    out
}
