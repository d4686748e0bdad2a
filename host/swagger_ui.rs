//! Takes the files of Swagger UI that are served out of the archive of the crate that carries it, as they are compressed
//! there, in gzip.

use std::path::Path;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED as ARCHIVE;

const FILES: [&str; 2] = ["swagger-ui-bundle.js", "swagger-ui.css"];

/// Of a zip archive: the records that it consists of begin with these bytes.
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
const DEFLATE: usize = 8;

/// Writes each file, its name with `.gz`, to this folder.
pub(crate) fn unpack(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for name in FILES {
        let zipped = gzip(name).ok_or_else(|| format!("the archive of Swagger UI has no `dist/{name}` in deflate"))?;
        std::fs::write(folder.join(format!("{name}.gz")), zipped)?;
    }
    Ok(())
}

/// A file in gzip: its bytes in the archive, between a head and a foot.
fn gzip(name: &str) -> Option<Vec<u8>> {
    let end = ARCHIVE.windows(END.len()).rposition(|bytes| bytes == END)?;
    let mut at = number(end + 16, 4)?;
    while ARCHIVE.get(at..)?.starts_with(ENTRY) {
        let [name_bytes, more_bytes, comment_bytes] = [number(at + 28, 2)?, number(at + 30, 2)?, number(at + 32, 2)?];
        let path = ARCHIVE.get(at + ENTRY_BYTES..at + ENTRY_BYTES + name_bytes)?;
        if path.ends_with(format!("/dist/{name}").as_bytes()) && number(at + 10, 2)? == DEFLATE {
            let (size, local) = (number(at + 20, 4)?, number(at + 42, 4)?);
            let begin = local + LOCAL_BYTES + number(local + 26, 2)? + number(local + 28, 2)?;
            let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
            let (checksum, length) = (ARCHIVE.get(at + 16..at + 20)?, ARCHIVE.get(at + 24..at + 28)?);
            return Some([&head, ARCHIVE.get(begin..begin + size)?, checksum, length].concat());
        }
        at += ENTRY_BYTES + name_bytes + more_bytes + comment_bytes;
    }
    None
}

/// A number of so many bytes, the lowest first.
fn number(at: usize, bytes: usize) -> Option<usize> {
    let bytes = ARCHIVE.get(at..at + bytes)?.iter().rev();
    Some(bytes.fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
