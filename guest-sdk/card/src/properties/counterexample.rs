//! Two rows, or two ways to ask one, whose answers break a property.

use super::cases::Row;
use serde::Serialize;
use std::fmt;

/// Where a property does not hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counterexample {
    /// What the property wants.
    pub expected: String,
    /// The two rows; the same one twice where only the way of asking differs.
    pub inputs: [Row; 2],
    /// How each was asked, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<[String; 2]>,
    /// What was answered to each.
    pub outputs: [Row; 2],
}

impl Counterexample {
    /// The inputs and outputs that are not the same in both.
    pub fn differing(&self) -> Vec<&str> {
        let inputs = changed(&self.inputs).map(|(name, ..)| name);
        inputs.chain(changed(&self.outputs).map(|(name, ..)| name)).collect()
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [row, _] = &self.inputs;
        write!(f, "expected {}\n  row {}", self.expected, serde_json::Value::Object(row.clone()))?;
        for (name, first, second) in changed(&self.inputs) {
            write!(f, "\n  input `{name}`: {first}, then {second}")?;
        }
        if let Some([first, second]) = &self.asked {
            write!(f, "\n  asked {first}, then {second}")?;
        }
        for (name, first, second) in changed(&self.outputs) {
            write!(f, "\n  output `{name}`: {first}, then {second}")?;
        }
        let [first, second] = &self.outputs;
        if first == second {
            write!(f, "\n  both times {}", serde_json::Value::Object(first.clone()))?;
        }
        Ok(())
    }
}

fn changed(rows: &[Row; 2]) -> impl Iterator<Item = (&str, String, String)> {
    let [first, second] = rows;
    let shown = |row: &Row, name: &str| row.get(name).map_or_else(|| "null".to_owned(), ToString::to_string);
    let names = first.keys().chain(second.keys().filter(|name| !first.contains_key(*name)));
    names.map(move |name| (name.as_str(), shown(first, name), shown(second, name))).filter(|(_, a, b)| a != b)
}
