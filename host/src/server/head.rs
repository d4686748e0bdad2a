//! What RFC 9112 asks of a request's head beyond what the reader of HTTP checks:
//! the host, and how the body comes. Reads heads only, never answers one.

use crate::server::error::{HttpError, Refusal};
use axum::http::{HeaderMap, HeaderValue, Request, Version, header};
use std::net::Ipv6Addr;

/// Characters of a header that its refusal repeats.
const SHOWN_MAX_CHARS: usize = 40;

/// The error of a request that is refused whatever it asks for.
pub(super) fn refuse<B>(request: &Request<B>) -> Option<HttpError> {
    let headers = request.headers();
    wrong_host(headers, request).or_else(|| wrong_target(request)).or_else(|| unknown_transfer(headers))
}

/// Where two servers disagree about the host, a request can get around both.
fn wrong_host<B>(headers: &HeaderMap, request: &Request<B>) -> Option<HttpError> {
    let version = request.version();
    let mut hosts = headers.get_all(header::HOST).iter();
    let found = match (hosts.next(), hosts.next()) {
        (None, _) if version < Version::HTTP_11 => return None,
        // HTTP/2 has the host beside the path.
        (None, _) if version > Version::HTTP_11 && request.uri().authority().is_some() => return None,
        (Some(host), None) if version > Version::HTTP_11 && is_another(host, request) => shown(host),
        (Some(host), None) if is_host(host.as_bytes()) => return None,
        (None, _) => "none".to_owned(),
        (Some(host), None) => shown(host),
        _ => "several".to_owned(),
    };
    let message = format!("header `host`: expected one `host` or `host:port`, found {found}");
    Some(HttpError::refused(Refusal::Host, message))
}

/// Whether a host is not the one beside the path.
fn is_another<B>(host: &HeaderValue, request: &Request<B>) -> bool {
    request
        .uri()
        .authority()
        .is_some_and(|authority| !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()))
}

/// A name or an address, perhaps with a port; empty where a client asks for no host in particular.
fn is_host(text: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(byte);
    let after = match text.strip_prefix(b"[") {
        Some(address) => {
            let Some(end) = address.iter().position(|&byte| byte == b']') else { return false };
            let (address, after) = address.split_at(end);
            if !std::str::from_utf8(address).is_ok_and(|address| address.parse::<Ipv6Addr>().is_ok()) {
                return false;
            }
            after.get(1..).unwrap_or_default()
        }
        None => {
            let end = text.iter().position(|byte| !is_name(byte)).unwrap_or(text.len());
            text.get(end..).unwrap_or_default()
        }
    };
    match after {
        [] => true,
        [b':', port @ ..] => port.len() <= 5 && port.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The target of most requests is a path. A whole URL comes by way of a proxy: of HTTP, and
/// without a name and password, which no request has there.
fn wrong_target<B>(request: &Request<B>) -> Option<HttpError> {
    let uri = request.uri();
    let is_http = uri.scheme_str().is_none_or(|scheme| matches!(scheme, "http" | "https"));
    let is_plain = uri.authority().is_none_or(|authority| is_host(authority.as_str().as_bytes()));
    if is_http && is_plain {
        return None;
    }
    let message = "the request's target: expected a path or `http://host/path`, found another";
    Some(HttpError::refused(Refusal::Target, message))
}

/// A body with another transfer coding would be misread.
fn unknown_transfer(headers: &HeaderMap) -> Option<HttpError> {
    let mut lines = headers.get_all(header::TRANSFER_ENCODING).iter();
    let first = lines.next()?;
    if lines.next().is_none() && first.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return None;
    }
    let found = shown(first);
    let message = format!("header `transfer-encoding`: expected none or `chunked` alone, found {found}");
    Some(HttpError::refused(Refusal::TransferEncoding, message))
}

pub(super) fn shown(value: &HeaderValue) -> String {
    let text: String = String::from_utf8_lossy(value.as_bytes()).chars().take(SHOWN_MAX_CHARS).collect();
    format!("`{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, version: Version, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(target).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for host in ["", "x", "example.com", "127.0.0.1:8080", "[::1]", "[2001:db8::1]:8080", "x:", "a_b-c~d", "%41"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        let wrong = [
            "a b",
            "x:y",
            "x:123456",
            "x:1:2",
            "::1",
            "[::1",
            "[::1]x",
            "[x]",
            "a/b",
            "a@b",
            "user:pass@b",
            "a,b c",
            "http://x",
            "x?y",
            "x#y",
            "\"x\"",
            "a\\b",
            "<x>",
            "{x}",
        ];
        for host in wrong {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
        assert!(!is_host("grün".as_bytes()));
    }

    #[test]
    fn one_host_is_asked_for_and_only_old_clients_may_leave_it_out() {
        let refused = |version, headers: &[_]| refuse(&request("/", version, headers)).map(|error| error.message);
        assert_eq!(refused(Version::HTTP_11, &[("host", "x")]), None);
        assert_eq!(refused(Version::HTTP_10, &[]), None);
        for (version, headers, found) in [
            (Version::HTTP_11, vec![], "found none"),
            (Version::HTTP_11, vec![("host", "x"), ("host", "x")], "found several"),
            (Version::HTTP_10, vec![("host", "x"), ("host", "y")], "found several"),
            (Version::HTTP_11, vec![("host", "a b")], "found `a b`"),
            (Version::HTTP_10, vec![("host", "a/b")], "found `a/b`"),
        ] {
            let message = refused(version, &headers).unwrap();
            assert!(message.starts_with("header `host`: expected ") && message.ends_with(found), "{message}");
        }
    }

    #[test]
    fn a_target_is_a_path_or_a_url_of_http() {
        let refused = |target| refuse(&request(target, Version::HTTP_11, &[("host", "x")])).is_some();
        for target in ["/", "/v2?x=http://y", "*", "http://other:80/v2", "https://[::1]/v2"] {
            assert!(!refused(target), "{target}");
        }
        for target in ["ftp://x/v2", "http://user@x/v2", "http://user:pass@x/v2"] {
            assert!(refused(target), "{target}");
        }
    }

    #[test]
    fn a_body_comes_whole_or_in_chunks_and_nothing_else() {
        let refused = |lines: &[&str]| {
            let headers: Vec<_> = lines.iter().map(|line| ("transfer-encoding", *line)).collect();
            unknown_transfer(request("/", Version::HTTP_11, &headers).headers()).map(|error| error.status.as_u16())
        };
        assert_eq!([refused(&[]), refused(&["chunked"]), refused(&["Chunked "])], [None; 3]);
        for lines in
            [&["gzip, chunked"][..], &["gzip", "chunked"], &["chunked", "chunked"], &["chunked, chunked"], &[""]]
        {
            assert_eq!(refused(lines), Some(501), "{lines:?}");
        }
    }
}
