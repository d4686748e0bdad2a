//! What is kept of one error, and shown of it. Its JSON is what the log's lines and the admin listener have.

use super::pattern::pattern;
use crate::recording::RecordId;
use crate::recording::record::{Answered, Call, Record};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use scry_card::shortened;
use scry_names::Digest;
use scry_protocol::Format;
use scry_sandbox::Frame;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::{Display, Formatter, Result as Written};
use std::time::Duration;

/// A cause, in bytes: the component may write into it what it likes.
const CAUSE_MAX_BYTES: usize = 4 << 10;
/// An id or a name that others chose, in bytes.
const NAME_MAX_BYTES: usize = 256;
/// Functions of the standard library, in which every panic ends.
const LIBRARY: [&str; 12] = [
    "core::", "std::", "alloc::", "<core::", "<std::", "<alloc::", "rust_", "__rust", "panic", "abort", "__",
    "dlmalloc",
];

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The request's own.
    Client,
    /// A version's, or the host's.
    Host,
}

/// One error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// As the answer named it.
    pub id: RecordId,
    /// When its request came, in milliseconds of Unix time.
    pub at_ms: u64,
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Its trace's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// The model that was asked.
    pub model: String,
    /// The version that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why the version did not answer, by one of the fixed names.
    pub reason: String,
    /// Whose fault that is.
    pub fault: Fault,
    /// What happened, for people.
    pub cause: String,
    /// Which fallback answered, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<AnsweredBy>,
    /// From the request's arrival to its answer, in microseconds.
    pub took_us: u64,
    /// How long that might have been.
    pub deadline_us: u64,
    /// The calls that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<FailedCall>,
    /// What the client sent.
    pub input: Input,
}

/// A fallback.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnsweredBy {
    /// Its model.
    pub model: String,
    /// Its version: a number, or `constant`.
    pub version: String,
    /// Its digest; a constant has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A call that failed, with its limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedCall {
    /// The model that was called.
    pub model: String,
    /// Its version.
    pub version: u32,
    /// Its digest.
    pub digest: String,
    /// Why it failed, by one of the fixed names.
    pub reason: String,
    /// What happened, for people.
    pub cause: String,
    /// How long it ran, in microseconds.
    pub ran_us: u64,
    /// How long it might have run.
    pub ran_max_us: u64,
    /// Instructions, roughly, where they are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// How many they might have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel_max: Option<u64>,
    /// Linear memory at the end.
    pub memory_bytes: u64,
    /// How much it might have been.
    pub memory_max_bytes: u64,
    /// Where the guest was, the innermost function first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<Frame>,
}

/// What a client sent: its hash, and where that is switched on all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256; nothing of a request that came no further than its head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// How many rows were read of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The body, where it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

/// Whose inputs are kept.
#[derive(Debug, Clone, Default)]
pub struct KeptInputs {
    /// Models by name; `*` is every one.
    pub models: BTreeSet<String>,
    /// The longest body that is kept.
    pub max_bytes: usize,
}

/// The name of a group: of what its errors have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u64);

/// Digits of a group's name.
const GROUP_DIGITS: usize = 12;

impl Entry {
    /// Of a prediction that failed, or that a fallback answered.
    pub fn of(record: &Record, kept: &KeptInputs) -> Self {
        let degraded = record.answered.as_ref().and_then(|answered| answered.degraded);
        let reason = degraded.unwrap_or(record.outcome);
        let cause = record.cause.as_deref().unwrap_or(reason);
        Self {
            id: record.id,
            at_ms: record.at_ms,
            request_id: record.request_id.as_deref().map(name),
            trace_id: record.trace_id.as_deref().map(name),
            model: name(&record.model),
            version: record.version,
            digest: record.digest.as_deref().map(name),
            reason: reason.to_owned(),
            fault: if record.is_clients { Fault::Client } else { Fault::Host },
            cause: shortened(cause.to_owned(), CAUSE_MAX_BYTES),
            answered_by: degraded.and(record.answered.as_ref()).map(AnsweredBy::of),
            took_us: micros(record.took),
            deadline_us: micros(record.deadline),
            calls: record.calls.iter().filter_map(FailedCall::of).collect(),
            input: Input::of(record, kept),
        }
    }

