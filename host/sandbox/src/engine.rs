//! The engines, their pool of instances, and the ticker that ends overdue calls.

use super::cache::{self, CacheOf, CodeCache, CodeSource};
use super::compiler::Compiler;
use super::config::pooled_config;
use super::core_module::LOG;
use super::embedded;
use super::epochs::Epochs;
use super::error::SandboxError;
use super::functions::RUNTIME;
use super::functions::{Found, Reused};
use super::instance::Exports;
use super::limits::{Context, log};
use super::rewind::Learned;
use super::settings::{Metering, SandboxSettings};
use super::stock::{Shelf, Stock};
use scry_card::Schema;
use scry_names::Digest;
use scry_os::memory::give_back;
use scry_os::ticker::Ticker;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::{Engine, InstancePre, Linker, Module};

/// Compiled, linked and ready to be instantiated.
#[derive(Clone)]
pub struct Loaded {
    pub(super) pre: InstancePre<Context>,
    pub(super) exports: Arc<Exports>,
    /// How its instances are put back.
    pub(super) learned: Arc<Learned>,
    pub(super) schema: Arc<Schema>,
    /// Its calls need it, whatever becomes of the sandbox.
    pub(super) epochs: Arc<Epochs>,
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
    ticker: Arc<Ticker>,
    pub(super) epochs: Arc<Epochs>,
}

impl Sandbox {
    /// Sets up both engines, starts the ticker and the compiler.
    pub fn new(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let engine = |metering| {
            let config = match settings.is_embedded {
                true => embedded::config(metering)?,
                false => pooled_config(&settings, metering),
            };
            Engine::new(&config).map_err(|e| SandboxError::Setup(format!("{e:#}")))
        };
        let (fuel, off) = (engine(Metering::Fuel)?, engine(Metering::Off)?);
        let ticker = Ticker::start().map_err(|e| SandboxError::Setup(e.to_string()))?;
        let epochs = Epochs::advance(ticker.clone(), [fuel.clone(), off.clone()]);
        let compiler = Compiler::new(settings.compile);
        let shelf = Arc::new(Shelf::new(settings.instances_ahead_max as usize));
        Ok(Self { fuel, off, compiler, shelf, ticker, epochs })
    }

    /// The process's ticks, for what else needs them.
    pub fn ticker(&self) -> Arc<Ticker> {
        self.ticker.clone()
    }

    /// Compiles a component, or takes its code from the cache; `keep` puts it there.
    pub fn load(
        &self,
        bytes: &[u8],
        schema: Arc<Schema>,
        metering: Metering,
        cache: Option<CacheOf<'_>>,
    ) -> Result<Loaded, SandboxError> {
        let engine = self.engine(metering);
        let digest = Digest::of(bytes);
        match cache.and_then(|of| of.cache.load(engine, of.model, &digest)) {
            Some(module) => self.linked(&module, CodeSource::Cache, Vec::new(), schema, metering),
            None => {
                let mut found = cache.and_then(|of| self.functions(of, metering));
                let module = self.compile(bytes, metering, found.as_mut())?;
                let (reused, added) = found.map(Found::into_parts).unwrap_or_default();
                self.linked(&module, CodeSource::Compiled(reused), added, schema, metering)
            }
        }
    }

    /// What is known for a component, with the functions of its runtime.
    fn functions(&self, of: CacheOf<'_>, metering: Metering) -> Option<Found> {
        let engine = self.engine(metering);
        let mut found = of.cache.functions(engine, of.model, of.runtime.map(|runtime| &runtime.digest))?;
        let Some(runtime) = of.runtime.filter(|_| !found.has_runtime) else { return Some(found) };
        let mut of_runtime = Found::in_passing();
        let component = (runtime.component)();
        match component.map(|component| self.compile(&component, metering, Some(&mut of_runtime))) {
            Some(Ok(_)) => {
                let (_, added) = of_runtime.into_parts();
                of.cache.keep_runtime(engine, &runtime.digest, &added);
                found.take_in(added);
            }
            Some(Err(error)) => tracing::warn!(%error, "a runtime of scry's own does not compile"),
            None => {}
        }
        Some(found)
    }

