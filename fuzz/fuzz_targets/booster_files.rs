//! A booster's file: whatever the bytes, an error, or a model file that reads and answers, or says why not.
//! Its seeds are the files of `tests/imports/boosters`.
//! `.ci/fuzz 60 booster_files`
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scry_fuzz::translate(bytes));
