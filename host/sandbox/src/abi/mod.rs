//! The contract's functions in the component model's canonical ABI: a list of
//! tensors into a guest's memory, an answer out of it.
//!
//! Flat lists are copied as they lie. Whatever a guest says of its memory is
//! checked, and no more is copied out than the limit allows. Never calls a
//! guest, never judges values.

#[cfg(test)]
mod tests;

use super::error::CallError;
use scry_card::{Batch, Tensor, Text, Values, shortened};
use zerocopy::{Immutable, IntoBytes};

#[cfg(target_endian = "big")]
compile_error!("a guest's memory is little-endian, and lists are copied as they lie");

/// `tensor`: its shape, the kind of its values and they, its validity.
const TENSOR_BYTES: usize = 40;
const TENSOR_ALIGN: usize = 4;
const VALUES_KIND: usize = 8;
const VALUES: usize = 12;
const SECOND_LIST: usize = 8;
const VALIDITY_KIND: usize = 28;
const VALIDITY: usize = 32;

/// `result<list<tensor>, failure>`: which, then either.
const RESULT_ALIGN: usize = 8;
const RESULT: usize = 8;
const FAILURE: usize = 16;
const FAILURE_ROW_KIND: usize = 24;
const FAILURE_ROW: usize = 32;
const FAILURE_MESSAGE: usize = 40;
const RESULT_BYTES: usize = 48;

/// A guest's memory, and its own allocator.
pub(super) trait Heap {
    /// Room for this many bytes, where the guest wants it; it may be written.
    fn allocate(&mut self, align: usize, bytes: usize) -> Result<usize, CallError>;
    /// The memory, of which only such room may be written.
    fn memory(&mut self) -> &mut [u8];
}

/// A flat list of a tensor, and where its record says so.
struct List<'a> {
    at: usize,
    count: usize,
    align: usize,
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    fn new<T: IntoBytes + Immutable>(at: usize, list: &'a [T]) -> Self {
        Self { at, count: list.len(), align: align_of::<T>(), bytes: list.as_bytes() }
    }
}

/// Puts a batch into a guest's memory; where it lies, and how many columns it has.
pub(super) fn lower(batch: &Batch, heap: &mut impl Heap) -> Result<(u32, u32), CallError> {
    let columns = batch.columns.len();
    let start = heap.allocate(TENSOR_ALIGN, columns.saturating_mul(TENSOR_BYTES))?;
    // A guest that allocates may move what is at hand of its memory: first all room.
    let mut room = Vec::with_capacity(4 * columns);
    for list in batch.columns.iter().flat_map(|tensor| lists(tensor).1).flatten() {
        room.push(heap.allocate(list.align, list.bytes.len())?);
    }
    let (mut room, memory) = (room.into_iter(), heap.memory());
    for (i, tensor) in batch.columns.iter().enumerate() {
        let mut record = [0; TENSOR_BYTES];
        let (kind, lists) = lists(tensor);
        put(&mut record, VALUES_KIND, [kind]);
        for (list, start) in lists.iter().flatten().zip(&mut room) {
            put(&mut record, list.at, word(start).to_le_bytes());
            put(&mut record, list.at + 4, word(list.count).to_le_bytes());
            if list.at == VALIDITY {
                put(&mut record, VALIDITY_KIND, [1]);
            }
            copy(memory, start, list.bytes);
        }
        copy(memory, start + i * TENSOR_BYTES, &record);
    }
    Ok((word(start), word(columns)))
}

/// The kind of a tensor's values, and its lists.
fn lists(tensor: &Tensor) -> (u8, [Option<List<'_>>; 4]) {
    let (kind, values) = match &tensor.values {
        Values::Bool(list) => (0, List::new(VALUES, list)),
        Values::Int8(list) => (1, List::new(VALUES, list)),
        Values::Int16(list) => (2, List::new(VALUES, list)),
        Values::Int32(list) => (3, List::new(VALUES, list)),
        Values::Int64(list) => (4, List::new(VALUES, list)),
        Values::Uint8(list) => (5, List::new(VALUES, list)),
        Values::Uint16(list) => (6, List::new(VALUES, list)),
        Values::Uint32(list) => (7, List::new(VALUES, list)),
        Values::Uint64(list) => (8, List::new(VALUES, list)),
        Values::Fp32(list) => (9, List::new(VALUES, list)),
        Values::Fp64(list) => (10, List::new(VALUES, list)),
        Values::Bytes(text) => (11, List::new(VALUES, text.ends())),
    };
    let utf8 = match &tensor.values {
        Values::Bytes(text) => Some(List::new(VALUES + SECOND_LIST, text.utf8().as_bytes())),
        _ => None,
    };
    let validity = tensor.validity.as_deref().map(|list| List::new(VALIDITY, list));
    (kind, [Some(List::new(0, &tensor.shape)), Some(values), utf8, validity])
}

/// Into room that was allocated.
fn copy(memory: &mut [u8], start: usize, bytes: &[u8]) {
    if let Some(to) = start.checked_add(bytes.len()).and_then(|end| memory.get_mut(start..end)) {
        to.copy_from_slice(bytes);
    }
}

/// What lies in a guest's memory has such a place and length.
fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Where `at` is a constant of the layout: it fits.
fn put<const N: usize>(record: &mut [u8], at: usize, bytes: [u8; N]) {
    if let Some(to) = record.get_mut(at..at + N) {
        to.copy_from_slice(&bytes);
    }
}

/// An element of a flat list, as it lies in memory.
trait Element: Sized {
    fn load(from: &[u8]) -> Vec<Self>;
}

macro_rules! elements {
    ($($ty:ty),*) => {$(
        impl Element for $ty {
            fn load(from: &[u8]) -> Vec<Self> {
                let (chunks, _) = from.as_chunks::<{ size_of::<$ty>() }>();
                chunks.iter().map(|bytes| Self::from_le_bytes(*bytes)).collect()
            }
        }
    )*};
}

elements!(i8, i16, i32, i64, u8, u16, u32, u64, f32, f64);

impl Element for bool {
    fn load(from: &[u8]) -> Vec<Self> {
        from.iter().map(|byte| *byte != 0).collect()
    }
}

/// Reads what a function of the contract answered, from a guest's memory and
/// where it says that the answer is: copied out, at most `bytes_max` of it.
/// [`CallError::InvalidOutput`] where it is none, or too large; otherwise what
/// the model itself says.
pub fn lift(memory: &[u8], at: u32, bytes_max: u64) -> Result<Vec<Tensor>, CallError> {
    let mut reader = Reader { memory, left: bytes_max };
    match reader.answer(at as usize) {
        Ok(Ok(tensors)) => Ok(tensors),
        Ok(Err(failure)) => Err(failure),
        Err(wrong) => Err(CallError::InvalidOutput(wrong)),
    }
}

struct Reader<'a> {
    memory: &'a [u8],
    left: u64,
}

