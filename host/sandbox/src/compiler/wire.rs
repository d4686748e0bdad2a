//! What a host and its compile process send each other: frames of a tag, a length
//! and that many bytes.
//!
//! Never knows what a frame is for.

use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Result, Write};

/// What the host wants; nothing else is read before the limits apply.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Order {
    /// Whether the component is compiled as a whole, or its core module alone.
    pub(super) is_whole: bool,
    /// Whether its code counts fuel.
    pub(super) counts_fuel: bool,
    /// Whether functions that were compiled earlier may be asked for.
    pub(super) has_functions: bool,
    /// Memory beyond what the process begins with.
    pub(super) memory_max_bytes: u64,
    /// Processor time.
    pub(super) cpu_max_s: u64,
    /// The code that is made.
    pub(super) code_max_bytes: u64,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    /// To the process: an [`Order`], as JSON.
    Order = 1,
    /// To the process: the component.
    Component,
    /// To the process: the function that it asked for.
    Known,
    /// To the process: there is no such function.
    Unknown,
    /// To the host: what the process could still do that it should not, as text.
    Unconfined,
    /// To the host: the key of a function.
    Ask,
    /// To the host: a function that was compiled, behind its key.
    Keep,
    /// To the host: the code.
    Code,
    /// To the host: the code's length, which is over the limit.
    TooLong,
    /// To the host: why the component does not compile.
    Refused,
}

impl Tag {
    const ALL: [Self; 10] = [
        Self::Order,
        Self::Component,
        Self::Known,
        Self::Unknown,
        Self::Unconfined,
        Self::Ask,
        Self::Keep,
        Self::Code,
        Self::TooLong,
        Self::Refused,
    ];

    fn of(byte: u8) -> Result<Self> {
        let tag = Self::ALL.into_iter().find(|tag| *tag as u8 == byte);
        tag.ok_or_else(|| Error::new(ErrorKind::InvalidData, format!("expected a frame, found tag {byte}")))
    }
}

/// Writes one frame, of several parts.
pub(super) fn send(to: &mut impl Write, tag: Tag, parts: &[&[u8]]) -> Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut head = [tag as u8; 9];
    head.iter_mut().skip(1).zip((length as u64).to_le_bytes()).for_each(|(to, byte)| *to = byte);
    to.write_all(&head)?;
    parts.iter().try_for_each(|part| to.write_all(part))?;
    to.flush()
}

/// Reads one frame of at most `most_bytes` bytes.
pub(super) fn receive(from: &mut impl Read, most_bytes: u64) -> Result<(Tag, Vec<u8>)> {
    let (mut tag, mut length) = ([0; 1], [0; 8]);
    from.read_exact(&mut tag)?;
    from.read_exact(&mut length)?;
    let [tag] = tag;
    let (tag, length) = (Tag::of(tag)?, u64::from_le_bytes(length));
    if length > most_bytes {
        let message = format!("expected a frame of at most {most_bytes} bytes, found {length}");
        return Err(Error::new(ErrorKind::InvalidData, message));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok((tag, bytes)) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_arrives_as_it_was_sent() {
        for tag in Tag::ALL {
            let mut sent = Vec::new();
            send(&mut sent, tag, &[b"one", b"", b" two"]).unwrap();
            assert_eq!(receive(&mut sent.as_slice(), 7).unwrap(), (tag, b"one two".to_vec()));
            assert!(receive(&mut sent.as_slice(), 6).unwrap_err().to_string().contains("at most 6 bytes, found 7"));
        }
    }

    proptest! {
        /// The process may send anything: an error, never a panic.
        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok((tag, payload)) = receive(&mut bytes.as_slice(), 1 << 16) {
                let mut again = Vec::new();
                send(&mut again, tag, &[&payload]).unwrap();
                prop_assert!(bytes.starts_with(&again));
            }
        }
    }
}
