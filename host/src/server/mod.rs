//! The two listeners. Translates between HTTP and the rooms behind it, never
//! decides: policy is in `serving` and `catalog`.

mod admin;
mod body;
mod bound;
mod compression;
mod connections;
mod cors;
mod dashboard;
mod descriptors;
mod docs;
#[cfg(test)]
mod documented;
mod edge;
mod error;
mod followed;
mod guard;
mod head;
mod http2;
mod identity;
mod listen;
mod metrics;
mod predict;
mod query;
mod repository;
mod reread;
mod shutdown;
mod stream;
mod taking;
mod tls;
mod versions;
mod watchdog;

pub use bound::{At, Bound, ServeError};
pub use descriptors::open_files_wanted;
pub use listen::serve;
pub use shutdown::Stop;
