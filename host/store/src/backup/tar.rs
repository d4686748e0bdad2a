//! The blocks of a tar file (ustar) that has plain files and nothing else. Pure.
//!
//! A header is read only if it is the very block that would be written: no link, no other kind of entry, no second form of
//! a name or of a number is ever looked into.

/// What a tar file is made of.
pub type Block = [u8; BLOCK_BYTES];

/// The size of a block.
pub const BLOCK_BYTES: usize = 512;
/// What a tar file ends with.
pub const END: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

const NAME_MAX_BYTES: usize = 100;
/// What a longer path has in front of its last slash.
const PREFIX_MAX_BYTES: usize = 155;
/// Where a header has them.
const SIZE_AT: usize = 124;
const MODIFIED_AT: usize = 136;
const PREFIX_AT: usize = 345;
/// Eleven digits of base eight.
const NUMBER_MAX: u64 = (1 << 33) - 1;

/// What comes before a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Where it is in the tar file: at most 100 bytes, or folders of at most 155 and a name of at most 100.
    pub path: String,
    /// Its size: less than 8 GiB.
    pub size_bytes: u64,
    /// Unix time, in seconds.
    pub modified_s: u64,
}

impl Header {
    /// As a block; none, where a member has no room in it.
    pub fn to_block(&self) -> Option<Block> {
        let Self { path, size_bytes, modified_s } = self;
        let (prefix, name) = match path.len() {
            ..=NAME_MAX_BYTES => ("", path.as_str()),
            _ => path.rsplit_once('/').filter(|(prefix, _)| (1..=PREFIX_MAX_BYTES).contains(&prefix.len()))?,
        };
        let has_room = (1..=NAME_MAX_BYTES).contains(&name.len());
        let with_sum = |sum: &str| {
            let mut block = name.as_bytes().to_vec();
            block.resize(NAME_MAX_BYTES, 0);
            // Mode, owner, group.
            block.extend_from_slice(b"0000600\0");
            block.extend_from_slice([*b"0000000\0"; 2].as_flattened());
            block.extend(format!("{size_bytes:011o}\0{modified_s:011o}\0{sum}0").into_bytes());
            // A link's aim, then what kind of tar file it is, then names and devices.
            block.resize(block.len() + NAME_MAX_BYTES, 0);
            block.extend_from_slice(b"ustar\x0000");
            block.resize(PREFIX_AT, 0);
            block.extend_from_slice(prefix.as_bytes());
            block.resize(BLOCK_BYTES, 0);
            block
        };
        // The sum is that of the block with spaces in its place.
        let sum: u32 = with_sum("        ").into_iter().map(u32::from).sum();
        let is_known = has_room && (*size_bytes).max(*modified_s) <= NUMBER_MAX;
        is_known.then(|| with_sum(&format!("{sum:06o}\0 ")).try_into().ok())?
    }

    /// Of a block that [`Self::to_block`] could have made.
    pub fn from_block(block: &Block) -> Option<Self> {
        let number = |at: usize| u64::from_str_radix(str::from_utf8(block.get(at..at + 11)?).ok()?, 8).ok();
        let text = |at: usize, max: usize| {
            let text = block.get(at..at + max)?.split(|byte| *byte == 0).next()?;
            str::from_utf8(text).ok()
        };
        let (prefix, name) = (text(PREFIX_AT, PREFIX_MAX_BYTES)?, text(0, NAME_MAX_BYTES)?);
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        let header = Self { path, size_bytes: number(SIZE_AT)?, modified_s: number(MODIFIED_AT)? };
        header.to_block().is_some_and(|own| own == *block).then_some(header)
    }

    /// The zeros between a file's bytes and the next block.
    pub fn padding(&self) -> usize {
        const BLOCK: u64 = BLOCK_BYTES as u64;
        // Less than a block.
        usize::try_from((BLOCK - self.size_bytes % BLOCK) % BLOCK).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path() -> impl Strategy<Value = String> {
        prop_oneof!["[ -~]{1,100}", "[a-z/]{1,150}/[ -.0-~]{1,100}"]
    }

    proptest! {
        /// A header is read as it was written, and with any other byte it is none.
        #[test]
        fn a_header_has_one_form(
            path in path(),
            size_bytes in 0..=NUMBER_MAX,
            modified_s in 0..=NUMBER_MAX,
            at in 0..BLOCK_BYTES,
            byte in any::<u8>(),
        ) {
            let header = Header { path, size_bytes, modified_s };
            let mut block = header.to_block().unwrap();
            prop_assert_eq!(Header::from_block(&block), Some(header));
            if block[at] != byte {
                block[at] = byte;
                prop_assert_eq!(Header::from_block(&block), None);
            }
        }
    }

    #[test]
    fn what_has_no_room_is_no_header() {
        let header = Header { path: "a".repeat(100), size_bytes: NUMBER_MAX, modified_s: NUMBER_MAX };
        let with = |path: String| Header { path, ..header.clone() }.to_block();
        assert!(header.to_block().is_some());
        assert!(with(format!("{}/{}", "a".repeat(155), "b".repeat(100))).is_some());
        assert!(with(format!("{}/{}", "a".repeat(156), "b")).is_none());
        assert!(with(format!("a/{}", "b".repeat(101))).is_none());
        assert!(with(format!("/{}", "b".repeat(100))).is_none());
        assert!(with("a".repeat(101)).is_none());
        assert!(with(String::new()).is_none());
        assert!(Header { size_bytes: NUMBER_MAX + 1, ..header }.to_block().is_none());
    }
}
