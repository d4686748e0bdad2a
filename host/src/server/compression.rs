//! Bodies compressed with gzip or deflate, both ways. What is inflated is limited while it comes.
//!
//! Never decides where that runs: the work grows with a body, and so is the compute pool's.

use crate::server::error::{HttpError, Refusal};
use crate::server::head::shown;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::bufread::{GzDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compression, Decompress, FlushDecompress, Status};
use scry_card::{Interrupt, Interrupted};
use std::io::{self, Read, Write};

/// Answers that are shorter are sent as they are: compressing them costs more than it saves.
pub(super) const COMPRESSED_MIN_BYTES: usize = 4 << 10;

/// Bytes that are handled between two questions whether to go on.
const BLOCK_BYTES: usize = 16 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gzip,
    /// As HTTP has it: in the format of zlib.
    Deflate,
}

/// Why a body does not inflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It would be longer than a body may be.
    TooLong,
    /// It is not compressed in that way, or not whole.
    Damaged,
}

impl Wrong {
    /// The error of a body that was to be inflated.
    pub(super) fn to_error(self, coding: Coding, max_bytes: usize) -> HttpError {
        match self {
            Self::TooLong => {
                let message = format!("the body is longer than {max_bytes} bytes when it is inflated");
                HttpError::refused(Refusal::BodyTooLarge, message)
            }
            Self::Damaged => {
                let message = format!("the body could not be read: expected whole {0}, found no {0}", coding.name());
                HttpError::refused(Refusal::BodyUnreadable, message)
            }
        }
    }
}

impl Coding {
    /// How a request's body is compressed.
    pub(super) fn of(headers: &HeaderMap) -> Result<Option<Self>, HttpError> {
        let mut coding = None;
        for line in headers.get_all(header::CONTENT_ENCODING) {
            match Self::named(line.as_bytes()) {
                Some(named) if coding.is_none() => coding = Some(named),
                None if line.as_bytes().eq_ignore_ascii_case(b"identity") => {}
                _ => return Err(refused("none, or one of `gzip`, `deflate` and `identity`", line)),
            }
        }
        Ok(coding)
    }

    /// How an answer may be compressed for a client: as it likes best; where it likes both, as gzip.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut weights = [None; 2];
        let mut any = None;
        for line in headers.get_all(header::ACCEPT_ENCODING) {
            for item in line.as_bytes().split(|&byte| byte == b',') {
                let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
                let name = parts.next().unwrap_or_default();
                let weight = parts.find_map(|part| part.strip_prefix(b"q=")).map_or(Some(1.0), weight);
                match Self::named(name) {
                    Some(Self::Gzip) => weights[0] = weight,
                    Some(Self::Deflate) => weights[1] = weight,
                    None if name == b"*" => any = weight,
                    None => {}
                }
            }
        }
        let [gzip, deflate] = weights.map(|weight| weight.or(any).unwrap_or(0.0));
        match gzip >= deflate {
            true if gzip > 0.0 => Some(Self::Gzip),
            false => Some(Self::Deflate),
            true => None,
        }
    }

    /// By its name in a header.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        match name {
            name if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => Some(Self::Gzip),
            name if name.eq_ignore_ascii_case(b"deflate") => Some(Self::Deflate),
            _ => None,
        }
    }

    /// As headers name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// A body as it was before it was compressed; of one that would be longer than `max_bytes`,
    /// no more than that is inflated.
    pub(super) fn inflate(
        self,
        body: &[u8],
        max_bytes: usize,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Vec<u8>, Wrong>, Interrupted> {
        let mut inflated = Inflated { bytes: Vec::new(), max_bytes };
        let done = match self {
            Self::Gzip => gzip(body, &mut inflated, interrupt)?,
            Self::Deflate => zlib(body, &mut inflated, interrupt)?,
        };
        Ok(done.map(|()| inflated.bytes))
    }

    /// What a body begins with, as far as it inflates: at most this many bytes, of about as many.
    pub(super) fn beginning(self, body: &[u8], max_bytes: usize) -> Vec<u8> {
        let (body, mut begun) = (body.get(..max_bytes).unwrap_or(body), Vec::new());
        // What was read before an error counts.
        let _ = match self {
            Self::Gzip => GzDecoder::new(body).take(max_bytes as u64).read_to_end(&mut begun),
            Self::Deflate => ZlibDecoder::new(body).take(max_bytes as u64).read_to_end(&mut begun),
        };
        begun
    }

    /// An answer, compressed: quickly rather than well. Nothing where that fails.
    pub(super) fn compress(self, body: &[u8], interrupt: &mut Interrupt<'_>) -> Result<Option<Vec<u8>>, Interrupted> {
        let (into, level) = (Vec::with_capacity(body.len() / 2), Compression::fast());
        let written = match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(into, level);
                write(&mut encoder, body, interrupt)?.and_then(|()| encoder.finish())
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(into, level);
                write(&mut encoder, body, interrupt)?.and_then(|()| encoder.finish())
            }
        };
        Ok(written.ok())
    }
}

