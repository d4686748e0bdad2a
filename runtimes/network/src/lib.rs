//! The runtime of imported networks: ONNX files, in float32.
//!
//! `scry import` places the file in the memory of this module. `load` reads it where it lies, so that
//! the weights are in the snapshot once, and finds out by zeros what the outputs are and how much
//! memory a call takes. Never knows one model.
#![cfg(target_family = "wasm")]

mod file;
mod memory;
mod network;
mod port;

scry_guest::export!(network::Network);
