//! One instance of a model's core module: its functions, its memory, and its
//! way back to the snapshot.

#[cfg(test)]
mod tests;

use super::abi::Heap;
use super::core_module as names;
use super::error::SandboxError;
use super::error::{CallError, classify_at, stopped_at};
use super::limits::Context;
use super::rewind::{Learned, Tracked};
use wasmtime::{
    Extern, Global, InstancePre, Memory, Module, ModuleExport, Store, TypedFunc, Val, WasmParams, WasmResults,
};

/// Which of a component's functions to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Predict,
    Transform,
}

/// Where a module has what the host uses of it.
pub(super) struct Exports {
    memory: ModuleExport,
    realloc: ModuleExport,
    predict: (ModuleExport, Option<ModuleExport>),
    transform: (ModuleExport, Option<ModuleExport>),
    /// All that is to be put back beside the memory; nothing where there is more.
    globals: Option<Vec<ModuleExport>>,
}

impl Exports {
    pub(super) fn of(module: &Module) -> Result<Self, SandboxError> {
        let find = |name: &str| {
            let missing = || SandboxError::Component(format!("its core module does not export `{name}`"));
            module.get_export_index(name).ok_or_else(missing)
        };
        let function = |name| {
            let (call, after) = (find(&names::function(name))?, module.get_export_index(&names::after(name)));
            Ok::<_, SandboxError>((call, after))
        };
        let globals = || (0..).map_while(|i| module.get_export_index(&names::global(i))).collect();
        Ok(Self {
            memory: find(names::MEMORY)?,
            realloc: find(names::REALLOC)?,
            predict: function("predict")?,
            transform: function("transform")?,
            globals: module.get_export_index(names::IMAGE).map(|_| globals()),
        })
    }
}

/// An instance whose exports are looked up.
struct Linked<'a> {
    store: &'a mut Store<Context>,
    instance: wasmtime::Instance,
}

impl Linked<'_> {
    fn export<T>(&mut self, export: &ModuleExport, is: impl FnOnce(Extern) -> Option<T>) -> wasmtime::Result<T> {
        let found = self.instance.get_module_export(&mut *self.store, export).and_then(is);
        found.ok_or_else(|| wasmtime::Error::msg("the core module's exports are not of the contract"))
    }

    fn function<P: WasmParams, R: WasmResults>(&mut self, export: &ModuleExport) -> wasmtime::Result<TypedFunc<P, R>> {
        self.export(export, Extern::into_func)?.typed(&*self.store)
    }

    fn callable(&mut self, (call, after): &(ModuleExport, Option<ModuleExport>)) -> wasmtime::Result<Callable> {
        let after = after.as_ref().map(|after| self.function(after)).transpose()?;
        Ok(Callable { call: self.function(call)?, after })
    }

    fn global(&mut self, export: &ModuleExport) -> wasmtime::Result<(Global, Val)> {
        let global = self.export(export, Extern::into_global)?;
        Ok((global, global.get(&mut *self.store)))
    }
}

/// An instance, ready for a call.
pub(super) struct Instance {
    pub(super) store: Store<Context>,
    memory: Memory,
    memory_bytes: usize,
    realloc: TypedFunc<(u32, u32, u32, u32), u32>,
    predict: Callable,
    transform: Callable,
    globals: Vec<(Global, Val)>,
    tracked: Option<Tracked>,
    /// What the last answer left in the memory, and whose it was.
    answered: Option<(Function, u32)>,
    pub(super) was_put_back: bool,
}

struct Callable {
    call: TypedFunc<(u32, u32), u32>,
    after: Option<TypedFunc<u32, ()>>,
}

