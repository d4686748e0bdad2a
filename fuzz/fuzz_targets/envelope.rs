//! Envelopes of signatures: whatever the bytes, an error, or an envelope that no key has signed.
//! `.ci/fuzz 60 envelope`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_names::Digest;
use scry_signatures::{Envelope, SecretKey, TrustedKeys};
use std::sync::LazyLock;

/// A key that is made anew each time: no bytes can be signed by it.
static KEYS: LazyLock<TrustedKeys> = LazyLock::new(|| {
    let key = SecretKey::generate().expect("random bits");
    TrustedKeys::new(vec![key.public().clone()])
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Envelope::from_header(text);
    }
    let Ok(envelope) = Envelope::read(bytes) else { return };
    let component = Digest::of(bytes);
    assert!(KEYS.signer(&envelope, &component).is_err());
    assert!(envelope.is_about(&component).is_err(), "an envelope names its own digest");
});
