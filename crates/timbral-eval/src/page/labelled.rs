use ndarray::{ArrayView2, Axis};
use timbral_classic::{Config as _, PcaConfig, StandardScalerConfig, Transformer as _};
use timbral_plot::{Bars, BoxPlot, Figure, Matrix, Scatter};

use crate::EvalError;

/// Rows of features with their classes, to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct LabelledRows<'a> {
    /// Shape (rows, columns).
    pub values: ArrayView2<'a, f64>,
    /// Name of each column.
    pub columns: &'a [String],
    /// Class of each row.
    pub classes: &'a [usize],
    /// Name of each class.
    pub labels: &'a [String],
}

impl LabelledRows<'_> {
    /// How many rows each class has.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if sizes differ or a class has no name.
    pub fn class_distribution(&self) -> Result<Figure, EvalError> {
        self.check()?;
        let counts: Vec<usize> = (0..self.labels.len()).map(|class| self.of_class(class).len()).collect();
        Ok(Bars::class_distribution(self.labels, &counts)?.figure())
    }

    /// Box plots over classes of the first `limit` columns that `wanted` takes.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if sizes differ or a class has no name.
    pub fn box_plots(&self, limit: usize, wanted: impl Fn(&str) -> bool) -> Result<Vec<Figure>, EvalError> {
        self.check()?;
        let columns = self.columns.iter().enumerate().filter(|(_, name)| wanted(name)).take(limit);
        Ok(columns
            .map(|(column, name)| {
                let plot = self.labels.iter().enumerate().fold(BoxPlot::new(name), |plot, (class, label)| {
                    let values: Vec<f64> =
                        self.of_class(class).iter().map(|&row| self.values[(row, column)]).collect();
                    plot.group(label, &values)
                });
                plot.title(name).figure()
            })
            .collect())
    }

    /// Means of the standardised columns over classes, their correlations, and the first two principal components; nothing
    /// for fewer than three rows.
    ///
    /// # Errors
    ///
    /// [`EvalError::Shape`] if sizes differ or a class has no name; [`EvalError::Classic`] for numbers that are not
    /// finite.
    pub fn overview(&self) -> Result<Vec<Figure>, EvalError> {
        self.check()?;
        if self.values.nrows() < 3 {
            return Ok(Vec::new());
        }
        let scaler = StandardScalerConfig::default().check()?.fit(self.values)?;
        let z = scaler.transform(self.values)?;
        let mut means = ndarray::Array2::from_elem((self.labels.len(), self.columns.len()), f64::NAN);
        for (class, mut row) in means.rows_mut().into_iter().enumerate() {
            if let Some(mean) = z.select(Axis(0), &self.of_class(class)).mean_axis(Axis(0)) {
                row.assign(&mean);
            }
        }
        let correlation = z.t().dot(&z) / z.nrows() as f64;
        let pca = PcaConfig::default().check()?.fit(z.view())?;
        let explained = pca.explained_variance_ratio().to_vec();
        let components = pca.transform(z.view())?;
        Ok(vec![
            Matrix::feature_comparison(means.view(), self.labels, self.columns)?.figure(),
            Matrix::correlation(correlation.view(), self.columns)?.figure(),
            Scatter::pca(components.view(), self.classes, self.labels, &explained)?.figure(),
        ])
    }

    fn of_class(&self, class: usize) -> Vec<usize> {
        (0..self.classes.len()).filter(|&row| self.classes[row] == class).collect()
    }

    fn check(&self) -> Result<(), EvalError> {
        let (rows, columns) = self.values.dim();
        let known = self.classes.iter().all(|class| *class < self.labels.len());
        if rows == self.classes.len() && columns == self.columns.len() && known {
            return Ok(());
        }
        Err(EvalError::shape(
            "labelled rows",
            format!(
                "{rows} rows of {columns} columns, {} classes, {} names of columns and {} of classes",
                self.classes.len(),
                self.columns.len(),
                self.labels.len()
            ),
            "every row has a class, and every class and column a name",
        ))
    }
}
