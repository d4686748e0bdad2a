//! Golden examples in the sandbox: the gate of every version, and `scry test`.

use scry_card::{Batch, Difference, Example, Golden, Invalid, Schema, check, differences};
use scry_sandbox::{CallError, CallLimits, Loaded};
use serde::Serialize;
use std::time::{Duration, Instant};

/// An example that a component does not reproduce.
#[derive(Debug, thiserror::Error)]
pub enum GoldenFailure {
    /// There are none: nothing would be proved.
    #[error("the component carries no golden examples; add some to golden.json and build it again")]
    None,
    /// They prove nothing, or do not read as examples.
    #[error("the component's golden.json: {0}")]
    Unfit(Box<Invalid>),
    /// The example does not fit the schema.
    #[error("example `{example}`: {error}")]
    Unreadable {
        /// The example's name.
        example: String,
        /// Which field, expected and found.
        error: Box<Invalid>,
    },
    /// The component did not answer.
    #[error("example `{example}`: {error}")]
    Call {
        /// The example's name.
        example: String,
        /// What happened.
        error: CallError,
    },
    /// The component answered something else.
    #[error("example `{example}`: {}", .differences.first().map(ToString::to_string).unwrap_or_default())]
    Wrong {
        /// The example's name.
        example: String,
        /// Every element that differs.
        differences: Vec<Difference>,
    },
    /// Each is answered in time, but all of them together are not.
    #[error("all examples together take longer than `catalog.golden_max_ms` allows, {max_ms} ms")]
    TooLong {
        /// The limit.
        max_ms: u128,
    },
    /// Rows are not independent of the others in their call.
    #[error(
        "example `{example}` is answered otherwise together with others than alone; deploy with `--batch-max-rows 0`"
    )]
    Joined {
        /// The example's name.
        example: String,
    },
}

/// What one example took.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its name.
    pub example: String,
    /// Rows in it.
    pub rows: usize,
    /// Instructions, roughly, where they are counted.
    pub fuel: Option<u64>,
    /// Linear memory at the end, in bytes.
    pub memory_bytes: u64,
    /// Time in a fresh instance, in microseconds.
    pub duration_us: f64,
}

/// Checks all that can be said of the examples without running the component:
/// that there are some, their tolerances, and that each fits the schema.
pub fn check_form(golden: &Golden, schema: &Schema) -> Result<(), GoldenFailure> {
    if golden.examples.is_empty() {
        return Err(GoldenFailure::None);
    }
    golden.validate().map_err(|error| GoldenFailure::Unfit(error.into()))?;
    golden.examples.iter().try_for_each(|example| read(example, schema).map(drop))?;
    golden.check_atol(schema).map_err(|error| GoldenFailure::Unfit(error.into()))
}

/// An example's inputs and expected outputs.
fn read(example: &Example, schema: &Schema) -> Result<(Batch, Batch), GoldenFailure> {
    let unreadable = |error: Invalid| GoldenFailure::Unreadable { example: example.name.clone(), error: error.into() };
    let (inputs, expected) = example.batches(schema).map_err(unreadable)?;
    match check(&schema.inputs, &inputs, 1).pop() {
        Some(error) => Err(unreadable(error)),
        None => Ok((inputs, expected)),
    }
}

/// Runs one example in a fresh instance.
pub fn check_one(
    loaded: &Loaded,
    schema: &Schema,
    golden: &Golden,
    example: &Example,
    limits: &CallLimits,
) -> (Option<Measured>, Result<(), GoldenFailure>) {
    let name = || example.name.clone();
    let (inputs, expected) = match read(example, schema) {
        Ok(batches) => batches,
        Err(error) => return (None, Err(error)),
    };
    let report = loaded.predict(&inputs, limits);
    let measured = Measured {
        example: name(),
        rows: inputs.rows,
        fuel: report.fuel,
        memory_bytes: report.memory_bytes,
        duration_us: micros(report.duration),
    };
    let outcome = report.outcome.and_then(|got| match check(&schema.outputs, &got, 1).pop() {
        None => Ok(got),
        Some(wrong) => Err(CallError::InvalidOutput(wrong.to_string())),
    });
    let result = match outcome {
        Err(error) => Err(GoldenFailure::Call { example: name(), error }),
        Ok(got) => match differences(&schema.outputs, golden, &expected, &got) {
            none if none.is_empty() => Ok(()),
            differences => Err(GoldenFailure::Wrong { example: name(), differences }),
        },
    };
    (Some(measured), result)
}

