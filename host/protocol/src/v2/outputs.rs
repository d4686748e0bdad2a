//! What a request wants of its outputs: which, in what form, and whether as classes.
//!
//! Never looks at an answer.

use crate::options::truth;
use scry_card::strict::{Error, Walker, found};
use scry_card::{Datatype, Field};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most classes of one row that can be asked for.
pub const CLASSES_MAX: usize = 1 << 16;

/// Which outputs are wanted, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Those that are named; all when empty.
    pub forms: BTreeMap<String, OutputForm>,
    /// Whether those are bytes that do not say it themselves.
    pub is_binary: bool,
}

/// The form in which one output is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutputForm {
    /// Whether it is bytes; as the request says when absent.
    pub is_binary: Option<bool>,
    /// So many of the largest elements of each row, as text; the elements themselves when 0.
    pub class_count: usize,
}

/// Why an output cannot be had as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// The model does not have it.
    #[error("output `{output}`: expected one of {}, found an unknown output", known.join(", "))]
    Unknown {
        /// What was asked for.
        output: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Its elements have no order.
    #[error("output `{output}`: expected numbers for parameter `classification`, found {datatype}")]
    Unordered {
        /// What was asked for.
        output: String,
        /// What it holds.
        datatype: Datatype,
    },
}

impl Outputs {
    /// All outputs, as bytes.
    pub fn all_binary() -> Self {
        Self { forms: BTreeMap::new(), is_binary: true }
    }

    /// How an output is wanted; nothing where it is not.
    pub(crate) fn form(&self, name: &str) -> Option<OutputForm> {
        if self.forms.is_empty() { Some(OutputForm::default()) } else { self.forms.get(name).copied() }
    }

    /// Checks that all that is wanted can be had of a model with these outputs.
    pub fn check(&self, fields: &[Field]) -> Result<(), OutputError> {
        self.forms.iter().try_for_each(|(output, form)| {
            let output = output.clone();
            match fields.iter().find(|field| field.name == output) {
                None => {
                    Err(OutputError::Unknown { output, known: fields.iter().map(|field| field.name.clone()).collect() })
                }
                Some(&Field { datatype, .. }) if form.class_count > 0 && !datatype.is_numeric() => {
                    Err(OutputError::Unordered { output, datatype })
                }
                Some(_) => Ok(()),
            }
        })
    }

    /// Reads one of the outputs that a request names.
    pub(super) fn read_one(&mut self, walker: &mut Walker<'_>) -> Result<(), Error> {
        let (mut name, mut form) = (None, OutputForm::default());
        walker.object(&["name", "parameters"], |walker, member| match member {
            "name" => walker.text().map(|text| name = Some(text.into_owned())),
            _ => OutputForm::read(walker).map(|read| form = read),
        })?;
        let name = name.ok_or_else(|| Error::missing("name", "a string"))?;
        self.insert(name, form)
    }

    /// Adds an output that is wanted.
    pub(crate) fn insert(&mut self, name: String, form: OutputForm) -> Result<(), Error> {
        match self.forms.insert(name, form) {
            Some(before) if before != form => Err(Error::wrong("the output once", "it twice, in two forms")),
            _ => Ok(()),
        }
    }
}

impl OutputForm {
    fn read(walker: &mut Walker<'_>) -> Result<Self, Error> {
        let mut form = Self::default();
        let [region, offset, size] = SHARED_MEMORY;
        let known = ["binary_data", "classification", region, offset, size];
        walker.object(&known, |walker, member| form.set(member, &walker.value()?))?;
        Ok(form)
    }

    /// Sets what a parameter of the output says. One that Scry does not know is skipped.
    pub(crate) fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        match name {
            "binary_data" => self.is_binary = Some(truth(value)?),
            "classification" => {
                let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
                let few = count.filter(|&count| count <= CLASSES_MAX);
                let wrong = || Error::wrong(format!("a whole number up to {CLASSES_MAX}"), found(value));
                self.class_count = few.ok_or_else(wrong)?;
            }
            name if SHARED_MEMORY.contains(&name) => return Err(no_shared_memory(value)),
            _ => {}
        }
        Ok(())
    }
}

/// Parameters of a tensor that is not in the request or its answer.
pub(super) const SHARED_MEMORY: [&str; 3] = ["shared_memory_region", "shared_memory_offset", "shared_memory_byte_size"];

/// What is wrong with one of these.
pub(super) fn no_shared_memory(value: &Value) -> Error {
    Error::wrong("the tensor itself, since no memory is shared with clients", found(value))
}
