//! A request body: whatever the bytes, an error or a request whose tensors are
//! as long as their shapes say, and the same however large it is.
//! `cargo +nightly fuzz run v2_request`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry::protocol::InferRequest;

fuzz_target!(|body: &[u8]| {
    // A large one is read by other code.
    let large = InferRequest::from_json(&[body, &[b' '; 4096]].concat());
    if let Ok(request) = InferRequest::from_json(body) {
        if let Ok(large) = large {
            assert_eq!(format!("{:?}", request.inputs), format!("{:?}", large.inputs));
        }
        for input in request.inputs {
            let count = input.tensor.shape.iter().product::<u64>();
            assert_eq!(count, input.tensor.values.len() as u64);
            assert!(input.tensor.validity.is_none_or(|flags| flags.len() as u64 == count));
        }
    }
});
