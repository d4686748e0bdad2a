//! One call in this process: native, in an instance that is kept as it is, in
//! a new one, in one that is put back to the snapshot.

use crate::error::Error;
use crate::models::{self, Model, Native, Workbench};
use crate::stats::Sample;
use scry_card::{Batch, differences};
use scry_sandbox::{CallLimits, CompileSettings, Loaded, Metering, Sandbox, SandboxSettings, Session};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Turns that each variant takes.
const ROUNDS: usize = 150;
/// How long a turn lasts, roughly.
const TURN: Duration = Duration::from_micros(1500);

/// One way to call a model.
enum Variant {
    Native(Native),
    Reused(Box<Session>),
    New(Box<Loaded>),
    PutBack(Box<Loaded>),
}

/// Measures and prints the table.
pub(crate) fn run(workbench: &Workbench) -> Result<(), Error> {
    println!("## In process\n");
    println!("µs per call, median (p10); × the native median. All but the first two count fuel.");
    println!("*Put back* is what the host does, and what it cannot put back is new.\n");
    println!("| model | rows | native | reused, no fuel | reused | new | **put back** |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for (model, title, rows) in [
        (&workbench.bikeshare, "bikeshare: 200 trees, 13 features", [1, 64, 1000].as_slice()),
        (&workbench.digits, "digits: MLP 64-128-10", &[1, 64]),
    ] {
        for &rows in rows {
            eprintln!("in process: {}, {rows} rows", model.description.card.name);
            let cells = measure(&workbench.sandbox, model, rows)?;
            println!("| {title} | {rows} | {} |", cells.join(" | "));
        }
    }
    println!();
    Ok(())
}

fn measure(sandbox: &Sandbox, model: &Model, rows: usize) -> Result<Vec<String>, Error> {
    let inputs = model.batch(rows)?;
    let schema = Arc::new(model.description.card.schema.clone());
    let load = |sandbox: &Sandbox, metering| sandbox.load(&model.component, schema.clone(), metering, None);
    let (off, fuel) = (load(sandbox, Metering::Off)?, load(sandbox, Metering::Fuel)?);
    // Where none is kept, none is watched.
    let settings = SandboxSettings {
        instances_max: 1,
        instances_ahead_max: 0,
        memory_max_bytes: 256 << 20,
        compile: CompileSettings::trusting(),
        is_embedded: false,
    };
    let keeps_none = Sandbox::new(settings)?;
    let new = load(&keeps_none, Metering::Fuel)?;
    let mut variants = [
        Variant::Native(models::native(&model.description.card.name)?),
        Variant::Reused(Box::new(off.session(&limits())?)),
        Variant::Reused(Box::new(fuel.session(&limits())?)),
        Variant::New(Box::new(new)),
        Variant::PutBack(Box::new(fuel)),
    ];
    check_agreement(model, &mut variants, &inputs)?;
    let once = variants.iter_mut().map(|variant| Ok(Sample::new(variant.time(&inputs, 20)?).median()));
    let once = once.collect::<Result<Vec<_>, Error>>()?;
    let mut times = vec![Vec::new(); variants.len()];
    for _ in 0..ROUNDS {
        for ((variant, times), once) in variants.iter_mut().zip(&mut times).zip(&once) {
            let calls = TURN.as_nanos() / once.as_nanos().max(1);
            times.extend(variant.time(&inputs, usize::try_from(calls)?.max(3))?);
        }
    }
    let samples: Vec<_> = times.into_iter().map(Sample::new).collect();
    let native = samples.first().map_or(f64::NAN, |native| native.rank_us(0.5));
    let cell = |(i, sample): (usize, &Sample)| {
        let (median, p10) = (sample.rank_us(0.5), sample.rank_us(0.1));
        let ratio = if i == 0 { String::new() } else { format!(" {:.2}×", median / native) };
        format!("{median:.1} ({p10:.1}){ratio}")
    };
    Ok(samples.iter().enumerate().map(cell).collect())
}

/// A benchmark of wrong answers is worth nothing. Bits may differ: `exp` is
/// the system's natively, and Rust's own in a component.
fn check_agreement(model: &Model, variants: &mut [Variant], inputs: &Batch) -> Result<(), Error> {
    let answers = variants.iter_mut().map(|variant| variant.call(inputs.clone())).collect::<Result<Vec<_>, _>>()?;
    let (fields, golden) = (&model.description.card.schema.outputs, &model.description.golden);
    for pair in answers.windows(2) {
        let [a, b] = pair else { continue };
        if let Some(difference) = differences(fields, golden, a, b).first() {
            return Err(difference.to_string().into());
        }
    }
    Ok(())
}

impl Variant {
    /// What comes out.
    fn call(&mut self, inputs: Batch) -> Result<Batch, Error> {
        let rows = inputs.rows;
        match self {
            Self::Native(predict) => {
                let columns = predict(inputs.columns).map_err(|failure| failure.to_string())?;
                Ok(Batch { rows, columns })
            }
            Self::Reused(session) => Ok(session.predict(&inputs, &limits()).outcome?),
            Self::New(loaded) | Self::PutBack(loaded) => Ok(loaded.predict(&inputs, &limits()).outcome?),
        }
    }

    /// Times calls one by one. A native call eats its columns: their copies
    /// are made, and answers dropped, while no clock runs.
    fn time(&mut self, inputs: &Batch, calls: usize) -> Result<Vec<Duration>, Error> {
        let copies = if matches!(self, Self::Native(_)) { calls } else { 0 };
        let mut copies = vec![inputs.columns.clone(); copies];
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let copy = copies.pop();
            let started = Instant::now();
            let worked = match self {
                Self::Native(predict) => predict(copy.unwrap_or_default()).is_ok(),
                Self::Reused(session) => session.predict(inputs, &limits()).outcome.is_ok(),
                Self::New(loaded) => loaded.predict(inputs, &limits()).outcome.is_ok(),
                Self::PutBack(loaded) => {
                    let report = loaded.predict(inputs, &limits());
                    report.outcome.is_ok() && loaded.restock(report.spent, 1, &limits()).is_ok()
                }
            };
            times.push(started.elapsed());
            if !worked {
                return Err("a call failed".into());
            }
        }
        Ok(times)
    }
}

fn limits() -> CallLimits {
    CallLimits {
        deadline: Instant::now() + Duration::from_secs(10),
        fuel: 1 << 40,
        memory_max_bytes: 64 << 20,
        output_max_bytes: 8 << 20,
        client: None,
        is_timed: false,
    }
}
