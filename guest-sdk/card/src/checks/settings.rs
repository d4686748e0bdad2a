//! What a model's author, and then its operator, want checked beyond the
//! schema, and what is to follow.
//!
//! Never looks at data.

use super::kind::Place;
use super::{CheckKind, Policy};
use crate::schema::unknown_field;
use crate::{Field, Invalid, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rules of one model.
const RULES_MAX: usize = 64;
/// Length of a rule's expression.
pub(crate) const EXPRESSION_MAX_CHARS: usize = 1_000;
/// Length of a rule's name.
const RULE_NAME_MAX_CHARS: usize = 128;

/// What follows from which check; from one that is not there, `reject`, or
/// `report` where it is of a version as a whole.
pub type Policies = BTreeMap<CheckKind, Policy>;

/// What is checked of a model's inputs and outputs beyond its schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// What follows from a failed check of inputs.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::published::input_policies"))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: Policies,
    /// What is particular to one input.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldChecks>,
    /// What must hold across inputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(length(max = RULES_MAX)))]
    pub rules: Vec<Rule>,
    /// The same for what the model answers.
    #[serde(skip_serializing_if = "OutputChecks::is_empty")]
    pub outputs: OutputChecks,
}

/// What is checked of a model's outputs beyond its schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct OutputChecks {
    /// What follows from a failed check of outputs.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::published::output_policies"))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: Policies,
    /// What is particular to one output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldChecks>,
}

/// What is checked of one field beyond its schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct FieldChecks {
    /// Longest text allowed, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_max_chars: Option<u64>,
    /// Largest share of a batch that may be missing. A batch in which one
    /// missing value would be too much already says nothing and is not judged.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub null_share_max: Option<f64>,
    /// What follows for this field, before the model's own policies.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::published::field_policies"))]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: Policies,
}

/// What must hold in every row in which all fields that it names are present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Unique among the rules.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = RULE_NAME_MAX_CHARS)))]
    pub name: String,
    /// An expression in the syntax of CEL over inputs, true or false: `end >= start`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = EXPRESSION_MAX_CHARS)))]
    pub expression: String,
    /// What follows, before the model's own policy for rules.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::published::rule_policy"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
}

/// What an operator decides otherwise than the model's author.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChecksPatch {
    /// Policies of inputs, of whichever field the author set them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: Policies,
    /// Policies of one input.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Policies>,
    /// The policy of a rule, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Policy>,
    /// Policies of outputs.
    #[serde(skip_serializing_if = "OutputsPatch::is_empty")]
    pub outputs: OutputsPatch,
}

/// What an operator decides otherwise of outputs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputsPatch {
    /// Policies of outputs, of whichever field the author set them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: Policies,
    /// Policies of one output.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Policies>,
}

impl OutputChecks {
    /// What follows where answers drift.
    pub fn of_drift(&self) -> Policy {
        self.policies.get(&CheckKind::Drift).copied().unwrap_or(CheckKind::Drift.usual_policy())
    }

    fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.fields.is_empty()
    }
}

impl OutputsPatch {
    fn is_empty(&self) -> bool {
        self.policies.is_empty() && self.fields.is_empty()
    }
}

impl Checks {
    /// Whether nothing is said beyond the schema.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These checks as an operator wants them. Whatever the patch says wins; a
    /// name that is not there changes nothing (`ChecksPatch::unknown` lists
    /// those), so that a patch fits every version of a model.
    pub fn overridden(&self, patch: &ChecksPatch) -> Self {
        let mut checks = self.clone();
        override_policies(&mut checks.policies, &mut checks.fields, &patch.policies, &patch.fields);
        let outputs = &mut checks.outputs;
        override_policies(&mut outputs.policies, &mut outputs.fields, &patch.outputs.policies, &patch.outputs.fields);
        for rule in &mut checks.rules {
            if patch.policies.contains_key(&CheckKind::Rule) {
                rule.policy = None;
            }
            rule.policy = patch.rules.get(&rule.name).copied().or(rule.policy);
        }
        checks
    }

    /// What follows where a check of the version as a whole fails: drift of
    /// inputs, skew or staleness.
    pub fn of_version(&self, check: CheckKind) -> Policy {
        self.policies.get(&check).copied().unwrap_or(check.usual_policy())
    }

