//! Batches put one after the other and taken apart, rows left out and put back.
//!
//! Never looks at what a column means: only rows move.

use crate::{Batch, Tensor, Text, Values};

impl Batch {
    /// All rows of `batches`, in order; `None` where their columns are not of
    /// the same form, or text would outgrow its column.
    pub fn join(batches: &[&Batch]) -> Option<Batch> {
        let (first, rest) = batches.split_first()?;
        let mut joined = (*first).clone();
        for batch in rest {
            if batch.columns.len() != joined.columns.len() {
                return None;
            }
            for (column, more) in joined.columns.iter_mut().zip(&batch.columns) {
                append(column, more)?;
            }
            joined.rows += batch.rows;
        }
        Some(joined)
    }

    /// So many rows each, in order; `None` where the counts do not add up to
    /// the batch's own, or a column is not row after row.
    pub fn split(&self, rows: &[usize]) -> Option<Vec<Batch>> {
        if rows.iter().sum::<usize>() != self.rows {
            return None;
        }
        let mut from = 0;
        let parts = rows.iter().map(|&rows| {
            let columns = self.columns.iter().map(|column| part(column, self.rows, from, rows)).collect::<Option<_>>();
            from += rows;
            Some(Batch { rows, columns: columns? })
        });
        parts.collect()
    }

    /// The rows at `rows`, in that order; `None` where one is not there, or a
    /// column is not row after row.
    pub fn select(&self, rows: &[usize]) -> Option<Batch> {
        let columns = self.columns.iter().map(|column| pick(column, self.rows, rows.iter().map(|&row| Some(row))));
        Some(Batch { rows: rows.len(), columns: columns.collect::<Option<_>>()? })
    }

    /// Puts each row at its place of `rows` (ascending, as `select` had them)
    /// among `rows_count` rows, all others missing; `None` where there is no
    /// such place.
    pub fn scatter(&self, rows: &[usize], rows_count: usize) -> Option<Batch> {
        let ascending = rows.windows(2).all(|pair| matches!(pair, [a, b] if a < b));
        if rows.len() != self.rows || !ascending || rows.last().is_some_and(|&last| last >= rows_count) {
            return None;
        }
        let sources = || {
            let mut at = rows.iter().enumerate().peekable();
            (0..rows_count).map(move |row| at.next_if(|(_, place)| **place == row).map(|(source, _)| source))
        };
        let columns = self.columns.iter().map(|column| pick(column, self.rows, sources()));
        Some(Batch { rows: rows_count, columns: columns.collect::<Option<_>>()? })
    }
}

/// One row for each source; a missing one where there is none.
fn pick(
    column: &Tensor,
    all_rows: usize,
    sources: impl ExactSizeIterator<Item = Option<usize>> + Clone,
) -> Option<Tensor> {
    let mut shape = column.shape.clone();
    let (dim, element) = shape.split_first_mut()?;
    let per_row = crate::element_count(element)?;
    if column.values.len() != per_row.checked_mul(all_rows)? {
        return None;
    }
    *dim = sources.len() as u64;
    let elements = || {
        let sources = sources.clone();
        sources.flat_map(move |source| (0..per_row).map(move |i| source.map(|row| row * per_row + i)))
    };
    macro_rules! by_type {
        ($($variant:ident),*) => {
            match &column.values {
                $(Values::$variant(list) => Values::$variant(
                    elements().map(|i| i.map_or(Some(Default::default()), |i| list.get(i).copied())).collect::<Option<_>>()?
                ),)*
                Values::Bytes(text) => {
                    let mut picked = Text::default();
                    for i in elements() {
                        picked.push(i.map_or(Some(""), |i| text.get(i))?).ok()?;
                    }
                    Values::Bytes(picked)
                }
            }
        };
    }
    let values = by_type!(Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Fp32, Fp64);
    let whole = column.validity.is_none() && sources.clone().all(|source| source.is_some());
    let validity = (!whole).then(|| elements().map(|i| i.is_some_and(|i| column.is_valid(i))).collect());
    Some(Tensor { shape, values, validity })
}

fn append(column: &mut Tensor, more: &Tensor) -> Option<()> {
    let (rows, element) = column.shape.split_first_mut()?;
    let (more_rows, more_element) = more.shape.split_first()?;
    if element != more_element {
        return None;
    }
    let before = column.values.len();
    append_values(&mut column.values, &more.values)?;
    if column.validity.is_some() || more.validity.is_some() {
        let flags = column.validity.get_or_insert_with(|| vec![true; before]);
        match &more.validity {
            Some(more) => flags.extend_from_slice(more),
            None => flags.resize(column.values.len(), true),
        }
    }
    *rows += more_rows;
    Some(())
}

fn append_values(values: &mut Values, more: &Values) -> Option<()> {
    macro_rules! by_type {
        ($($variant:ident),*) => {
            match (values, more) {
                $((Values::$variant(list), Values::$variant(more)) => list.extend_from_slice(more),)*
                (Values::Bytes(text), Values::Bytes(more)) => {
                    more.iter().try_for_each(|element| text.push(element)).ok()?;
                }
                _ => return None,
            }
        };
    }
    by_type!(Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Fp32, Fp64);
    Some(())
}

