//! A text before it is taken apart: lowered, and without accents, as the exporter's Python has it.
//!
//! Never asks which Unicode this program was built with where the file says what Python knew.

use crate::error::{Wrong, wrong};
use crate::spec::Spec;
use scry_card::Text;
use std::borrow::Cow;

/// Sets of characters, as ranges: the first and the last of each.
#[derive(Debug)]
pub(super) struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    pub(super) fn read(numbers: &[u32], name: &str) -> Result<Self, Wrong> {
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() || !numbers.is_sorted() {
            return wrong(
                format!("`{name}`: ranges in ascending order, a first and a last each"),
                format!("{} numbers", numbers.len()),
            );
        }
        Ok(Self(pairs.iter().map(|&[first, last]| (first, last)).collect()))
    }

    pub(super) fn contains(&self, character: char) -> bool {
        let character = u32::from(character);
        let at = self.0.partition_point(|&(_, last)| last < character);
        self.0.get(at).is_some_and(|&(first, _)| first <= character)
    }
}

/// What is done to the characters of a text.
#[derive(Debug)]
pub(super) struct Letters {
    is_lowered: bool,
    /// Those that Python did not know: they stay as they are.
    unassigned: Ranges,
    /// Those that become something else, in ascending order, and what.
    replaced: Vec<u32>,
    by: Text,
    /// Whether all others beyond ASCII are left out.
    is_ascii: bool,
}

impl Letters {
    pub(super) fn read(spec: &mut Spec<'_>) -> Result<Self, Wrong> {
        let is_lowered = spec.choice("lowercase", &[("no", false), ("yes", true)])?;
        let unassigned = if is_lowered && spec.has("unassigned") { spec.words("unassigned")? } else { Vec::new() };
        let unassigned = Ranges::read(&unassigned, "unassigned")?;
        let (replaced, by) = match spec.has("replace") {
            true => (spec.words("replace")?, spec.texts("by")?),
            false => Default::default(),
        };
        if replaced.len() != by.len() || !replaced.is_sorted_by(|a, b| a < b) {
            return wrong(
                "`replace` in ascending order, and as many texts in `by`",
                format!("{} and {}", replaced.len(), by.len()),
            );
        }
        let is_ascii = spec.has("others") && spec.choice("others", &[("keep", false), ("drop", true)])?;
        Ok(Self { is_lowered, unassigned, replaced, by, is_ascii })
    }

    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let lowered = if self.is_lowered { self.lowered(text).into() } else { Cow::Borrowed(text) };
        if lowered.is_ascii() || (self.replaced.is_empty() && !self.is_ascii) {
            return lowered;
        }
        let mut made = String::with_capacity(lowered.len());
        for character in lowered.chars() {
            match self.replaced.binary_search(&u32::from(character)) {
                Ok(at) => made.push_str(self.by.get(at).unwrap_or_default()),
                Err(_) if self.is_ascii && !character.is_ascii() => {}
                Err(_) => made.push(character),
            }
        }
        made.into()
    }

    /// What lies between characters that Python did not know is lowered as one text, since a sigma at the end of
    /// a word is another than one within.
    fn lowered(&self, text: &str) -> String {
        let is_unassigned = |character: char| !character.is_ascii() && self.unassigned.contains(character);
        let parts = text.split_inclusive(is_unassigned).map(|part| {
            let known = part.trim_end_matches(is_unassigned);
            known.to_lowercase() + part.get(known.len()..).unwrap_or_default()
        });
        parts.collect()
    }
}
