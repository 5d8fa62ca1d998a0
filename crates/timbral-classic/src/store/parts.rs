use std::borrow::Cow;
use std::collections::BTreeMap;

use ndarray::{Array1, Array2};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::PartValues;
use crate::ClassicError;
use crate::matrix::Matrix;

/// Classes that a stored model may have: far more than any data set, few enough that a wrong number fills no memory.
const MOST_CLASSES: usize = 1 << 16;

/// A fitted model taken apart: what any file format with a JSON header and named arrays can hold, such as safetensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// What the model is made of, and its single numbers: a JSON object without any array of numbers.
    pub description: Value,
    /// Its arrays. Names are paths of lower-case words and numbers with dots between, such as `learner.coefficients`.
    pub arrays: BTreeMap<String, PartArray>,
}

/// An array of one or two axes in row-major order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartArray {
    /// Length of each axis.
    pub shape: Vec<usize>,
    /// The values, as many as the product of the lengths.
    pub values: PartValues,
}

impl Parts {
    pub(crate) fn collect(write: impl FnOnce(&mut Writer<'_>)) -> Self {
        let mut arrays = BTreeMap::new();
        let mut writer = Writer { prefix: String::new(), settings: Map::new(), arrays: &mut arrays };
        write(&mut writer);
        let description = Value::Object(writer.settings);
        Self { description, arrays }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

/// Takes a model apart.
pub(crate) struct Writer<'a> {
    prefix: String,
    settings: Map<String, Value>,
    arrays: &'a mut BTreeMap<String, PartArray>,
}

impl Writer<'_> {
    /// A single value.
    pub(crate) fn setting(&mut self, name: &str, value: impl Serialize) {
        // Settings are plain structs and enums, which JSON can hold.
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.settings.insert(name.to_owned(), value);
    }

    pub(crate) fn vector(&mut self, name: &str, values: impl IntoIterator<Item = f64>) {
        let values: Vec<f64> = values.into_iter().collect();
        let array = PartArray { shape: vec![values.len()], values: PartValues::F64(values) };
        self.arrays.insert(join(&self.prefix, name), array);
    }

    pub(crate) fn matrix(&mut self, name: &str, values: &Array2<f64>) {
        let array = PartArray {
            shape: values.shape().to_vec(),
            values: PartValues::F64(values.iter().copied().collect()),
        };
        self.arrays.insert(join(&self.prefix, name), array);
    }

    /// A large matrix, in the precision that it has.
    pub(crate) fn stored_matrix(&mut self, name: &str, values: &Matrix) {
        self.arrays.insert(join(&self.prefix, name), values.to_part());
    }

    pub(crate) fn indices(&mut self, name: &str, values: impl IntoIterator<Item = usize>) {
        // No index of a model is larger: rows and features are counted by u32 wherever models are made.
        let index = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
        let values: Vec<u32> = values.into_iter().map(index).collect();
        let array = PartArray { shape: vec![values.len()], values: PartValues::U32(values) };
        self.arrays.insert(join(&self.prefix, name), array);
    }

    /// A part of its own.
    pub(crate) fn child(&mut self, name: &str, write: impl FnOnce(&mut Writer<'_>)) {
        let settings = self.within(name, write);
        self.settings.insert(name.to_owned(), settings);
    }

    /// A list of parts.
    pub(crate) fn list<T>(&mut self, name: &str, items: &[T], write: impl Fn(&T, &mut Writer<'_>)) {
        let one = |(i, item): (usize, &T)| self.within(&format!("{name}.{i}"), |out| write(item, out));
        let settings = items.iter().enumerate().map(one).collect();
        self.settings.insert(name.to_owned(), Value::Array(settings));
    }

    fn within(&mut self, name: &str, write: impl FnOnce(&mut Writer<'_>)) -> Value {
        let mut child =
            Writer { prefix: join(&self.prefix, name), settings: Map::new(), arrays: self.arrays };
        write(&mut child);
        Value::Object(child.settings)
    }
}

/// Puts a model together. Errors name the full path of what is wrong.
pub(crate) struct Reader<'a> {
    prefix: String,
    settings: &'a Map<String, Value>,
    arrays: &'a BTreeMap<String, PartArray>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(parts: &'a Parts) -> Result<Self, ClassicError> {
        Self::within(String::new(), &parts.description, &parts.arrays)
    }

    fn within(
        prefix: String,
        settings: &'a Value,
        arrays: &'a BTreeMap<String, PartArray>,
    ) -> Result<Self, ClassicError> {
        match settings {
            Value::Object(settings) => Ok(Self { prefix, settings, arrays }),
            _ => Err(ClassicError::data(
                format!("the description of the model has no object at \"{prefix}\""),
                "each part of a model has one",
            )),
        }
    }

    /// An error about something of this part.
    pub(crate) fn wrong(&self, what: &str, rule: impl Into<String>) -> ClassicError {
        let place = if self.prefix.is_empty() { "the model" } else { &self.prefix };
        ClassicError::data(format!("in the parts of {place} {what}"), rule)
    }

    /// An error unless something holds.
    pub(crate) fn ensure(&self, holds: bool, rule: &str) -> Result<(), ClassicError> {
        if holds { Ok(()) } else { Err(self.wrong("something breaks a rule", rule)) }
    }

    fn get(&self, name: &str) -> Result<&'a Value, ClassicError> {
        let missing = || self.wrong(&format!("\"{name}\" is missing"), "the description must have it");
        self.settings.get(name).ok_or_else(missing)
    }

    pub(crate) fn setting<T: DeserializeOwned>(&self, name: &str) -> Result<T, ClassicError> {
        T::deserialize(self.get(name)?)
            .map_err(|e| self.wrong(&format!("\"{name}\" cannot be read"), e.to_string()))
    }

    /// A number of classes.
    pub(crate) fn n_classes(&self) -> Result<usize, ClassicError> {
        let n = self.setting("n_classes")?;
        self.ensure((1..=MOST_CLASSES).contains(&n), "there are 1 to 65536 classes")?;
        Ok(n)
    }

    /// Whether the array is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(&join(&self.prefix, name))
    }

