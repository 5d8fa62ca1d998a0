//! What the programs that train share: how they show, keep and stop what runs, and the learners they know by name.
#![allow(clippy::print_stderr, reason = "a program speaks on stdout and stderr")]

mod learners;
pub mod watch;

pub use learners::{learners, takes_part};
