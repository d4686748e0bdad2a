//! Keys in PEM: whatever the bytes, an error, or a key that can be written and read again, and signs.
//! `.ci/fuzz 60 key`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_names::Digest;
use scry_signatures::{Envelope, PublicKey, SecretKey, TrustedKeys};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = PublicKey::from_pem(bytes) {
        assert_eq!(PublicKey::from_pem(key.to_pem().as_bytes()).expect("it was written"), key);
    }
    let Ok(key) = SecretKey::from_pem(bytes) else { return };
    let again = SecretKey::from_pem(key.to_pem().as_bytes()).expect("it was written");
    assert_eq!(again.public(), key.public());
    let component = Digest::of(bytes);
    let envelope = Envelope::sign(&key, "component", &component).expect("short texts can be written");
    let envelope = Envelope::read(&envelope).expect("it was written");
    let signer = TrustedKeys::new(vec![key.public().clone()]).signer(&envelope, &component);
    assert_eq!(signer, Ok(key.public().id()));
});
