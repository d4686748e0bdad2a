//! The real binary, real guests, a real client; nothing of ours is mocked.
//!
//! One program, so that each guest is built once however many tests need it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod author;
mod bench;
mod bounded;
mod breaker;
mod checks;
mod clean;
mod cli;
mod clients;
mod columns;
mod comparisons;
mod compiling;
mod contract;
mod crash;
mod deployers;
mod described;
mod desired;
mod documents;
mod drift;
mod echoes;
mod edge;
mod ends;
mod failures;
mod files;
mod guide;
mod hostile;
mod http1;
mod import;
mod import_boosters;
mod import_onnxml;
mod joined;
mod leaving;
mod messages;
mod networks;
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
mod tables;
mod tls;
mod transform;
mod upgrade;
mod verdicts;
