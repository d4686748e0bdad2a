//! The Scry host: predictions from sandboxed WebAssembly components.
//!
//! ARCHITECTURE.md names the rooms below and what each may touch.

pub mod build;
pub mod catalog;
pub mod cli;
pub mod component;
pub mod config;
pub mod golden;
pub mod http;
pub mod import;
pub mod memory;
pub mod offline;
pub mod protocol;
pub mod registry;
mod rhythm;
pub mod sandbox;
pub mod serving;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod threads;
