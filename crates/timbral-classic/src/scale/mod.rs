mod min_max;
mod power;
mod standard;

pub use min_max::{MinMaxScaler, MinMaxScalerConfig};
pub use power::{PowerTransformer, PowerTransformerConfig};
pub use standard::{StandardScaler, StandardScalerConfig};
