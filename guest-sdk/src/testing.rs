//! Native tests: the model as `cargo test` sees it, without a sandbox, and
//! checked as a host checks it.
//!
//! What is checked beyond the schema is read from `Cargo.toml`, as by `scry
//! build`. Not there for wasm: a guest is checked by its host.

use crate::{Model, runtime};
use scry_card::properties::{Properties, PropertyResult};
use scry_card::{
    Batch, Checker, Checks, Decision, Detail, Golden, Verdict, batch_from_records, check, differences, strict,
};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Checks the model against `golden.json` in the crate's folder
/// (`env!("CARGO_MANIFEST_DIR")`). Panics with every difference.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn golden<M: Model>(crate_dir: &str) {
    if let Err(message) = check_golden::<M>(&Path::new(crate_dir).join("golden.json")) {
        panic!("{message}");
    }
}

/// The same, as a result: what failed, one line each.
pub fn check_golden<M: Model>(path: &Path) -> Result<(), String> {
    let golden: Golden = read_json(path)?;
    if golden.examples.is_empty() {
        return Err(format!("{}: no examples", path.display()));
    }
    let schema = runtime::schema::<M>();
    golden.validate().and_then(|()| golden.check_atol(&schema)).map_err(|e| format!("{}: {e}", path.display()))?;
    let model = load::<M>()?;
    let checker = checker::<M>(path.parent().unwrap_or(Path::new("")))?;
    let mut failures = Vec::new();
    for example in &golden.examples {
        let name = &example.name;
        let (inputs, expected) = example.batches(&schema).map_err(|e| format!("{name}: {e}"))?;
        let verdict = checker.check(&inputs, &Detail::default());
        if verdict.decision() >= Decision::Fallback {
            failures.extend(verdict.findings.iter().map(|finding| format!("{name}: {finding}")));
        }
        match predict(&model, &inputs) {
            Ok(got) => {
                failures.extend(check(&schema.outputs, &got, 16).iter().map(|e| format!("{name}: {e}")));
                let wrong = differences(&schema.outputs, &golden, &expected, &got);
                failures.extend(wrong.iter().map(|difference| format!("{name}: {difference}")));
            }
            Err(failure) => failures.push(format!("{name}: {failure}")),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// Tries what `properties.json` in the crate's folder claims of the model, on
/// rows made from `golden.json`. Panics with a counterexample of each claim
/// that does not hold.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn properties<M: Model>(crate_dir: &str) {
    let failures = match check_properties::<M>(Path::new(crate_dir)) {
        Ok(results) => results.iter().filter(|result| !result.holds()).map(ToString::to_string).collect(),
        Err(problem) => vec![problem],
    };
    if !failures.is_empty() {
        panic!("{}", failures.join("\n"));
    }
}

/// The same, as a result: what came of each property.
pub fn check_properties<M: Model>(crate_dir: &Path) -> Result<Vec<PropertyResult>, String> {
    let path = crate_dir.join("properties.json");
    let properties: Properties = read_json(&path)?;
    let golden: Golden = read_json(&crate_dir.join("golden.json"))?;
    let model = load::<M>()?;
    let results =
        properties.check(&runtime::schema::<M>(), &checks(crate_dir)?, &golden, &mut |batch| predict(&model, batch));
    results.map_err(|e| format!("{}: {e}", path.display()))
}

/// The host's verdict on rows, written as a JSON array of objects; an error
/// where they are not even of the schema's form.
pub fn check_inputs<M: Model>(crate_dir: &str, rows: &str) -> Result<Verdict, String> {
    let rows: Vec<_> = strict::from_slice(rows.as_bytes()).map_err(|e| e.to_string())?;
    let batch = batch_from_records(&runtime::schema::<M>().inputs, &rows).map_err(|e| e.to_string())?;
    Ok(checker::<M>(Path::new(crate_dir))?.check(&batch, &Detail::default()))
}

/// The checker that the host has for the model's inputs.
pub fn checker<M: Model>(crate_dir: &Path) -> Result<Checker, String> {
    let (schema, checks) = (runtime::schema::<M>(), checks(crate_dir)?);
    checks.validate(&schema).and_then(|()| Checker::bounded(&schema.inputs, &checks)).map_err(|e| e.to_string())
}

/// `[package.metadata.scry.checks]` of the crate in a folder.
pub fn checks(crate_dir: &Path) -> Result<Checks, String> {
    let path = crate_dir.join("Cargo.toml");
    let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|e| wrong(&e))?;
    let manifest: toml::Table = text.parse().map_err(|e| wrong(&e))?;
    let keys = ["package", "metadata", "scry", "checks"];
    let checks = keys.iter().try_fold(&toml::Value::Table(manifest), |value, key| value.get(key)).cloned();
    checks.map_or_else(|| Ok(Checks::default()), |checks| checks.try_into().map_err(|e| wrong(&e)))
}

fn load<M: Model>() -> Result<M, String> {
    M::load().map_err(|e| format!("the model could not be loaded: {e}"))
}

fn predict<M: Model>(model: &M, inputs: &Batch) -> Result<Batch, String> {
    let columns = runtime::predict(model, inputs.columns.clone()).map_err(|failure| failure.to_string())?;
    Ok(Batch { rows: inputs.rows, columns })
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    strict::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
}
