//! Modules of WebAssembly that are valid, whatever the bytes that they are made of.

use libfuzzer_sys::arbitrary::Unstructured;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, Module, TypeSection,
    ValType,
};
use wasm_smith::Config;
use wasmparser::{Validator, WasmFeatures};

/// A function by its name: of which module it is imported (as an export, of none), what it takes and returns.
pub type Named = (&'static str, &'static str, &'static [ValType], &'static [ValType]);

/// A module of what a model's may have of WebAssembly, which imports no more than these and exports them.
pub fn module(bytes: &[u8], imports: &[Named], exports: &[Named]) -> Option<Vec<u8>> {
    let config = Config {
        available_imports: Some(importing(imports)),
        exports: (!exports.is_empty()).then(|| exporting(exports)),
        min_funcs: 1,
        min_memories: 1,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        ..Config::default()
    };
    wasm_smith::Module::new(config, &mut Unstructured::new(bytes)).ok().map(|module| module.to_bytes())
}

/// Panics unless they are valid, by the reader's own rules and not by the host's.
pub fn validate(bytes: &[u8]) {
    if let Err(error) = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes) {
        panic!("{error}");
    }
}

fn importing(functions: &[Named]) -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    for (at, (module, name, takes, returns)) in (0..).zip(functions) {
        types.ty().function(takes.iter().copied(), returns.iter().copied());
        imports.import(module, name, EntityType::Function(at));
    }
    Module::new().section(&types).section(&imports).clone().finish()
}

fn exporting(named: &[Named]) -> Vec<u8> {
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    for (at, (_, name, takes, returns)) in (0..).zip(named) {
        types.ty().function(takes.iter().copied(), returns.iter().copied());
        functions.function(at);
        exports.export(name, ExportKind::Func, at);
        let mut body = Function::new([]);
        body.instructions().unreachable().end();
        code.function(&body);
    }
    Module::new().section(&types).section(&functions).section(&exports).section(&code).clone().finish()
}
