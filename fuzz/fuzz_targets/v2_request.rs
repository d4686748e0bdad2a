//! A request body: whatever the bytes, an error or a request whose tensors are
//! as long as their shapes say, and the same however large it is.
//! `.ci/fuzz 60 v2_request`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_protocol::{InferRequest, sent_tensors};

fuzz_target!(|body: &[u8]| {
    // A long one says at once what tensors were sent.
    let long = InferRequest::from_json(&[body, &[b' '; 1 << 16]].concat());
    if let Ok(request) = InferRequest::from_json(body) {
        let mut long = long.expect("space at the end changes nothing");
        assert_eq!(format!("{:?}", request.inputs), format!("{:?}", long.inputs));
        assert_eq!(request.misread, long.misread);
        assert_eq!(long.take_sent(), Some(sent_tensors(body)));
        for input in request.inputs {
            let count = input.tensor.shape.iter().product::<u64>();
            assert_eq!(count, input.tensor.values.len() as u64);
            assert!(input.tensor.validity.is_none_or(|flags| flags.len() as u64 == count));
        }
    }
});
