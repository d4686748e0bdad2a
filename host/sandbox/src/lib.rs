//! Running model components: engines, pool, limits, compile cache, one call.
//!
//! The only room that knows wasmtime. Never touches HTTP, never decides which
//! component serves a request, and grants a guest nothing but a bounded log:
//! there is no WASI in the host at all.

mod abi;
mod cache;
mod call;
mod canonical;
pub mod compiler;
mod convert;
mod core_module;
mod embedded;
mod engine;
mod epochs;
mod functions;
mod instance;
mod limits;
mod rewind;
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
pub use cache::{CacheOf, CodeCache, CodeSource, Runtime};
pub use call::{CallError, CallReport, LogLine, Session, Spent};
pub use canonical::{CanonicalError, canonical};
pub use compiler::{CompileError, CompileSettings};
pub use core_module::{CoreError, extract};
pub use engine::{Loaded, Metering, Sandbox, SandboxError, SandboxSettings};
pub use functions::{Found, Reused};
pub use limits::{Asker, CallLimits};
