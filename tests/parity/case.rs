//! One case: its signal, its input arrays and its parameters, each marked as taken once it was read.

use std::cell::RefCell;
use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array, Array1, Array2, ArrayD, ArrayView2, Dimension, IxDyn};
use serde_json::Value;
use timbral_features::filters::MelNorm;
use timbral_features::util::Norm;
use timbral_features::{Complex32, PadMode, StftConfig, Window};

use crate::store::{Description, Store};

/// An answer to compare with a stored output.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    F32(ArrayD<f32>),
    F64(ArrayD<f64>),
    Complex(ArrayD<Complex32>),
    Int(ArrayD<i64>),
    #[allow(dead_code, reason = "not every reader of golden folders has functions that answer text")]
    Text(Vec<String>),
}

/// The answers of a case by the name of the output.
pub(crate) type Answers = Vec<(String, Answer)>;

/// A single answer under the name of the case's first output.
pub(crate) fn only(case: &Case<'_>, answer: impl Into<Answer>) -> Answers {
    vec![(case.description.outputs[0].name.clone(), answer.into())]
}

macro_rules! answer_from {
    ($($element:ty => $variant:ident),*) => {$(
        impl<D: Dimension> From<Array<$element, D>> for Answer {
            fn from(array: Array<$element, D>) -> Self {
                // Any memory layout is accepted; comparison goes by logical position.
                Self::$variant(array.into_dyn())
            }
        }
        impl From<Vec<$element>> for Answer {
            fn from(values: Vec<$element>) -> Self {
                Array1::from(values).into()
            }
        }
        impl From<$element> for Answer {
            fn from(value: $element) -> Self {
                Self::$variant(ArrayD::from_elem(IxDyn(&[]), value))
            }
        }
    )*};
}
answer_from!(f32 => F32, f64 => F64, Complex32 => Complex, i64 => Int);

impl From<Vec<String>> for Answer {
    fn from(values: Vec<String>) -> Self {
        Self::Text(values)
    }
}

