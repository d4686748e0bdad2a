//! Statistics that travel in a component, without single values of the training data.
//!
//! Everyone who has the component can read them. Never changes a count: what is not named is `other`.

use super::{CategoricalReference, Category, HeldOut, Kind, References, belongs_to};
use crate::{Datatype, Schema};
use std::collections::HashSet;

impl References {
    /// Leaves out samples, and the texts of inputs that the schema does not name anyway.
    pub fn without_values(self, schema: &Schema) -> Self {
        let mut kept = self.without_samples();
        let inputs = &mut kept.inputs;
        for column in &mut inputs.columns {
            let is_of = |field: &&crate::Field| belongs_to(&column.name, &field.name);
            let field = schema.inputs.iter().find(is_of).filter(|field| field.datatype == Datatype::Bytes);
            if let (Some(field), Kind::Categorical(categorical)) = (field, &mut column.kind) {
                let withheld = categorical.name_only(&field.categories);
                if withheld > 0 {
                    inputs
                        .assumed
                        .push(format!("`{}`: {withheld} texts that the schema does not name are `other`", column.name));
                }
            }
        }
        kept
    }
}

impl CategoricalReference {
    /// Counts all categories but these as `other`; says how many.
    fn name_only(&mut self, names: &[String]) -> usize {
        let names: HashSet<&String> = names.iter().collect();
        if self.counts.iter().all(|category| names.contains(&category.value)) {
            return 0;
        }
        let HeldOut { counts: held_out, other_count } = self.held_out.take().unwrap_or_else(|| HeldOut {
            counts: self.counts.iter().map(|category| category.count).collect(),
            other_count: self.other_count,
        });
        let pairs = std::mem::take(&mut self.counts).into_iter().zip(held_out);
        let (kept, others): (Vec<_>, Vec<_>) = pairs.partition(|(category, _)| names.contains(&category.value));
        let sum = |counts: &dyn Fn(&(Category, u64)) -> u64| others.iter().map(counts).sum::<u64>();
        self.other_count += sum(&|(category, _)| category.count);
        let other_count = other_count + sum(&|(_, held_out)| *held_out);
        let withheld = others.len();
        let (counts, held_out) = kept.into_iter().unzip();
        self.counts = counts;
        self.held_out = Some(HeldOut { counts: held_out, other_count });
        withheld
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(named: &[(&str, u64)]) -> Vec<Category> {
        named.iter().map(|&(value, count)| Category { value: value.into(), count }).collect()
    }

    #[test]
    fn texts_that_are_not_named_are_other() {
        let all = CategoricalReference {
            counts: counts(&[("a", 7), ("secret", 5), ("b", 1)]),
            other_count: 0,
            held_out: None,
            is_whole: false,
        };
        let mut some = all.clone();
        assert_eq!(some.name_only(&["a".into(), "b".into(), "c".into()]), 1);
        assert_eq!(some.counts, counts(&[("a", 7), ("b", 1)]));
        assert_eq!((some.other_count, some.held_out), (5, Some(HeldOut { counts: vec![7, 1], other_count: 5 })));
        let mut same = all.clone();
        assert_eq!(same.name_only(&["a".into(), "b".into(), "secret".into()]), 0);
        assert_eq!(same, all);
        // Of counts of which a part chose the names, the part that did not stays apart.
        let mut chosen = CategoricalReference {
            held_out: Some(HeldOut { counts: vec![4, 2, 1], other_count: 3 }),
            other_count: 6,
            ..all
        };
        assert_eq!(chosen.name_only(&["a".into()]), 2);
        assert_eq!((chosen.other_count, chosen.held_out), (12, Some(HeldOut { counts: vec![4], other_count: 6 })));
    }
}