/// The time that all calls of one check share.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    ends: Instant,
    max: Duration,
}

impl Budget {
    /// From now on.
    pub fn new(max: Duration) -> Self {
        Self { ends: Instant::now() + max, max }
    }

    /// One call's limits, within what is left.
    fn of(&self, limits: CallLimits) -> Result<CallLimits, GoldenFailure> {
        match self.ends.checked_duration_since(Instant::now()) {
            None | Some(Duration::ZERO) => Err(self.too_long()),
            Some(_) => Ok(CallLimits { deadline: limits.deadline.min(self.ends), ..limits }),
        }
    }

    /// A timeout that the budget caused is the budget's failure.
    fn judge(&self, failure: GoldenFailure) -> GoldenFailure {
        match failure {
            GoldenFailure::Call { error: CallError::Timeout, .. } if Instant::now() >= self.ends => self.too_long(),
            other => other,
        }
    }

    fn too_long(&self) -> GoldenFailure {
        GoldenFailure::TooLong { max_ms: self.max.as_millis() }
    }
}

/// Runs every example; the first that fails is the answer.
pub fn check_all(
    loaded: &Loaded,
    schema: &Schema,
    golden: &Golden,
    budget: &Budget,
    limits: impl Fn() -> CallLimits,
) -> Result<(), GoldenFailure> {
    if golden.examples.is_empty() {
        return Err(GoldenFailure::None);
    }
    golden.examples.iter().try_for_each(|example| {
        let limits = budget.of(limits())?;
        check_one(loaded, schema, golden, example, &limits).1.map_err(|failure| budget.judge(failure))
    })
}

/// Has the component learn from some examples, the largest first, what calls write. Nothing follows from a failure.
pub fn learn(loaded: &Loaded, schema: &Schema, golden: &Golden, budget: &Budget, limits: impl Fn() -> CallLimits) {
    const EXAMPLES_ENOUGH: usize = 4;
    let mut batches: Vec<_> =
        golden.examples.iter().filter_map(|example| Some(read(example, schema).ok()?.0)).collect();
    batches.sort_by_key(|batch| std::cmp::Reverse(batch.rows));
    for batch in batches.iter().take(EXAMPLES_ENOUGH) {
        let Ok(within) = budget.of(limits()) else { return };
        loaded.learn(batch, || within.clone());
    }
}

/// Whether the examples' rows, joined into one call, get the answers that each
/// gets alone, to the bit. As many as `rows_max` allows are joined, within reason.
pub fn check_joined(
    loaded: &Loaded,
    schema: &Schema,
    golden: &Golden,
    rows_max: usize,
    budget: &Budget,
    limits: impl Fn() -> CallLimits,
) -> Result<(), GoldenFailure> {
    const ROWS_ENOUGH: usize = 64;
    let mut rows: Vec<(&str, Batch)> = Vec::new();
    for example in &golden.examples {
        let unreadable =
            |error: Invalid| GoldenFailure::Unreadable { example: example.name.clone(), error: error.into() };
        let (inputs, _) = example.batches(schema).map_err(unreadable)?;
        let single = inputs.split(&vec![1; inputs.rows]).unwrap_or_default();
        rows.extend(single.into_iter().map(|row| (example.name.as_str(), row)));
    }
    // One row alone is joined with itself.
    let wanted = rows_max.min(ROWS_ENOUGH.max(rows.len()));
    let rows: Vec<&(&str, Batch)> = rows.iter().cycle().take(wanted).collect();
    let predict = |name: &str, inputs: &Batch| {
        let failed = |error| budget.judge(GoldenFailure::Call { example: name.to_owned(), error });
        loaded.predict(inputs, &budget.of(limits())?).outcome.map_err(failed)
    };
    let all: Vec<&Batch> = rows.iter().map(|(_, row)| row).collect();
    let Some(inputs) = Batch::join(&all) else { return Ok(()) };
    let together = predict("all together", &inputs)?.split(&vec![1; rows.len()]).unwrap_or_default();
    for ((name, row), part) in rows.into_iter().zip(together) {
        if predict(name, row)? != part {
            return Err(GoldenFailure::Joined { example: (*name).to_owned() });
        }
    }
    Ok(())
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1000.0
}