/// A case with access to its data.
pub(crate) struct Case<'a> {
    pub(crate) description: &'a Description,
    pub(crate) store: &'a Store,
    taken: RefCell<BTreeSet<String>>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(description: &'a Description, store: &'a Store) -> Self {
        Self { description, store, taken: RefCell::default() }
    }

    pub(crate) fn function(&self) -> &str {
        &self.description.function
    }

    /// Parameters that nothing has read.
    pub(crate) fn untaken(&self) -> Vec<String> {
        let taken = self.taken.borrow();
        self.description.params.keys().filter(|k| !taken.contains(*k)).cloned().collect()
    }

    // Data

    pub(crate) fn samples(&self) -> Result<Vec<f32>> {
        let name = self.description.signal.as_ref().context("the case has no signal")?;
        let signal = self.store.index().signals.get(name).with_context(|| format!("no signal {name}"))?;
        Ok(self.store.array::<f32>(&signal.file, &signal.key)?.into_iter().collect())
    }

    /// The sample rate of the signal.
    #[allow(dead_code, reason = "for functions that take a signal and no `sr`")]
    pub(crate) fn signal_rate(&self) -> Result<u32> {
        let name = self.description.signal.as_ref().context("the case has no signal")?;
        Ok(self.store.index().signals.get(name).with_context(|| format!("no signal {name}"))?.sample_rate)
    }

    pub(crate) fn has_input(&self, name: &str) -> bool {
        self.description.inputs.iter().any(|i| i.name == name)
    }

    fn reference(&self, name: &str) -> Result<(&str, &str, &str)> {
        let input = self.description.inputs.iter().find(|i| i.name == name);
        let input = input.with_context(|| format!("no input {name}"))?;
        Ok((&input.file, &input.key, &input.dtype))
    }

    pub(crate) fn array(&self, name: &str) -> Result<ArrayD<f32>> {
        let (file, key, dtype) = self.reference(name)?;
        Ok(match dtype {
            "int64" => self.store.array::<i64>(file, key)?.mapv(|v| v as f32),
            "float64" => self.store.array::<f64>(file, key)?.mapv(|v| v as f32),
            _ => self.store.array(file, key)?,
        })
    }

    pub(crate) fn vector(&self, name: &str) -> Result<Vec<f32>> {
        Ok(self.array(name)?.into_iter().collect())
    }

    pub(crate) fn vector_f64(&self, name: &str) -> Result<Vec<f64>> {
        Ok(self.array(name)?.into_iter().map(f64::from).collect())
    }

    pub(crate) fn matrix(&self, name: &str) -> Result<Array2<f32>> {
        Ok(self.array(name)?.into_dimensionality()?)
    }

    pub(crate) fn complex_matrix(&self, name: &str) -> Result<Array2<Complex32>> {
        let (file, key, _) = self.reference(name)?;
        Ok(self.store.array(file, key)?.into_dimensionality()?)
    }

    pub(crate) fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let (file, key, _) = self.reference(name)?;
        Ok(self.store.array(file, key)?.into_iter().collect())
    }

    // Parameters

    /// Whether the parameter is given; does not take it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.description.params.contains_key(name)
    }

    /// The raw value of a parameter.
    pub(crate) fn value(&self, name: &str) -> Result<&Value> {
        self.taken.borrow_mut().insert(name.to_owned());
        self.description.params.get(name).with_context(|| format!("no parameter {name}"))
    }

    /// The value of a parameter that is given and not null.
    pub(crate) fn given(&self, name: &str) -> Option<&Value> {
        self.taken.borrow_mut().insert(name.to_owned());
        self.description.params.get(name).filter(|v| !v.is_null())
    }

    /// Takes a parameter that must have the value that the implementation has built in.
    pub(crate) fn fixed(&self, name: &str, value: impl Into<Value>) -> Result<()> {
        let value = value.into();
        match self.given(name) {
            None => Ok(()),
            Some(given) if *given == value => Ok(()),
            Some(given) => bail!("{name} = {given} is not supported, only {value}"),
        }
    }

    pub(crate) fn usize(&self, name: &str) -> Result<usize> {
        let value = self.value(name)?;
        let number = value.as_u64().or_else(|| value.as_f64().filter(|v| v.fract() == 0.0).map(|v| v as u64));
        number.map(|v| v as usize).with_context(|| format!("{name} = {value} is no count"))
    }

    pub(crate) fn integer(&self, name: &str) -> Result<i64> {
        let value = self.value(name)?;
        value.as_i64().with_context(|| format!("{name} = {value} is no integer"))
    }

    pub(crate) fn f64(&self, name: &str) -> Result<f64> {
        number(self.value(name)?).with_context(|| name.to_owned())
    }

    pub(crate) fn f32(&self, name: &str) -> Result<f32> {
        Ok(self.f64(name)? as f32)
    }

    pub(crate) fn bool(&self, name: &str) -> Result<bool> {
        let value = self.value(name)?;
        value.as_bool().with_context(|| format!("{name} = {value} is no boolean"))
    }

    #[allow(dead_code, reason = "for functions that choose by name")]
    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        let value = self.value(name)?;
        value.as_str().with_context(|| format!("{name} = {value} is no text"))
    }

    pub(crate) fn optional_usize(&self, name: &str) -> Result<Option<usize>> {
        self.given(name).map(|_| self.usize(name)).transpose()
    }

    pub(crate) fn optional_f64(&self, name: &str) -> Result<Option<f64>> {
        self.given(name).map(number).transpose().with_context(|| name.to_owned())
    }

    pub(crate) fn optional_f32(&self, name: &str) -> Result<Option<f32>> {
        Ok(self.optional_f64(name)?.map(|v| v as f32))
    }

    /// `sr` as whole Hz.
    pub(crate) fn sample_rate(&self) -> Result<u32> {
        Ok(u32::try_from(self.usize("sr")?)?)
    }

    /// `"hann"`, `["kaiser", 8.6]` and so on.
    pub(crate) fn window(&self, name: &str) -> Result<Window> {
        let value = self.value(name)?;
        window(value).with_context(|| format!("{name} = {value}"))
    }

    /// Takes the parameter; none given is zeros.
    pub(crate) fn pad_mode(&self, name: &str) -> Result<PadMode> {
        let Some(value) = self.given(name) else {
            return Ok(PadMode::Constant);
        };
        serde_json::from_value(value.clone()).with_context(|| format!("{name} = {value}"))
    }

    pub(crate) fn norm(&self, name: &str) -> Result<Option<Norm>> {
        self.given(name).map(norm).transpose().with_context(|| name.to_owned())
    }

    pub(crate) fn mel_norm(&self, name: &str) -> Result<MelNorm> {
        Ok(match self.given(name) {
            None => MelNorm::None,
            Some(Value::String(s)) if s == "slaney" => MelNorm::Slaney,
            Some(value) => MelNorm::Row(norm(value)?),
        })
    }

    /// The parameters of the transform, as librosa names them. `win_length` may be absent.
    pub(crate) fn stft_config(&self) -> Result<StftConfig> {
        let default = StftConfig::default();
        let n_fft = self.optional_usize("n_fft")?.unwrap_or(default.n_fft);
        let win_length = self.optional_usize("win_length")?;
        let hop_length = self.optional_usize("hop_length")?.unwrap_or(win_length.unwrap_or(n_fft) / 4);
        Ok(StftConfig {
            n_fft,
            hop_length,
            win_length,
            window: self.given("window").map(window).transpose()?.unwrap_or_default(),
            center: if self.has("center") { self.bool("center")? } else { true },
            pad_mode: self.pad_mode("pad_mode")?,
        })
    }
}

/// A number, or one of the strings that stand for what JSON has no number for.
fn number(value: &Value) -> Result<f64> {
    Ok(match value {
        Value::String(s) if s == "inf" => f64::INFINITY,
        Value::String(s) if s == "-inf" => f64::NEG_INFINITY,
        Value::String(s) if s == "nan" => f64::NAN,
        other => other.as_f64().with_context(|| format!("{other} is no number"))?,
    })
}

fn norm(value: &Value) -> Result<Norm> {
    let p = number(value)?;
    Ok(match p {
        f64::INFINITY => Norm::Max,
        f64::NEG_INFINITY => Norm::Min,
        0.0 => Norm::L0,
        1.0 => Norm::L1,
        2.0 => Norm::L2,
        p => Norm::Lp(p),
    })
}

fn window(value: &Value) -> Result<Window> {
    if let Value::String(name) = value {
        let name = match name.as_str() {
            "hanning" => "hann",
            "ones" | "rectangular" => "boxcar",
            "blackmanharris" => "blackman_harris",
            other => other,
        };
        return Ok(serde_json::from_value(Value::String(name.to_owned()))?);
    }
    let parts = value.as_array().context("a window is a name, or a name with a parameter")?;
    ensure!(parts.len() == 2, "a window has one parameter");
    let parameter = number(&parts[1])?;
    Ok(match parts[0].as_str().unwrap_or_default() {
        "kaiser" => Window::Kaiser { beta: parameter },
        "gaussian" => Window::Gaussian { std: parameter },
        "tukey" => Window::Tukey { alpha: parameter },
        "general_hamming" => Window::GeneralHamming { alpha: parameter },
        other => bail!("unknown window {other}"),
    })
}

/// A view of a spectrogram that a function takes as it is.
pub(crate) fn view(array: &Array2<f32>) -> ArrayView2<'_, f32> {
    array.view()
}
