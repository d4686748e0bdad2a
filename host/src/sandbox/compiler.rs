//! The thread that compiles: one component at a time, at the lowest priority,
//! so that requests are answered first. Nothing is compiled but here, since
//! nothing runs whose NaNs are not canonical.
//!
//! Never runs a guest, never touches a file.

use super::canonical::canonical;
use super::core_module::extract;
use crate::memory::give_back;
use crate::threads::{Cores, Priority, give_way};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

/// The compiling thread, for the life of a sandbox.
#[derive(Debug)]
pub(super) struct Compiler {
    /// One sender, shared: whoever waits for its lock would wait for the thread.
    jobs: Mutex<Sender<Job>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Compiler {
    /// Starts the thread, on what is left by the quiet processors; it ends with the sandbox.
    pub(super) fn start(cores: Cores) -> std::io::Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        std::thread::Builder::new().name("scry-compile".into()).spawn(move || {
            give_way(Priority::Last, &cores);
            for compile in waiting {
                compile();
                // Some 20 MiB after a few versions.
                give_back();
            }
        })?;
        Ok(Self { jobs: Mutex::new(jobs) })
    }

    /// Compiles what a component's calls run, when it is its turn.
    pub(super) fn model(&self, engine: &Engine, component: &[u8]) -> wasmtime::Result<Module> {
        self.compile(engine, component, |engine, canonical| Module::new(engine, extract(canonical)?))
    }

    /// Compiles a component as a whole.
    pub(super) fn component(&self, engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
        // Validates what it is given, as anybody's bytes.
        self.compile(engine, component, |engine, canonical| Component::new(engine, canonical))
    }

    fn compile<T: Send + 'static>(
        &self,
        engine: &Engine,
        bytes: &[u8],
        compile: impl FnOnce(&Engine, &[u8]) -> wasmtime::Result<T> + Send + 'static,
    ) -> wasmtime::Result<T> {
        let (done, compiled) = channel();
        let (engine, bytes) = (engine.clone(), bytes.to_vec());
        let job = move || {
            let canonical = canonical(&bytes).map_err(|e| wasmtime::Error::msg(e.to_string()));
            // Nobody waits any more when the host is ending.
            let _ = done.send(canonical.and_then(|canonical| compile(&engine, &canonical)));
        };
        let ended = |_| wasmtime::Error::msg("the compiling thread has ended; this is a bug in scry");
        let jobs = self.jobs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        jobs.send(Box::new(job)).map_err(|_| ended(()))?;
        drop(jobs);
        compiled.recv().map_err(|_| ended(()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        CodeSection, ComponentBuilder, ComponentExportKind, ExportKind, ExportSection, Function, FunctionSection,
        Instruction as I, Module, ModuleArg, PrimitiveValType, TypeSection, ValType,
    };

    /// A component of one function from bits to bits: x / x.
    fn divides() -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([ValType::I32], [ValType::I32]);
        let mut functions = FunctionSection::new();
        functions.function(0);
        let mut exports = ExportSection::new();
        exports.export("run", ExportKind::Func, 0);
        let mut body = Function::new([]);
        let x = [I::LocalGet(0), I::F32ReinterpretI32];
        for instruction in x.iter().chain(&x).chain(&[I::F32Div, I::I32ReinterpretF32, I::End]) {
            body.instruction(instruction);
        }
        let mut code = CodeSection::new();
        code.function(&body);
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&exports).section(&code);
        let mut component = ComponentBuilder::default();
        let module = component.core_module(None, &module);
        let instance = component.core_instantiate(None, module, Vec::<(&str, ModuleArg)>::new());
        let run = component.core_alias_export(None, instance, "run", ExportKind::Func);
        let (ty, mut encoder) = component.type_function(None);
        encoder.params([("x", PrimitiveValType::U32)]).result(Some(PrimitiveValType::U32.into()));
        let run = component.lift_func(None, run, ty, []);
        component.export("run", ComponentExportKind::Func, run, None);
        component.finish()
    }

    #[test]
    fn whatever_is_compiled_has_canonical_nans() {
        let engine = Engine::default();
        let component = Compiler::start(Cores::keeping_quiet(0)).unwrap().component(&engine, &divides()).unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::component::Linker::new(&engine).instantiate(&mut store, &component).unwrap();
        let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "run").unwrap();
        for (x, quotient) in [(1f32.to_bits(), 1f32.to_bits()), (0, 0x7fc0_0000), (0xff81_2345, 0x7fc0_0000)] {
            assert_eq!(run.call(&mut store, (x,)).unwrap().0, quotient, "{x:x}");
        }
    }
}
