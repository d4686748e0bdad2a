//! The reader of a component's core module: whatever a valid component is, an
//! error or a valid module, and no error where the module is a model's.
//! `.ci/fuzz 60 core_module`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_fuzz::modules::{Named, module, validate};
use scry_sandbox::{canonical, extract};
use wasm_encoder::{ComponentBuilder, ValType::I32};

const LOG: Named = ("scry:model/logging@0.1.0", "log", &[I32, I32, I32], &[]);
const PREDICT: Named = ("", "scry:model/predictor@0.1.0#predict", &[I32, I32], &[I32]);

fuzz_target!(|bytes: &[u8]| {
    // The host reads what has passed the canonical NaNs' validation.
    if let Ok(valid) = canonical(bytes)
        && let Ok(core) = extract(&valid)
    {
        validate(&core);
    }
    let Some(module) = module(bytes, &[LOG], &[PREDICT]) else { return };
    let mut component = ComponentBuilder::default();
    component.core_module_raw(None, &module);
    let component = component.finish();
    validate(&component);
    validate(&extract(&component).expect("a model's module"));
});
