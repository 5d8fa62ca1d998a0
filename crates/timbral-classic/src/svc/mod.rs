mod fit;
mod kernel;
mod model;
mod platt;
mod rows;
mod solver;

pub use fit::{ClassWeight, SvcConfig};
pub use kernel::{Gamma, Kernel};
pub(crate) use model::Parts;
pub use model::Svc;
