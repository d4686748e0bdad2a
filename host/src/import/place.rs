//! A model file into a runtime: behind its memory, where `load` finds it.

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{ConstExpr, DataSection, MemoryType, Module};
use wasmparser::{DataKind, DataSectionReader, Parser, Payload};

/// What the runtime's slot begins with; address and length follow, eight bytes each.
const MAGIC: &[u8; 8] = b"\x00SCRYat\xff";
const PAGE_BYTES: u64 = 65_536;

/// Why a runtime cannot take a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("the runtime does not read: {0}")]
    Malformed(String),
    #[error("the runtime has no slot for a model file, or several")]
    NoSlot,
    #[error("{0} bytes do not fit behind the runtime's memory")]
    TooLarge(usize),
}

/// The runtime with the file in its memory.
pub(super) fn place(runtime: &[u8], file: &[u8]) -> Result<Vec<u8>, PlaceError> {
    let pages = memory_pages(runtime).map_err(|e| PlaceError::Malformed(e.to_string()))?;
    let Some(at) = pages.checked_mul(PAGE_BYTES).filter(|at| at + file.len() as u64 <= 1 << 31) else {
        return Err(PlaceError::TooLarge(file.len()));
    };
    let mut placer = Placer { file, at, slots: 0 };
    let mut placed = Module::new();
    placer.parse_core_module(&mut placed, Parser::new(0), runtime).map_err(|e| PlaceError::Malformed(e.to_string()))?;
    if placer.slots == 1 { Ok(placed.finish()) } else { Err(PlaceError::NoSlot) }
}

/// Pages of the first memory.
fn memory_pages(module: &[u8]) -> Result<u64, wasmparser::BinaryReaderError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::MemorySection(section) = payload? {
            return section.into_iter().next().map_or(Ok(0), |memory| Ok(memory?.initial));
        }
    }
    Ok(0)
}

struct Placer<'a> {
    file: &'a [u8],
    at: u64,
    slots: usize,
}

type Outcome<T> = Result<T, Error<std::convert::Infallible>>;

impl Reencode for Placer<'_> {
    type Error = std::convert::Infallible;

    fn memory_type(&mut self, memory: wasmparser::MemoryType) -> Outcome<MemoryType> {
        let memory = utils::memory_type(self, memory);
        Ok(MemoryType { minimum: memory.minimum + (self.file.len() as u64).div_ceil(PAGE_BYTES), ..memory })
    }

    fn data_count(&mut self, count: u32) -> Outcome<u32> {
        Ok(count + 1)
    }

    fn parse_data_section(&mut self, data: &mut DataSection, section: DataSectionReader<'_>) -> Outcome<()> {
        for datum in section {
            let datum = datum?;
            let mut bytes = datum.data.to_vec();
            let slots: Vec<_> = memchr::memmem::find_iter(datum.data, MAGIC).collect();
            for slot in &slots {
                if let Some(place) = bytes.get_mut(slot + 8..slot + 24) {
                    let (at, length) = place.split_at_mut(8);
                    at.copy_from_slice(&self.at.to_le_bytes());
                    length.copy_from_slice(&(self.file.len() as u64).to_le_bytes());
                    self.slots += 1;
                }
            }
            match datum.kind {
                DataKind::Active { memory_index, offset_expr } => {
                    data.active(memory_index, &self.const_expr(offset_expr)?, bytes)
                }
                DataKind::Passive => data.passive(bytes),
            };
        }
        // Less than 2 GiB, as `place` has seen.
        data.active(0, &ConstExpr::i32_const(i32::try_from(self.at).unwrap_or(i32::MAX)), self.file.iter().copied());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::MemorySection;

    /// A module with two pages of memory and this in it.
    fn module(data: &[u8]) -> Vec<u8> {
        let mut memories = MemorySection::new();
        let memory = MemoryType { minimum: 2, maximum: None, memory64: false, shared: false, page_size_log2: None };
        memories.memory(memory);
        let mut section = DataSection::new();
        section.active(0, &ConstExpr::i32_const(1024), data.iter().copied());
        let mut module = Module::new();
        module.section(&memories).section(&section);
        module.finish()
    }

    #[test]
    fn a_file_lies_behind_the_memory_and_the_slot_says_where() {
        let slot = [b"before".as_slice(), MAGIC, &[0; 16], b"after"].concat();
        let file = vec![7; 70_000];
        let placed = place(&module(&slot), &file).unwrap();
        wasmparser::validate(&placed).unwrap();
        assert_eq!(memory_pages(&placed).unwrap(), 4);
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(&placed) {
            if let Payload::DataSection(section) = payload.unwrap() {
                found.extend(section.into_iter().map(|datum| datum.unwrap().data.to_vec()));
            }
        }
        let told = [(2 * PAGE_BYTES).to_le_bytes(), 70_000u64.to_le_bytes()].concat();
        assert_eq!(found, [[b"before".as_slice(), MAGIC, &told, b"after"].concat(), file]);
    }

    #[test]
    fn a_runtime_without_one_slot_takes_no_file() {
        for data in [b"nothing".to_vec(), [MAGIC.as_slice(), &[0; 16]].concat().repeat(2), MAGIC.to_vec()] {
            assert!(matches!(place(&module(&data), b"file"), Err(PlaceError::NoSlot)));
        }
        assert!(matches!(place(b"\0asm", b"file"), Err(PlaceError::Malformed(_))));
    }
}
