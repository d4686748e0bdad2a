//! What is signed: an in-toto statement that says "this component, by its SHA-256", and nothing more.
//!
//! The same key may sign other statements about the same bytes, a report of what is wrong with them included. So the
//! type of the predicate counts: only the one that means a plain signature is one.

use super::SignatureError;
use scry_card::strict;
use scry_names::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
/// A plain signature, as cosign names it.
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";
const SHA256: &str = "sha256";
/// Characters of a stranger's text that an error shows.
const SHOWN_MAX_CHARS: usize = 100;

#[derive(Debug, Serialize, Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Subject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: BTreeMap<String, String>,
}

/// The statement that signs a component; `name` is for people.
pub(super) fn write(name: &str, component: &Digest) -> Result<Vec<u8>, serde_json::Error> {
    let digest = [(SHA256.to_owned(), component.hex())].into();
    serde_json::to_vec(&Statement {
        kind: STATEMENT.to_owned(),
        subject: vec![Subject { name: Some(name.to_owned()), digest }],
        predicate_type: PREDICATE.to_owned(),
        predicate: Map::new(),
    })
}

/// Whether a payload is the statement that signs this component.
pub(super) fn check(payload: &[u8], component: &Digest) -> Result<(), SignatureError> {
    let statement: Statement = strict::from_slice(payload).map_err(SignatureError::Statement)?;
    is_type("_type", STATEMENT, &statement.kind)?;
    is_type("predicateType", PREDICATE, &statement.predicate_type)?;
    let expected = component.hex();
    let digests = || statement.subject.iter().filter_map(|subject| subject.digest.get(SHA256));
    if digests().any(|digest| *digest == expected) {
        return Ok(());
    }
    let found =
        digests().next().map_or("nothing with a SHA-256".to_owned(), |digest| format!("sha256:{}", shown(digest)));
    Err(SignatureError::OtherSubject { component: *component, found })
}

pub(super) fn is_type(what: &'static str, expected: &'static str, found: &str) -> Result<(), SignatureError> {
    if found == expected {
        return Ok(());
    }
    Err(SignatureError::Type { what, expected, found: shown(found) })
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_MAX_CHARS).collect()
}
