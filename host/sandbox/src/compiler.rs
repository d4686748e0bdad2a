//! Compiles each component in a process of its own, which limits the memory and
//! time that a component can make the compiler take. All code is compiled here,
//! since only code with canonical NaNs may run.
//!
//! Never runs a guest, never touches a file.

mod confine;
mod process;
mod wire;
mod worker;

pub use worker::{run, self_check};

use super::error::CompileError;
use super::functions::Found;
use super::settings::CompileSettings;
use super::settings::Metering;
use process::Process;
use scry_os::threads::patiently;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;
use wasmtime::Engine;
use wire::Order;

/// Compiles, for the life of a sandbox.
#[derive(Debug)]
pub(super) struct Compiler {
    settings: CompileSettings,
    /// Processes that may be started.
    free: Mutex<usize>,
    is_freed: Condvar,
}

/// The right to run one compile process.
pub(super) struct Turn<'a>(&'a Compiler);

impl Compiler {
    /// Compiles within these limits.
    pub(super) fn new(settings: CompileSettings) -> Self {
        let free = Mutex::new(settings.processes_max.max(1));
        Self { settings, free, is_freed: Condvar::new() }
    }

    /// Does something with the compiler when it is its turn, on a thread that
    /// others need not wait for.
    pub(super) fn take_turn<T: Send>(&self, work: impl FnOnce(&Turn<'_>) -> T + Send) -> T {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.is_freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        let turn = Turn(self);
        patiently(|| work(&turn))
    }
}

impl Turn<'_> {
    /// Compiles what a component's calls run.
    pub(super) fn model(
        &self,
        engine: &Engine,
        metering: Metering,
        component: &[u8],
        found: Option<&mut Found>,
    ) -> Result<Vec<u8>, CompileError> {
        self.compile(engine, metering, false, component, found)
    }

    /// Compiles a component as a whole.
    pub(super) fn component(
        &self,
        engine: &Engine,
        metering: Metering,
        component: &[u8],
        found: Option<&mut Found>,
    ) -> Result<Vec<u8>, CompileError> {
        self.compile(engine, metering, true, component, found)
    }

    fn compile(
        &self,
        engine: &Engine,
        metering: Metering,
        is_whole: bool,
        component: &[u8],
        found: Option<&mut Found>,
    ) -> Result<Vec<u8>, CompileError> {
        let Compiler { settings, .. } = self.0;
        let Some(program) = &settings.program else {
            let refused = |error: wasmtime::Error| CompileError::Refused(format!("{error:#}"));
            return worker::code(engine, is_whole, component).map_err(refused);
        };
        let order = Order {
            is_whole,
            counts_fuel: metering == Metering::Fuel,
            has_functions: found.is_some(),
            memory_max_bytes: settings.memory_max_bytes,
            cpu_max_s: settings.cpu_max_s,
            code_max_bytes: settings.code_max_bytes,
        };
        let process = Process::start(program, Instant::now() + settings.wall_max())?;
        process.compile(settings, &order, component, found.unwrap_or(&mut Found::default()))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.is_freed.notify_one();
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
        let compiler = Compiler::new(CompileSettings::trusting());
        let code = compiler.take_turn(|turn| turn.component(&engine, Metering::Off, &divides(), None)).unwrap();
        // SAFETY: it was compiled just now.
        let component = unsafe { wasmtime::component::Component::deserialize(&engine, &code) }.unwrap();
        let mut store = wasmtime::Store::new(&engine, ());
        let instance = wasmtime::component::Linker::new(&engine).instantiate(&mut store, &component).unwrap();
        let run = instance.get_typed_func::<(u32,), (u32,)>(&mut store, "run").unwrap();
        for (x, quotient) in [(1f32.to_bits(), 1f32.to_bits()), (0, 0x7fc0_0000), (0xff81_2345, 0x7fc0_0000)] {
            assert_eq!(run.call(&mut store, (x,)).unwrap().0, quotient, "{x:x}");
        }
    }
}
