//! What came back in a soak, by the kind of client: counts, the slowest, and what is unexplained.
//!
//! Keeps only counts, so that a soak can last for days.

use crate::client::Kind;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const UNEXPLAINED_SHOWN_MAX: usize = 20;

/// What came back, shared by everybody who asks.
#[derive(Default)]
pub(crate) struct Book(Mutex<Pages>);

/// What is written down of them.
#[derive(Default)]
pub(crate) struct Pages {
    pub(crate) lines: BTreeMap<&'static str, BTreeMap<Kind, u64>>,
    pub(crate) slowest: BTreeMap<&'static str, Duration>,
    pub(crate) unexplained: u64,
    /// What the first of them said, and how often each was said.
    pub(crate) shown: BTreeMap<String, u64>,
}

impl Book {
    /// Notes an answer, and what it says where it is not one of those expected.
    pub(crate) fn note(&self, name: &'static str, kind: Kind, took: Duration, unexplained: Option<String>) {
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = unexplained {
            pages.unexplained += 1;
            let shown = format!("{name}: {kind}: {text}");
            if pages.shown.len() < UNEXPLAINED_SHOWN_MAX || pages.shown.contains_key(&shown) {
                *pages.shown.entry(shown).or_default() += 1;
            }
        }
        *pages.lines.entry(name).or_default().entry(kind).or_default() += 1;
        let slowest = pages.slowest.entry(name).or_default();
        *slowest = took.max(*slowest);
    }

    /// Requests and unexplained answers so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (pages.lines.values().flat_map(BTreeMap::values).sum(), pages.unexplained)
    }

    /// Everything, once all requests have ended.
    pub(crate) fn close(self) -> Pages {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
