//! Who a request is: its id, its place in a trace, and what became of it, for whatever tells of it.
//!
//! Never refuses a request, and never asks the system for anything.

use super::trace_parent::{TraceParent, hex};
use super::trace_state::TraceState;
use super::traces::Sampler;
use std::borrow::Cow;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The longest id that a caller may choose.
pub const REQUEST_ID_MAX_BYTES: usize = 128;

/// What a request's caller says of it, as far as it reads.
#[derive(Debug, Default, Clone, Copy)]
pub struct Given<'a> {
    /// A text that [`is_request_id`].
    pub request_id: Option<&'a str>,
    /// The caller's own span.
    pub span: Option<TraceParent>,
}

/// What travels with a request, from its head to its last line in the log.
#[derive(Debug)]
pub struct Context {
    request_id: RequestId,
    span: TraceParent,
    parent_id: Option<NonZeroU64>,
    trace_state: Option<TraceState>,
    notes: Option<Notes>,
    /// Whether the span has an owner: of a stream's predictions only the first can be it.
    is_span_taken: AtomicBool,
}

/// One that is made is not text before somebody wants to read it.
#[derive(Debug)]
enum RequestId {
    Given(Box<str>),
    Made(u128),
}

/// What later steps find out about a request that the access log follows.
#[derive(Debug, Default)]
struct Notes {
    token: OnceLock<Arc<str>>,
    prediction: Mutex<Option<Prediction>>,
}

/// What became of a prediction.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// The model that answered; where none did, the one that was asked.
    pub model: String,
    /// Its version: a number, or `constant`.
    pub version: String,
    /// Its digest, as text; a constant has none.
    pub digest: Option<Arc<str>>,
    /// As `scry_requests_total` counts it.
    pub outcome: &'static str,
    /// Why a fallback answered, where one did.
    pub degraded: Option<&'static str>,
}

impl Context {
    /// Of a request, and whether it is followed by the access log. What its caller does not give is made of random
    /// numbers. An id that is made is the trace's, where that is made too.
    pub fn new(given: Given<'_>, is_followed: bool, mut random: impl FnMut() -> u64) -> Self {
        let mut wide = || u128::from(random()) << 64 | u128::from(random());
        let made = || NonZeroU128::new(wide()).unwrap_or(NonZeroU128::MIN);
        let trace_id = given.span.map_or_else(made, |span| span.trace_id);
        let request_id = match (given.request_id, given.span) {
            (Some(text), _) => RequestId::Given(text.into()),
            (None, None) => RequestId::Made(trace_id.get()),
            (None, Some(_)) => RequestId::Made(wide()),
        };
        let span_id = NonZeroU64::new(random()).unwrap_or(NonZeroU64::MIN);
        Self {
            request_id,
            span: TraceParent { trace_id, span_id, is_sampled: given.span.is_some_and(|caller| caller.is_sampled) },
            parent_id: given.span.map(|caller| caller.span_id),
            trace_state: None,
            notes: is_followed.then(Notes::default),
            is_span_taken: AtomicBool::new(false),
        }
    }

    /// The same, with what other systems keep in the caller's trace.
    pub fn with_state(self, trace_state: Option<TraceState>) -> Self {
        Self { trace_state, ..self }
    }

    /// The same, traced where a sampler takes it: its answer says so.
    pub fn sampled_by(mut self, sampler: Sampler) -> Self {
        let caller = self.parent_id.map(|_| self.span.is_sampled);
        self.span.is_sampled = sampler.takes(caller, self.span.trace_id);
        self
    }

    /// The id of the host's own span, once; then others.
    pub fn take_span_id(&self, other: impl FnOnce() -> NonZeroU64) -> NonZeroU64 {
        if self.is_span_taken.swap(true, Ordering::Relaxed) { other() } else { self.span.span_id }
    }

