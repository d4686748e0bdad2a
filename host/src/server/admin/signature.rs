//! Signatures as the admin interface has them: the header of a publication, and what a host trusts. Judges none.

use super::Result;
use crate::registry::Registry;
use crate::server::error::HttpError;
use crate::serving::Routes;
use axum::http::{HeaderMap, StatusCode};
use scry_signatures::{Envelope, KeyId};
use serde::Serialize;

/// The header of a publication that has its envelope, in base64.
const HEADER: &str = "scry-signature";
/// Versions that are listed; more are counted.
const UNSIGNED_SHOWN_MAX: usize = 1000;

/// What a host that trusts certain keys says of that.
#[derive(Debug, Serialize)]
pub(super) struct ShownTrust {
    keys: Vec<KeyId>,
    enforce: bool,
    /// How many versions requests are led to although no trusted key has signed them.
    unsigned_count: usize,
    /// Which, as `model@version`.
    unsigned: Vec<String>,
}

/// The envelope that comes with a publication, if one does.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Vec<u8>>> {
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let read = value.to_str().ok().and_then(|text| Envelope::from_header(text).ok());
    let wrong = || HttpError::new(StatusCode::BAD_REQUEST, format!("{HEADER}: expected a DSSE envelope in base64"));
    read.map(Some).ok_or_else(|| wrong().by_head(headers))
}

/// Nothing where no key is configured.
pub(super) fn trust(registry: &Registry, routes: &Routes) -> Option<ShownTrust> {
    let mut unsigned = registry.unsigned(routes)?;
    let unsigned_count = unsigned.len();
    unsigned.truncate(UNSIGNED_SHOWN_MAX);
    Some(ShownTrust { keys: registry.trusted_keys(), enforce: registry.serves_signed_only(), unsigned_count, unsigned })
}
