//! The engines, their pool of instances, and the ticker that ends overdue calls.

use super::cache::{self, CodeCache, CodeSource};
use super::compiler::{CompileError, CompileSettings, Compiler, Turn};
use super::core_module::LOG;
use super::functions::Found;
use super::instance::Exports;
use super::limits::{Context, log};
use super::rewind::Learned;
use super::stock::{Shelf, Stock};
use super::ticker::Ticker;
use crate::memory::give_back;
use crate::store::Digest;
use crate::threads::Cores;
use scry_card::Schema;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module, PoolingAllocationConfig,
};

/// Whether code counts fuel. Counting is compiled in, so each is an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Metering {
    /// Deterministic, and the default.
    Fuel,
    /// Only the deadline ends a call.
    Off,
}

/// How large the pool is.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// Instances that may be at a call at once, per engine.
    pub instances_max: u32,
    /// Instances that may be kept ready ahead of need, over all components.
    pub instances_ahead_max: u32,
    /// The most linear memory that any deployment may grant, in bytes.
    pub memory_max_bytes: u64,
    /// Processors that compiling leaves to the others.
    pub quiet_cores: usize,
    /// Where components are compiled, and within which limits.
    pub compile: CompileSettings,
}

/// Why a component cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine could not be set up on this machine.
    #[error("the sandbox could not be set up: {0}")]
    Setup(String),
    /// The bytes do not compile, or are not of the contract.
    #[error("the component cannot be loaded: {0}")]
    Component(String),
    /// It was not compiled, for another reason than what it is.
    #[error(transparent)]
    Compile(CompileError),
}

impl From<CompileError> for SandboxError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Refused(why) => Self::Component(why),
            other => Self::Compile(other),
        }
    }
}

/// Compiled, linked and ready to be instantiated.
#[derive(Clone)]
pub struct Loaded {
    pub(super) pre: InstancePre<Context>,
    pub(super) exports: Arc<Exports>,
    /// How its instances are put back.
    pub(super) learned: Arc<Learned>,
    pub(super) schema: Arc<Schema>,
    /// Its calls need it, whatever becomes of the sandbox.
    pub(super) ticker: Arc<Ticker>,
    /// Instances made ahead.
    pub(super) stock: Arc<Stock>,
    /// Functions that were compiled for it, until they are kept.
    pub(super) added: Arc<Mutex<Vec<u8>>>,
    /// Whether calls count fuel.
    pub metering: Metering,
    /// Where its code came from.
    pub source: CodeSource,
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("metering", &self.metering).finish_non_exhaustive()
    }
}

/// Engines and their ticker, for the life of the process.
#[derive(Debug)]
pub struct Sandbox {
    fuel: Engine,
    off: Engine,
    pub(super) compiler: Compiler,
    shelf: Arc<Shelf>,
    pub(super) ticker: Arc<Ticker>,
}

impl Sandbox {
    /// Sets up both engines, starts the ticker and the compiler.
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let engine =
            |metering| Engine::new(&config(&settings, metering)).map_err(|e| SandboxError::Setup(format!("{e:#}")));
        let (fuel, off) = (engine(Metering::Fuel)?, engine(Metering::Off)?);
        let ticker = Ticker::start(vec![fuel.clone(), off.clone()]).map_err(|e| SandboxError::Setup(e.to_string()))?;
        let compiler = Compiler::new(settings.compile, Cores::keeping_quiet(settings.quiet_cores));
        let shelf = Arc::new(Shelf::new(settings.instances_ahead_max as usize));
        Ok(Self { fuel, off, compiler, shelf, ticker: Arc::new(ticker) })
    }

    /// Compiles a component, or takes its code from the cache; `keep` puts it there.
    pub fn load(
        &self,
        bytes: &[u8],
        schema: Arc<Schema>,
        metering: Metering,
        cache: Option<&CodeCache>,
    ) -> Result<Loaded, SandboxError> {
        let engine = self.engine(metering);
        let wrong = |e: wasmtime::Error| SandboxError::Component(format!("{e:#}"));
        let digest = Digest::of(bytes);
        let (module, source, added) = match cache.and_then(|cache| cache.load(engine, &digest)) {
            Some(module) => (module, CodeSource::Cache, Vec::new()),
            None => self.compiler.take_turn(|turn| self.compile(turn, bytes, metering, cache))?,
        };
        let added = Arc::new(Mutex::new(added));
        let mut linker = Linker::<Context>::new(engine);
        linker.func_wrap(LOG.0, LOG.1, log).map_err(wrong)?;
        let pre = linker.instantiate_pre(&module).map_err(wrong)?;
        let (exports, learned) = (Arc::new(Exports::of(&module)?), Arc::<Learned>::default());
        let (ticker, stock) = (self.ticker.clone(), Arc::new(Stock::new(self.shelf.clone())));
        Ok(Loaded { pre, exports, learned, schema, ticker, stock, added, metering, source })
    }

    /// Compiles a component; with it come the functions that were not known.
    fn compile(
        &self,
        turn: &Turn<'_>,
        bytes: &[u8],
        metering: Metering,
        cache: Option<&CodeCache>,
    ) -> Result<(Module, CodeSource, Vec<u8>), SandboxError> {
        let engine = self.engine(metering);
        let mut found = cache.and_then(|cache| cache.functions(engine));
        let code = turn.model(engine, metering, bytes, found.as_mut())?;
        // SAFETY: a process of this program compiled it just now, with this
        // engine's settings, and could do nothing else.
        let module = unsafe { Module::deserialize(engine, &code) };
        let module = module.map_err(|e| SandboxError::Component(format!("{e:#}")))?;
        let (reused, added) = found.map(Found::into_parts).unwrap_or_default();
        drop(code);
        // Some MiB after each version.
        give_back();
        Ok((module, CodeSource::Compiled(reused), added))
    }

    /// Keeps in the cache what was compiled.
    pub fn keep(&self, loaded: &Loaded, digest: &Digest, cache: &CodeCache) {
        let added = std::mem::take(&mut *loaded.added.lock().unwrap_or_else(PoisonError::into_inner));
        cache.keep(self.engine(loaded.metering), digest, loaded.pre.module(), &added);
    }

    /// The folders of its code in a cache; code in any other is of no use.
    pub fn cache_folders(&self) -> [String; 2] {
        [&self.fuel, &self.off].map(cache::folder)
    }

    pub(super) fn engine(&self, metering: Metering) -> &Engine {
        match metering {
            Metering::Fuel => &self.fuel,
            Metering::Off => &self.off,
        }
    }
}

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
        .max_wasm_stack(1 << 20);
    config
}

fn config(settings: &SandboxSettings, metering: Metering) -> Config {
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