    /// The request's id: the caller's, or one of 32 hexadecimal digits.
    pub fn request_id(&self) -> Cow<'_, str> {
        match &self.request_id {
            RequestId::Given(text) => Cow::Borrowed(text),
            RequestId::Made(number) => Cow::Owned(hex(*number)),
        }
    }

    /// The host's own span: its parent is the caller's.
    pub fn span(&self) -> TraceParent {
        self.span
    }

    /// The caller's span, where it named one.
    pub fn parent_id(&self) -> Option<NonZeroU64> {
        self.parent_id
    }

    /// The trace's id as text: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        hex(self.span.trace_id.get())
    }

    /// The trace, where it is recorded: by its caller, or by the host.
    pub fn recorded_trace(&self) -> Option<NonZeroU128> {
        self.span.is_sampled.then_some(self.span.trace_id)
    }

    /// What other systems keep in the trace, to be passed on as it came.
    pub fn trace_state(&self) -> Option<&TraceState> {
        self.trace_state.as_ref()
    }

    /// Keeps whose token the request had, where the access log follows it.
    pub fn note_token(&self, name: impl FnOnce() -> Arc<str>) {
        if let Some(notes) = &self.notes {
            notes.token.get_or_init(name);
        }
    }

    /// Keeps what became of its prediction, where the access log follows it; of a stream's predictions, the last.
    pub fn note(&self, prediction: impl FnOnce() -> Prediction) {
        if let Some(notes) = &self.notes {
            *notes.prediction.lock().unwrap_or_else(PoisonError::into_inner) = Some(prediction());
        }
    }

    /// The token that was noted.
    pub fn token(&self) -> Option<&str> {
        self.notes.as_ref()?.token.get().map(|name| &**name)
    }

    /// The prediction that was noted.
    pub fn prediction(&self) -> Option<Prediction> {
        self.notes.as_ref()?.prediction.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a text may be a request's id: letters, digits and a few marks, none of which a log or a header has to escape.
pub fn is_request_id(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/+=@|".contains(byte);
    (1..=REQUEST_ID_MAX_BYTES).contains(&text.len()) && text.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    /// 1, 2, 3, and so on.
    fn counting() -> impl FnMut() -> u64 {
        let mut last = 0;
        move || {
            last += 1;
            last
        }
    }

    #[test]
    fn what_is_absent_is_made_and_what_is_given_is_kept() {
        let made = Context::new(Given::default(), false, counting());
        assert_eq!(made.request_id(), "00000000000000010000000000000002");
        assert_eq!((&*made.request_id(), made.parent_id()), (&*made.trace_id(), None));
        assert_eq!(made.span().to_text(), "00-00000000000000010000000000000002-0000000000000003-00");

        let caller = TraceParent::parse(format!("00-{TRACE}-{SPAN}-03").as_bytes()).unwrap();
        let given = Given { request_id: None, span: Some(caller) };
        let called = Context::new(given, false, counting());
        assert_eq!(called.span().to_text(), format!("00-{TRACE}-0000000000000003-01"));
        assert_eq!(called.parent_id(), Some(caller.span_id));
        assert_eq!(called.request_id(), "00000000000000010000000000000002", "a trace may have many requests");

        let named = Context::new(Given { request_id: Some("order-7"), ..given }, false, counting());
        assert_eq!((&*named.request_id(), &*named.trace_id()), ("order-7", TRACE));
        let zeros = Context::new(Given::default(), false, || 0);
        assert_eq!(zeros.span().to_text().matches('1').count(), 2, "never all zeros");
    }

    #[test]
    fn an_id_is_short_and_plain() {
        for id in
            ["x", "550e8400-e29b-41d4-a716-446655440000", "a.b_c~d:e/f+g=h@i|j", &"x".repeat(REQUEST_ID_MAX_BYTES)]
        {
            assert!(is_request_id(id.as_bytes()), "{id}");
        }
        for id in [
            "",
            " ",
            "a b",
            "a\"",
            "a\\b",
            "a\nb",
            "a\tb",
            "ä",
            "a;b",
            "a,b",
            "<a>",
            &"x".repeat(REQUEST_ID_MAX_BYTES + 1),
        ] {
            assert!(!is_request_id(id.as_bytes()), "{id:?}");
        }
    }

    #[test]
    fn nothing_is_kept_of_a_request_that_is_not_followed() {
        for is_followed in [false, true] {
            let context = Context::new(Given::default(), is_followed, counting());
            context.note_token(|| "shop".into());
            let prediction = || Prediction {
                model: "churn".into(),
                version: "4".into(),
                digest: None,
                outcome: "ok",
                degraded: None,
            };
            context.note(prediction);
            assert_eq!((context.token(), context.prediction().is_some()), (is_followed.then_some("shop"), is_followed));
        }
    }
}
