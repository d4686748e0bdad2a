//! The core module of a component, as the host runs it.
//!
//! A model's component is one module and what ties it to the contract, by the
//! names of the component model's tools. The host ties it itself, without what
//! a component costs for each instance and each call. What of the module's
//! state is not in its memory is exported beside, where it can be put back.
//!
//! WebAssembly in, WebAssembly out: never compiles, never runs.

use scry_names::PREDICTOR;
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{
    BinaryReaderError, ExternalKind, FunctionBody, GlobalSectionReader, Operator, Parser, Payload, ValType,
};

/// Part of what code is cached under: one more whenever the output changes.
pub(super) const VERSION: u32 = 1;

/// Its memory and its allocator, by the names of the tools.
pub(super) const MEMORY: &str = "memory";
pub(super) const REALLOC: &str = "cabi_realloc";
/// All that it may import.
pub(super) const LOG: (&str, &str) = ("scry:model/logging@0.1.0", "log");
/// Exports of the host's own, which no module may have: each mutable global,
/// and the memory once more where these are all the state there is.
const OWN: &str = "scry:host/";
pub(super) const IMAGE: &str = "scry:host/image";
const GLOBAL: &str = "scry:host/global/";

/// Why there is no such module.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// It does not read.
    #[error("{0}")]
    Malformed(#[from] BinaryReaderError),
    /// No model, or several.
    #[error("expected one core module that exports `{PREDICTOR}#predict`, found {0}: build it with `scry build`")]
    Modules(usize),
    /// It wants something that no model gets.
    #[error("its core module imports `{0}` `{1}`, expected only the log: build it with `scry build`")]
    Import(String, String),
    /// It has a name of the host's.
    #[error("its core module exports `{0}`: such names are the host's")]
    Export(String),
}

/// What the module calls a function of the contract.
pub(super) fn function(name: &str) -> String {
    format!("{PREDICTOR}#{name}")
}

/// What is called when the answer of such a function was read.
pub(super) fn after(name: &str) -> String {
    format!("cabi_post_{PREDICTOR}#{name}")
}

/// What the global with this number among the exported ones is called.
pub(super) fn global(number: usize) -> String {
    format!("{GLOBAL}{number}")
}

/// The module of a valid component, with the host's own exports.
pub fn extract(component: &[u8]) -> Result<Vec<u8>, CoreError> {
    let predict = function("predict");
    let mut found = Vec::new();
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ModuleSection { unchecked_range, .. } if depth == 1 => {
                let module = component.get(unchecked_range).unwrap_or_default();
                let outline = Outline::read(module)?;
                if outline.exports.iter().any(|(name, _)| *name == predict) {
                    found.push((module, outline));
                }
            }
            _ => {}
        }
    }
    match found.as_slice() {
        [(module, outline)] => {
            outline.check()?;
            exporting(module, outline)
        }
        others => Err(CoreError::Modules(others.len())),
    }
}

#[derive(Default)]
struct Outline<'a> {
    imports: Vec<(&'a str, &'a str)>,
    exports: Vec<(&'a str, (ExternalKind, u32))>,
    memories: u32,
    /// Numbers of those that code can change.
    globals: Vec<u32>,
    /// Whether it has state that is neither in its memory nor in such a global.
    has_more: bool,
}