    fn array(&self, name: &str) -> Result<&'a PartArray, ClassicError> {
        let array = self.arrays.get(&join(&self.prefix, name));
        array.ok_or_else(|| self.wrong(&format!("the array \"{name}\" is missing"), "the model needs it"))
    }

    /// An array that was seen to hold finite numbers.
    fn finite(&self, name: &str) -> Result<&'a PartArray, ClassicError> {
        let array = self.array(name)?;
        if matches!(array.values, PartValues::U32(_)) {
            return Err(self.wrong(&format!("the array \"{name}\" holds indices"), "it must hold numbers"));
        }
        if !array.values.are_finite() {
            return Err(
                self.wrong(&format!("the array \"{name}\" holds a number that is not finite"), "all must be")
            );
        }
        Ok(array)
    }

    fn numbers(&self, name: &str) -> Result<(&'a [usize], Cow<'a, [f64]>), ClassicError> {
        let array = self.finite(name)?;
        Ok((&array.shape, array.values.to_f64().unwrap_or_default()))
    }

    /// Finite numbers.
    pub(crate) fn vector(&self, name: &str) -> Result<Array1<f64>, ClassicError> {
        match self.numbers(name)? {
            (&[n], values) if n == values.len() => Ok(values.into_owned().into()),
            (shape, values) => Err(self.shape(name, shape, values.len(), "one axis")),
        }
    }

    /// Finite numbers, that many.
    pub(crate) fn vector_of(&self, name: &str, n: usize) -> Result<Array1<f64>, ClassicError> {
        let values = self.vector(name)?;
        if values.len() == n {
            return Ok(values);
        }
        Err(self.wrong(
            &format!("the array \"{name}\" has {} values", values.len()),
            format!("the rest needs {n}"),
        ))
    }

    /// Finite numbers in rows and columns, at least one of each.
    pub(crate) fn matrix(&self, name: &str) -> Result<Array2<f64>, ClassicError> {
        Ok(self.stored_matrix(name)?.into_array())
    }

    /// The same in the precision that it is stored in.
    pub(crate) fn stored_matrix(&self, name: &str) -> Result<Matrix, ClassicError> {
        let PartArray { shape, values } = self.finite(name)?;
        let matrix = match shape[..] {
            [rows, columns] if rows > 0 && columns > 0 => Matrix::new((rows, columns), values),
            _ => None,
        };
        matrix.ok_or_else(|| self.shape(name, shape, values.len(), "two axes"))
    }

    /// A matrix of that shape.
    pub(crate) fn matrix_of(&self, name: &str, shape: (usize, usize)) -> Result<Array2<f64>, ClassicError> {
        Ok(self.stored_matrix_of(name, shape)?.into_array())
    }

    /// The same in the precision that it is stored in.
    pub(crate) fn stored_matrix_of(&self, name: &str, shape: (usize, usize)) -> Result<Matrix, ClassicError> {
        let values = self.stored_matrix(name)?;
        if values.dim() == shape {
            return Ok(values);
        }
        Err(self.wrong(
            &format!("the array \"{name}\" has the shape {:?}", values.dim()),
            format!("the rest needs {shape:?}"),
        ))
    }

    fn shape(&self, name: &str, shape: &[usize], n: usize, axes: &str) -> ClassicError {
        self.wrong(
            &format!("the array \"{name}\" has {n} values in the shape {shape:?}"),
            format!("it must have {axes} and as many values, at least one"),
        )
    }

    /// Indices.
    pub(crate) fn indices(&self, name: &str) -> Result<Vec<usize>, ClassicError> {
        let array = self.array(name)?;
        match &array.values {
            PartValues::U32(values) if array.shape == [values.len()] => {
                Ok(values.iter().map(|&i| i as usize).collect())
            }
            _ => Err(self.wrong(&format!("the array \"{name}\" holds no list of indices"), "it must")),
        }
    }

    /// Indices below `end`.
    pub(crate) fn indices_below(&self, name: &str, end: usize) -> Result<Vec<usize>, ClassicError> {
        let indices = self.indices(name)?;
        match indices.iter().find(|i| **i >= end) {
            None => Ok(indices),
            Some(i) => {
                Err(self
                    .wrong(&format!("the array \"{name}\" holds {i}"), format!("it must stay below {end}")))
            }
        }
    }

    pub(crate) fn child<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Reader<'_>) -> Result<T, ClassicError>,
    ) -> Result<T, ClassicError> {
        read(&Self::within(join(&self.prefix, name), self.get(name)?, self.arrays)?)
    }

    pub(crate) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(&Reader<'_>) -> Result<T, ClassicError>,
    ) -> Result<Vec<T>, ClassicError> {
        let Value::Array(items) = self.get(name)? else {
            return Err(self.wrong(&format!("\"{name}\" is no list"), "it must be one"));
        };
        let one = |(i, item): (usize, &Value)| {
            let prefix = join(&self.prefix, &format!("{name}.{i}"));
            // Borrowing from the list keeps the memory at its size.
            read(&Reader::within(prefix, item, self.arrays)?)
        };
        items.iter().enumerate().map(one).collect()
    }
}
