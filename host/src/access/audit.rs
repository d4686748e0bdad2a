//! What the admin listener has refused lately. Bounded, and what comes without a token cannot push out what came with
//! one.

use super::Refusal;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Refusals that are kept, of requests with a known token and of others each.
const KEPT_MAX: usize = 500;
/// Characters of a path that are kept.
const PATH_MAX_CHARS: usize = 200;

/// A request that was refused, perhaps several times in a row.
#[derive(Debug, Clone, Serialize)]
pub struct Refused {
    /// When it was refused last, Unix time in milliseconds.
    pub at_ms: u64,
    /// The token's name, if the token is known.
    pub by: Option<String>,
    /// `GET`, `POST`, and so on.
    pub method: String,
    /// Its first 200 characters.
    pub path: String,
    /// The name of the refusal.
    pub reason: &'static str,
    /// What the client was told.
    pub message: String,
    /// How often in a row.
    pub count: u64,
}

/// The refusals that are kept.
#[derive(Debug, Default)]
pub struct Audit(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    known: VecDeque<Refused>,
    unknown: VecDeque<Refused>,
}

impl Audit {
    /// Keeps a refusal in place of the oldest.
    pub fn record(&self, at_ms: u64, method: &str, path: &str, refusal: &Refusal) {
        let path: String = path.chars().take(PATH_MAX_CHARS).collect();
        let method: String = method.chars().take(PATH_MAX_CHARS).collect();
        let (by, reason) = (refusal.by().map(str::to_owned), refusal.reason());
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let list = if by.is_some() { &mut kept.known } else { &mut kept.unknown };
        if let Some(last) = list.back_mut()
            && (last.by == by && last.reason == reason && last.method == method && last.path == path)
        {
            (last.at_ms, last.count) = (at_ms, last.count + 1);
            return;
        }
        if list.len() == KEPT_MAX {
            list.pop_front();
        }
        list.push_back(Refused { at_ms, by, method, path, reason, message: refusal.to_string(), count: 1 });
    }

    /// The last refusals, newest first.
    pub fn newest(&self, most: usize) -> Vec<Refused> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = kept.known.iter().chain(&kept.unknown).cloned().collect();
        drop(kept);
        all.sort_by_key(|refused| std::cmp::Reverse(refused.at_ms));
        all.truncate(most);
        all
    }
}
