//! The Scry host: predictions from sandboxed WebAssembly components.
//!
//! ARCHITECTURE.md names the rooms below and what each may touch.

#![forbid(unsafe_code)]

pub mod access;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod drift;
pub mod golden;
pub mod import;
pub mod offline;
pub mod openapi;
pub mod recording;
pub mod registry;
pub mod server;
pub mod serving;
pub mod telemetry;