impl<'a> Outline<'a> {
    fn read(module: &'a [u8]) -> Result<Self, CoreError> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        outline.imports.push((import.module, import.name));
                    }
                }
                Payload::MemorySection(section) => outline.memories += section.count(),
                Payload::GlobalSection(section) => outline.globals(section)?,
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        outline.exports.push((export.name, (export.kind, export.index)));
                    }
                }
                Payload::CodeSectionEntry(body) => outline.has_more |= changes_tables(&body)?,
                _ => {}
            }
        }
        Ok(outline)
    }

    /// None is imported, so they are numbered as they come.
    fn globals(&mut self, section: GlobalSectionReader<'_>) -> Result<(), CoreError> {
        for (i, global) in (0..).zip(section) {
            let ty = global?.ty;
            if !ty.mutable {
                continue;
            }
            match ty.content_type {
                ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => self.globals.push(i),
                ValType::V128 | ValType::Ref(_) => self.has_more = true,
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), CoreError> {
        if let Some((module, name)) = self.imports.iter().find(|import| **import != LOG) {
            return Err(CoreError::Import((*module).to_owned(), (*name).to_owned()));
        }
        match self.exports.iter().find(|(name, _)| name.starts_with(OWN)) {
            Some((name, _)) => Err(CoreError::Export((*name).to_owned())),
            None => Ok(()),
        }
    }
}

/// Whether code can change tables, or drop the segments that they and the
/// memory are filled from.
fn changes_tables(body: &FunctionBody<'_>) -> Result<bool, BinaryReaderError> {
    for operator in body.get_operators_reader()? {
        match operator? {
            Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. }
            | Operator::DataDrop { .. } => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}

/// The module with its mutable globals exported, and its memory as their image
/// where there is no other state.
fn exporting(module: &[u8], outline: &Outline<'_>) -> Result<Vec<u8>, CoreError> {
    let mut exports = ExportSection::new();
    for (name, (kind, index)) in &outline.exports {
        exports.export(name, ExportKind::from(*kind), *index);
    }
    if outline.memories == 1 && !outline.has_more {
        exports.export(IMAGE, ExportKind::Memory, 0);
        for (i, index) in outline.globals.iter().enumerate() {
            exports.export(&global(i), ExportKind::Global, *index);
        }
    }
    let mut out = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if matches!(payload, Payload::ExportSection(_)) {
            out.section(&exports);
        } else if let Some((id, range)) = payload.as_section() {
            out.section(&RawSection { id, data: module.get(range).unwrap_or_default() });
        }
    }
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{
        CodeSection, ComponentBuilder, ConstExpr, EntityType, Function, FunctionSection, GlobalSection, GlobalType,
        ImportSection, Instruction as I, MemorySection, MemoryType, RefType, TableSection, TableType, TypeSection,
        ValType as Type,
    };

    /// A module of one function, exported by these names, with what else it may have.
    fn module(exports: &[&str], import: (&str, &str), global: Type, code: &[I<'static>]) -> Module {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import(import.0, import.1, EntityType::Function(0));
        let mut functions = FunctionSection::new();
        functions.function(0);
        let mut tables = TableSection::new();
        let table =
            TableType { element_type: RefType::FUNCREF, table64: false, minimum: 1, maximum: None, shared: false };
        tables.table(table);
        let mut memory = MemorySection::new();
        memory.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut globals = GlobalSection::new();
        let ty = |val_type, mutable| GlobalType { val_type, mutable, shared: false };
        globals.global(ty(Type::I32, false), &ConstExpr::i32_const(1));
        let zero = if global == Type::V128 { ConstExpr::v128_const(0) } else { ConstExpr::i64_const(0) };
        globals.global(ty(global, true), &zero);
        let mut section = ExportSection::new();
        for name in exports {
            section.export(name, ExportKind::Func, 1);
        }
        let mut body = Function::new([]);
        for instruction in code.iter().chain([&I::End]) {
            body.instruction(instruction);
        }
        let mut bodies = CodeSection::new();
        bodies.function(&body);
        let mut module = Module::new();
        module.section(&types).section(&imports).section(&functions).section(&tables).section(&memory);
        module.section(&globals).section(&section).section(&bodies);
        module
    }

    fn component(modules: &[Module]) -> Vec<u8> {
        let mut component = ComponentBuilder::default();
        for module in modules {
            component.core_module(None, module);
        }
        component.finish()
    }

    /// What the module that comes out exports.
    fn exports(component: &[u8]) -> Vec<String> {
        let module = extract(component).unwrap();
        wasmparser::Validator::new().validate_all(&module).unwrap();
        let outline = Outline::read(&module).unwrap();
        outline.exports.iter().map(|(name, (kind, index))| format!("{name} {kind:?} {index}")).collect()
    }

    #[test]
    fn the_models_module_is_found_and_its_state_exported() {
        let predict = function("predict");
        let model = module(&["b", &predict], LOG, Type::I64, &[I::I64Const(1), I::GlobalSet(1)]);
        let adapter = module(&["other"], ("", "0"), Type::I64, &[]);
        let of = [
            "b Func 1".to_owned(),
            format!("{predict} Func 1"),
            format!("{IMAGE} Memory 0"),
            format!("{GLOBAL}0 Global 1"),
        ];
        assert_eq!(exports(&component(&[adapter, model])), of);
    }

    #[test]
    fn a_module_with_more_state_says_nothing_of_it() {
        let predict = function("predict");
        let fill = [I::I32Const(0), I::RefNull(wasm_encoder::HeapType::FUNC), I::I32Const(1), I::TableFill(0)];
        for (global, code) in [(Type::V128, [].as_slice()), (Type::I64, &fill)] {
            assert_eq!(exports(&component(&[module(&[&predict], LOG, global, code)])), [format!("{predict} Func 1")]);
        }
    }

    #[test]
    fn what_is_no_model_is_refused_by_name() {
        let predict = function("predict");
        let model = |exports: &[&str], import| module(exports, import, Type::I64, &[]);
        let refused = |modules: &[Module], says: &str| {
            let error = extract(&component(modules)).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        };
        refused(&[], "found 0");
        refused(&[model(&["predict"], LOG)], "found 0");
        refused(&[model(&[&predict], LOG), model(&[&predict], LOG)], "found 2");
        refused(&[model(&[&predict], ("env", "clock"))], "`env` `clock`");
        for name in [IMAGE, "scry:host/global/0"] {
            refused(&[model(&[&predict, name], LOG)], name);
        }
        assert!(extract(b"\0asm").is_err());
    }
}
