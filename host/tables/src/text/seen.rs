//! What was seen of a column while its file was read once through, and the
//! type that follows from all of it.
//!
//! Never decides by a sample: one value that is no number makes no number
//! column.

use crate::error::shown;
use crate::{ColumnInfo, Kind};
use scry_card::Datatype;

/// The values of one column, counted by what they are.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) bools: Tally,
    /// Whole numbers of 64 bits with a sign.
    pub(crate) wholes: Tally,
    /// Whole numbers that need the 64th bit.
    pub(crate) large: Tally,
    pub(crate) negatives: Tally,
    pub(crate) floats: Tally,
    /// Those among the floats that are written as whole numbers of more than 64 bits.
    pub(crate) beyond: Tally,
    /// NaN, which is a missing number.
    pub(crate) nans: Tally,
    pub(crate) texts: Tally,
    pub(crate) first_text: String,
    /// Numbers that start with a zero that means nothing to a number.
    pub(crate) padded: Tally,
    pub(crate) shape: Option<Vec<u64>>,
    /// Why no field can hold the column.
    pub(crate) unreadable: Option<String>,
}

/// How many of a kind, and the line of the first.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    first_line: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, line: u64) {
        if self.count == 0 {
            self.first_line = line;
        }
        self.count += 1;
    }
}

impl Seen {
    pub(crate) fn add_text(&mut self, text: &str, line: u64) {
        if self.texts.count == 0 {
            self.first_text = shown(text);
        }
        self.texts.add(line);
    }

    pub(crate) fn add_i64(&mut self, value: i64, line: u64) {
        self.wholes.add(line);
        if value < 0 {
            self.negatives.add(line);
        }
    }

    pub(crate) fn add_float(&mut self, value: f64, line: u64) {
        let tally = if value.is_nan() { &mut self.nans } else { &mut self.floats };
        tally.add(line);
    }

    fn numbers(&self) -> u64 {
        self.wholes.count + self.large.count + self.floats.count + self.nans.count
    }

    /// The type that holds every value; `text_takes_all` where each value has
    /// a text that is itself, as in CSV.
    pub(crate) fn column(self, name: &str, text_takes_all: bool, assumed: &mut Vec<String>) -> ColumnInfo {
        let kind = match self.unreadable.clone().or_else(|| self.disagreement(text_takes_all)) {
            Some(why) => Kind::Unreadable(format!("holds {why}")),
            None if self.bools.count + self.numbers() + self.texts.count == 0 => {
                assumed.push(format!("column `{name}` has no value: all of them are missing"));
                Kind::Missing { shape: self.shape.unwrap_or_default() }
            }
            None => {
                let datatype = self.datatype();
                assumed.extend(self.notes(datatype).into_iter().map(|note| format!("column `{name}` {note}")));
                Kind::Values { datatype, shape: self.shape.unwrap_or_default(), nullable: true }
            }
        };
        ColumnInfo { name: name.to_owned(), kind }
    }

    fn disagreement(&self, text_takes_all: bool) -> Option<String> {
        let first_number = [&self.wholes, &self.large, &self.floats].into_iter().filter(|tally| tally.count > 0);
        let first_number = first_number.map(|tally| tally.first_line).min();
        let mut kinds = Vec::new();
        kinds.extend(first_number.map(|line| format!("numbers (line {line})")));
        let others = [("truth values", &self.bools), ("text", &self.texts)].into_iter();
        kinds.extend(
            others
                .filter(|(_, tally)| tally.count > 0)
                .map(|(kind, tally)| format!("{kind} (line {})", tally.first_line)),
        );
        (kinds.len() > 1 && !text_takes_all).then(|| kinds.join(" and "))
    }

    fn datatype(&self) -> Datatype {
        match (self.bools.count, self.numbers(), self.texts.count) {
            (1.., 0, 0) => Datatype::Bool,
            (0, 1.., 0) if self.floats.count > 0 || self.wholes.count + self.large.count == 0 => Datatype::Fp64,
            (0, 1.., 0) if self.large.count == 0 => Datatype::Int64,
            (0, 1.., 0) if self.negatives.count == 0 => Datatype::Uint64,
            (0, 1.., 0) => Datatype::Fp64,
            _ => Datatype::Bytes,
        }
    }

    fn notes(&self, datatype: Datatype) -> Vec<String> {
        let mut notes = Vec::new();
        let all = self.bools.count + self.numbers() + self.texts.count;
        if datatype == Datatype::Bytes && self.numbers() + self.bools.count > 0 {
            let (few, what) = (&self.texts, &self.first_text);
            notes.push(match few.count {
                0 => "holds truth values and numbers: taken for text".to_owned(),
                _ => format!(
                    "is text for line {}, {what}, though {} of its {all} values are not: read it by a field of \
                     another type once that is corrected, or left empty if it means a missing value",
                    few.first_line,
                    all - few.count
                ),
            });
        }
        if datatype.is_numeric() && self.padded.count > 0 {
            notes.push(format!(
                "has numbers that start with 0 (line {}): taken for numbers; read it as BYTES if it is a code",
                self.padded.first_line
            ));
        }
        if datatype.is_numeric() && self.nans.count > 0 {
            notes.push(format!(
                "holds NaN {} times (first in line {}): taken for missing",
                self.nans.count, self.nans.first_line
            ));
        }
        let inexact = [self.large, self.beyond].into_iter().find(|tally| tally.count > 0);
        if let Some(inexact) = inexact.filter(|_| datatype == Datatype::Fp64) {
            notes.push(format!("has whole numbers too large for a float to be exact (line {})", inexact.first_line));
        }
        notes
    }
}
