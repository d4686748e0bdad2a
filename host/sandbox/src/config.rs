//! The engines' configuration.

use super::settings::{Metering, SandboxSettings};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// What code depends on: the same where it is compiled and where it runs.
pub(super) fn code_config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::Fuel)
        // A prediction is a function of digest and input, on every machine: so no
        // relaxed SIMD, and NaNs are made canonical before code is compiled.
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .concurrency_support(false)
        // Putting back watches a memory by its addresses: they must stay.
        .memory_may_move(false)
        .max_wasm_stack(1 << 20);
    config
}

pub(super) fn pooled_config(settings: &SandboxSettings, metering: Metering) -> Config {
    /// Memory that a slot keeps between calls instead of giving it back.
    const KEEP_RESIDENT_BYTES: usize = 8 << 20;
    /// A component is one module of ours and the adapters around its imports.
    const CORE_INSTANCES_PER_COMPONENT: u32 = 8;

    let instances = settings.instances_max.saturating_add(settings.instances_ahead_max);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .total_memories(instances)
        .total_tables(instances.saturating_mul(3))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(1)
        .max_tables_per_component(3)
        .max_memory_size(usize::try_from(settings.memory_max_bytes).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(1 << 16)
        .pagemap_scan(Enabled::Auto);
    let mut config = code_config(metering);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
