//! What takes WASI out of a module: whatever the bytes, an error or a module,
//! and a valid one without WASI of a valid one with.
//! `.ci/fuzz 60 wasi`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_build::without_wasi;
use scry_fuzz::modules::{Named, module, validate};
use wasm_encoder::ValType::{I32, I64};
use wasmparser::{Parser, Payload};

/// Some of each kind of stand-in, and what stays.
const IMPORTS: [Named; 9] = [
    ("wasi:cli/environment@0.2.6", "get-environment", &[I32], &[]),
    ("wasi:cli/exit@0.2.6", "exit", &[I32], &[]),
    ("wasi:cli/stdout@0.2.6", "get-stdout", &[], &[I32]),
    ("wasi:clocks/monotonic-clock@0.2.6", "now", &[], &[I64]),
    ("wasi:clocks/wall-clock@0.2.6", "now", &[I32], &[]),
    ("wasi:io/streams@0.2.6", "[method]output-stream.check-write", &[I32, I32], &[]),
    ("wasi:io/streams@0.2.6", "[resource-drop]output-stream", &[I32], &[]),
    ("wasi:random/random@0.2.6", "get-random-u64", &[], &[I64]),
    ("scry:model/logging@0.1.0", "log", &[I32, I32, I32], &[]),
];

fuzz_target!(|bytes: &[u8]| {
    let _ = without_wasi(bytes);
    let Some(module) = module(bytes, &IMPORTS, &[]) else { return };
    let inert = without_wasi(&module).expect("only what std imports");
    validate(&inert);
    for payload in Parser::new(0).parse_all(&inert) {
        let Payload::ImportSection(imports) = payload.expect("a valid module") else { continue };
        let mut imports = imports.into_imports().map(|import| import.expect("a valid import").module);
        assert!(imports.all(|module| module.starts_with("scry:")));
    }
});
