//! What columns a model reads and writes, and how many of them there may be.
//!
//! Never looks at a batch.

use crate::invalid::{invalid, one_of};
use crate::{CheckKind, Datatype, Invalid, ShownShape, element_count};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Fields on one side of a model.
pub const FIELDS_MAX: usize = 4_096;
/// Dimensions of one row's value.
const DIMENSIONS_MAX: usize = 32;
/// Values that one field may be limited to.
const CATEGORIES_MAX: usize = 10_000;
/// More than any image or window of a series needs in one row.
const ROW_MAX_ELEMENTS: usize = 1 << 24;

/// One column that a model reads or writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Unique among the fields on its side of the model.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 128)))]
    pub name: String,
    /// What the field means, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The type of each element.
    pub datatype: Datatype,
    /// Shape of one row's value; empty for a scalar.
    #[cfg_attr(feature = "schema", schemars(length(max = DIMENSIONS_MAX), inner(range(min = 1))))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shape: Vec<u64>,
    /// Whether an element may be missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nullable: bool,
    /// UCUM code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Smallest value allowed, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<f64>,
    /// Largest value allowed, inclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<f64>,
    /// All values allowed, for text; empty: any.
    #[cfg_attr(feature = "schema", schemars(length(max = CATEGORIES_MAX)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

impl Field {
    /// Elements in one row's value; `None` when the shape overflows.
    pub fn elements_per_row(&self) -> Option<usize> {
        element_count(&self.shape)
    }

    /// The shape that a batch of `rows` must have.
    pub fn batch_shape(&self, rows: u64) -> Vec<u64> {
        std::iter::once(rows).chain(self.shape.iter().copied()).collect()
    }
}

/// What a model reads, what its pipeline makes of that, what it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Raw columns, as a client sends them.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = FIELDS_MAX)))]
    pub inputs: Vec<Field>,
    /// The columns that the model was trained on.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = FIELDS_MAX)))]
    pub features: Vec<Field>,
    /// What a prediction holds.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = FIELDS_MAX)))]
    pub outputs: Vec<Field>,
}

impl Schema {
    fn sides(&self) -> [(&'static str, &[Field]); 3] {
        [("inputs", &self.inputs), ("features", &self.features), ("outputs", &self.outputs)]
    }

    /// Checks the schema itself; the error names the field and what is wrong.
    pub fn validate(&self) -> Result<(), Invalid> {
        for (side, fields) in self.sides() {
            if fields.is_empty() {
                return Err(invalid(side, None, "at least one field", "none"));
            }
            let mut names = BTreeSet::new();
            for field in fields {
                field.validate()?;
                if !names.insert(&field.name) {
                    return Err(invalid(&field.name, None, format!("unique names in {side}"), "the name twice"));
                }
            }
        }
        Ok(())
    }

    /// Checks that the schema is no larger than a new component's may be.
    pub fn check_size(&self) -> Result<(), Invalid> {
        for (side, fields) in self.sides() {
            if fields.len() > FIELDS_MAX {
                return Err(invalid(side, None, format!("at most {FIELDS_MAX} fields"), fields.len().to_string()));
            }
            fields.iter().try_for_each(Field::check_size)?;
            let elements = |field: &Field| field.elements_per_row().unwrap_or(usize::MAX);
            let row_elements = fields.iter().map(elements).fold(0, usize::saturating_add);
            if row_elements > ROW_MAX_ELEMENTS {
                let expected = format!("at most {ROW_MAX_ELEMENTS} elements a row, all fields together");
                return Err(invalid(side, None, expected, row_elements.to_string()));
            }
        }
        Ok(())
    }
}

impl Field {
    fn validate(&self) -> Result<(), Invalid> {
        let wrong = |expected: &str, found: String| Err(invalid(&self.name, None, expected, found));
        if self.name.is_empty() || self.name.len() > 128 {
            return wrong("a name of 1 to 128 bytes", format!("{} bytes", self.name.len()));
        }
        if self.elements_per_row().is_none_or(|count| count == 0 || count > ROW_MAX_ELEMENTS) {
            return wrong("a shape of 1 to 16777216 elements a row", ShownShape(&self.shape).to_string());
        }
        let ranged = self.minimum.is_some() || self.maximum.is_some();
        if ranged && !self.datatype.is_numeric() {
            return wrong("a range on a numeric field only", self.datatype.to_string());
        }
        if let (Some(low), Some(high)) = (self.minimum, self.maximum)
            && low > high
        {
            return wrong("minimum at most maximum", format!("{low} > {high}"));
        }
        if !self.categories.is_empty() && self.datatype != Datatype::Bytes {
            return wrong("categories on a BYTES field only", self.datatype.to_string());
        }
        Ok(())
    }

    fn check_size(&self) -> Result<(), Invalid> {
        let wrong = |most: String, found: usize| Err(invalid(&self.name, None, most, found.to_string()));
        if self.shape.len() > DIMENSIONS_MAX {
            return wrong(format!("at most {DIMENSIONS_MAX} dimensions"), self.shape.len());
        }
        if self.categories.len() > CATEGORIES_MAX {
            return wrong(format!("at most {CATEGORIES_MAX} categories"), self.categories.len());
        }
        Ok(())
    }
}

pub(crate) fn unknown_field(fields: &[Field], name: &str) -> Invalid {
    let known = fields.iter().map(|field| field.name.as_str());
    Invalid::new(CheckKind::UnknownField, name, one_of(known), "an unknown field")
}
