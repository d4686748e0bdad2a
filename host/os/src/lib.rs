//! What the host asks of the system: the priority and processor time of threads, memory, and what the process uses.
//!
//! With the sandbox the only room with `unsafe` code. Never knows what a thread works on.

pub mod memory;
pub mod process;
pub mod threads;
pub mod ticker;
