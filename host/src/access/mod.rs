//! Who may do what: tokens with scopes and rates, the hosts that the admin listener answers to, and a
//! record of what was refused.
//!
//! Decides on a request's head alone. Never reads a body or a file, never looks whether a model exists.

mod audit;
mod digest;
mod file;
mod hosts;
mod need;
mod rate;
mod refusal;
mod scope;
mod tokens;

pub use audit::{Audit, Refused};
pub use digest::TokenDigest;
pub use file::{Entry, FILE_HEADER, TOKENS_MAX, TokenFile, TokenFileError, is_token_name};
pub use hosts::{Hosts, is_host_name};
pub use need::{Need, Surface};
pub use rate::Rate;
pub use refusal::Refusal;
pub use scope::{Scope, ScopeError};
pub use tokens::{ADMIN, Caller, Tokens};

use arc_swap::ArcSwap;
use std::sync::Arc;

/// What a decision needs of a request.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// `GET`, `POST`, and so on.
    pub method: &'a str,
    /// As it was sent, escapes included.
    pub path: &'a str,
    /// The header `Authorization`.
    pub authorization: Option<&'a str>,
    /// Where the client believes it is: the target's authority, else `Host`.
    pub host: Option<&'a str>,
    /// The page that a browser sends the request for.
    pub origin: Option<&'a str>,
}

/// A request that was let through, by whose token; by none where none is needed. A request without it was not checked.
#[derive(Debug, Clone)]
pub struct Admitted(pub Option<Caller>);

/// The tokens that are known, and everything else that a decision depends on.
#[derive(Debug)]
pub struct Access {
    tokens: ArcSwap<Tokens>,
    has_file: bool,
    hosts: Hosts,
}

impl Access {
    /// With these tokens; without a token file predictions are open.
    pub fn new(tokens: Tokens, has_file: bool, hosts: Hosts) -> Self {
        Self { tokens: ArcSwap::from_pointee(tokens), has_file, hosts }
    }

    /// From now on, these tokens are known. Rates that stay the same go on counting.
    pub fn replace(&self, tokens: Tokens) {
        let tokens = tokens.with_rates_of(&self.tokens.load());
        self.tokens.store(Arc::new(tokens));
    }

    /// Whether requests of this listener are checked at all.
    pub fn guards(&self, surface: Surface) -> bool {
        self.has_file || surface == Surface::Admin
    }

    /// Whose request it is, if it may be answered.
    pub fn admit(&self, surface: Surface, head: Head<'_>) -> Result<Admitted, Refusal> {
        if surface == Surface::Admin {
            self.hosts.check(head.host, head.origin)?;
        }
        let need = Need::of(surface, head.method, head.path);
        if need == Need::Nothing {
            return Ok(Admitted(None));
        }
        let caller = head.authorization.and_then(bearer).and_then(|token| self.tokens.load().find(token));
        let caller = caller.ok_or(Refusal::Unauthenticated(surface))?;
        caller.one_more()?;
        caller.check(need)?;
        Ok(Admitted(Some(caller)))
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests;
