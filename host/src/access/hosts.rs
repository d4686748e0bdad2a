//! Which hosts the admin listener answers to. A page in an operator's browser can have its own name lead to any
//! address (DNS rebinding); its requests carry that name, and end here.

use super::Refusal;
use std::net::{IpAddr, SocketAddr};

/// The names and addresses of a listener.
#[derive(Debug)]
pub struct Hosts {
    bound: IpAddr,
    names: Vec<String>,
}

impl Hosts {
    /// Of a listener that is bound here and has these names beside those of loopback.
    pub fn new(bound: SocketAddr, names: &[String]) -> Self {
        Self { bound: bound.ip(), names: names.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether a request to this host, for a page of this origin, may be answered. A client that names neither is no
    /// browser.
    pub(super) fn check(&self, host: Option<&str>, origin: Option<&str>) -> Result<(), Refusal> {
        let host = host.unwrap_or_default();
        if !host.is_empty() && !self.is_own(name_of(host)) {
            return Err(Refusal::Host(shown(host)));
        }
        let Some(origin) = origin else { return Ok(()) };
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        let is_same = authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host));
        let is_named = authority.is_some_and(|authority| self.is_named(name_of(authority)));
        if is_same || is_named { Ok(()) } else { Err(Refusal::Origin(shown(origin))) }
    }

    fn is_own(&self, name: &str) -> bool {
        match name.parse::<IpAddr>() {
            // On all addresses, each is its own; and no page can make an address lead elsewhere.
            Ok(address) => address.is_loopback() || address == self.bound || self.bound.is_unspecified(),
            Err(_) => name.eq_ignore_ascii_case("localhost") || self.is_named(name),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Whether a text can be a listener's name: without a scheme and a port.
pub fn is_host_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.parse::<IpAddr>().is_ok() || (1..=253).contains(&name.len()) && name.bytes().all(is_plain)
}

/// A host without its port, an address without its brackets, a name without the dot that ends it.
fn name_of(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return address;
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name)
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
