//! Running model components: engines, pool, limits, compile cache, one call.
//!
//! The only room that knows wasmtime. Never touches HTTP, never decides which
//! component serves a request, and grants a guest nothing but a bounded log:
//! there is no WASI in the host at all.

mod abi;
mod backtrace;
mod cache;
mod call;
mod canonical;
pub mod compiler;
mod config;
mod convert;
mod core_module;
mod embedded;
mod engine;
mod epochs;
mod error;
mod functions;
mod instance;
mod limits;
mod rewind;
mod seal;
mod settings;
pub mod snapshot;
mod stock;

mod bindings {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::restriction)]
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "model",
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub use abi::lift;
pub use backtrace::Frame;
pub use cache::{CacheOf, CodeCache, CodeSource, Runtime};
pub use call::{CallReport, Session, Spent};
pub use canonical::{CanonicalError, canonical};
pub use core_module::{CoreError, extract};
pub use engine::{Loaded, Sandbox};
pub use error::{CallError, CompileError, SandboxError};
pub use functions::{Found, Reused};
pub use limits::{CallLimits, Client, LogLine};
pub use rewind::put_back_mappings;
pub use settings::{CompileSettings, Metering, SandboxSettings};
