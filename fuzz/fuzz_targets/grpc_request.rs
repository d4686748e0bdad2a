//! A message of gRPC: whatever the bytes, an error or columns as long as their shapes say.
//! `.ci/fuzz 60 grpc_request`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::Interrupt;
use scry_protocol::{Format, Rows, grpc};

fuzz_target!(|message: &[u8]| {
    // As a host reads it: the rest only where the head was read.
    let head = grpc::head(message);
    let model = grpc::model_of(message.get(..64).unwrap_or(message));
    let decoded = Format::Grpc.decode(message, &Interrupt::never());
    let (Ok(head), Ok(decoded)) = (head, decoded) else { return };
    assert!(model.is_none_or(|model| head.model == model || message.len() > model.len() + head.model.len()));
    assert_eq!(decoded.timeout, head.timeout);
    assert_eq!(decoded.reply.id.as_deref().unwrap_or_default(), head.id);
    let Rows::Columns(columns, _) = decoded.rows else { panic!("a message has columns") };
    for column in columns {
        assert_eq!(column.tensor.shape.iter().product::<u64>(), column.tensor.values.len() as u64);
    }
});
