//! A model card: whatever the bytes, an error, or a card that can be written,
//! read again and, as far as its rules can be run, checked with.
//! `.ci/fuzz 60 card`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_card::{Card, Checker};

fuzz_target!(|bytes: &[u8]| {
    let Ok(card) = Card::from_json(bytes) else { return };
    let json = serde_json::to_vec(&card).expect("a card can be written");
    assert_eq!(Card::from_json(&json).expect("and read again"), card);
    let _ = Checker::new(&card.schema.inputs, &card.checks);
    let _ = Checker::outputs(&card.schema.outputs, &card.checks);
});
