//! Search for settings: grid, random and successive halving over fields by dotted name.

mod classic;
mod config;
mod journal;
mod measure;
mod network;
mod run;
mod space;
mod table;

pub use classic::ClassicSearch;
pub use config::{Objective, SearchConfig, Strategy};
pub use measure::Measured;
pub use network::NetworkSearch;
pub use run::{Evaluate, SearchProgress, TrialResult, search};
pub use space::{Scale, Setting, Space, Trial};
pub use table::{RankedTrial, SearchTable};
