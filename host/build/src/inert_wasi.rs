//! Takes WASI out of a module.
//!
//! Rust's std brings imports that a model never needs: files, streams, clocks.
//! Each becomes a function inside the module that does nothing and always says
//! the same (no files, time zero, output swallowed) or traps. So the host has
//! no WASI at all, a component's behaviour is sealed with its digest, and an
//! instance is made faster. What is not std's is refused by name.

use super::error::BuildError;
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{CodeSection, ExportSection, Function, FunctionSection, ImportSection, MemArg, Module};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, Export, FuncType, FunctionSectionReader, ImportSectionReader, Parser,
    Payload, TypeRef,
};

/// What a stand-in does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inert {
    /// Nothing; a result is 1, a handle like any other, or a 64-bit zero.
    Nothing,
    /// Writes these words where the last parameter points.
    Fill(&'static [i32]),
    /// Traps: a model has no use for it.
    Trap,
}

/// WASI that std links in; `None`: not std's, and refused.
fn inert(module: &str, name: &str) -> Option<Inert> {
    let (package, interface) = module.split_once('/')?;
    let interface = interface.split('@').next()?;
    if !matches!(package, "wasi:cli" | "wasi:clocks" | "wasi:filesystem" | "wasi:io" | "wasi:random") {
        return None;
    }
    if name.starts_with("[resource-drop]") {
        return Some(Inert::Nothing);
    }
    Some(match (interface, name) {
        ("environment", "get-environment" | "get-arguments") => Inert::Fill(&[0, 0]),
        ("environment", "initial-cwd") => Inert::Fill(&[0]),
        ("preopens", "get-directories") => Inert::Fill(&[0, 0]),
        ("stdin" | "stdout" | "stderr", _) => Inert::Nothing,
        ("terminal-stdin" | "terminal-stdout" | "terminal-stderr", _) => Inert::Fill(&[0]),
        // A result whose case is `ok`; check-write allows 64 KiB at a time.
        ("streams", "[method]output-stream.check-write") => Inert::Fill(&[0, 0, 1 << 16, 0]),
        ("streams", "[method]output-stream.subscribe") => Inert::Nothing,
        ("streams", name) if name.starts_with("[method]output-stream.") => Inert::Fill(&[0]),
        ("poll", "[method]pollable.block") => Inert::Nothing,
        ("monotonic-clock", "now" | "resolution") => Inert::Nothing,
        ("wall-clock", "now" | "resolution") => Inert::Fill(&[0, 0, 0]),
        // Seeds hash maps: any number will do, as long as it is always the same.
        ("insecure-seed", _) => Inert::Fill(&[0x5c, 0, 0x7279, 0]),
        _ => Inert::Trap,
    })
}

/// The module without its WASI imports.
pub fn replace(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let imports = FunctionImports::read(module).map_err(|e| BuildError::Encode(e.to_string()))??;
    let mut replaced = Module::new();
    Replacer { imports }
        .parse_core_module(&mut replaced, Parser::new(0), module)
        .map_err(|e| BuildError::Encode(e.to_string()))?;
    Ok(replaced.finish())
}

/// The function imports in order: those that stay, those that are replaced.
#[derive(Debug, Default)]
struct FunctionImports {
    /// New index of each function import.
    indexes: Vec<u32>,
    kept: u32,
    stand_ins: Vec<StandIn>,
}

#[derive(Debug)]
struct StandIn {
    type_index: u32,
    signature: FuncType,
    inert: Inert,
}

