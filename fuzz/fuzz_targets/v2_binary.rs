//! A request body with tensors as bytes behind its JSON, whose length comes first, or without JSON: whatever the bytes,
//! an error or columns as long as their shapes say, which are the same when they are written and read again.
//! `.ci/fuzz 60 v2_binary`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Detail, Interrupt, NamedTensor, check_form};
use scry_protocol::{Format, InferRequest, Rows, binary};

fuzz_target!(|bytes: &[u8]| {
    let Some((length, body)) = bytes.split_first_chunk::<2>() else { return };
    let json_bytes = usize::from(u16::from_le_bytes(*length));
    if let Ok(request) = InferRequest::from_binary_until(body, json_bytes, &Interrupt::never()) {
        for NamedTensor { name, tensor } in request.inputs {
            let count = tensor.shape.iter().product::<u64>();
            assert_eq!(count, tensor.values.len() as u64);
            let mut written = Vec::new();
            binary::write(&tensor.values, &mut written, &mut Interrupt::never()).expect("nothing interrupts");
            assert_eq!(written.len(), binary::size(&tensor.values));
            let datatype = tensor.values.datatype().name();
            let read = binary::read(name, datatype, tensor.shape, &written, &mut Interrupt::never());
            let read = read.expect("nothing interrupts").expect("what was written");
            assert_eq!(format!("{:?}", read.tensor.values), format!("{:?}", tensor.values));
        }
    }
    for field in scry_fuzz::fields() {
        let fields = [field];
        let decoded = Format::V2Raw.decode(body, &Interrupt::never()).expect("no JSON, no errors");
        assert!(matches!(decoded.rows, Rows::Raw(_)));
        let batch = decoded.rows.in_order(&fields, &Detail::default(), &mut Interrupt::never());
        if let Ok(batch) = batch.expect("nothing interrupts") {
            check_form(&fields, &batch).expect("a batch of the field's form");
        }
    }
});
