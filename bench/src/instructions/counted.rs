//! The face of this program that runs under callgrind: a model is loaded, then
//! called again and again.
//!
//! Only what [`counted_call`] does is counted. Never starts a program.

use crate::error::Error;
use crate::models::Model;
use scry_card::{Card, Interrupt, assemble, check};
use scry_protocol::{Answer, Remarks};
use scry_protocol::{InferRequest, InferResponse};
use scry_sandbox::{CallLimits, CompileSettings, Loaded, Metering, Sandbox, SandboxSettings};
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The command that makes the calls.
pub(crate) const COUNTED_CALLS: &str = "counted-calls";
/// Calls before the first that is counted: what is made once is made then.
const WARM_UP: usize = 5;
const MEMORY_MAX_BYTES: u64 = 64 << 20;

/// A model, ready to answer.
struct Subject {
    loaded: Loaded,
    card: Arc<Card>,
    digest: Arc<str>,
}

/// What to call, and how often.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// A component
    file: PathBuf,
    /// Rows of a call
    rows: usize,
    /// Calls that are counted
    calls: usize,
}

/// Calls the component in a file.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let model = Model::read(std::fs::read(&options.file)?)?;
    let body = model.v2_body(options.rows);
    // Few instances: valgrind has too little address space for many.
    let settings = SandboxSettings {
        instances_max: 1,
        instances_ahead_max: 1,
        memory_max_bytes: MEMORY_MAX_BYTES,
        compile: CompileSettings::trusting(),
        is_embedded: false,
    };
    let sandbox = Sandbox::new(settings)?;
    let card = Arc::new(model.description.card);
    let loaded = sandbox.load(&model.component, Arc::new(card.schema.clone()), Metering::Fuel, None)?;
    let subject = Subject { loaded, card, digest: model.description.digest.to_string().into() };
    for _ in 0..WARM_UP {
        call(&subject, &body)?;
    }
    for _ in 0..options.calls {
        counted_call(&subject, &body)?;
    }
    Ok(())
}

/// What callgrind is told to count, by this name.
#[inline(never)]
fn counted_call(subject: &Subject, body: &[u8]) -> Result<(), Error> {
    black_box(call(subject, black_box(body))?);
    Ok(())
}

/// A prediction in process, as the host makes it: V2 JSON in, V2 JSON out.
fn call(subject: &Subject, body: &[u8]) -> Result<Vec<u8>, Error> {
    let Subject { loaded, card, digest } = subject;
    let request = InferRequest::from_json(body)?;
    let inputs = assemble(&card.schema.inputs, request.inputs)?;
    if let Some(wrong) = check(&card.schema.inputs, &inputs, 1).into_iter().next() {
        return Err(wrong.into());
    }
    let limits = CallLimits {
        deadline: Instant::now() + Duration::from_secs(600),
        fuel: 1 << 40,
        memory_max_bytes: MEMORY_MAX_BYTES,
        output_max_bytes: 8 << 20,
        client: None,
        is_timed: false,
    };
    let report = loaded.predict(&inputs, &limits);
    loaded.restock(report.spent, 1, &limits)?;
    let answer = Answer {
        card: card.clone(),
        outputs: report.outcome?,
        model: card.name.clone(),
        version: "1".into(),
        digest: Some(digest.clone()),
        degraded: None,
        remarks: Remarks::default(),
    };
    let id = request.id.as_deref();
    let response = InferResponse { model_name: &card.name, id, answer: &answer, outputs: &request.outputs };
    Ok(response.write(&mut Interrupt::never())?.bytes)
}
