use std::path::Path;

use crate::scene::{Anchor, Scene, Text};
use crate::{PlotError, TerminalColors, font, raster, svg, terminal};

/// A drawn picture.
///
/// Its sides are in CSS pixels, 1/96 inch, with text of 12 of them. The SVG and the PNG show the same; the letters of the
/// PNG come from a font that the crate carries, those of the SVG from the viewer's own.
#[derive(Clone, Debug)]
pub struct Figure {
    pub(crate) scene: Scene,
    pub(crate) title: String,
}

impl Figure {
    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.scene.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> f64 {
        self.scene.height
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Figures side by side, `columns` to a row, under a common title (which may be empty). Each keeps its size.
    #[must_use]
    pub fn grid(title: &str, columns: usize, figures: impl IntoIterator<Item = Self>) -> Self {
        const TITLE: f64 = 18.0;
        let figures: Vec<Self> = figures.into_iter().collect();
        let columns = columns.clamp(1, figures.len().max(1));
        let greatest = |sizes: &mut dyn Iterator<Item = f64>| sizes.fold(0.0, f64::max);
        let widths: Vec<f64> = (0..columns)
            .map(|c| greatest(&mut figures.iter().skip(c).step_by(columns).map(Self::width)))
            .collect();
        let heights: Vec<f64> =
            figures.chunks(columns).map(|row| greatest(&mut row.iter().map(Self::height))).collect();
        let head = if title.is_empty() { 0.0 } else { 2.0 * TITLE };
        let width = widths.iter().sum::<f64>().max(160.0);
        let mut scene = Scene::new(width, (head + heights.iter().sum::<f64>()).max(40.0));
        let shown = font::fit(title, TITLE, width - 2.0 * TITLE);
        scene.text(Text::new(width / 2.0, 1.5 * TITLE, shown, TITLE).anchor(Anchor::Middle).whole(title));
        for (i, figure) in figures.into_iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let x = widths[..column].iter().sum();
            let y = head + heights[..row].iter().sum::<f64>();
            scene.insert(figure.scene, x, y);
        }
        Self { scene, title: title.to_owned() }
    }

    /// The figure as an SVG document, which can also stand within a page of HTML.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(&self.scene, &self.title)
    }

    /// The figure as a PNG file, `width` pixels wide; 1600 look sharp on most screens.
    ///
    /// # Errors
    ///
    /// [`PlotError::Limit`] if the picture would be narrower than 16 pixels, have a side over 16 384 or more than
    /// 67 million pixels.
    pub fn to_png(&self, width: u32) -> Result<Vec<u8>, PlotError> {
        raster::draw(&self.scene, width, true)?.to_png()
    }

    /// The figure for a terminal of 24-bit colours, `columns` characters wide: each shows two pixels, one over the other,
    /// and the labels are characters of their own. About 100 columns hold all labels; where there are fewer, those that
    /// would cover another are left out.
    ///
    /// # Errors
    ///
    /// [`PlotError::Limit`] if the columns are fewer than 16 or more than 16 384.
    pub fn to_terminal(&self, columns: u32) -> Result<String, PlotError> {
        self.to_terminal_with(columns, TerminalColors::True)
    }

    /// [`to_terminal`](Self::to_terminal) for a terminal of fewer colours, or of none.
    ///
    /// # Errors
    ///
    /// As [`to_terminal`](Self::to_terminal).
    pub fn to_terminal_with(&self, columns: u32, colors: TerminalColors) -> Result<String, PlotError> {
        terminal::write(&self.scene, columns, colors)
    }

    /// Writes the figure as SVG or PNG, by the end of the name; a PNG has two pixels for one of the figure. The file is
    /// seen whole or not at all.
    ///
    /// # Errors
    ///
    /// [`PlotError::Unsupported`] if the name ends neither in `.svg` nor in `.png`; [`PlotError::Limit`] if the figure is
    /// too large for a PNG; [`PlotError::Io`] if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
        let bytes = match extension.as_str() {
            "svg" => self.to_svg().into_bytes(),
            "png" => self.to_png((2.0 * self.width()).round() as u32)?,
            _ => {
                return Err(PlotError::Unsupported { path: path.to_owned() });
            }
        };
        timbral_atomic::write(path, [bytes]).map_err(|source| PlotError::Io { path: path.to_owned(), source })
    }
}
