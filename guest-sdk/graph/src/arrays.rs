//! The arrays of a model file: bounds and types checked, each used once.

use crate::error::{FileError, Wrong, wrong};
use crate::format::{Kind, Placed};
use scry_card::Text;
use std::cell::Cell;

const ARRAYS_MAX: usize = 65_536;
const ALIGN: u64 = 16;

/// All arrays of a file, in the order of the payload.
#[derive(Debug)]
pub(crate) struct Arrays<'a>(Vec<Array<'a>>);

#[derive(Debug)]
struct Array<'a> {
    kind: Kind,
    shape: Vec<usize>,
    bytes: &'a [u8],
    /// So that what is read of a file is no more than what it holds.
    is_used: Cell<bool>,
}

/// Rows of equal width.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f64>,
}

impl Table {
    /// Row `row`, empty where there is none.
    pub(crate) fn row(&self, row: usize) -> &[f64] {
        row.checked_mul(self.columns).and_then(|at| self.values.get(at..at + self.columns)).unwrap_or_default()
    }
}

impl<'a> Arrays<'a> {
    pub(crate) fn place(placed: &[Placed], payload: &'a [u8]) -> Result<Self, FileError> {
        if placed.len() > ARRAYS_MAX {
            let found = placed.len().to_string();
            return Err(FileError::Layout { expected: format!("at most {ARRAYS_MAX} arrays"), found });
        }
        let mut end = 0;
        let mut arrays = Vec::with_capacity(placed.len());
        for (array, placed) in placed.iter().enumerate() {
            let found = find(placed, payload, &mut end);
            arrays.push(found.map_err(|Wrong { expected, found }| FileError::Array { array, expected, found })?);
        }
        if end.next_multiple_of(ALIGN) < payload.len() as u64 {
            let (expected, found) = (format!("a payload of {end} bytes, as its arrays say"), payload.len().to_string());
            return Err(FileError::Layout { expected, found });
        }
        Ok(Self(arrays))
    }

    fn take(&self, index: u64, kind: Kind) -> Result<&Array<'a>, Wrong> {
        let array = usize::try_from(index).ok().and_then(|index| self.0.get(index));
        let Some(array) = array else { return wrong(format!("one of {} arrays", self.0.len()), index) };
        if array.kind != kind {
            return wrong(format!("an array of {kind:?}").to_lowercase(), format!("{:?}", array.kind).to_lowercase());
        }
        if array.is_used.replace(true) {
            return wrong("an array of its own", format!("array {index}, which is used before"));
        }
        Ok(array)
    }

    /// Whether the array holds numbers of this kind.
    pub(crate) fn kind(&self, index: u64) -> Option<Kind> {
        usize::try_from(index).ok().and_then(|index| self.0.get(index)).map(|array| array.kind)
    }

    pub(crate) fn table(&self, index: u64) -> Result<Table, Wrong> {
        let array = self.take(index, Kind::F64)?;
        let (rows, columns) = match *array.shape.as_slice() {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            _ => return wrong("an array of one or two dimensions", array.shape.len()),
        };
        let values = array.bytes.as_chunks::<8>().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
        Ok(Table { rows, columns, values })
    }

    pub(crate) fn i64s(&self, index: u64) -> Result<Vec<i64>, Wrong> {
        let array = self.take(index, Kind::I64)?;
        Ok(array.bytes.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
    }

    pub(crate) fn u32s(&self, index: u64) -> Result<Vec<u32>, Wrong> {
        let array = self.take(index, Kind::U32)?;
        Ok(array.bytes.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect())
    }

    pub(crate) fn u8s(&self, index: u64) -> Result<Vec<u8>, Wrong> {
        Ok(self.take(index, Kind::U8)?.bytes.to_vec())
    }

    pub(crate) fn texts(&self, index: u64) -> Result<Text, Wrong> {
        let array = self.take(index, Kind::Text)?;
        let count = array.shape.first().copied().unwrap_or(0);
        let (offsets, utf8) = array.bytes.split_at(array.bytes.len().min(4 * (count + 1)));
        let mut ends = offsets.as_chunks::<4>().0.iter().map(|&bytes| u32::from_le_bytes(bytes));
        match ends.next() {
            Some(0) => {}
            other => return wrong("offsets of texts that begin with 0", other.unwrap_or(0)),
        }
        match Text::new(ends.collect(), utf8.to_vec()) {
            Ok(text) => Ok(text),
            Err(error) => wrong("texts of UTF-8 that lie end to end", error),
        }
    }
}

/// One array's bytes, behind the one before it.
fn find<'a>(placed: &Placed, payload: &'a [u8], end: &mut u64) -> Result<Array<'a>, Wrong> {
    let dimensions = if placed.kind == Kind::Text { 1..=1 } else { 1..=2 };
    if !dimensions.contains(&placed.shape.len()) {
        return wrong(format!("{} to {} dimensions", dimensions.start(), dimensions.end()), placed.shape.len());
    }
    let count = placed.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
    let bytes = count.and_then(|count| match placed.kind {
        Kind::F64 | Kind::I64 => count.checked_mul(8),
        Kind::U32 => count.checked_mul(4),
        Kind::U8 => Some(count),
        Kind::Text => count.checked_add(1)?.checked_mul(4)?.checked_add(placed.bytes?),
    });
    let Some(bytes) = bytes else { return wrong("a shape, and the bytes of texts", format!("{:?}", placed.shape)) };
    if (placed.kind == Kind::Text) != placed.bytes.is_some() {
        return wrong("`bytes` for texts only", "`bytes`");
    }
    if !placed.at.is_multiple_of(ALIGN) {
        return wrong(format!("a place that is a multiple of {ALIGN}"), placed.at);
    }
    if placed.at < *end {
        return wrong(format!("a place behind the array before it, {end} or more"), placed.at);
    }
    let Some(last) = placed.at.checked_add(bytes).filter(|&last| last <= payload.len() as u64) else {
        return wrong(format!("{bytes} bytes from {}", placed.at), format!("a payload of {}", payload.len()));
    };
    *end = last;
    // Within the payload, so within `usize`.
    let range = placed.at as usize..last as usize;
    let shape = placed.shape.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
    Ok(Array { kind: placed.kind, shape, bytes: payload.get(range).unwrap_or_default(), is_used: Cell::new(false) })
}
