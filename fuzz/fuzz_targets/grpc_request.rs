//! A message of gRPC: whatever the bytes, an error or columns as long as their shapes say.
//! `.ci/fuzz 60 grpc_request`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::Interrupt;
use scry_protocol::{Format, Rows, grpc};

fuzz_target!(|message: &[u8]| {
    let head = grpc::head(message);
    let Ok(decoded) = Format::Grpc.decode(message, &Interrupt::never()) else { return };
    let head = head.expect("what is read as a whole has a head");
    assert_eq!(decoded.timeout, head.timeout);
    assert_eq!(decoded.reply.id.as_deref().unwrap_or_default(), head.id);
    let Rows::Columns(columns, _) = decoded.rows else { panic!("a message has columns") };
    for column in columns {
        assert_eq!(column.tensor.shape.iter().product::<u64>(), column.tensor.values.len() as u64);
    }
});
