//! `scry test`

use super::failure::Differs;
use super::{CliError, in_file, local_sandbox, print_json, read_config, read_file};
use crate::golden::{GoldenFailure, Measured, check_one};
use crate::registry::{limits_of_config, metering};
use crate::serving::EffectiveLimits;
use scry_card::properties::{Properties, PropertyResult};
use scry_card::{Batch, Checks, Golden, Schema};
use scry_component::Description;
use scry_sandbox::Loaded;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// Run a component's golden examples, and what its author claims of it, in the
/// host's own sandbox and limits.
///
/// Shows what each example took. A prediction that is not the expected one is
/// shown with the tolerance, and the exit code is 4.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  scry test churn.wasm")]
pub(super) struct Args {
    /// The component.
    file: PathBuf,
    /// A host's configuration, for its limits [default: the defaults].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let config = read_config(args.config.as_deref())?;
    let bytes = read_file(&args.file)?;
    let description = Description::read(&bytes).map_err(|e| in_file(&args.file, e))?;
    let (schema, golden) = (Arc::new(description.card.schema), description.golden);
    if golden.examples.is_empty() {
        return Err(GoldenFailure::None.into());
    }
    golden.validate().and_then(|()| golden.check_atol(&schema)).map_err(|e| GoldenFailure::Unfit(e.into()))?;
    let limits = limits_of_config(&config);
    let loaded = local_sandbox(&config)?.load(&bytes, schema.clone(), metering(&limits), None)?;
    let mut failed = 0;
    let mut results = Vec::new();
    for example in &golden.examples {
        let (measured, result) = check_one(&loaded, &schema, &golden, example, &limits.of_call());
        let lines = result.err().map(|failure| lines(&failure)).unwrap_or_default();
        failed += usize::from(!lines.is_empty());
        if !args.json {
            show(&example.name, measured.as_ref(), &lines);
        }
        results
            .push(json!({ "example": example.name, "ok": lines.is_empty(), "measured": measured, "failures": lines }));
    }
    let claims = properties(&description.properties, &loaded, &schema, &description.card.checks, &golden, &limits)?;
    for claim in &claims {
        failed += usize::from(!claim.holds());
        if !args.json {
            println!("{} {claim}", if claim.holds() { "ok  " } else { "FAIL" });
        }
    }
    let total = golden.examples.len() + claims.len();
    let what = if claims.is_empty() { "examples" } else { "examples and properties" };
    if args.json {
        print_json(
            &json!({ "digest": description.digest, "passed": total - failed, "failed": failed, "examples": results, "properties": claims }),
        )?;
    }
    match failed {
        0 if args.json => Ok(()),
        0 => {
            println!("all {total} {what} pass");
            Ok(())
        }
        _ => Err(Differs(format!("{failed} of {total} {what} fail")).into()),
    }
}

/// What came of each thing that the author claims, in the sandbox.
fn properties(
    properties: &Option<Properties>,
    loaded: &Loaded,
    schema: &Schema,
    checks: &Checks,
    golden: &Golden,
    limits: &EffectiveLimits,
) -> Result<Vec<PropertyResult>, CliError> {
    let Some(properties) = properties else { return Ok(Vec::new()) };
    let mut predict =
        |batch: &Batch| loaded.predict(batch, &limits.of_call()).outcome.map_err(|error| error.to_string());
    Ok(properties.check(schema, checks, golden, &mut predict)?)
}

fn lines(failure: &GoldenFailure) -> Vec<String> {
    const SHOWN_MAX: usize = 20;
    match failure {
        GoldenFailure::Wrong { differences, .. } => {
            let mut lines: Vec<_> = differences.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
            if differences.len() > SHOWN_MAX {
                lines.push(format!("and {} more", differences.len() - SHOWN_MAX));
            }
            lines
        }
        GoldenFailure::Call { error, .. } => vec![error.to_string()],
        other => vec![other.to_string()],
    }
}

fn show(name: &str, measured: Option<&Measured>, failures: &[String]) {
    let verdict = if failures.is_empty() { "ok  " } else { "FAIL" };
    let took = measured.map_or_else(String::new, |m| {
        let fuel = m.fuel.map_or_else(|| "fuel off".into(), |fuel| format!("{fuel} fuel"));
        format!("{} rows, {fuel}, {} KiB, {:.0} µs", m.rows, m.memory_bytes / 1024, m.duration_us)
    });
    println!("{verdict} {name}: {took}");
    failures.iter().for_each(|line| println!("     {line}"));
}
