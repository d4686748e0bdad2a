use super::*;
use proptest::prelude::*;

/// A guest that gives out its memory from the start to the end.
struct Bump(Vec<u8>);

impl Heap for Bump {
    fn allocate(&mut self, align: usize, bytes: usize) -> Result<usize, CallError> {
        let start = self.0.len().next_multiple_of(align);
        self.0.resize(start + bytes, 0);
        Ok(start)
    }

    fn memory(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// A guest's memory after it was asked, and where its answer is: what it was asked.
fn echo(batch: &Batch) -> (Vec<u8>, u32) {
    let mut heap = Bump(Vec::new());
    let (start, columns) = lower(batch, &mut heap).unwrap();
    let at = heap.allocate(RESULT_ALIGN, RESULT_BYTES).unwrap();
    heap.0[at + RESULT..at + RESULT + 4].copy_from_slice(&start.to_le_bytes());
    heap.0[at + RESULT + 4..at + RESULT + 8].copy_from_slice(&columns.to_le_bytes());
    (heap.0, at as u32)
}

/// The bytes that the lists of a batch take, the list of columns included.
fn list_bytes(batch: &Batch) -> u64 {
    let bytes = |tensor: &Tensor| {
        let values = match &tensor.values {
            Values::Bool(list) => list.len(),
            Values::Int8(list) => list.len(),
            Values::Int16(list) => list.len() * 2,
            Values::Int32(list) => list.len() * 4,
            Values::Int64(list) => list.len() * 8,
            Values::Uint8(list) => list.len(),
            Values::Uint16(list) => list.len() * 2,
            Values::Uint32(list) => list.len() * 4,
            Values::Uint64(list) => list.len() * 8,
            Values::Fp32(list) => list.len() * 4,
            Values::Fp64(list) => list.len() * 8,
            Values::Bytes(text) => text.len() * 4 + text.utf8().len(),
        };
        TENSOR_BYTES + tensor.shape.len() * 8 + values + tensor.validity.as_ref().map_or(0, Vec::len)
    };
    batch.columns.iter().map(bytes).sum::<usize>() as u64
}

fn values() -> impl Strategy<Value = Values> {
    fn list<T: Arbitrary>() -> impl Strategy<Value = Vec<T>> {
        prop::collection::vec(any::<T>(), 0..9)
    }
    prop_oneof![
        list().prop_map(Values::Bool),
        list().prop_map(Values::Int8),
        list().prop_map(Values::Int16),
        list().prop_map(Values::Int32),
        list().prop_map(Values::Int64),
        list().prop_map(Values::Uint8),
        list().prop_map(Values::Uint16),
        list().prop_map(Values::Uint32),
        list().prop_map(Values::Uint64),
        list().prop_map(Values::Fp32),
        list().prop_map(Values::Fp64),
        prop::collection::vec(".{0,5}", 0..5).prop_map(|texts| {
            let mut text = Text::default();
            texts.iter().for_each(|part| text.push(part).unwrap());
            Values::Bytes(text)
        }),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let shape = prop::collection::vec(any::<u64>(), 0..4);
    let validity = prop::option::of(prop::collection::vec(any::<bool>(), 0..9));
    let tensor = (shape, values(), validity).prop_map(|(shape, values, validity)| Tensor { shape, values, validity });
    prop::collection::vec(tensor, 0..6).prop_map(|columns| Batch { rows: 1, columns })
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(batch in batch()) {
        let (memory, at) = echo(&batch);
        // NaNs are no equals of themselves.
        let out = format!("{:?}", lift(&memory, at, u64::MAX).unwrap());
        prop_assert_eq!(out, format!("{:?}", batch.columns));
    }

    /// The limit is on what is copied, to the byte.
    #[test]
    fn no_more_is_copied_out_than_is_allowed(batch in batch()) {
        let ((memory, at), bytes) = (echo(&batch), list_bytes(&batch));
        prop_assert!(lift(&memory, at, bytes).is_ok());
        if let Some(less) = bytes.checked_sub(1) {
            let error = lift(&memory, at, less).unwrap_err();
            prop_assert!(error.to_string().contains("output_max_bytes"), "{error}");
        }
    }

    /// Whatever a guest leaves in its memory, and wherever it says the answer
    /// is: an answer or an error that is the guest's fault, and no panic.
    #[test]
    fn any_memory_is_read(batch in batch(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8), moved in 0u32..3) {
        let (mut memory, at) = echo(&batch);
        for (index, byte) in changes {
            let index = index.index(memory.len());
            memory[index] = byte;
        }
        match lift(&memory, at.wrapping_add(moved * 8), 1 << 20) {
            Ok(_) | Err(CallError::InvalidOutput(_) | CallError::Failed(_) | CallError::InvalidInput(_)) => {}
            Err(other) => prop_assert!(false, "{other}"),
        }
        prop_assert!(lift(&memory, u32::MAX - 7, 1 << 20).is_err());
    }
}

/// A result at 0 whose words are these, and then some text.
fn memory(words: [u32; 12], text: &str) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).chain(text.bytes()).collect()
}

#[test]
fn failures_say_what_the_model_said() {
    let failed = memory([1, 0, 1, 0, 48, 5, 0, 0, 0, 0, 0, 0], "tired");
    assert_eq!(lift(&failed, 0, 100).unwrap_err().to_string(), CallError::Failed("tired".into()).to_string());
    let invalid = |row| memory([1, 0, 0, 0, 48, 3, row, 0, 7, 0, 51, 4], "agelate");
    for (row, says) in [(1, "field `age`, row 7: late"), (0, "field `age`: late")] {
        let error = lift(&invalid(row), 0, 100).unwrap_err();
        assert!(matches!(&error, CallError::InvalidInput(message) if message == says), "{error:?}");
    }
}

#[test]
fn what_cannot_be_says_so() {
    let says = |words: [u32; 12], expected: &str| {
        let error = lift(&memory(words, "a text that is longer than a record of a tensor is"), 0, 1000).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    says([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "2 is no kind of result");
    says([1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0], "7 is no kind of failure");
    says([0, 0, 50, 1, 0, 0, 0, 0, 0, 0, 0, 0], "list at 50 is not aligned to 4 bytes");
    says([0, 0, 48, 3, 0, 0, 0, 0, 0, 0, 0, 0], "list of 3 at 48 is not within its memory");
    says([0, 0, 0, u32::MAX, 0, 0, 0, 0, 0, 0, 0, 0], "is not within its memory");
    says([1, 0, 1, 0, 90, 100, 0, 0, 0, 0, 0, 0], "is not within its memory");
    // A record of zeros is a tensor; this one's kind is 0x61.
    says([0, 0, 48, 1, 0, 0, 0, 0, 0, 0, 0, 0], "is not");
}
