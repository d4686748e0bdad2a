//! Where a package is from, as a package URL (purl).
//!
//! Never tells a password of a URL, or a path of the machine.

/// The package URL of a crate; none where it is from a folder of the machine.
///
/// `source` is what cargo calls its source: `registry+URL`, `sparse+URL`, or `git+URL#COMMIT`.
pub(crate) fn purl(name: &str, version: &str, source: Option<&str>) -> Option<String> {
    let (kind, url) = source?.split_once('+')?;
    let (url, commit) = url.split_once('#').unwrap_or((url, ""));
    let url = public(url.split_once('?').map_or(url, |(url, _)| url))?;
    let purl = format!("pkg:cargo/{}@{}", encoded(name), encoded(version));
    match kind {
        // Where the type's packages are from if nothing else is said.
        "registry" if url.ends_with("/rust-lang/crates.io-index") => Some(purl),
        "registry" | "sparse" => Some(format!("{purl}?repository_url={}", encoded(&url))),
        "git" if commit.is_empty() => Some(format!("{purl}?vcs_url={}", encoded(&format!("git+{url}")))),
        "git" => Some(format!("{purl}?vcs_url={}", encoded(&format!("git+{url}@{commit}")))),
        _ => None,
    }
}

/// The package URL of a package of Python's index.
pub(crate) fn pypi(name: &str, version: &str) -> String {
    format!("pkg:pypi/{}@{}", encoded(name), encoded(version))
}

/// A URL without user and password; none where it is a path.
fn public(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if scheme == "file" {
        return None;
    }
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(format!("{scheme}://{host}{path}"))
}

/// A part of a package URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purl_says_the_source_and_neither_passwords_nor_paths() {
        let of = |source| purl("demo", "1.2.3+build", Some(source));
        let plain = "pkg:cargo/demo@1.2.3%2Bbuild";
        let cases = [
            ("registry+https://example.org/rust-lang/crates.io-index", plain.to_owned()),
            (
                "sparse+https://user:secret@crates.example.org/index/",
                format!("{plain}?repository_url=https://crates.example.org/index/"),
            ),
            (
                "git+ssh://git@git.example.org/team/demo.git?branch=main#0a1b2c",
                format!("{plain}?vcs_url=git%2Bssh://git.example.org/team/demo.git%400a1b2c"),
            ),
            ("git+https://token@git.example.org", format!("{plain}?vcs_url=git%2Bhttps://git.example.org")),
        ];
        for (source, expected) in cases {
            assert_eq!(of(source), Some(expected), "{source}");
        }
        for source in ["registry+file:///home/someone/index", "git+file:///home/someone/demo#0a", "odd", "path+odd"] {
            assert_eq!(of(source), None, "{source}");
        }
        assert_eq!(purl("demo", "1.0.0", None), None);
    }
}
