//! A request body: whatever the bytes, an error or a request whose tensors are
//! as long as their shapes say. `cargo +nightly fuzz run v2_request`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry::protocol::InferRequest;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = InferRequest::from_json(body) {
        for input in request.inputs {
            let count = input.tensor.shape.iter().product::<u64>();
            assert_eq!(count, input.tensor.values.len() as u64);
            assert!(input.tensor.validity.is_none_or(|flags| flags.len() as u64 == count));
        }
    }
});
