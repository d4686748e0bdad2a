//! How a call's messages are compressed, as its metadata says. Short ones are inflated and compressed here, those of
//! predictions in their model's time.

use crate::server::compression::{COMPRESSED_MIN_BYTES, Coding, Wrong};
use crate::server::error::{HttpError, Refusal};
use crate::server::head::shown;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderName};
use scry_card::Interrupt;

/// What the host reads, for metadata.
pub(super) const KNOWN: &str = "identity,deflate,gzip";
pub(super) static ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");
pub(super) static USED: HeaderName = HeaderName::from_static("grpc-encoding");

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) bytes: Bytes,
    /// How they are compressed.
    pub(super) coding: Option<Coding>,
}

/// How the messages of a call are compressed, both ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Codings {
    pub(super) sent: Option<Coding>,
    /// As those that were sent, where the client takes that: nearly all say what they take, and do not mean that they
    /// would rather have it.
    pub(super) wanted: Option<Coding>,
}

impl Codings {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, HttpError> {
        let Some(name) = headers.get(&USED).filter(|name| *name != "identity") else { return Ok(Self::default()) };
        let sent = Coding::named(name.as_bytes()).ok_or_else(|| {
            let found = shown(name);
            let message = format!("metadata `grpc-encoding`: expected one of {KNOWN}, found {found}");
            HttpError::refused(Refusal::ContentEncoding, message)
        })?;
        let mut accepted =
            headers.get_all(&ACCEPTED).iter().flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
        let is_accepted = accepted.any(|name| Coding::named(name.trim_ascii()) == Some(sent));
        Ok(Self { sent: Some(sent), wanted: is_accepted.then_some(sent) })
    }
}

impl Message {
    /// A short message as it was before it was compressed.
    pub(super) fn inflated(self, max_bytes: usize) -> Result<Bytes, HttpError> {
        let Some(coding) = self.coding else { return Ok(self.bytes) };
        let inflated = coding.inflate(&self.bytes, max_bytes, &mut Interrupt::never());
        let inflated = inflated.unwrap_or(Err(Wrong::Damaged));
        inflated.map(Bytes::from).map_err(|wrong| wrong.to_error(coding, max_bytes))
    }

    /// A message that is sent, compressed where that is wanted and makes it shorter.
    pub(super) fn compressed(bytes: Bytes, wanted: Option<Coding>) -> Self {
        let coding = wanted.filter(|_| bytes.len() >= COMPRESSED_MIN_BYTES);
        let compress = |coding: Coding| coding.compress(&bytes, &mut Interrupt::never()).ok().flatten();
        match coding.and_then(compress).filter(|shorter| shorter.len() < bytes.len()) {
            Some(shorter) => Self { bytes: shorter.into(), coding },
            None => Self { bytes, coding: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn codings(used: &'static str, accepted: &'static str) -> Result<Codings, String> {
        let headers = [(&USED, used), (&ACCEPTED, accepted)];
        let headers = headers.map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        Codings::of(&HeaderMap::from_iter(headers)).map_err(|error| error.message)
    }

    #[test]
    fn an_answer_is_compressed_as_the_call_is_if_its_client_takes_that() {
        let both = |coding| Ok(Codings { sent: Some(coding), wanted: Some(coding) });
        assert_eq!(codings("gzip", "identity, deflate, gzip"), both(Coding::Gzip));
        assert_eq!(codings("deflate", "deflate,identity"), both(Coding::Deflate));
        assert_eq!(codings("gzip", "identity,deflate"), Ok(Codings { sent: Some(Coding::Gzip), wanted: None }));
        assert_eq!(codings("identity", "identity, deflate, gzip"), Ok(Codings::default()));
        assert_eq!(Codings::of(&HeaderMap::new()).map_err(|error| error.message), Ok(Codings::default()));
        let wrong = codings("zstd", "zstd").unwrap_err();
        assert_eq!(wrong, "metadata `grpc-encoding`: expected one of identity,deflate,gzip, found `zstd`");
    }

    #[test]
    fn a_long_message_is_compressed_and_what_is_inflated_is_limited() {
        let short = Message::compressed(vec![7; COMPRESSED_MIN_BYTES - 1].into(), Some(Coding::Gzip));
        assert_eq!((short.bytes.len(), short.coding), (COMPRESSED_MIN_BYTES - 1, None));
        let long = Bytes::from(vec![7; COMPRESSED_MIN_BYTES]);
        assert_eq!(Message::compressed(long.clone(), None), Message { bytes: long.clone(), coding: None });
        for coding in [Coding::Gzip, Coding::Deflate] {
            let compressed = Message::compressed(long.clone(), Some(coding));
            assert!(compressed.coding == Some(coding) && compressed.bytes.len() < 100, "{compressed:?}");
            assert_eq!(compressed.clone().inflated(COMPRESSED_MIN_BYTES).unwrap(), long);
            assert_eq!(compressed.inflated(COMPRESSED_MIN_BYTES - 1).unwrap_err().status.as_u16(), 413);
        }
    }
}
