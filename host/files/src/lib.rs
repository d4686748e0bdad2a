//! Files that are replaced as a whole or not at all: what the host and its commands write.
//!
//! Whatever is written goes through here, so that a crash or a full disk at any step leaves what was there before, or
//! what was meant. Never knows what is in a file.

#![forbid(unsafe_code)]

mod error;
mod failpoint;
mod kind;
mod write;

pub use error::FileError;
#[cfg(debug_assertions)]
pub use failpoint::{arm, reached};
pub use kind::FileKind;
pub use write::{
    append, create_folder, is_beside_name, open_empty, remove_file, rename, settle, truncate, write_atomically,
    write_parts, write_steps,
};
