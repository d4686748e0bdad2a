//! Who may change what is served. Compares in constant time; never shows a token.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// The name of a token: what the history shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::server) struct Who(Arc<str>);

impl Who {
    pub(in crate::server) fn name(&self) -> &str {
        &self.0
    }
}

/// The tokens that are accepted, each by name.
#[derive(Clone)]
pub struct Tokens(Vec<(Who, [u8; 32])>);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(who, _)| who.name())).finish()
    }
}

impl Tokens {
    /// The main token, `admin`, and others by name.
    pub fn new<'a>(admin: &'a str, others: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let all = std::iter::once(("admin", admin)).chain(others);
        Self(all.map(|(name, token)| (Who(name.into()), Sha256::digest(token).into())).collect())
    }

    /// Whose token it is. Hashes are of one length, and all are compared: not
    /// even a token's length or place shows in the time.
    pub(in crate::server) fn who(&self, given: &str) -> Option<Who> {
        let given: [u8; 32] = Sha256::digest(given).into();
        let mut found = u32::MAX;
        for (at, (_, token)) in (0u32..).zip(&self.0) {
            let matches: Choice = token.ct_eq(&given);
            found = u32::conditional_select(&found, &at, matches);
        }
        self.0.get(usize::try_from(found).ok()?).map(|(who, _)| who.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_name_and_nothing_else_has_one() {
        let tokens = Tokens::new("secret", [("alice", "other")]);
        let who = |given: &str| tokens.who(given).map(|who| who.name().to_owned());
        assert_eq!(who("secret").as_deref(), Some("admin"));
        assert_eq!(who("other").as_deref(), Some("alice"));
        assert_eq!([who(""), who("secre"), who("secret "), who("admin")], [None, None, None, None]);
        assert!(!format!("{tokens:?}").contains("secret"));
    }
}