impl FunctionImports {
    fn read(module: &[u8]) -> Result<Result<Self, BuildError>, wasmparser::BinaryReaderError> {
        let mut types: Vec<Option<FuncType>> = Vec::new();
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        types.extend(group?.into_types().map(|ty| match ty.composite_type.inner {
                            wasmparser::CompositeInnerType::Func(signature) => Some(signature),
                            _ => None,
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        if let TypeRef::Func(type_index) | TypeRef::FuncExact(type_index) = import.ty {
                            found.push((import.module, import.name, type_index));
                        }
                    }
                }
                _ => {}
            }
        }
        let mut imports = Self::default();
        for (module, name, type_index) in found {
            if is_granted(module) {
                imports.indexes.push(imports.kept);
                imports.kept += 1;
                continue;
            }
            let signature = usize::try_from(type_index).ok().and_then(|at| types.get(at).cloned().flatten());
            let (Some(inert), Some(signature)) = (inert(module, name), signature) else {
                return Ok(Err(BuildError::Import(format!("{module}#{name}"))));
            };
            // Stand-ins come right behind the imports that stay, so the
            // functions that the module defines keep their indexes.
            imports.indexes.push(u32::MAX);
            imports.stand_ins.push(StandIn { type_index, signature, inert });
        }
        let replaced = imports.indexes.iter_mut().filter(|index| **index == u32::MAX);
        replaced.zip(imports.kept..).for_each(|(index, next)| *index = next);
        Ok(Ok(imports))
    }
}

fn is_granted(module: &str) -> bool {
    module.starts_with("scry:model/")
}

struct Replacer {
    imports: FunctionImports,
}

type Outcome = Result<(), Error<std::convert::Infallible>>;

impl Reencode for Replacer {
    type Error = std::convert::Infallible;

    fn function_index(&mut self, func: u32) -> Result<u32, Error<Self::Error>> {
        let import = usize::try_from(func).ok().and_then(|at| self.imports.indexes.get(at));
        Ok(import.copied().unwrap_or(func))
    }

    fn parse_import_section(&mut self, imports: &mut ImportSection, section: ImportSectionReader<'_>) -> Outcome {
        for import in section.into_imports() {
            let import = import?;
            if !matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)) || is_granted(import.module) {
                self.parse_import(imports, import)?;
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> Outcome {
        for stand_in in &self.imports.stand_ins {
            functions.function(stand_in.type_index);
        }
        utils::parse_function_section(self, functions, section)
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Outcome {
        if code.is_empty() {
            for stand_in in &self.imports.stand_ins {
                code.function(&stand_in.body());
            }
        }
        utils::parse_code_section(self, code, section)
    }

    fn parse_export(&mut self, exports: &mut ExportSection, export: Export<'_>) -> Outcome {
        // The snapshot removes the component's `load` by name, and would take
        // a core export of the same name with it, which the component needs.
        let name = if export.name == "load" { "cm32p2||load" } else { export.name };
        utils::parse_export(self, exports, Export { name, ..export })
    }

    fn parse_custom_section(&mut self, module: &mut Module, section: CustomSectionReader<'_>) -> Outcome {
        // std describes the WASI that it might have used; none of it is left.
        let foreign = section.name().starts_with("component-type") && !section.name().contains(":scry:model@");
        if foreign { Ok(()) } else { utils::parse_custom_section(self, module, section) }
    }
}

impl StandIn {
    fn body(&self) -> Function {
        let mut body = Function::new([]);
        let mut code = body.instructions();
        match self.inert {
            Inert::Fill(words) => {
                let pointer = u32::try_from(self.signature.params().len().saturating_sub(1)).unwrap_or(0);
                for (i, &word) in (0u64..).zip(words) {
                    code.local_get(pointer).i32_const(word);
                    code.i32_store(MemArg { offset: i * 4, align: 2, memory_index: 0 });
                }
            }
            Inert::Trap => {
                code.unreachable();
            }
            Inert::Nothing => {}
        }
        for result in self.signature.results() {
            match (self.inert, result) {
                (Inert::Trap, _) => code.unreachable(),
                (_, wasmparser::ValType::I64) => code.i64_const(0),
                (_, wasmparser::ValType::F32) => code.f32_const(0.0.into()),
                (_, wasmparser::ValType::F64) => code.f64_const(0.0.into()),
                (_, _) => code.i32_const(1),
            };
        }
        code.end();
        body
    }
}
