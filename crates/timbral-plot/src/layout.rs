/// Title and size of a figure.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) title: String,
    pub(crate) size: (f64, f64),
}

impl Layout {
    pub(crate) fn new(title: &str, width: f64, height: f64) -> Self {
        Self { title: title.to_owned(), size: (width, height) }
    }

    pub(crate) fn set_size(&mut self, width: f64, height: f64) {
        let side = |v: f64, usual: f64, least: f64| {
            if v.is_finite() { v.clamp(least, 8000.0) } else { usual }
        };
        self.size = (side(width, self.size.0, 200.0), side(height, self.size.1, 120.0));
    }
}

/// The settings that all builders share.
macro_rules! layout_settings {
    ($builder:ty) => {
        impl $builder {
            /// Sets the title; empty for none.
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.layout.title = title.into();
                self
            }

            /// Sets width and height in CSS pixels (1/96 inch), within 200 x 120 and 8000 x 8000; text has 11 to 15 of them.
            #[must_use]
            pub fn size(mut self, width: f64, height: f64) -> Self {
                self.layout.set_size(width, height);
                self
            }
        }
    };
}

pub(crate) use layout_settings;