    /// Checks the settings themselves. Whether a rule's expression can be run
    /// is `Checker::new`'s to say.
    pub fn validate(&self, schema: &Schema) -> Result<(), Invalid> {
        validate_side(Place::Inputs, &self.policies, &self.fields, &schema.inputs)?;
        validate_side(Place::Outputs, &self.outputs.policies, &self.outputs.fields, &schema.outputs)?;
        let wrong =
            |field: &str, expected: String, found: String| Err(Invalid::new(CheckKind::Form, field, expected, found));
        if self.rules.len() > RULES_MAX {
            return wrong("rules", format!("at most {RULES_MAX} rules"), self.rules.len().to_string());
        }
        for (i, rule) in self.rules.iter().enumerate() {
            let (name, expression) = (rule.name.chars().count(), rule.expression.chars().count());
            if !(1..=RULE_NAME_MAX_CHARS).contains(&name) {
                return wrong("rules", format!("names of 1 to {RULE_NAME_MAX_CHARS} characters"), name.to_string());
            }
            if !(1..=EXPRESSION_MAX_CHARS).contains(&expression) {
                let expected = format!("an expression of 1 to {EXPRESSION_MAX_CHARS} characters");
                return wrong(&rule.name, expected, expression.to_string());
            }
            if self.rules.iter().take(i).any(|other| other.name == rule.name) {
                return wrong(&rule.name, "rules of different names".into(), "the name twice".into());
            }
            rule.policy.map_or(Ok(()), |policy| validate_policy(&rule.name, Place::Inputs, CheckKind::Rule, policy))?;
        }
        Ok(())
    }
}

impl ChecksPatch {
    /// Checks the patch itself: no policy that a check does not permit.
    pub fn validate(&self) -> Result<(), Invalid> {
        validate_policies("policies", Place::Inputs, &self.policies)?;
        validate_policies("outputs.policies", Place::Outputs, &self.outputs.policies)?;
        let mut fields = self.fields.iter().chain(&self.outputs.fields);
        fields.try_for_each(|(name, policies)| validate_policies(name, Place::Field, policies))?;
        let mut rules = self.rules.iter();
        rules.try_for_each(|(name, &policy)| validate_policy(name, Place::Inputs, CheckKind::Rule, policy))
    }

    /// The fields and rules that it names and a model does not have.
    pub fn unknown(&self, checks: &Checks, schema: &Schema) -> Vec<&str> {
        let missing = |name: &&String, fields: &[Field]| fields.iter().all(|field| field.name != **name);
        let inputs = self.fields.keys().filter(|name| missing(name, &schema.inputs));
        let outputs = self.outputs.fields.keys().filter(|name| missing(name, &schema.outputs));
        let rules = self.rules.keys().filter(|name| checks.rules.iter().all(|rule| rule.name != **name));
        inputs.chain(outputs).chain(rules).map(String::as_str).collect()
    }
}

fn override_policies(
    policies: &mut Policies,
    fields: &mut BTreeMap<String, FieldChecks>,
    by_model: &Policies,
    by_field: &BTreeMap<String, Policies>,
) {
    for (&kind, &policy) in by_model {
        policies.insert(kind, policy);
        fields.values_mut().for_each(|field| {
            field.policies.remove(&kind);
        });
    }
    for (name, policies) in by_field {
        fields.entry(name.clone()).or_default().policies.extend(policies);
    }
}

fn validate_policies(name: &str, place: Place, policies: &Policies) -> Result<(), Invalid> {
    policies.iter().try_for_each(|(&kind, &policy)| validate_policy(name, place, kind, policy))
}

fn validate_policy(name: &str, place: Place, kind: CheckKind, policy: Policy) -> Result<(), Invalid> {
    kind.permits(place, policy).map_err(|permitted| {
        Invalid::new(CheckKind::Form, name, format!("{permitted}, for `{kind}`"), policy.to_string())
    })
}

fn validate_side(
    place: Place,
    policies: &Policies,
    checks: &BTreeMap<String, FieldChecks>,
    fields: &[Field],
) -> Result<(), Invalid> {
    validate_policies("policies", place, policies)?;
    checks.iter().try_for_each(|(name, checks)| {
        let field = fields.iter().find(|field| field.name == *name).ok_or_else(|| unknown_field(fields, name))?;
        checks.validate(field)
    })
}

impl FieldChecks {
    fn validate(&self, field: &Field) -> Result<(), Invalid> {
        let wrong = |expected: &str, found: String| Err(Invalid::new(CheckKind::Form, &field.name, expected, found));
        if self.length_max_chars.is_some() && field.datatype != crate::Datatype::Bytes {
            return wrong("length_max_chars on a BYTES field only", field.datatype.to_string());
        }
        if let Some(share) = self.null_share_max {
            if !field.nullable {
                return wrong("null_share_max on a nullable field only", "a field that is not".into());
            }
            if !(share > 0.0 && share < 1.0) {
                return wrong("null_share_max between 0 and 1", share.to_string());
            }
        }
        validate_policies(&field.name, Place::Field, &self.policies)
    }
}
