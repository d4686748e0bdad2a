//! What is special in a process of another program, such as Python's: nothing that the program would notice, and
//! each function compiled once.
//!
//! Components are compiled in the process itself, so what one has compiled is offered to all: a component that
//! breaks out of the compiler has the process already.

use super::config::code_config;
use super::error::SandboxError;
use super::settings::Metering;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use wasmtime::{CacheStore, Config, InstanceAllocationStrategy};

/// Code checks its bounds itself, and memory is not reserved.
pub(super) fn config(metering: Metering) -> Result<Config, SandboxError> {
    config_with(metering, Arc::<Compiled>::default())
}

fn config_with(metering: Metering, compiled: Arc<dyn CacheStore>) -> Result<Config, SandboxError> {
    /// What a memory that has to move gets beyond its need.
    const GROWTH_BYTES: u64 = 1 << 20;
    let mut config = code_config(metering);
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .signals_based_traps(false)
        .memory_may_move(true)
        .memory_reservation(0)
        .memory_reservation_for_growth(GROWTH_BYTES)
        .memory_guard_size(0)
        .guard_before_linear_memory(false)
        .enable_incremental_compilation(compiled)
        .map_err(|e| SandboxError::Setup(format!("{e:#}")))?;
    Ok(config)
}

/// Functions that this process has compiled, by what they are compiled from.
#[derive(Debug, Default)]
struct Compiled(Mutex<Functions>);

#[derive(Debug, Default)]
struct Functions {
    by_key: HashMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

/// Never waits: what another thread holds while the process is forked is never released in the child.
impl CacheStore for Compiled {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Owned(self.0.try_lock().ok()?.by_key.get(key)?.clone()))
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        /// Both runtimes fit several times.
        const MAX_BYTES: usize = 64 << 20;
        let Ok(mut functions) = self.0.try_lock() else { return false };
        let bytes = functions.bytes + key.len() + value.len();
        if bytes > MAX_BYTES {
            return false;
        }
        if functions.by_key.insert(key.to_vec(), value).is_none() {
            functions.bytes = bytes;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use wasm_encoder::{CodeSection, Function, FunctionSection, Module, TypeSection, ValType};
    use wasmtime::Engine;

    #[derive(Debug, Default)]
    struct Counted {
        compiled: Compiled,
        found: AtomicUsize,
    }

    impl CacheStore for Counted {
        fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
            self.compiled.get(key).inspect(|_| _ = self.found.fetch_add(1, Ordering::Relaxed))
        }

        fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
            self.compiled.insert(key, value)
        }
    }

    /// A module with a function that adds each of these numbers.
    fn adds(numbers: &[i32]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], [ValType::I32]);
        let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
        for &number in numbers {
            functions.function(0);
            let mut body = Function::new([]);
            body.instructions().local_get(0).i32_const(number).i32_add().end();
            code.function(&body);
        }
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&code);
        module.finish()
    }

    #[test]
    fn a_function_that_another_component_had_is_not_compiled_again() {
        let store = Arc::<Counted>::default();
        let engine = Engine::new(&config_with(Metering::Fuel, store.clone()).unwrap()).unwrap();
        let found = [[1, 2], [2, 3], [3, 1]].map(|numbers| {
            engine.precompile_module(&adds(&numbers)).unwrap();
            store.found.swap(0, Ordering::Relaxed)
        });
        // The second has one of them, and what calls them; the third has both.
        assert!(found[0] == 0 && found[1] >= 1 && found[2] == found[1] + 1, "{found:?}");
    }
}
