//! The header `traceparent` of W3C Trace Context (level 1). Pure.

use std::num::{NonZeroU64, NonZeroU128};

/// The version of `traceparent` that is written, and how long that is.
const VERSION: u128 = 0;
const TEXT_BYTES: usize = 55;
/// The version that no `traceparent` may have.
const VERSION_INVALID: u128 = 0xff;
/// The flag of a caller that may have recorded its part of the trace.
const SAMPLED: u128 = 1;

/// A span in a trace, as the header `traceparent` names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Of the whole trace.
    pub trace_id: NonZeroU128,
    /// Of the span.
    pub span_id: NonZeroU64,
    /// Whether whoever wrote it may have recorded the span.
    pub is_sampled: bool,
}

impl TraceParent {
    /// Reads a header's value. Of a later version it reads what this version knows; `None` where the whole is invalid.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (version, rest) = number::<2>(text)?;
        let (trace_id, rest) = number::<32>(rest.strip_prefix(b"-")?)?;
        let (span_id, rest) = number::<16>(rest.strip_prefix(b"-")?)?;
        let (flags, rest) = number::<2>(rest.strip_prefix(b"-")?)?;
        let may_go_on = version != VERSION && rest.starts_with(b"-");
        if version == VERSION_INVALID || !(rest.is_empty() || may_go_on) {
            return None;
        }
        Some(Self {
            trace_id: NonZeroU128::new(trace_id)?,
            span_id: NonZeroU64::new(u64::try_from(span_id).ok()?)?,
            is_sampled: flags & SAMPLED != 0,
        })
    }

    /// The header's value. Flags that this version does not know are not passed on.
    pub fn to_text(self) -> String {
        let Self { trace_id, span_id, is_sampled } = self;
        let mut text = String::with_capacity(TEXT_BYTES);
        text.push_str("00-");
        push_hex(&mut text, trace_id.get());
        text.push('-');
        push_hex_u64(&mut text, span_id.get());
        text.push_str(if is_sampled { "-01" } else { "-00" });
        text
    }
}

/// A number of so many hexadecimal digits, in lower case alone, and what follows it.
fn number<const DIGITS: usize>(text: &[u8]) -> Option<(u128, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<DIGITS>()?;
    let number = digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })?;
    Some((number, rest))
}

/// 32 hexadecimal digits.
pub(super) fn hex(number: u128) -> String {
    let mut text = String::with_capacity(32);
    push_hex(&mut text, number);
    text
}

fn push_hex(text: &mut String, number: u128) {
    push_hex_u64(text, (number >> 64) as u64);
    push_hex_u64(text, number as u64);
}

fn push_hex_u64(text: &mut String, number: u64) {
    for half in [(number >> 32) as u32, number as u32] {
        // They are ASCII.
        text.push_str(str::from_utf8(&digits(half)).unwrap_or_default());
    }
}

/// Eight hexadecimal digits at once: every answer has almost a hundred.
fn digits(number: u32) -> [u8; 8] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let spread = u64::from(number);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let spread = (spread | spread << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (spread + EACH * 6) >> 4 & EACH;
    let to_letter = u64::from(b'a' - b'0' - 10);
    (spread + EACH * u64::from(b'0') + letters * to_letter).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    #[test]
    fn a_traceparent_is_read_as_the_recommendation_says() {
        let read = |text: &str| TraceParent::parse(text.as_bytes());
        let known = read(&format!("00-{TRACE}-{SPAN}-01")).unwrap();
        assert_eq!(
            (known.trace_id.get(), known.span_id.get()),
            (0x0af7651916cd43dd8448eb211c80319c, 0xb7ad6b7169203331)
        );
        assert!(known.is_sampled);
        for (flags, is_sampled) in [("00", false), ("02", false), ("03", true), ("ff", true), ("fe", false)] {
            assert_eq!(read(&format!("00-{TRACE}-{SPAN}-{flags}")).map(|read| read.is_sampled), Some(is_sampled));
        }
        for later in [format!("01-{TRACE}-{SPAN}-01"), format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like")] {
            assert_eq!(read(&later), Some(known), "{later}");
        }
    }

    /// The cases of the recommendation's own test suite.
    #[test]
    fn an_invalid_traceparent_is_none() {
        let (trace, span) = (TRACE, SPAN);
        for wrong in [
            String::new(),
            "00".into(),
            format!("ff-{trace}-{span}-01"),
            format!("0-{trace}-{span}-01"),
            format!("000-{trace}-{span}-01"),
            format!("0x-{trace}-{span}-01"),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{trace}-{}-01", span.to_uppercase()),
            format!("00-.{}-{span}-01", &trace[1..]),
            format!("00-{}-{span}-01", &trace[1..]),
            format!("00-{trace}0-{span}-01"),
            format!("00-{trace}-{}-01", &span[1..]),
            format!("00-{trace}-{span}0-01"),
            format!("00-{trace}-{span}"),
            format!("00-{trace}-{span}-"),
            format!("00-{trace}-{span}-1"),
            format!("00-{trace}-{span}-0x"),
            format!("00-{trace}-{span}-0A"),
            format!("00-{trace}-{span}-01-"),
            format!("00-{trace}-{span}-01-more"),
            format!("cc-{trace}-{span}-01.more"),
            format!(" 00-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01 "),
            format!("00_{trace}_{span}_01"),
        ] {
            assert_eq!(TraceParent::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(text in "(0[01]|[a-f]{2})-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?") {
            let Some(read) = TraceParent::parse(text.as_bytes()) else { return Ok(()) };
            let written = read.to_text();
            prop_assert_eq!(TraceParent::parse(written.as_bytes()), Some(read));
            prop_assert_eq!(&written[2..53], &text[2..53]);
        }

        /// Almost valid, so that what is read at all is met.
        #[test]
        fn one_wrong_byte_is_never_read(at in 0..TEXT_BYTES, wrong: u8) {
            let mut text = format!("00-{TRACE}-{SPAN}-01").into_bytes();
            text[at] = wrong;
            let is_dash = [2, 35, 52].contains(&at);
            let is_right = if is_dash { wrong == b'-' } else { wrong.is_ascii_digit() || (b'a'..=b'f').contains(&wrong) };
            // Of the version only `00` and all but `ff` of the later ones, which are read alike.
            prop_assert_eq!(TraceParent::parse(&text).is_some(), is_right);
        }

        #[test]
        fn digits_are_those_of_the_standard_library(number: u128) {
            prop_assert_eq!(hex(number), format!("{number:032x}"));
        }

        #[test]
        fn whatever_is_written_is_read(trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, is_sampled: bool) {
            let (trace_id, span_id) = (NonZeroU128::new(trace_id).unwrap(), NonZeroU64::new(span_id).unwrap());
            let span = TraceParent { trace_id, span_id, is_sampled };
            prop_assert_eq!(TraceParent::parse(span.to_text().as_bytes()), Some(span));
            prop_assert_eq!(span.to_text(), format!("00-{trace_id:032x}-{span_id:016x}-0{}", u8::from(is_sampled)));
        }
    }
}
