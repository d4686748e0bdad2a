//! The largest elements of each row as text, which V2 calls classification: `value:index`.
//!
//! Labels would come after the index. A card gives elements of an output no names, so there are none.

use scry_card::{Interrupt, Interrupted, Tensor, Text, Values, element_count, for_each_values};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fmt::Debug;

/// The `count` largest elements of each row, the largest first; of equal ones, the first. NaN is
/// less than every number. Missing ones come last, and are missing.
pub(super) fn largest(tensor: &Tensor, count: usize, interrupt: &mut Interrupt<'_>) -> Result<Tensor, Interrupted> {
    let (rows, row) = tensor.shape.split_first().map_or((1, &[][..]), |(&rows, row)| (rows, row));
    let per_row = element_count(row).unwrap_or(0);
    let mut classes = Classes { text: Text::default(), flags: Vec::new(), count: count.min(per_row) };
    for_each_values!(&tensor.values, list => {
        for (row, elements) in list.chunks(per_row.max(1)).enumerate() {
            classes.add(elements, |at| tensor.is_valid(row * per_row + at), interrupt)?;
        }
    }, _text => ());
    let Classes { text, flags, count } = classes;
    let validity = flags.contains(&false).then_some(flags);
    Ok(Tensor { shape: vec![rows, count as u64], values: Values::Bytes(text), validity })
}

struct Classes {
    text: Text,
    flags: Vec<bool>,
    count: usize,
}

impl Classes {
    fn add<T: Copy + PartialOrd + Debug>(
        &mut self,
        elements: &[T],
        is_there: impl Fn(usize) -> bool,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<(), Interrupted> {
        /// Steps that an element takes.
        const STEPS: usize = 4;
        let mut best = BinaryHeap::with_capacity(self.count + 1);
        for (index, &value) in elements.iter().enumerate().filter(|&(index, _)| is_there(index)) {
            interrupt.spend(STEPS)?;
            best.push(Reverse(Ranked { value, index }));
            if best.len() > self.count {
                best.pop();
            }
        }
        let best = best.into_sorted_vec();
        for at in 0..self.count {
            interrupt.spend(STEPS)?;
            let class = best.get(at).map(|Reverse(Ranked { value, index })| format!("{value:?}:{index}"));
            self.flags.push(class.is_some());
            // Four GiB are more than an answer may have elements for.
            let _ = self.text.push(class.as_deref().unwrap_or_default());
        }
        Ok(())
    }
}

/// An element by its value, and by its place where others are equal.
struct Ranked<T> {
    value: T,
    index: usize,
}

impl<T: PartialOrd> Ord for Ranked<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_number = |value: &T| value.partial_cmp(value).is_some();
        let values = self.value.partial_cmp(&other.value);
        let values = values.unwrap_or_else(|| is_number(&self.value).cmp(&is_number(&other.value)));
        values.then(other.index.cmp(&self.index))
    }
}

impl<T: PartialOrd> PartialOrd for Ranked<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: PartialOrd> PartialEq for Ranked<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: PartialOrd> Eq for Ranked<T> {}
