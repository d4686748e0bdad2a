//! The texts of one column, counted, and which of them are named.
//!
//! Never names a text by the counts that it will be compared by: of data that
//! is kept, one half of the elements chooses and the other half is what is
//! compared; of two sets that are compared at once, the counts of both choose.

use super::reservoir::SplitMix;
use super::{CATEGORIES_MAX, CATEGORY_MAX_BYTES, CategoricalReference, Category, HeldOut};
use std::collections::BTreeMap;

/// Texts of a column that are counted apart while it is read.
pub(super) const DISTINCT_TEXTS_MAX: usize = 10_000;
/// Texts that two sets of data are compared by.
const COMPARED_MAX: usize = 1_000;
/// Seldom enough to be compared together with others: elements that choose,
/// and elements of both sets.
pub(super) const CHOOSING_MIN: u64 = 5;
const COMPARED_MIN: u64 = 10;

/// Elements that choose, and elements that are held out.
type Halves = [u64; 2];

/// Counts of texts.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    counts: BTreeMap<String, Halves>,
    other: Halves,
    coin: SplitMix,
    /// Those to name, where that is decided already.
    known: Option<Vec<String>>,
}

impl Texts {
    /// Names these texts and no others.
    pub(super) fn name(&mut self, known: &CategoricalReference) {
        let known: Vec<_> = known.counts.iter().map(|category| category.value.clone()).collect();
        self.counts.extend(known.iter().map(|value| (value.clone(), Halves::default())));
        self.known = Some(known);
    }

    pub(super) fn push(&mut self, value: &str) {
        let half = usize::from(self.coin.flip());
        let add = |halves: &mut Halves| halves.iter_mut().skip(half).take(1).for_each(|count| *count += 1);
        if let Some(halves) = self.counts.get_mut(value) {
            add(halves);
        } else if self.counts.len() < DISTINCT_TEXTS_MAX && value.len() <= CATEGORY_MAX_BYTES {
            add(self.counts.entry(value.to_owned()).or_default());
        } else {
            add(&mut self.other);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.values().fold(sum(&self.other), |total, halves| total + sum(halves))
    }

    /// Texts that were not counted apart.
    pub(super) fn uncounted(&self) -> u64 {
        sum(&self.other)
    }

    /// Whether the counts choose what is named.
    pub(super) fn is_chosen(&self) -> bool {
        self.known.is_none()
    }

    /// Whether a text that is not counted apart was never there.
    fn is_exhaustive(&self) -> bool {
        self.counts.len() < DISTINCT_TEXTS_MAX
    }

    /// What is kept of them, and how many texts there were.
    pub(super) fn finish(self) -> (CategoricalReference, usize) {
        let distinct = self.counts.values().filter(|halves| sum(halves) > 0).count();
        let reference = match &self.known {
            Some(known) => self.named(known),
            None if distinct <= CATEGORIES_MAX && self.uncounted() == 0 => ranked(self.all()),
            None if distinct <= CATEGORIES_MAX => {
                let ranked = ranked(self.all()).counts.into_iter().map(|category| category.value);
                self.named(&ranked.collect::<Vec<_>>())
            }
            None => self.chosen(),
        };
        (reference, distinct)
    }

    fn all(&self) -> Vec<Category> {
        let category = |(value, halves): (&String, &Halves)| Category { value: value.clone(), count: sum(halves) };
        self.counts.iter().map(category).collect()
    }

    /// The most frequent among the elements that choose.
    fn chosen(&self) -> CategoricalReference {
        let choosing = |[count, _]: &Halves| *count;
        let mut candidates: Vec<_> =
            self.counts.iter().filter(|(_, halves)| choosing(halves) >= CHOOSING_MIN).collect();
        candidates.sort_by(|(a, x), (b, y)| choosing(y).cmp(&choosing(x)).then_with(|| a.cmp(b)));
        candidates.truncate(CATEGORIES_MAX);
        candidates.sort_by(|(a, x), (b, y)| sum(y).cmp(&sum(x)).then_with(|| a.cmp(b)));
        let counts = candidates.iter().map(|(value, halves)| Category { value: (*value).clone(), count: sum(halves) });
        let held_out: Vec<u64> = candidates.iter().map(|(_, [_, held_out])| *held_out).collect();
        let all_held_out = self.counts.values().chain([&self.other]).fold(0, |total, [_, held_out]| total + held_out);
        let other_count = all_held_out - held_out.iter().sum::<u64>();
        let counts: Vec<_> = counts.collect();
        CategoricalReference {
            other_count: self.count() - counts.iter().map(|category| category.count).sum::<u64>(),
            counts,
            held_out: Some(HeldOut { counts: held_out, other_count }),
            is_whole: false,
        }
    }

    /// These, which none of the counts chose.
    fn named(&self, names: &[String]) -> CategoricalReference {
        let count = |name: &String| self.counts.get(name).map_or(0, sum);
        let counts: Vec<_> = names.iter().map(|name| Category { value: name.clone(), count: count(name) }).collect();
        let held_out: Vec<u64> = counts.iter().map(|category| category.count).collect();
        let other_count = self.count() - held_out.iter().sum::<u64>();
        let held_out = Some(HeldOut { counts: held_out, other_count });
        CategoricalReference { counts, other_count, held_out, is_whole: false }
    }

    /// Two columns by the same names, and how many texts have none: those of
    /// which both together have few, or one of them did not keep count.
    pub(super) fn both(one: &Self, other: &Self) -> (CategoricalReference, CategoricalReference, usize) {
        let mut together: BTreeMap<&str, u64> = BTreeMap::new();
        for (value, halves) in one.counts.iter().chain(&other.counts) {
            *together.entry(value).or_default() += sum(halves);
        }
        let distinct = together.len();
        let is_counted = |texts: &Self, value: &str| texts.is_exhaustive() || texts.counts.contains_key(value);
        let mut names: Vec<_> = together
            .into_iter()
            .filter(|(value, count)| *count >= COMPARED_MIN && is_counted(one, value) && is_counted(other, value))
            .collect();
        names.sort_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        names.truncate(COMPARED_MAX);
        let names: Vec<_> = names.into_iter().map(|(value, _)| value.to_owned()).collect();
        (one.named(&names), other.named(&names), distinct - names.len())
    }
}

fn sum(halves: &Halves) -> u64 {
    halves.iter().sum()
}

/// All categories there are, by falling count, equal ones by their text.
pub(super) fn ranked(mut counts: Vec<Category>) -> CategoricalReference {
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    CategoricalReference { counts, other_count: 0, held_out: None, is_whole: false }
}
