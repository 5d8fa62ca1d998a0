//! What the training programs share: progress, metrics and interruption of runs, and learners by name.
#![allow(clippy::print_stderr, reason = "a program prints")]

mod learners;
pub mod watch;

pub use learners::{learners, takes_part};

/// The examples of the project's README, compiled with the doctests of a package that has all crates.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct ReadmeExamples;
