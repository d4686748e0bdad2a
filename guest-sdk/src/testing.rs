//! Native tests: the model as `cargo test` sees it, without a sandbox.

use crate::{Model, runtime};
use scry_card::{Batch, Golden, check, differences};
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
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let golden: Golden = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    if golden.examples.is_empty() {
        return Err(format!("{}: no examples", path.display()));
    }
    let model = M::load().map_err(|e| format!("the model could not be loaded: {e}"))?;
    let schema = runtime::schema::<M>();
    let mut failures = Vec::new();
    for example in &golden.examples {
        let name = &example.name;
        let (inputs, expected) = example.batches(&schema).map_err(|e| format!("{name}: {e}"))?;
        let rows = inputs.rows;
        failures.extend(check(&schema.inputs, &inputs, 16).iter().map(|e| format!("{name}: {e}")));
        match runtime::predict(&model, inputs.columns) {
            Ok(columns) => {
                let got = Batch { rows, columns };
                failures.extend(check(&schema.outputs, &got, 16).iter().map(|e| format!("{name}: {e}")));
                let wrong = differences(&schema.outputs, &golden, &expected, &got);
                failures.extend(wrong.iter().map(|difference| format!("{name}: {difference}")));
            }
            Err(failure) => failures.push(format!("{name}: {failure}")),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}
