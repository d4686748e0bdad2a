//! What became of requests: how many were answered how, and how long each took.

use crate::client::{Answer, Kind};
use crate::stats::Sample;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

/// Lost requests that are told in full.
const LOST_SHOWN_MAX: usize = 5;

/// Requests by their answers.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How long each answer took.
    pub(crate) answers: BTreeMap<Kind, Vec<Duration>>,
    /// 503 without Retry-After.
    pub(crate) silent_503: usize,
    /// Requests without an answer.
    pub(crate) lost: usize,
    /// What happened to the first of them.
    pub(crate) lost_shown: Vec<String>,
    /// How late the generator itself was, where it slept until a request was due.
    pub(crate) late: Vec<Duration>,
    /// From the first request to the last answer.
    pub(crate) wall: Duration,
    /// What the generator took of a processor meanwhile.
    pub(crate) cpu: Duration,
}

impl Tally {
    pub(crate) fn add(&mut self, answer: io::Result<Answer>, took: Duration) {
        match answer {
            Ok(answer) => {
                self.silent_503 += usize::from(answer.kind.status == 503 && !answer.retry_after);
                self.answers.entry(answer.kind).or_default().push(took);
            }
            Err(error) => self.lose(error.to_string()),
        }
    }

    pub(crate) fn lose(&mut self, why: String) {
        self.lost += 1;
        if self.lost_shown.len() < LOST_SHOWN_MAX {
            self.lost_shown.push(why);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (kind, mut took) in other.answers {
            self.answers.entry(kind).or_default().append(&mut took);
        }
        other.lost_shown.into_iter().for_each(|why| {
            if self.lost_shown.len() < LOST_SHOWN_MAX {
                self.lost_shown.push(why);
            }
        });
        self.lost += other.lost;
        self.silent_503 += other.silent_503;
        self.late.extend(other.late);
        self.wall += other.wall;
        self.cpu += other.cpu;
    }

    /// Answers of the kinds that are wanted.
    pub(crate) fn count(&self, wanted: impl Fn(&Kind) -> bool) -> usize {
        self.answers.iter().filter(|(kind, _)| wanted(kind)).map(|(_, took)| took.len()).sum()
    }

    /// All requests, answered or not.
    pub(crate) fn sent(&self) -> usize {
        self.count(|_| true) + self.lost
    }

    /// Requests without a good answer.
    pub(crate) fn failed(&self) -> usize {
        self.sent() - self.count(Kind::is_ok)
    }

    /// How long the answers of the wanted kinds took.
    pub(crate) fn times(&self, wanted: impl Fn(&Kind) -> bool) -> Sample {
        Sample::new(self.answers.iter().filter(|(kind, _)| wanted(kind)).flat_map(|(_, took)| took).copied().collect())
    }

    /// Every kind and how often it came, for a cell of a table.
    pub(crate) fn kinds(&self) -> String {
        let lost = (self.lost > 0).then(|| format!("{} lost ({})", self.lost, self.lost_shown.join("; ")));
        let kinds = self.answers.iter().map(|(kind, took)| format!("{} × {kind}", took.len()));
        kinds.chain(lost).collect::<Vec<_>>().join(", ")
    }
}
