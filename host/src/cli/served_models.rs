//! How models are served, and what a change did to that: only what differs, a
//! line each.

use super::CliError;
use super::client::Client;
use scry_catalog::{Canary, Fallback, Model, Serving, Shadow};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How all models are served.
#[derive(Debug, Deserialize)]
pub(super) struct ServedModels {
    number: u64,
    models: BTreeMap<String, Model>,
}

impl ServedModels {
    pub(super) fn of(client: &Client) -> Result<Self, CliError> {
        client.get("/v1/state")
    }

    /// Whether a rollback undoes the change that led to state `number`: not where
    /// nothing was served before. `None`: nothing changed.
    pub(super) fn undoes(&self, model: &str, number: u64) -> Option<bool> {
        let was_served = self.models.get(model).is_some_and(|model| model.serving.is_some());
        (number > self.number).then_some(was_served)
    }

    /// Says what the change that led to state `number` did since `self`; to one
    /// model, or to all of them.
    pub(super) fn print_changes(&self, client: &Client, model: Option<&str>, number: u64) -> Result<(), CliError> {
        let after = Self::of(client)?;
        let names = self.models.keys().chain(after.models.keys().filter(|name| !self.models.contains_key(*name)));
        for name in names.filter(|name| model.is_none_or(|model| *name == model)) {
            let serving = |all: &Self| all.models.get(name).and_then(|model| model.serving.clone());
            let prefix = if model.is_some() { String::new() } else { format!("{name} ") };
            for line in changes(serving(self).as_ref(), serving(&after).as_ref()) {
                println!("  {prefix}{line}");
            }
        }
        if self.number + 1 < number || after.number != number {
            println!("  (others changed something meanwhile: `scry history` tells who did what)");
        }
        Ok(())
    }
}

/// What differs, as `what: before -> after`.
fn changes(before: Option<&Serving>, after: Option<&Serving>) -> Vec<String> {
    type Part = fn(&Serving) -> Option<String>;
    let parts: [(&str, Part); 4] = [
        ("live", |serving| Some(format!("version {}", serving.live))),
        ("canary", |serving| serving.canary.as_ref().map(canary)),
        ("shadow", |serving| serving.shadow.as_ref().map(shadow)),
        ("fallback", |serving| (!serving.fallback.is_empty()).then(|| chain(&serving.fallback))),
    ];
    let none = || "none".to_owned();
    let both = parts.map(|(what, part)| (what, before.and_then(part), after.and_then(part)));
    let changed = both.into_iter().filter(|(_, before, after)| before != after);
    changed
        .map(|(what, before, after)| {
            format!("{what}: {} -> {}", before.unwrap_or_else(none), after.unwrap_or_else(none))
        })
        .collect()
}

fn canary(canary: &Canary) -> String {
    let (step, steps) = (canary.step + 1, canary.steps.len());
    format!("version {} on {} % (step {step} of {steps})", canary.to, canary.percent())
}

fn shadow(shadow: &Shadow) -> String {
    format!("version {} on {} %", shadow.to, shadow.percent)
}

fn chain(chain: &[Fallback]) -> String {
    let link = |link: &Fallback| match link {
        Fallback::Model(reference) => reference.to_string(),
        Fallback::Constant(row) => format!("constant {}", serde_json::Value::Object(row.clone())),
    };
    chain.iter().map(link).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn serving(value: Value) -> Serving {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn only_what_differs_is_told() {
        let before = serving(json!({ "live": 1, "fallback": [{ "model": "steady@2" }] }));
        let after = serving(json!({
            "live": 1, "fallback": [{ "model": "steady@2" }, { "constant": { "y": 0 } }],
            "canary": { "to": 2, "steps": [{ "percent": 10.0 }, { "percent": 50.0 }], "step": 0, "since_ms": 5 },
        }));
        let told =
            ["canary: none -> version 2 on 10 % (step 1 of 2)", r#"fallback: steady@2 -> steady@2, constant {"y":0}"#];
        assert_eq!(changes(Some(&before), Some(&after)), told);
        assert_eq!(changes(Some(&after), Some(&after)), [""; 0]);
        let gone = changes(Some(&before), None);
        assert_eq!(gone, ["live: version 1 -> none", "fallback: steady@2 -> none"]);
    }
}
