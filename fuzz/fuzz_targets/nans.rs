//! The pass that makes NaNs canonical: whatever the bytes, an error or a valid
//! module, and no error of a valid one.
//! `.ci/fuzz 60 nans`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_fuzz::modules::{module, validate};
use scry_sandbox::canonical;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(taken) = canonical(bytes) {
        validate(&taken);
    }
    let Some(module) = module(bytes, &[], &[]) else { return };
    validate(&canonical(&module).expect("a valid module"));
});
