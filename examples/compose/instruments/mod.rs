//! The instruments: each renders one note or stroke, at about unit level when played hard.

pub(crate) mod drums;
pub(crate) mod keys;
pub(crate) mod strings;
pub(crate) mod winds;
