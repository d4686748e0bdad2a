//! Keys and envelopes: those of others, changed ones, and any bytes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use scry_names::Digest;
use scry_signatures::{
    ENVELOPE_MAX_BYTES, Envelope, KEY_MAX_BYTES, KeyError, PublicKey, SIGNATURES_MAX, SecretKey, SignatureError,
    TrustedKeys,
};
use serde_json::{Value, json};

/// What `securesystemslib` 1.6 signed with a key of `cryptography`, by `host/tests/clients/signatures.py`.
const THEIRS: &str = include_str!("fixtures/hello.dsse.json");
const THEIR_KEY: &str = include_str!("fixtures/hello.pub.pem");
const OTHER_KEY: &str = include_str!("fixtures/other.pub.pem");

/// The keys of RFC 8410, sections 10.1 and 10.3.
const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn trusting(keys: &[&str]) -> TrustedKeys {
    TrustedKeys::new(keys.iter().map(|pem| PublicKey::from_pem(pem.as_bytes()).unwrap()).collect())
}

fn judge(keys: &TrustedKeys, envelope: &[u8], component: &Digest) -> Result<String, SignatureError> {
    Ok(keys.signer(&Envelope::read(envelope)?, component)?.to_string())
}

#[test]
fn keys_are_those_of_the_rfc() {
    let key = SecretKey::from_pem(RFC_PRIVATE.as_bytes()).unwrap();
    assert_eq!((key.to_pem().as_str(), key.public().to_pem().as_str()), (RFC_PRIVATE, RFC_PUBLIC));
    assert_eq!(PublicKey::from_pem(RFC_PUBLIC.as_bytes()).unwrap(), *key.public());
    assert!(!format!("{key:?}").contains("d4ee72db"), "a secret is not shown");
    let commented = format!("a comment\n{RFC_PUBLIC}");
    assert_eq!(PublicKey::from_pem(commented.as_bytes()).unwrap(), *key.public());
    let both = format!("{RFC_PUBLIC}{THEIR_KEY}");
    assert_eq!(PublicKey::from_pem(both.as_bytes()), Err(KeyError::Several(2)));
}

#[test]
fn an_envelope_of_others_counts_for_its_component_and_its_key() {
    let hello = Digest::of(b"hello\n");
    let both = trusting(&[OTHER_KEY, THEIR_KEY]);
    let theirs = PublicKey::from_pem(THEIR_KEY.as_bytes()).unwrap();
    assert_eq!(judge(&both, THEIRS.as_bytes(), &hello).unwrap(), theirs.id().to_string());
    assert_eq!(judge(&trusting(&[OTHER_KEY]), THEIRS.as_bytes(), &hello), Err(SignatureError::NotTrusted(1)));
    assert_eq!(judge(&trusting(&[]), THEIRS.as_bytes(), &hello), Err(SignatureError::NotTrusted(1)));
    let other = judge(&both, THEIRS.as_bytes(), &Digest::of(b"hello")).unwrap_err();
    assert!(matches!(&other, SignatureError::OtherSubject { found, .. } if *found == hello.to_string()), "{other}");
}

#[test]
fn the_same_key_and_component_have_the_same_envelope() {
    let key = SecretKey::from_pem(RFC_PRIVATE.as_bytes()).unwrap();
    let sign = |name: &str| Envelope::sign(&key, name, &Digest::of(b"hello")).unwrap();
    assert_eq!(sign("a.wasm"), sign("a.wasm"));
    let made = [SecretKey::generate().unwrap(), SecretKey::generate().unwrap()];
    assert_ne!(made[0].public().id(), made[1].public().id());
}

