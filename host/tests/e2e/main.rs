//! The real binary, real guests, a real client; nothing of ours is mocked.
//!
//! One program, so that each guest is built once however many tests need it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod author;
mod bounded;
mod breaker;
mod checks;
mod clean;
mod cli;
mod comparisons;
mod compiling;
mod contract;
mod crash;
mod demo;
mod deployers;
mod desired;
mod drift;
mod echoes;
mod edge;
mod ends;
mod files;
mod hostile;
mod http1;
mod joined;
mod leaving;
mod messages;
mod oci;
mod ontime;
mod overload;
mod paths;
mod profile;
mod registries;
mod restart;
mod rollout;
mod schemas;
mod serving;
mod standing;
mod support;
mod swap;
mod transform;
mod upgrade;
mod verdicts;
