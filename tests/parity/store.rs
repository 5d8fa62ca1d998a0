//! The golden folder: its index, and its arrays read on demand.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ndarray::ArrayD;

use serde::Deserialize;
use serde_json::{Map, Value};
use timbral_data::npy::{NpyElement, NpzReader};
use timbral_features::Complex32;

/// `index.json`.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    pub(crate) references: BTreeMap<String, String>,
    pub(crate) signals: HashMap<String, Signal>,
    pub(crate) cases: Vec<Description>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Signal {
    pub(crate) file: String,
    pub(crate) key: String,
    pub(crate) sample_rate: u32,
}

/// One case as the index describes it.
#[derive(Debug, Deserialize)]
pub(crate) struct Description {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) function: String,
    pub(crate) signal: Option<String>,
    #[serde(default)]
    pub(crate) inputs: Vec<ArrayReference>,
    pub(crate) params: Map<String, Value>,
    pub(crate) outputs: Vec<Output>,
    #[serde(flatten)]
    pub(crate) rule: Rule,
    pub(crate) ignore_edges: Option<usize>,
    pub(crate) tolerance_output: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ArrayReference {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) key: String,
    pub(crate) dtype: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) file: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) dtype: String,
    pub(crate) values: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) non_finite: bool,
    #[serde(flatten)]
    pub(crate) rule: Rule,
}

/// How closely an output must be met; an output's own rule goes before that of the case.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Rule {
    pub(crate) compare: Option<String>,
    pub(crate) rtol: Option<f64>,
    pub(crate) atol: Option<f64>,
    pub(crate) min_agreement: Option<f64>,
}

/// An open golden folder.
pub(crate) struct Store {
    folder: PathBuf,
    index: Index,
    archives: RefCell<HashMap<String, NpzReader>>,
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("index.json");
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let index = serde_json::from_reader(std::io::BufReader::new(file))
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { folder: folder.to_owned(), index, archives: RefCell::default() })
    }

    pub(crate) fn index(&self) -> &Index {
        &self.index
    }

    pub(crate) fn array<T: Stored>(&self, file: &str, key: &str) -> Result<ArrayD<T>> {
        let mut archives = self.archives.borrow_mut();
        if !archives.contains_key(file) {
            archives.insert(file.to_owned(), NpzReader::open(self.folder.join(file))?);
        }
        let archive = archives.get_mut(file).context("archive was just opened")?;
        let array = archive.array(key)?.values::<T::Element>()?;
        Ok(array.mapv(T::of))
    }
}

/// A number as a file of NumPy holds it.
pub(crate) trait Stored: Sized {
    type Element: NpyElement + Clone;
    fn of(element: Self::Element) -> Self;
}

macro_rules! stored {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            type Element = Self;
            fn of(element: Self) -> Self {
                element
            }
        }
    )*};
}

stored!(f32, f64, i64);

impl Stored for Complex32 {
    type Element = [f32; 2];
    fn of([re, im]: [f32; 2]) -> Self {
        Self::new(re, im)
    }
}
