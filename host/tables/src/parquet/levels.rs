//! The levels by which Parquet says where lists start and what is missing.
//!
//! Never looks at values: it says which slots a row has, and whether each is
//! filled.

use super::leaf::Leaf;
use std::ops::Range;

/// The levels of some rows.
#[derive(Debug, Default)]
pub(super) struct Levels {
    pub(super) def: Vec<i16>,
    pub(super) rep: Vec<i16>,
}

impl Levels {
    /// The slots of each row, in the order of the rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let starts = self.rep.iter().enumerate().filter(|(_, level)| **level == 0).map(|(at, _)| at);
        let ends = starts.clone().skip(1).chain([self.rep.len()]);
        starts.zip(ends).map(|(start, end)| start..end)
    }

    /// Whether the row is missing as a whole.
    pub(super) fn is_missing(&self, leaf: &Leaf, row: &Range<usize>) -> bool {
        leaf.root_optional && matches!(self.def.get(row.clone()), Some([0]))
    }

    /// The shape of a row's lists; the error says why they have none.
    pub(super) fn shape(&self, leaf: &Leaf, row: &Range<usize>) -> Result<Vec<u64>, String> {
        let (Some(def), Some(rep)) = (self.def.get(row.clone()), self.rep.get(row.clone())) else {
            return Err("levels that end early".into());
        };
        if def.iter().any(|&level| level < leaf.max_def - i16::from(leaf.optional)) {
            return Err("an empty or missing list".into());
        }
        // Lists of the deepest level first: each must hold as many as its neighbours.
        let mut inner = 1;
        let mut shape = Vec::new();
        for depth in (1..=leaf.depth).rev() {
            let starts = |at: usize| rep.get(at).is_none_or(|&level| usize::try_from(level).unwrap_or(0) < depth);
            let len = (1..=rep.len()).find(|&at| starts(at)).unwrap_or(rep.len());
            if (0..=rep.len()).any(|at| starts(at) != (at % len.max(1) == 0)) || len % inner != 0 {
                return Err("lists of different lengths".into());
            }
            shape.insert(0, (len / inner) as u64);
            inner = len;
        }
        Ok(shape)
    }

    /// The levels of a row of this shape, all of it there.
    pub(super) fn pattern(shape: &[u64]) -> Vec<i16> {
        let count = usize::try_from(shape.iter().product::<u64>()).unwrap_or(0);
        let level = |at: usize| {
            let mut size = 1;
            let whole = shape.iter().rev().take_while(|&&dim| {
                size *= usize::try_from(dim).unwrap_or(1).max(1);
                at.is_multiple_of(size)
            });
            i16::try_from(shape.len().saturating_sub(whole.count())).unwrap_or(i16::MAX)
        };
        (0..count).map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::leaf::Meaning;

    fn leaf(depth: usize) -> Leaf {
        let max_def = depth as i16 + 1;
        Leaf { index: 0, meaning: Meaning::Bool, depth, max_def, optional: true, root_optional: false }
    }

    #[test]
    fn shapes_come_back_from_their_pattern() {
        for shape in [vec![1], vec![5], vec![2, 3], vec![1, 1], vec![3, 1, 2], vec![1, 4], vec![4, 1]] {
            let rep = Levels::pattern(&shape);
            let levels = Levels { def: vec![shape.len() as i16 + 1; rep.len()], rep };
            let row = levels.rows().next().unwrap();
            assert_eq!((row.clone(), levels.rows().count()), (0..levels.rep.len(), 1));
            assert_eq!(levels.shape(&leaf(shape.len()), &row).as_ref(), Ok(&shape));
        }
    }

    #[test]
    fn ragged_lists_have_no_shape() {
        let levels = Levels { def: vec![3; 3], rep: vec![0, 2, 1] };
        assert!(levels.shape(&leaf(2), &(0..3)).is_err());
        let levels = Levels { def: vec![0], rep: vec![0] };
        assert!(levels.shape(&leaf(1), &(0..1)).is_err());
    }
}