    /// What its cause has in common with others; of a trap with the function in which it was.
    pub fn pattern(&self) -> String {
        let pattern = pattern(&self.cause);
        let trap = self.calls.first().filter(|_| self.reason == "trap");
        let own = |frame: &&Frame| !LIBRARY.iter().any(|library| frame.function.starts_with(library));
        match trap.and_then(|call| call.backtrace.iter().find(own)) {
            Some(frame) => format!("{pattern} in `{}`", frame.function),
            None => pattern,
        }
    }

    /// Of which errors it is one: those of the same version, reason, fault and pattern.
    pub fn group(&self, pattern: &str) -> GroupId {
        let version = self.version.map(|number| number.to_string()).unwrap_or_default();
        let answered = if self.answered_by.is_some() { "degraded" } else { "" };
        let fault = if self.fault == Fault::Client { "client" } else { "host" };
        let key = [&*self.model, &*version, &*self.reason, fault, answered, pattern].join("\0");
        let hex = Digest::of(key.as_bytes()).hex();
        GroupId(hex.get(..GROUP_DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default())
    }
}

impl AnsweredBy {
    fn of(answered: &Answered) -> Self {
        let Answered { model, version, digest, .. } = answered;
        Self { model: name(model), version: name(version), digest: digest.as_deref().map(name) }
    }
}

impl FailedCall {
    fn of(call: &Call) -> Option<Self> {
        let failed = call.failure.as_ref()?;
        Some(Self {
            model: name(&call.model),
            version: call.version,
            digest: name(&call.digest),
            reason: failed.reason.to_owned(),
            cause: shortened(failed.cause.clone(), CAUSE_MAX_BYTES),
            ran_us: micros(call.used.duration),
            ran_max_us: micros(call.limits.time),
            fuel: call.used.fuel,
            fuel_max: call.used.fuel.map(|_| call.limits.fuel),
            memory_bytes: call.used.memory_bytes,
            memory_max_bytes: call.limits.memory_max_bytes,
            backtrace: failed.backtrace.clone(),
        })
    }
}

impl Input {
    fn of(record: &Record, kept: &KeptInputs) -> Self {
        let body = &record.sent.body;
        let was_received = record.sent.format.is_some();
        let is_kept = was_received && kept.takes(&record.model, body);
        let text = is_kept.then(|| std::str::from_utf8(body).ok()).flatten();
        Self {
            bytes: body.len() as u64,
            sha256: was_received.then(|| Digest::of(body).hex()),
            format: record.sent.format.map(|format| format.to_string()),
            rows: record.inputs.as_ref().map(|inputs| inputs.batch.rows as u64),
            text: text.map(str::to_owned),
            base64: (is_kept && text.is_none()).then(|| STANDARD.encode(body)),
        }
    }

    /// The body and how it is read, where it was kept.
    pub fn body(&self) -> Option<(Bytes, Format)> {
        let format = self.format.as_deref()?.parse().ok()?;
        let body = match (&self.text, &self.base64) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(text)) => STANDARD.decode(text).ok()?,
            (None, None) => return None,
        };
        Some((body.into(), format))
    }
}

impl KeptInputs {
    fn takes(&self, model: &str, body: &Bytes) -> bool {
        body.len() <= self.max_bytes && (self.models.contains(model) || self.models.contains("*"))
    }
}

impl Display for GroupId {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        write!(f, "{:0GROUP_DIGITS$x}", self.0)
    }
}

impl Serialize for GroupId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_one = text.len() == GROUP_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(&text, 16).ok().filter(|_| is_one);
        number.map(Self).ok_or_else(|| serde::de::Error::custom("expected a group's 12 hexadecimal digits"))
    }
}

fn name(text: &str) -> String {
    shortened(text.to_owned(), NAME_MAX_BYTES)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
