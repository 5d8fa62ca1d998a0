mod min_max;
mod power;
mod standard;

pub use min_max::{MinMaxScaler, MinMaxScalerParameters};
pub use power::{PowerTransformer, PowerTransformerParameters};
pub use standard::{StandardScaler, StandardScalerParameters};
