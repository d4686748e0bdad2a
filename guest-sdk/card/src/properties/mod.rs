//! What an author claims of a model beyond its examples: that an answer rises
//! with an input, that an input or the order of rows does not matter.
//!
//! `properties.json` stands beside `golden.json`. The rows that a claim is
//! tried on are the golden examples', varied within the schema by a generator
//! that starts from the same number each time: it knows no clock and no
//! entropy, so that a claim which fails always fails alike. It never runs a
//! model itself: whoever does passes `predict` in.

mod cases;
mod counterexample;
mod run;

pub use counterexample::Counterexample;

use crate::checks::EXPRESSION_MAX_CHARS;
use crate::checks::rule::Compiled;
use crate::{CheckKind, Field, Invalid, Policy, Rule, Schema};
use serde::{Deserialize, Serialize};

/// The largest properties, in bytes of JSON.
const BYTES_MAX: usize = 1 << 20;
/// Properties of one model.
const PROPERTIES_MAX: usize = 64;
/// Rows that each is tried on.
const ROWS_MAX: usize = 10_000;

/// Answers a batch: natively or in a sandbox.
pub type Predict<'a> = dyn FnMut(&crate::Batch) -> Result<crate::Batch, String> + 'a;

/// The content of `properties.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Properties of a model for Scry"))]
#[serde(deny_unknown_fields)]
pub struct Properties {
    /// Rows that each property is tried on.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = ROWS_MAX)))]
    #[serde(default = "default_rows")]
    pub rows: usize,
    /// The properties.
    #[cfg_attr(feature = "schema", schemars(length(max = PROPERTIES_MAX)))]
    pub properties: Vec<Property>,
}

fn default_rows() -> usize {
    200
}

/// One thing that is claimed of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Property {
    /// What it says, for people.
    pub name: String,
    /// What it says.
    pub claim: Claim,
    /// The rows of which it is claimed: an expression, as rules are.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}

/// What is claimed. Answers compare as golden examples do, within the same
/// tolerance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// A larger input never makes the output smaller.
    Increases(Direction),
    /// A larger input never makes the output larger.
    Decreases(Direction),
    /// An input does not matter.
    Invariant(Invariance),
    /// The order of rows does not matter.
    RowOrder,
    /// A row is answered the same alone and among others.
    Batch,
}

/// An input, and an output that it moves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// A number.
    pub input: String,
    /// A number.
    pub output: String,
    /// Whether the output has to move.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strictly: bool,
}

/// An input, and an output that it does not touch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Invariance {
    /// The input.
    pub input: String,
    /// The output; without one, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// What came of trying a property.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PropertyResult {
    /// The property's name.
    pub name: String,
    /// Rows, or pairs of rows, that it was tried on.
    pub cases: usize,
    /// Where it does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Counterexample>,
    /// Why it could not be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl PropertyResult {
    /// Whether it was tried and held.
    pub fn holds(&self) -> bool {
        self.counterexample.is_none() && self.problem.is_none()
    }
}

impl std::fmt::Display for PropertyResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, cases, counterexample, problem } = self;
        match (counterexample, problem) {
            (Some(counterexample), _) => write!(f, "property `{name}`: {counterexample}"),
            (None, Some(problem)) => write!(f, "property `{name}`: not tried: {problem}"),
            (None, None) => write!(f, "property `{name}`: holds in {cases} cases"),
        }
    }
}

/// Why properties do not read.
#[derive(Debug, thiserror::Error)]
pub enum PropertiesError {
    /// Larger than any properties need to be.
    #[error("expected at most {BYTES_MAX} bytes, found {0}")]
    TooLarge(usize),
    /// Not JSON, or not of the form.
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
    /// Contradict themselves, or a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Properties {
    /// Reads properties, however many.
    pub fn from_json(json: &[u8]) -> Result<Self, PropertiesError> {
        Ok(serde_json::from_slice(json)?)
    }

    /// Reads the properties of a new component, and checks how many they are and the length of each.
    pub fn from_new_json(json: &[u8]) -> Result<Self, PropertiesError> {
        if json.len() > BYTES_MAX {
            return Err(PropertiesError::TooLarge(json.len()));
        }
        let properties = Self::from_json(json)?;
        properties.check_size()?;
        Ok(properties)
    }

    /// Checks counts, and every name against the schema.
    pub fn validate(&self, schema: &Schema) -> Result<(), Invalid> {
        self.check_size()?;
        self.properties.iter().try_for_each(|property| property.validate(schema))
    }

    fn check_size(&self) -> Result<(), Invalid> {
        let wrong =
            |field: &str, expected: String, found: String| Err(Invalid::new(CheckKind::Form, field, expected, found));
        if !(1..=ROWS_MAX).contains(&self.rows) {
            return wrong("rows", format!("1 to {ROWS_MAX} rows"), self.rows.to_string());
        }
        if self.properties.len() > PROPERTIES_MAX {
            let found = self.properties.len().to_string();
            return wrong("properties", format!("at most {PROPERTIES_MAX} properties"), found);
        }
        let conditions = self.properties.iter().filter_map(|property| Some((property, property.condition.as_ref()?)));
        for (property, condition) in conditions {
            let chars = condition.chars().count();
            if chars > EXPRESSION_MAX_CHARS {
                let expected = format!("an expression of at most {EXPRESSION_MAX_CHARS} characters");
                return wrong(&property.name, expected, chars.to_string());
            }
        }
        Ok(())
    }
}

impl Property {
    fn validate(&self, schema: &Schema) -> Result<(), Invalid> {
        match &self.claim {
            Claim::Increases(direction) | Claim::Decreases(direction) => {
                number(find(&schema.inputs, &direction.input)?)?;
                number(find(&schema.outputs, &direction.output)?)?;
            }
            Claim::Invariant(invariance) => {
                find(&schema.inputs, &invariance.input)?;
                invariance.output.as_ref().map(|output| find(&schema.outputs, output)).transpose()?;
            }
            Claim::RowOrder | Claim::Batch => {}
        }
        let condition = self.compiled(&schema.inputs)?;
        condition.map_or(Ok(()), |condition| Compiled::bound(&[condition]))
    }

    fn compiled(&self, inputs: &[Field]) -> Result<Option<Compiled>, Invalid> {
        let Some(expression) = &self.condition else { return Ok(None) };
        let rule = Rule { name: self.name.clone(), expression: expression.clone(), policy: None };
        Compiled::new(&rule, Policy::Reject, inputs).map(Some)
    }
}

fn find<'a>(fields: &'a [Field], name: &str) -> Result<&'a Field, Invalid> {
    let field = fields.iter().find(|field| field.name == name);
    field.ok_or_else(|| crate::schema::unknown_field(fields, name))
}

fn number(field: &Field) -> Result<(), Invalid> {
    if field.datatype.is_numeric() && field.shape.is_empty() {
        return Ok(());
    }
    let found = format!("{} of shape {:?}", field.datatype, field.shape);
    Err(Invalid::new(CheckKind::Form, &field.name, "one number", found))
}
