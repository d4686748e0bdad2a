//! The files of the page. Never asks another host for anything, and holds nothing that differs from host to host.

use crate::server::error::{HttpError, Parts};
use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

const PAGE: &str = include_str!("page/index.html");

macro_rules! files {
    ($($name:literal: $media_type:expr,)*) => {
        /// Every file of the page by its name, with its media type.
        const FILES: &[(&str, &str, &str)] = &[$(($name, $media_type, include_str!(concat!("page/", $name)))),*];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

files! {
    "style.css": STYLE,
    "model.css": STYLE,
    "actions.js": SCRIPT,
    "app.js": SCRIPT,
    "charts.js": SCRIPT,
    "dom.js": SCRIPT,
    "drift.js": SCRIPT,
    "errors.js": SCRIPT,
    "host.js": SCRIPT,
    "model.js": SCRIPT,
    "overview.js": SCRIPT,
    "section.js": SCRIPT,
    "status.js": SCRIPT,
}

/// The page runs its own files only, asks its own host only, writes no markup from text, and is nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

/// The page at two paths, and its files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(page)).route("/dashboard", get(page)).route("/dashboard/{file}", get(file))
}

async fn page() -> Response {
    let mut response = typed("text/html; charset=utf-8", PAGE);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

async fn file(Parts(Path(name)): Parts<Path<String>>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, media_type, text)) => typed(media_type, text),
        None => HttpError::no_path(&headers, "no such file; the page is at /dashboard").into_response(),
    }
}

fn typed(media_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, media_type),
        // Another version of the host has other files under the same names.
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page may weigh, all files together, uncompressed.
    const PAGE_MAX_BYTES: usize = 150_000;

    #[test]
    fn the_page_is_small_and_names_each_of_its_files() {
        let bytes: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(PAGE.len() + bytes < PAGE_MAX_BYTES, "{bytes}");
        for (name, ..) in FILES {
            let is_named =
                |text: &str| text.contains(&format!("dashboard/{name}")) || text.contains(&format!("./{name}"));
            assert!(is_named(PAGE) || FILES.iter().any(|(_, _, text)| is_named(text)), "{name}");
        }
    }

    #[test]
    fn nothing_is_of_another_host_and_no_text_becomes_markup() {
        for (name, text) in FILES.iter().map(|(name, _, text)| (*name, *text)).chain([("index.html", PAGE)]) {
            // SVG's namespace is a name, not an address that is asked.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            for never in
                ["http:", "https:", "innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "style=\"", "onclick="]
            {
                assert!(!text.contains(never), "{never} in {name}");
            }
        }
    }
}