fn part(column: &Tensor, all_rows: usize, from: usize, rows: usize) -> Option<Tensor> {
    let per_row = column.values.len().checked_div(all_rows).unwrap_or(0);
    let range = from * per_row..(from + rows) * per_row;
    let mut shape = column.shape.clone();
    *shape.first_mut()? = rows as u64;
    let validity = match &column.validity {
        Some(flags) => Some(flags.get(range.clone())?.to_vec()),
        None => None,
    };
    macro_rules! by_type {
        ($($variant:ident),*) => {
            match &column.values {
                $(Values::$variant(list) => Values::$variant(list.get(range)?.to_vec()),)*
                Values::Bytes(text) => {
                    let mut part = Text::default();
                    for i in range {
                        part.push(text.get(i)?).ok()?;
                    }
                    Values::Bytes(part)
                }
            }
        };
    }
    let values = by_type!(Bool, Int8, Int16, Int32, Int64, Uint8, Uint16, Uint32, Uint64, Fp32, Fp64);
    Some(Tensor { shape, values, validity })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch() -> impl Strategy<Value = Batch> {
        let row = (any::<f32>(), "[a-ü]{0,3}", any::<i64>(), any::<[bool; 3]>(), any::<bool>());
        (prop::collection::vec(row, 0..5), any::<bool>()).prop_map(|(rows, nullable)| {
            let n = rows.len() as u64;
            let mut text = Text::default();
            rows.iter().for_each(|row| text.push(&row.1).unwrap());
            let tensor = |shape: &[u64], values, validity| Tensor { shape: shape.to_vec(), values, validity };
            // Bits, so that NaNs compare.
            let floats = rows.iter().map(|row| f32::from_bits(row.0.to_bits() & 0x7f7f_ffff)).collect();
            Batch {
                rows: rows.len(),
                columns: vec![
                    tensor(&[n], Values::Fp32(floats), None),
                    tensor(&[n], Values::Bytes(text), None),
                    tensor(
                        &[n],
                        Values::Int64(rows.iter().map(|row| row.2).collect()),
                        nullable.then(|| rows.iter().map(|row| row.4).collect()),
                    ),
                    tensor(&[n, 3], Values::Bool(rows.iter().flat_map(|row| row.3).collect()), None),
                ],
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_joined_comes_apart_as_it_was(batches in prop::collection::vec(batch(), 1..6)) {
            let joined = Batch::join(&batches.iter().collect::<Vec<_>>()).unwrap();
            let rows: Vec<usize> = batches.iter().map(|batch| batch.rows).collect();
            let parts = joined.split(&rows).unwrap();
            prop_assert_eq!(parts.len(), batches.len());
            for (part, batch) in parts.iter().zip(&batches) {
                prop_assert_eq!(part.rows, batch.rows);
                for (a, b) in part.columns.iter().zip(&batch.columns) {
                    prop_assert_eq!((&a.shape, &a.values), (&b.shape, &b.values));
                    prop_assert!((0..a.values.len()).all(|i| a.is_valid(i) == b.is_valid(i)));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn rows_that_were_left_out_come_back_missing(
            (batch, kept) in batch().prop_flat_map(|batch| {
                let kept = prop::collection::vec(any::<bool>(), batch.rows);
                (Just(batch), kept)
            })
        ) {
            let rows: Vec<usize> = (0..batch.rows).filter(|&row| kept[row]).collect();
            let selected = batch.select(&rows).unwrap();
            let scattered = selected.scatter(&rows, batch.rows).unwrap();
            prop_assert_eq!(scattered.select(&rows).unwrap().split(&vec![1; rows.len()]).map(|parts| parts.len()), Some(rows.len()));
            for (before, after) in batch.columns.iter().zip(&scattered.columns) {
                prop_assert_eq!(&before.shape, &after.shape);
                let per_row = before.values.len().checked_div(batch.rows).unwrap_or(0);
                for i in 0..before.values.len() {
                    let kept = kept[i / per_row];
                    prop_assert_eq!(after.is_valid(i), kept && before.is_valid(i));
                }
            }
            for (before, after) in selected.columns.iter().zip(&scattered.select(&rows).unwrap().columns) {
                prop_assert_eq!(&before.values, &after.values);
            }
        }
    }

    #[test]
    fn no_row_is_picked_that_is_not_there() {
        let column = Tensor { shape: vec![2], values: Values::Fp32(vec![1.0, 2.0]), validity: None };
        let batch = Batch { rows: 2, columns: vec![column] };
        assert!(batch.select(&[2]).is_none());
        assert_eq!(batch.select(&[1, 0]).unwrap().columns[0].values, Values::Fp32(vec![2.0, 1.0]));
        assert_eq!(batch.select(&[1, 0]).unwrap().columns[0].validity, None);
        for (rows, count) in [(vec![0], 3), (vec![1, 0], 3), (vec![0, 0], 3), (vec![0, 3], 3)] {
            assert!(batch.scatter(&rows, count).is_none(), "{rows:?}");
        }
        let scattered = batch.scatter(&[0, 2], 3).unwrap();
        assert_eq!(scattered.columns[0].validity, Some(vec![true, false, true]));
    }

    #[test]
    fn other_forms_do_not_join_and_other_counts_do_not_split() {
        let column = |values, shape: &[u64]| Batch {
            rows: 2,
            columns: vec![Tensor { shape: shape.to_vec(), values, validity: None }],
        };
        let floats = column(Values::Fp32(vec![1.0, 2.0]), &[2]);
        assert!(Batch::join(&[&floats, &column(Values::Fp64(vec![1.0, 2.0]), &[2])]).is_none());
        assert!(Batch::join(&[&floats, &column(Values::Fp32(vec![1.0; 4]), &[2, 2])]).is_none());
        assert!(Batch::join(&[&floats, &Batch { rows: 0, columns: vec![] }]).is_none());
        assert!(Batch::join(&[]).is_none());
        assert!(floats.split(&[1]).is_none());
        assert!(floats.split(&[1, 1, 1]).is_none());
    }
}
