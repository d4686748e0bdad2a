//! Headers that name a trace: whatever their bytes, nothing, or a span and a list that are written as they are read.
//! `.ci/fuzz 60 trace_headers`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry::telemetry::trace_parent::TraceParent;
use scry::telemetry::trace_state::TraceState;

/// The most of a list that is passed on.
const STATE_MAX_BYTES: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    // One line is a header.
    let mut lines = bytes.split(|byte| *byte == b'\n');
    if let Some(span) = lines.next().and_then(TraceParent::parse) {
        let written = span.to_text();
        assert_eq!(TraceParent::parse(written.as_bytes()), Some(span));
        // The trace and the span, as they came.
        assert_eq!(&written.as_bytes()[2..53], &bytes[2..53]);
    }
    if let Some(state) = TraceState::parse(lines) {
        let text = state.as_str();
        assert!(text.len() <= STATE_MAX_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~')));
        assert_eq!(TraceState::parse([text.as_bytes()].into_iter()).as_ref(), Some(&state));
    }
});
