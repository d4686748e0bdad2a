//! The two listeners. Translates between HTTP and the rooms behind it, never
//! decides: policy is in `serving` and `catalog`.

mod admin;
mod body;
mod compression;
mod connections;
mod cors;
mod descriptors;
#[cfg(test)]
mod documented;
mod error;
mod head;
mod listen;
mod predict;
mod repository;
mod shutdown;
mod watchdog;

pub use admin::Tokens;
pub use listen::{Bound, ServeError, serve};
pub use shutdown::Stop;
