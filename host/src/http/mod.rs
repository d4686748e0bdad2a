//! The two listeners. Translates between HTTP and the rooms behind it, never
//! decides: policy is in `serving` and `catalog`.

mod admin;
mod body;
mod connections;
mod drift;
mod ending;
mod error;
mod files;
mod head;
mod predict;
mod prediction;
mod progress;
mod records;
mod server;
mod shown;
mod shown_validation;
mod tokens;

pub use ending::Stop;
pub use server::{Bound, ServeError, serve};
pub use tokens::Tokens;
