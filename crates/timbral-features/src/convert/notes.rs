//! Names of notes.

use super::hz_to_midi;
use crate::error::FeatureError;

const SHARP: [(&str, bool); 12] = [
    ("C", false),
    ("C", true),
    ("D", false),
    ("D", true),
    ("E", false),
    ("F", false),
    ("F", true),
    ("G", false),
    ("G", true),
    ("A", false),
    ("A", true),
    ("B", false),
];

/// How a note is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteStyle {
    /// Append the octave number; C4 is middle C. Default: true.
    pub octave: bool,
    /// Append the deviation in cents, as `+12`. Default: false.
    pub cents: bool,
    /// Write `♯`, else `#`. Default: true.
    pub unicode: bool,
}

impl Default for NoteStyle {
    fn default() -> Self {
        Self { octave: true, cents: false, unicode: true }
    }
}

/// The note nearest to a frequency in Hz, spelt with sharps.
///
/// # Errors
///
/// [`FeatureError::Input`] for a frequency that is not finite and above 0.
pub fn hz_to_note(frequency: f64, style: NoteStyle) -> Result<String, FeatureError> {
    if !(frequency.is_finite() && frequency > 0.0) {
        return Err(FeatureError::Input(format!("no note has the frequency {frequency} Hz")));
    }
    midi_to_note(hz_to_midi(frequency), style)
}

/// The note nearest to a MIDI number, spelt with sharps; halves go to the even number.
///
/// # Errors
///
/// [`FeatureError::Input`] for a number that is not finite.
pub fn midi_to_note(midi: f64, style: NoteStyle) -> Result<String, FeatureError> {
    if !midi.is_finite() {
        return Err(FeatureError::Input(format!("no note has the MIDI number {midi}")));
    }
    let nearest = midi.round_ties_even();
    let (letter, sharp) = SHARP[(nearest as i64).rem_euclid(12) as usize];
    let mut note = letter.to_owned();
    if sharp {
        note.push(if style.unicode { '♯' } else { '#' });
    }
    if style.octave {
        note.push_str(&format!("{}", (nearest as i64) / 12 - 1));
    }
    if style.cents {
        let cents = (100.0 * (midi - nearest)).round_ties_even() as i64;
        note.push_str(&format!("{cents:+}"));
    }
    Ok(note)
}

/// The MIDI number of a note such as `C4`, `F#3`, `B♭2` or `A4+20` (20 cents sharp). The octave defaults to 0.
///
/// # Errors
///
/// [`FeatureError::Input`] for what is no note.
pub fn note_to_midi(note: &str) -> Result<f64, FeatureError> {
    let bad = || {
        FeatureError::Input(format!(
            "no note is written {note:?}; expected a letter A to G, accidentals, octave, cents"
        ))
    };
    let mut rest = note.chars().peekable();
    let class = match rest.next().map(|c| c.to_ascii_uppercase()) {
        Some('C') => 0,
        Some('D') => 2,
        Some('E') => 4,
        Some('F') => 5,
        Some('G') => 7,
        Some('A') => 9,
        Some('B') => 11,
        _ => return Err(bad()),
    };
    let mut shift = 0;
    while let Some(c) = rest.peek() {
        shift += match c {
            '#' | '♯' => 1,
            'b' | '♭' | '!' => -1,
            '𝄪' => 2,
            '𝄫' => -2,
            '♮' => 0,
            _ => break,
        };
        rest.next();
    }
    let tail: String = rest.collect();
    // The sign of the octave comes first, so the cents begin at the next sign.
    let split = tail.char_indices().skip(1).find(|(_, c)| matches!(c, '+' | '-')).map(|(i, _)| i);
    let (octave, cents) = match split {
        Some(i) => tail.split_at(i),
        None if tail.starts_with('+') => ("", tail.as_str()),
        None => (tail.as_str(), ""),
    };
    let octave: i32 = if octave.is_empty() { 0 } else { octave.parse().map_err(|_| bad())? };
    let cents: f64 = if cents.is_empty() { 0.0 } else { cents.parse().map_err(|_| bad())? };
    Ok(12.0 * (f64::from(octave) + 1.0) + f64::from(class + shift) + cents / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_agree() {
        let style = NoteStyle::default();
        for midi in 12..128 {
            let name = midi_to_note(f64::from(midi), style).unwrap();
            assert_eq!(note_to_midi(&name).unwrap(), f64::from(midi), "{name}");
        }
        assert_eq!(hz_to_note(445.0, NoteStyle { cents: true, ..style }).unwrap(), "A4+20");
        assert_eq!(note_to_midi("B♭2-10").unwrap(), 46.0 - 0.1);
        assert_eq!(note_to_midi("C-1").unwrap(), 0.0);
    }

    #[test]
    fn refuses_what_is_no_note() {
        for bad in ["", "H", "C#x", "A4++", "4"] {
            assert!(note_to_midi(bad).is_err(), "{bad}");
        }
        assert!(hz_to_note(0.0, NoteStyle::default()).is_err());
        assert!(midi_to_note(f64::NAN, NoteStyle::default()).is_err());
    }
}
