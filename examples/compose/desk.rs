//! The mixing desk: parts at comparable levels into a bus, and a send to one reverb.

use crate::band::Part;
use crate::effects::{compress, reverb, saturate};
use crate::sound::samples;

/// The bus of a piece and what goes to its reverb.
#[derive(Debug)]
pub(crate) struct Desk {
    bus: Part,
    send: Part,
}

impl Desk {
    pub(crate) fn new(silence: Part) -> Self {
        Self { send: silence.clone(), bus: silence }
    }

    /// Adds a part: `fader` means the same for every instrument, `send` is the fraction of it that the reverb gets.
    pub(crate) fn add(&mut self, mut part: Part, fader: f64, send: f64) {
        level(&mut part);
        for ((bus, wet), value) in self.bus.iter_mut().zip(&mut self.send).zip(&part) {
            *bus += fader * value;
            *wet += send * fader * value;
        }
    }

    /// The mix with a reverb of the given length (seconds) and brightness (hertz), glued by the bus compressor.
    pub(crate) fn mix(mut self, seconds: f64, bright: f64, glue: f64) -> Part {
        for (bus, wet) in self.bus.iter_mut().zip(reverb(&self.send, seconds, bright)) {
            *bus += wet;
        }
        compress(&mut self.bus, 0.25 / glue, 1.0 + glue, 0.012, 0.16);
        saturate(&mut self.bus, 0.8 * glue);
        self.bus
    }
}

/// Brings a part to an RMS of 0.1 over its louder half, whatever the instrument.
fn level(part: &mut [f64]) {
    let mut powers: Vec<f64> = part
        .chunks(samples(0.05))
        .map(|chunk| chunk.iter().map(|x| x * x).sum::<f64>() / chunk.len() as f64)
        .collect();
    powers.sort_by(|a, b| b.total_cmp(a));
    let loud = powers.len().div_ceil(2);
    let rms = (powers[..loud].iter().sum::<f64>() / loud.max(1) as f64).sqrt();
    if rms > 0.0 {
        part.iter_mut().for_each(|x| *x *= 0.1 / rms);
    }
}
