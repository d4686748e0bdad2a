//! A published component: whatever the bytes, an error or a description.
//! `.ci/fuzz 60 component`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_component::Description;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(description) = Description::read(bytes) {
        assert!(description.card.validate().is_ok());
    }
});