impl Instance {
    /// A new one in this store. Its memory is watched where `learned` is given.
    pub(super) fn new(
        pre: &InstancePre<Context>,
        exports: &Exports,
        learned: Option<&Learned>,
        mut store: Store<Context>,
    ) -> wasmtime::Result<Self> {
        let instance = pre.instantiate(&mut store)?;
        let mut linked = Linked { store: &mut store, instance };
        let memory = linked.export(&exports.memory, Extern::into_memory)?;
        let realloc = linked.function(&exports.realloc)?;
        let (predict, transform) = (linked.callable(&exports.predict)?, linked.callable(&exports.transform)?);
        let globals = exports.globals.iter().flatten().map(|export| linked.global(export)).collect::<Result<_, _>>()?;
        let learned = learned.filter(|_| exports.globals.is_some());
        let tracked = learned.and_then(|learned| learned.track(&mut store, memory));
        let memory_bytes = memory.data_size(&store);
        let (answered, was_put_back) = (None, false);
        Ok(Self { store, memory, memory_bytes, realloc, predict, transform, globals, tracked, answered, was_put_back })
    }

    /// Has the guest clear the last answer away, where it is called once more as
    /// it stands. One that is put back or dropped has no need to.
    pub(super) fn clear_away(&mut self) -> Result<(), CallError> {
        let Some((function, at)) = self.answered.take() else { return Ok(()) };
        let after = match function {
            Function::Predict => &self.predict.after,
            Function::Transform => &self.transform.after,
        };
        let Some(after) = after else { return Ok(()) };
        let called = after.call(&mut self.store, at);
        called.map_err(|error| stopped(&mut self.store, error))
    }

    /// Calls a function, and reads its answer.
    pub(super) fn call<T>(
        &mut self,
        function: Function,
        (start, columns): (u32, u32),
        read: impl FnOnce(&[u8], u32) -> T,
    ) -> Result<T, CallError> {
        let callable = match function {
            Function::Predict => &self.predict,
            Function::Transform => &self.transform,
        };
        let called = callable.call.call(&mut self.store, (start, columns));
        let at = called.map_err(|error| stopped(&mut self.store, error))?;
        self.answered = Some((function, at));
        Ok(read(self.memory.data(&self.store), at))
    }

    /// Makes it as if it had never been called; false where that cannot be.
    pub(super) fn put_back(&mut self, has_returned: bool, learned: &Learned) -> bool {
        let Some(tracked) = &mut self.tracked else { return false };
        if !has_returned || self.memory.data_size(&self.store) != self.memory_bytes {
            tracked.give_up(learned);
            return false;
        }
        self.answered = None;
        self.was_put_back = tracked.put_back(self.memory.data_mut(&mut self.store), learned)
            && self.globals.iter().all(|(global, value)| global.set(&mut self.store, *value).is_ok());
        self.was_put_back
    }
}

/// Why the guest stopped; the store keeps where it was.
fn stopped(store: &mut Store<Context>, error: wasmtime::Error) -> CallError {
    let frames = stopped_at(&error);
    let stopped = classify_at(error, &frames);
    store.data_mut().backtrace = frames;
    stopped
}

impl Heap for Instance {
    fn allocate(&mut self, align: usize, bytes: usize) -> Result<usize, CallError> {
        let word = |number| u32::try_from(number).map_err(|_| CallError::Memory);
        let params = (0, 0, word(align)?, word(bytes)?);
        let called = self.realloc.call(&mut self.store, params);
        let start = called.map_err(|error| stopped(&mut self.store, error))? as usize;
        let range = start..start.saturating_add(bytes);
        let is_there = start.is_multiple_of(align)
            && range.end <= self.memory.data_size(&self.store)
            && self.tracked.as_ref().is_none_or(|tracked| tracked.open(range));
        match is_there {
            true => Ok(start),
            false => Err(CallError::InvalidOutput(format!("its allocator gave {start} for {bytes} bytes"))),
        }
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }
}

impl Drop for Instance {
    /// The next owner of the memory may write it anywhere.
    fn drop(&mut self) {
        if self.tracked.as_ref().is_none_or(Tracked::release) {
            return;
        }
        tracing::error!("the system keeps memory of an instance read-only: it is never used again");
        let nothing = Store::new(self.store.engine(), Context::new(0));
        std::mem::forget(std::mem::replace(&mut self.store, nothing));
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Instance")
    }
}
