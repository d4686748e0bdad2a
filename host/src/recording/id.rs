//! The name of a record: a UUID of version 7, so that names sort by time and none can be guessed.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{Display, Formatter, Result as Written};
use std::num::NonZeroU128;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A record's name. Never zero: its version is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(NonZeroU128);

/// The version and the variant that RFC 9562 asks for, and where they are.
const MARKS: u128 = 0x7 << 76 | 0b10 << 62;
const MARKS_MASK: u128 = 0xf << 76 | 0b11 << 62;
/// Where the groups of digits end, behind each of which a hyphen comes.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const TEXT_LEN: usize = 36;

impl RecordId {
    /// Of a moment of Unix time, in milliseconds, and random bits.
    pub fn new(at_ms: u64, random: u128) -> Self {
        let random = random & (u128::MAX >> 48) & !MARKS_MASK;
        let bits = u128::from(at_ms) << 80 | random | MARKS;
        Self(NonZeroU128::new(bits).unwrap_or(NonZeroU128::MIN))
    }

    /// Of a moment, with the system's randomness.
    pub fn at(at_ms: u64) -> Self {
        let mut random = [0; 16];
        // Where the system has none, an id can be guessed, and still names one record.
        if getrandom::fill(&mut random).is_err() {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            return Self::new(at_ms, u128::from(NEXT.fetch_add(1, Ordering::Relaxed)));
        }
        Self::new(at_ms, u128::from_le_bytes(random))
    }

    /// The moment.
    pub fn at_ms(self) -> u64 {
        (self.0.get() >> 80) as u64
    }
}

impl Display for RecordId {
    fn fmt(&self, f: &mut Formatter<'_>) -> Written {
        let bits = self.0.get();
        let part = |shift: u32, bits_len: u32| (bits >> shift) & ((1 << bits_len) - 1);
        let parts = [part(96, 32), part(80, 16), part(64, 16), part(48, 16), part(0, 48)];
        let [time, time_low, version, variant, random] = parts;
        write!(f, "{time:08x}-{time_low:04x}-{version:04x}-{variant:04x}-{random:012x}")
    }
}

/// A text that names no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a record's id, such as 019385e8-7c1a-7b52-9d0e-3f6f1a2b4c5d")]
pub struct NoRecordId;

impl FromStr for RecordId {
    type Err = NoRecordId;

    fn from_str(text: &str) -> Result<Self, NoRecordId> {
        if text.len() != TEXT_LEN {
            return Err(NoRecordId);
        }
        let mut bits = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            match (byte, HYPHENS.contains(&at)) {
                (b'-', true) => {}
                (b'0'..=b'9' | b'a'..=b'f', false) => {
                    bits = bits << 4 | u128::from(char::from(byte).to_digit(16).ok_or(NoRecordId)?);
                }
                _ => return Err(NoRecordId),
            }
        }
        NonZeroU128::new(bits).filter(|_| bits & MARKS_MASK == MARKS).map(Self).ok_or(NoRecordId)
    }
}

impl Serialize for RecordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_looks_as_rfc_9562_has_it() {
        // Its example of version 7.
        let id: RecordId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        assert_eq!(id.at_ms(), 0x017F_22E2_79B0);
        for wrong in [
            "",
            "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-c8c4-dc0c0c07398f",
            "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
            "017f22e279b07cc398c4dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f0",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398ä",
        ] {
            assert_eq!(wrong.parse::<RecordId>(), Err(NoRecordId), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn an_id_reads_as_it_is_written_and_sorts_by_time(at_ms in 0..1_u64 << 47, later in 1..1_u64 << 47, a: u128, b: u128) {
            let (first, second) = (RecordId::new(at_ms, a), RecordId::new(at_ms + later, b));
            prop_assert_eq!(first.to_string().parse(), Ok(first));
            prop_assert_eq!(first.at_ms(), at_ms);
            prop_assert!(first < second && first.to_string() < second.to_string());
        }

        #[test]
        fn no_text_is_too_much(text: String) {
            if let Ok(id) = text.parse::<RecordId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