impl<'a> Reader<'a> {
    fn answer(&mut self, at: usize) -> Result<Result<Vec<Tensor>, CallError>, String> {
        let record = self.part("result", at, 1, RESULT_BYTES, RESULT_ALIGN)?;
        match field(record, 0) {
            [0] => {
                let records = self.list_bytes(record, RESULT, TENSOR_BYTES, TENSOR_ALIGN)?;
                let (records, _) = records.as_chunks::<TENSOR_BYTES>();
                records.iter().map(|record| self.tensor(record)).collect::<Result<_, _>>().map(Ok)
            }
            [1] => self.failure(record).map(Err),
            [other] => Err(format!("{other} is no kind of result")),
        }
    }

    fn tensor(&mut self, record: &[u8]) -> Result<Tensor, String> {
        let shape = self.list(record, 0)?;
        let values = match field(record, VALUES_KIND) {
            [0] => Values::Bool(self.list(record, VALUES)?),
            [1] => Values::Int8(self.list(record, VALUES)?),
            [2] => Values::Int16(self.list(record, VALUES)?),
            [3] => Values::Int32(self.list(record, VALUES)?),
            [4] => Values::Int64(self.list(record, VALUES)?),
            [5] => Values::Uint8(self.list(record, VALUES)?),
            [6] => Values::Uint16(self.list(record, VALUES)?),
            [7] => Values::Uint32(self.list(record, VALUES)?),
            [8] => Values::Uint64(self.list(record, VALUES)?),
            [9] => Values::Fp32(self.list(record, VALUES)?),
            [10] => Values::Fp64(self.list(record, VALUES)?),
            [11] => Values::Bytes(Text::new(self.list(record, VALUES)?, self.list(record, VALUES + SECOND_LIST)?)?),
            [other] => return Err(format!("{other} is no datatype")),
        };
        let validity = match field(record, VALIDITY_KIND) {
            [0] => None,
            [1] => Some(self.list(record, VALIDITY)?),
            [other] => return Err(format!("{other} is no kind of validity")),
        };
        Ok(Tensor { shape, values, validity })
    }

    fn failure(&mut self, record: &[u8]) -> Result<CallError, String> {
        match field(record, RESULT) {
            [0] => {
                let (input, message) = (self.string(record, FAILURE)?, self.string(record, FAILURE_MESSAGE)?);
                let row = match field(record, FAILURE_ROW_KIND) {
                    [0] => String::new(),
                    _ => format!(", row {}", u64::from_le_bytes(field(record, FAILURE_ROW))),
                };
                Ok(CallError::InvalidInput(format!("field `{input}`{row}: {message}")))
            }
            [1] => Ok(CallError::Failed(self.string(record, FAILURE)?)),
            [other] => Err(format!("{other} is no kind of failure")),
        }
    }

    /// A name or a message, as much of it as an error may say.
    fn string(&mut self, record: &[u8], at: usize) -> Result<String, String> {
        const TEXT_MAX_BYTES: usize = 1024;
        String::from_utf8(self.list(record, at)?).map(|text| shortened(text, TEXT_MAX_BYTES)).map_err(|e| e.to_string())
    }

    fn list<T: Element>(&mut self, record: &[u8], at: usize) -> Result<Vec<T>, String> {
        self.list_bytes(record, at, size_of::<T>(), align_of::<T>()).map(T::load)
    }

    /// What the list holds whose place and length the record says.
    fn list_bytes(&mut self, record: &[u8], at: usize, each: usize, align: usize) -> Result<&'a [u8], String> {
        let start = u32::from_le_bytes(field(record, at)) as usize;
        let count = u32::from_le_bytes(field(record, at + 4)) as usize;
        let bytes = self.part("list", start, count, each, align)?;
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or("it is larger than `output_max_bytes` allows")?;
        Ok(bytes)
    }

    fn part(&self, what: &str, start: usize, count: usize, each: usize, align: usize) -> Result<&'a [u8], String> {
        if !start.is_multiple_of(align) {
            return Err(format!("its {what} at {start} is not aligned to {align} bytes"));
        }
        let end = count.checked_mul(each).and_then(|bytes| start.checked_add(bytes));
        let part = end.and_then(|end| self.memory.get(start..end));
        part.ok_or_else(|| format!("its {what} of {count} at {start} is not within its memory"))
    }
}

/// Where `at` is a constant of the layout: it fits.
fn field<const N: usize>(record: &[u8], at: usize) -> [u8; N] {
    record.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}
