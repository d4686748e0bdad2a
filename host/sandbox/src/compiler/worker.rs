//! The compile process: gives up what it does not need, reads a component, writes
//! its code.
//!
//! Never runs what it compiles, never opens a file.

use super::confine;
use super::process::OUT_OF_MEMORY;
use super::wire::{Order, Tag, receive, send};
use crate::canonical::canonical;
use crate::config::code_config;
use crate::core_module::extract;
use crate::settings::Metering;
use scry_os::memory::exit_without;
use std::borrow::Cow;
use std::io::{Error, Result, stdin, stdout};
use std::sync::Arc;
use wasmtime::{CacheStore, Config, Engine};

/// The longest reason why a component does not compile, in bytes.
const REFUSAL_MAX_BYTES: usize = 4_000;
const ORDER_MAX_BYTES: u64 = 4_096;

/// Compiles what comes on stdin, for the host that started this process.
pub fn run() -> Result<()> {
    confine::begin()?;
    let (_, order) = receive(&mut stdin().lock(), ORDER_MAX_BYTES)?;
    let order: Order = serde_json::from_slice(&order)?;
    exit_without(OUT_OF_MEMORY);
    confine::bound(order.memory_max_bytes, order.cpu_max_s)?;
    let (_, component) = receive(&mut stdin().lock(), u64::MAX)?;
    let mut config = config(&order);
    if order.has_functions {
        config.enable_incremental_compilation(Arc::new(Earlier)).map_err(Error::other)?;
    }
    let engine = Engine::new(&config).map_err(Error::other)?;
    confine::end()?;
    let freedoms = confine::freedoms();
    let mut out = stdout().lock();
    if !freedoms.is_empty() {
        send(&mut out, Tag::Unconfined, &[freedoms.join(", ").as_bytes()])?;
    }
    drop(out);
    let compiled = code(&engine, order.is_whole, &component);
    let mut out = stdout().lock();
    match compiled {
        Ok(code) if code.len() as u64 > order.code_max_bytes => send(&mut out, Tag::TooLong, &[]),
        Ok(code) => send(&mut out, Tag::Code, &[&code]),
        Err(error) => {
            let why = format!("{error:#}");
            send(&mut out, Tag::Refused, &[why.as_bytes().get(..REFUSAL_MAX_BYTES).unwrap_or(why.as_bytes())])
        }
    }
}

/// What the process could do before it gave everything up, and after.
pub fn self_check() -> Result<[Vec<&'static str>; 2]> {
    confine::begin()?;
    let before = confine::freedoms();
    confine::bound(1 << 30, 60)?;
    confine::end()?;
    Ok([before, confine::freedoms()])
}

/// A component's code: what its calls run, or the whole of it.
pub(super) fn code(engine: &Engine, is_whole: bool, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
    // Validates the bytes, which are untrusted.
    let canonical = canonical(component).map_err(|e| wasmtime::Error::msg(e.to_string()))?;
    if is_whole { engine.precompile_component(&canonical) } else { engine.precompile_module(&extract(&canonical)?) }
}

fn config(order: &Order) -> Config {
    code_config(if order.counts_fuel { Metering::Fuel } else { Metering::Off })
}

/// Functions that were compiled earlier, which the host has.
#[derive(Debug)]
struct Earlier;

impl CacheStore for Earlier {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        send(&mut stdout().lock(), Tag::Ask, &[key]).ok()?;
        match receive(&mut stdin().lock(), u64::MAX).ok()? {
            (Tag::Known, function) => Some(Cow::Owned(function)),
            _ => None,
        }
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let Ok(length) = u32::try_from(key.len()) else { return false };
        send(&mut stdout().lock(), Tag::Keep, &[&length.to_le_bytes(), key, &value]).is_ok()
    }
}
