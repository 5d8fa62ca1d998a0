use super::{Reader, Stored, Writer};
use crate::{
    ClassicError, FittedTransformer, MinMaxScaler, Pca, PowerTransformer, SelectKBest, StandardScaler,
    Temperature,
};

impl Stored for StandardScaler {
    fn write(&self, out: &mut Writer<'_>) {
        out.vector("mean", self.mean.iter().copied());
        out.vector("scale", self.scale.iter().copied());
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let mean = from.vector("mean")?;
        let scale = from.vector_of("scale", mean.len())?;
        from.ensure(!mean.is_empty(), "the number of features must be at least 1")?;
        from.ensure(scale.iter().all(|s| *s > 0.0), "scales are above 0")?;
        Ok(Self { mean, scale })
    }
}

impl Stored for MinMaxScaler {
    fn write(&self, out: &mut Writer<'_>) {
        out.vector("minimum", self.minimum.iter().copied());
        out.vector("scale", self.scale.iter().copied());
        out.setting("low", self.low);
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let minimum = from.vector("minimum")?;
        let scale = from.vector_of("scale", minimum.len())?;
        from.ensure(!minimum.is_empty(), "the number of features must be at least 1")?;
        let low = from.setting("low")?;
        Ok(Self { minimum, scale, low })
    }
}

impl Stored for PowerTransformer {
    fn write(&self, out: &mut Writer<'_>) {
        out.vector("lambdas", self.lambdas.iter().copied());
        out.setting("standardize", self.scaler.is_some());
        if let Some(scaler) = &self.scaler {
            out.child("scaler", |out| scaler.write(out));
        }
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let lambdas = from.vector("lambdas")?;
        from.ensure(!lambdas.is_empty(), "the number of features must be at least 1")?;
        let scaler = if from.setting("standardize")? {
            Some(from.child("scaler", StandardScaler::read)?)
        } else {
            None
        };
        let fits = scaler.as_ref().is_none_or(|s| s.mean.len() == lambdas.len());
        from.ensure(fits, "the scaler has as many features as there are powers")?;
        Ok(Self { lambdas, scaler })
    }
}

impl Stored for Pca {
    fn write(&self, out: &mut Writer<'_>) {
        out.vector("mean", self.mean.iter().copied());
        out.stored_matrix("components", &self.components);
        out.vector("explained_variance", self.explained_variance.iter().copied());
        out.vector("explained_variance_ratio", self.explained_variance_ratio.iter().copied());
        out.setting("whiten", self.whiten);
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let components = from.stored_matrix("components")?;
        let (kept, features) = components.dim();
        let explained_variance = from.vector_of("explained_variance", kept)?;
        from.ensure(explained_variance.iter().all(|v| *v >= 0.0), "variances are not negative")?;
        Ok(Self {
            mean: from.vector_of("mean", features)?,
            explained_variance,
            explained_variance_ratio: from.vector_of("explained_variance_ratio", kept)?,
            whiten: from.setting("whiten")?,
            components,
        })
    }
}

impl Stored for SelectKBest {
    fn write(&self, out: &mut Writer<'_>) {
        out.vector("scores", self.scores.iter().copied());
        out.indices("kept", self.kept.iter().copied());
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let scores = from.vector("scores")?;
        let kept = from.indices_below("kept", scores.len())?;
        let rises = kept.windows(2).all(|w| w[0] < w[1]);
        from.ensure(rises && !kept.is_empty(), "the features kept must rise and be at least 1")?;
        Ok(Self { scores, kept })
    }
}

impl Stored for Temperature {
    fn write(&self, out: &mut Writer<'_>) {
        out.setting("temperature", self.temperature);
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        let temperature: f64 = from.setting("temperature")?;
        from.ensure(temperature.is_finite() && temperature > 0.0, "a temperature is finite and above 0")?;
        Ok(Self { temperature })
    }
}

impl Stored for FittedTransformer {
    fn write(&self, out: &mut Writer<'_>) {
        let mut kind = |kind: &str| out.setting("kind", kind);
        match self {
            Self::Standard(t) => {
                kind("standard");
                t.write(out);
            }
            Self::MinMax(t) => {
                kind("min_max");
                t.write(out);
            }
            Self::Power(t) => {
                kind("power");
                t.write(out);
            }
            Self::Pca(t) => {
                kind("pca");
                t.write(out);
            }
            Self::SelectKBest(t) => {
                kind("select_k_best");
                t.write(out);
            }
        }
    }

    fn read(from: &Reader<'_>) -> Result<Self, ClassicError> {
        Ok(match from.setting::<String>("kind")?.as_str() {
            "standard" => Self::Standard(Stored::read(from)?),
            "min_max" => Self::MinMax(Stored::read(from)?),
            "power" => Self::Power(Stored::read(from)?),
            "pca" => Self::Pca(Stored::read(from)?),
            "select_k_best" => Self::SelectKBest(Stored::read(from)?),
            other => {
                return Err(from.wrong(&format!("the kind is \"{other}\""), "no transformer is called that"));
            }
        })
    }
}

impl FittedTransformer {
    /// Numbers of features before and after.
    pub(crate) fn widths(&self) -> (usize, usize) {
        let same = |n| (n, n);
        match self {
            Self::Standard(t) => same(t.mean.len()),
            Self::MinMax(t) => same(t.minimum.len()),
            Self::Power(t) => same(t.lambdas.len()),
            Self::Pca(t) => (t.mean.len(), t.components.nrows()),
            Self::SelectKBest(t) => (t.scores.len(), t.kept.len()),
        }
    }
}