#[test]
fn limits_are_named() {
    let read = |json: &[u8]| Envelope::read(json).unwrap_err();
    let padded = |length: usize| [THEIRS.trim_end().as_bytes(), &vec![b' '; length - THEIRS.trim_end().len()]].concat();
    Envelope::read(&padded(ENVELOPE_MAX_BYTES)).unwrap();
    assert_eq!(read(&padded(ENVELOPE_MAX_BYTES + 1)), SignatureError::TooLarge(ENVELOPE_MAX_BYTES + 1));
    let mut many: Value = serde_json::from_str(THEIRS).unwrap();
    for (count, is_read) in [(0, false), (1, true), (SIGNATURES_MAX, true), (SIGNATURES_MAX + 1, false)] {
        many["signatures"] = json!(vec![json!({ "sig": "AA==" }); count]);
        let read = Envelope::read(many.to_string().as_bytes());
        assert_eq!(read.is_ok(), is_read, "{count}: {read:?}");
    }
    let long = [RFC_PUBLIC.as_bytes(), &vec![b'\n'; KEY_MAX_BYTES]].concat();
    assert_eq!(PublicKey::from_pem(&long), Err(KeyError::TooLarge));
}

/// The text with one bit of the bytes that it encodes changed.
fn flipped(text: &Value, at: prop::sample::Index) -> Value {
    let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
    let bit = at.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    json!(STANDARD.encode(bytes))
}

proptest! {
    /// What is signed counts; with one bit changed anywhere that matters it does not.
    #[test]
    fn one_changed_bit_is_refused(
        name in r"\PC{0,40}",
        component in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<prop::sample::Index>(),
        place in 0..3,
    ) {
        let key = SecretKey::from_pem(RFC_PRIVATE.as_bytes()).unwrap();
        let (keys, digest) = (trusting(&[OTHER_KEY, RFC_PUBLIC]), Digest::of(&component));
        let envelope = Envelope::sign(&key, &name, &digest).unwrap();
        prop_assert_eq!(judge(&keys, &envelope, &digest).unwrap(), key.public().id().to_string());
        let mut changed: Value = serde_json::from_slice(&envelope).unwrap();
        let mut other = component.clone();
        match place {
            0 => changed["payload"] = flipped(&changed["payload"], at),
            1 => changed["signatures"][0]["sig"] = flipped(&changed["signatures"][0]["sig"], at),
            _ => other[at.index(component.len())] ^= 1,
        }
        prop_assert!(judge(&keys, changed.to_string().as_bytes(), &Digest::of(&other)).is_err());
    }

    /// One changed byte of the envelope's text is refused, unless it says the same of the same bytes: the name of a key
    /// is a hint, and white space is none.
    #[test]
    fn one_changed_byte_says_the_same_or_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let hello = Digest::of(b"hello\n");
        let mut changed = THEIRS.as_bytes().to_vec();
        let at = at.index(changed.len());
        changed[at] = byte;
        let Ok(_) = judge(&trusting(&[THEIR_KEY]), &changed, &hello) else { return Ok(()) };
        let (was, is): (Value, Value) = (serde_json::from_str(THEIRS).unwrap(), serde_json::from_slice(&changed).unwrap());
        prop_assert_eq!(&was["payload"], &is["payload"]);
        prop_assert_eq!(&was["payloadType"], &is["payloadType"]);
        prop_assert_eq!(&was["signatures"][0]["sig"], &is["signatures"][0]["sig"]);
    }

    /// Any bytes: an error of bounded length, never a panic.
    #[test]
    fn any_bytes_are_read_or_refused(noise in prop::collection::vec(any::<u8>(), 0..300), text in r"\PC{0,3000}") {
        for bytes in [noise.as_slice(), text.as_bytes()] {
            prop_assert!(Envelope::read(bytes).is_err());
            prop_assert!(PublicKey::from_pem(bytes).is_err() && SecretKey::from_pem(bytes).is_err());
        }
        let wrong = json!({ "payload": text, "payloadType": text, "signatures": [{ "sig": text }] }).to_string();
        let error = Envelope::read(wrong.as_bytes()).unwrap_err().to_string();
        prop_assert!(error.chars().count() < 600, "{}", error);
        let payload = json!({ "_type": text, "subject": [{ "digest": { "sha256": text } }], "predicateType": text });
        let envelope = json!({
            "payload": STANDARD.encode(payload.to_string()), "payloadType": "application/vnd.in-toto+json",
            "signatures": [{ "sig": "" }],
        });
        if let Ok(read) = Envelope::read(envelope.to_string().as_bytes()) {
            let error = read.is_about(&Digest::of(b"")).unwrap_err().to_string();
            prop_assert!(error.chars().count() < 600, "{}", error);
        }
    }
}
