//! The tokens that are known, by their hashes. Compared in constant time; none is ever shown.

use super::rate::Limiter;
use super::{Need, Rate, Refusal, Scope, TokenDigest, TokenFile};
use std::sync::Arc;
use subtle::{ConditionallySelectable, ConstantTimeEq};

/// The name of the configuration's main token.
pub const ADMIN: &str = "admin";

/// Whose request it is.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Token>);

#[derive(Debug)]
struct Token {
    name: Arc<str>,
    scopes: Vec<Scope>,
    limiter: Option<Arc<Limiter>>,
}

impl Caller {
    /// The token's name: what the history shows.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        self.0.name.clone()
    }

    /// Whether one of the token's scopes is enough for this.
    pub fn may(&self, need: &Need) -> bool {
        matches!(need, Need::Nothing | Need::Token) || self.0.scopes.iter().any(|scope| scope.meets(need))
    }

    /// Refuses what none of the token's scopes is enough for.
    pub fn check(&self, need: Need) -> Result<(), Refusal> {
        match self.may(&need) {
            true => Ok(()),
            false => Err(Refusal::Scope { name: self.shared_name(), need }),
        }
    }

    /// Takes one request of the token's rate, or refuses it.
    pub fn one_more(&self) -> Result<(), Refusal> {
        let taken = self.0.limiter.as_ref().map_or(Ok(()), |limiter| limiter.take());
        taken.map_err(|wait| Refusal::Rate { name: self.shared_name(), wait })
    }
}

/// The tokens that are accepted.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<(TokenDigest, Caller)>);

impl Tokens {
    /// The configuration's main token, `admin`, and its others by name: each may do everything.
    pub fn admins<'a>(main: &'a str, others: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let all = std::iter::once((ADMIN, main)).chain(others);
        let entry = |(name, token): (&str, &str)| {
            let token_of = Token { name: name.into(), scopes: vec![Scope::Admin], limiter: None };
            (TokenDigest::of(token), Caller(Arc::new(token_of)))
        };
        Self(all.map(entry).collect())
    }

    /// These, and those of a file.
    pub fn and_file(&self, file: &TokenFile) -> Self {
        let mut all = self.0.clone();
        all.extend(file.tokens.iter().map(|(name, entry)| {
            let limiter = entry.rate().map(|rate| Arc::new(Limiter::new(rate)));
            let token = Token { name: name.as_str().into(), scopes: entry.scopes.clone(), limiter };
            (entry.sha256, Caller(Arc::new(token)))
        }));
        Self(all)
    }

    /// The name of a token here that the file has, too: the history could not tell them apart.
    pub fn same_name(&self, file: &TokenFile) -> Option<&str> {
        self.0.iter().map(|(_, caller)| caller.name()).find(|name| file.tokens.contains_key(*name))
    }

    /// These, where the same token with the same rate goes on counting.
    pub(super) fn with_rates_of(self, before: &Self) -> Self {
        let limiter = |name: &str, rate: Rate| {
            let (_, caller) = before.0.iter().find(|(_, caller)| caller.name() == name)?;
            caller.0.limiter.clone().filter(|limiter| limiter.rate == rate)
        };
        let kept = |(digest, caller): (TokenDigest, Caller)| {
            let Token { name, scopes, limiter: new } = caller.0.as_ref();
            let old = new.as_ref().and_then(|new| limiter(name, new.rate));
            let Some(old) = old else { return (digest, caller) };
            let token = Token { name: name.clone(), scopes: scopes.clone(), limiter: Some(old) };
            (digest, Caller(Arc::new(token)))
        };
        Self(self.0.into_iter().map(kept).collect())
    }

    /// Whose token it is. Hashes are of one length, and all are compared: not even a token's length or place shows in
    /// the time.
    pub fn find(&self, given: &str) -> Option<Caller> {
        let given = TokenDigest::of(given);
        let mut found = u32::MAX;
        for (at, (token, _)) in (0u32..).zip(&self.0) {
            found = u32::conditional_select(&found, &at, token.ct_eq(&given));
        }
        self.0.get(usize::try_from(found).ok()?).map(|(_, caller)| caller.clone())
    }
}
