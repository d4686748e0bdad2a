//! Where a listener is, as people write it. Binds nothing.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::net::{SocketAddr, ToSocketAddrs};

/// An address to listen on: its host may be a name, and of several addresses of a
/// name the first of IPv4 is taken, else the first.
pub fn resolve(text: &str) -> Result<SocketAddr, String> {
    let wrong = |why: &str| format!("`{text}` is not an address such as `127.0.0.1:8080` or `localhost:8080`: {why}");
    let all: Vec<_> = text.to_socket_addrs().map_err(|error| wrong(&error.to_string()))?.collect();
    let found = all.iter().find(|address| address.is_ipv4()).or(all.first());
    found.copied().ok_or_else(|| wrong("the name has no address"))
}

pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    resolve(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn optional_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    address(deserializer).map(Some)
}