/// A preference: 0 to 1, with three digits; nothing where it is none.
fn weight(text: &[u8]) -> Option<f32> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))
}

/// A body as far as it is inflated.
struct Inflated {
    bytes: Vec<u8>,
    max_bytes: usize,
}

impl Inflated {
    fn put(&mut self, block: &[u8]) -> Result<(), Wrong> {
        if block.len() > self.max_bytes - self.bytes.len() {
            return Err(Wrong::TooLong);
        }
        self.bytes.extend_from_slice(block);
        Ok(())
    }
}

fn gzip(body: &[u8], inflated: &mut Inflated, interrupt: &mut Interrupt<'_>) -> Result<Result<(), Wrong>, Interrupted> {
    let (mut decoder, mut block) = (MultiGzDecoder::new(body), [0; BLOCK_BYTES]);
    loop {
        interrupt.spend(BLOCK_BYTES)?;
        let done = match decoder.read(&mut block) {
            Ok(0) => return Ok(Ok(())),
            Ok(count) => inflated.put(block.get(..count).unwrap_or_default()),
            Err(_) => Err(Wrong::Damaged),
        };
        if done.is_err() {
            return Ok(done);
        }
    }
}

/// A reader that ends where its input does would take a part for the whole, so the end is looked for.
fn zlib(body: &[u8], inflated: &mut Inflated, interrupt: &mut Interrupt<'_>) -> Result<Result<(), Wrong>, Interrupted> {
    let (mut stream, mut block, mut rest) = (Decompress::new(true), [0; BLOCK_BYTES], body);
    loop {
        interrupt.spend(BLOCK_BYTES)?;
        let (read, made) = (stream.total_in(), stream.total_out());
        let status = stream.decompress(rest, &mut block, FlushDecompress::None);
        let moved = |from: u64, to: u64| usize::try_from(to - from).unwrap_or(usize::MAX);
        let (read, made) = (moved(read, stream.total_in()), moved(made, stream.total_out()));
        rest = rest.get(read..).unwrap_or_default();
        if let Err(wrong) = inflated.put(block.get(..made).unwrap_or_default()) {
            return Ok(Err(wrong));
        }
        match status {
            Ok(Status::StreamEnd) if rest.is_empty() => return Ok(Ok(())),
            Ok(Status::Ok | Status::BufError) if read + made > 0 => {}
            Ok(_) | Err(_) => return Ok(Err(Wrong::Damaged)),
        }
    }
}

fn write(into: &mut impl Write, body: &[u8], interrupt: &mut Interrupt<'_>) -> Result<io::Result<()>, Interrupted> {
    for block in body.chunks(BLOCK_BYTES) {
        interrupt.spend(block.len())?;
        if let Err(error) = into.write_all(block) {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn refused(expected: &str, found: &HeaderValue) -> HttpError {
    let message = format!("header `content-encoding`: expected {expected}, found {}", shown(found));
    HttpError::refused(Refusal::ContentEncoding, message)
}

/// Refuses bodies that are compressed, where nothing inflates them.
pub(super) async fn uncompressed(request: Request, next: Next) -> Response {
    let mut lines = request.headers().get_all(header::CONTENT_ENCODING).iter();
    match lines.find(|line| !line.as_bytes().eq_ignore_ascii_case(b"identity")) {
        Some(line) => refused("none or `identity`", line).into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests;
