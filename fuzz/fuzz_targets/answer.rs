//! A guest's memory: whatever lies there, and wherever it says that its answer
//! is, an answer no larger than is allowed, or an error that is the guest's.
//! `.ci/fuzz 60 answer`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_sandbox::{CallError, lift};

fuzz_target!(|input: (u32, u16, &[u8])| {
    let (at, bytes_max, memory) = input;
    match lift(memory, at, u64::from(bytes_max)) {
        // Bools are the smallest there is, and a byte each.
        Ok(tensors) => {
            assert!(tensors.iter().map(|tensor| tensor.values.len()).sum::<usize>() <= usize::from(bytes_max))
        }
        Err(CallError::InvalidOutput(_) | CallError::Failed(_) | CallError::InvalidInput(_)) => {}
        Err(other) => panic!("{other}"),
    }
});