    /// Compiles a component whose author made those that functions are known of.
    pub fn load_next(
        &self,
        bytes: &[u8],
        schema: Arc<Schema>,
        metering: Metering,
        found: &mut Found,
    ) -> Result<Loaded, SandboxError> {
        let module = self.compile(bytes, metering, Some(found))?;
        found.pass_on();
        self.linked(&module, CodeSource::Compiled(Reused::default()), Vec::new(), schema, metering)
    }

    /// Code that another sandbox of this process, or of the one that it was forked from, has loaded.
    pub fn adopt(&self, loaded: &Loaded) -> Result<Loaded, SandboxError> {
        let wrong = |e: wasmtime::Error| SandboxError::Component(format!("{e:#}"));
        let code = loaded.pre.module().serialize().map_err(wrong)?;
        // SAFETY: an engine of these very settings made it, in this address space.
        let module = unsafe { Module::deserialize(self.engine(loaded.metering), &code) }.map_err(wrong)?;
        self.linked(&module, loaded.source, Vec::new(), loaded.schema.clone(), loaded.metering)
    }

    /// What earlier imports compiled of a runtime, for a component of it.
    pub fn of_runtime(&self, metering: Metering, cache: Option<&CodeCache>, runtime: &Digest) -> Found {
        let kept = cache.and_then(|cache| cache.functions(self.engine(metering), RUNTIME, Some(runtime)));
        kept.unwrap_or_else(Found::in_passing)
    }

    /// Keeps what was compiled of a component that is a runtime of Scry's own and a model's data, for the next import.
    pub fn keep_runtime(&self, metering: Metering, cache: Option<&CodeCache>, runtime: &Digest, found: &Found) {
        if let Some(cache) = cache.filter(|_| !found.has_runtime) {
            cache.keep_runtime(self.engine(metering), runtime, &found.all());
        }
    }

    fn linked(
        &self,
        module: &Module,
        source: CodeSource,
        added: Vec<u8>,
        schema: Arc<Schema>,
        metering: Metering,
    ) -> Result<Loaded, SandboxError> {
        let wrong = |e: wasmtime::Error| SandboxError::Component(format!("{e:#}"));
        let added = Arc::new(Mutex::new(added));
        let mut linker = Linker::<Context>::new(self.engine(metering));
        linker.func_wrap(LOG.0, LOG.1, log).map_err(wrong)?;
        let pre = linker.instantiate_pre(module).map_err(wrong)?;
        let (exports, learned) = (Arc::new(Exports::of(module)?), Arc::<Learned>::default());
        let (epochs, stock) = (self.epochs.clone(), self.shelf.stock());
        Ok(Loaded { pre, exports, learned, schema, epochs, stock, added, metering, source })
    }

    /// Compiles a component, but for the functions that are known.
    fn compile(&self, bytes: &[u8], metering: Metering, found: Option<&mut Found>) -> Result<Module, SandboxError> {
        let engine = self.engine(metering);
        let code = self.compiler.take_turn(|turn| turn.model(engine, metering, bytes, found))?;
        // SAFETY: a process of this program compiled it just now, with this
        // engine's settings, and could do nothing else.
        let module = unsafe { Module::deserialize(engine, &code) };
        drop(code);
        // Several MiB after each version.
        give_back();
        module.map_err(|e| SandboxError::Component(format!("{e:#}")))
    }

    /// Keeps in the cache what was compiled.
    pub fn keep(&self, loaded: &Loaded, digest: &Digest, cache: &CodeCache, model: &str) {
        let added = std::mem::take(&mut *loaded.added.lock().unwrap_or_else(PoisonError::into_inner));
        cache.keep(self.engine(loaded.metering), model, digest, loaded.pre.module(), &added);
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
