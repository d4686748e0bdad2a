//! A message of gRPC: whatever the bytes, an error or columns as long as their shapes say.
//! `.ci/fuzz 60 grpc_request`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::Interrupt;
use scry_protocol::{Format, Rows, grpc};

/// How often a message that was read gives `model_name`: fields with the number 1, by the wire format's own rules.
fn names(mut message: &[u8]) -> usize {
    let mut count = 0;
    while !message.is_empty() {
        let key = varint(&mut message);
        count += usize::from(key == 1 << 3 | 2);
        let skipped = match key & 7 {
            0 => {
                varint(&mut message);
                0
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("a message that was read has no wire type {other}"),
        };
        message = &message[skipped..];
    }
    count
}

fn varint(message: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (byte, rest) = message.split_first().expect("a message that was read is whole");
        *message = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

fuzz_target!(|message: &[u8]| {
    // As a host reads it: the rest only where the head was read.
    let head = grpc::head(message);
    let model = grpc::model_of(message.get(..64).unwrap_or(message));
    let decoded = Format::Grpc.decode(message, &Interrupt::never());
    let (Ok(head), Ok(decoded)) = (head, decoded) else { return };
    // Of a name that is given once, its beginning says the same.
    if let (Some(model), 1) = (model, names(message)) {
        assert_eq!(model, head.model);
    }
    assert_eq!(decoded.timeout, head.timeout);
    assert_eq!(decoded.reply.id.as_deref().unwrap_or_default(), head.id);
    let Rows::Columns(columns, _) = decoded.rows else { panic!("a message has columns") };
    for column in columns {
        assert_eq!(column.tensor.shape.iter().product::<u64>(), column.tensor.values.len() as u64);
    }
});
