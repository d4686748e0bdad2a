//! A component in this process: read once, run by any thread, and by processes that are forked later.

use crate::arrow::{self, Table};
use crate::columns::{self, Given};
use crate::errors::{Failure, warn};
use crate::process::{Process, apart};
use arc_swap::ArcSwap;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyList};
use scry::config::Config;
use scry::offline::Runner;
use scry::serving::EffectiveLimits;
use scry_card::{Batch, CheckKind, Detail, Field, Interrupt, Interrupted, Invalid, Records, Schema, Verdict};
use scry_component::Description;
use scry_protocol::{Members, RowsRequest};
use scry_sandbox::Client;
use std::sync::Arc;
use std::time::Duration;

/// A sealed component, ready to be asked.
#[pyclass(frozen, module = "scry._native")]
#[derive(Debug)]
pub(crate) struct Component {
    pub(crate) held: ArcSwap<Held>,
    pub(crate) schema: Arc<Schema>,
    /// The model card, as JSON.
    #[pyo3(get)]
    card: String,
    /// SHA-256 of its bytes.
    #[pyo3(get)]
    digest: String,
}

/// What runs in one process.
#[derive(Debug)]
pub(crate) struct Held {
    process: u32,
    pub(crate) runner: Runner,
}

/// What a component answers.
struct Answer {
    batch: Batch,
    rows: usize,
    /// Findings that are no reason to refuse, of inputs and outputs.
    warned: [Verdict; 2],
}

#[pymethods]
impl Component {
    /// Compiles a component, and tries it with its golden examples. A call may take so long, and so much fuel.
    #[new]
    #[pyo3(signature = (bytes, deadline_ms = None, fuel = None))]
    fn new(py: Python<'_>, bytes: &[u8], deadline_ms: Option<u64>, fuel: Option<u64>) -> PyResult<Self> {
        let config = Config::default();
        let mut limits = Runner::limits(&config);
        limits.deadline = deadline_ms.map_or(limits.deadline, Duration::from_millis);
        limits.fuel = fuel.unwrap_or(limits.fuel);
        apart(py, |process, _| Self::open(process, bytes, &config, limits))
    }

    /// Asks with rows as a JSON list of objects; the answer is one, too.
    fn records(&self, py: Python<'_>, features: bool, rows: &str) -> PyResult<String> {
        let answer = self.ask(py, features, |fields| rows_of(fields, rows))?;
        let records = Records { fields: self.fields(features), batch: &answer };
        serde_json::to_string(&records).map_err(|error| columns::wrong(error.to_string()))
    }

    /// Asks with columns, each a name, the code of its type, and bytes or a list.
    fn columns<'py>(
        &self,
        py: Python<'py>,
        features: bool,
        rows: usize,
        given: Vec<Given>,
    ) -> PyResult<Bound<'py, PyList>> {
        let answer = self.ask(py, features, |fields| columns::batch(fields, rows, &given))?;
        columns::told(py, self.fields(features), &answer)
    }

    /// Asks with a table of any library that speaks Arrow's C interface.
    fn arrow(&self, py: Python<'_>, features: bool, x: &Bound<'_, PyAny>) -> PyResult<Table> {
        let capsule = x.call_method0("__arrow_c_stream__")?;
        let stream = arrow::stream(capsule.cast::<PyCapsule>()?)?;
        let answer = self.ask(py, features, |fields| arrow::batch(fields, stream))?;
        Table::of(self.fields(features), answer)
    }
}

impl Component {
    fn open(process: &Process, bytes: &[u8], config: &Config, limits: EffectiveLimits) -> Result<Self, Failure> {
        let description = Description::read(bytes).map_err(|error| Failure::Component(error.to_string()))?;
        let (card, digest) = (description.card.clone(), description.digest.to_string());
        let runner = Runner::open(bytes, description, &process.sandbox, config, limits)?;
        let held = ArcSwap::from_pointee(Held { process: process.id, runner });
        let json = serde_json::to_string(&card).map_err(|error| Failure::Component(error.to_string()))?;
        Ok(Self { held, schema: Arc::new(card.schema), card: json, digest })
    }

    fn fields(&self, features: bool) -> &[Field] {
        if features { &self.schema.features } else { &self.schema.outputs }
    }

    fn ask(
        &self,
        py: Python<'_>,
        features: bool,
        read: impl FnOnce(&[Field]) -> Result<Batch, Failure> + Send,
    ) -> PyResult<Batch> {
        let answer = apart(py, |process, client| self.answer(process, client, features, read));
        let Answer { batch, rows, warned: [inputs, outputs] } = answer?;
        warn(py, "inputs", rows, &inputs)?;
        warn(py, "outputs", rows, &outputs)?;
        Ok(batch)
    }

    fn answer(
        &self,
        process: &Process,
        client: &Arc<dyn Client>,
        features: bool,
        read: impl FnOnce(&[Field]) -> Result<Batch, Failure>,
    ) -> Result<Answer, Failure> {
        let inputs = read(&self.schema.inputs)?;
        let rows = inputs.rows;
        if rows == 0 {
            return Ok(Answer { batch: columns::empty(self.fields(features)), rows, warned: Default::default() });
        }
        let held = self.held(process)?;
        let found = held.runner.check(&inputs)?;
        let (batch, told) = match features {
            true => (held.runner.transform(&inputs, Some(client))?, Verdict::default()),
            false => held.runner.predict(&inputs, Some(client))?,
        };
        Ok(Answer { batch, rows, warned: [found, told] })
    }

    /// What runs in this process: after a fork, its code in the child's own sandbox.
    fn held(&self, process: &Process) -> Result<Arc<Held>, Failure> {
        let held = self.held.load_full();
        if held.process == process.id {
            return Ok(held);
        }
        let made = Arc::new(Held { process: process.id, runner: held.runner.moved(&process.sandbox)? });
        // The parent's, of whose threads there are none here.
        std::mem::forget(held);
        self.held.store(made.clone());
        Ok(made)
    }
}

/// Rows as a JSON list of objects, as the batch that a model reads.
pub(crate) fn rows_of(fields: &[Field], rows: &str) -> Result<Batch, Failure> {
    let body = format!("{{\"instances\":{rows}}}");
    let request = RowsRequest::from_json(body.as_bytes(), Members::Instances).map_err(|error| {
        Failure::of_form(vec![Invalid::new(CheckKind::Form, "*", "a list of rows", error.to_string())], 0)
    })?;
    match request.rows.in_order(fields, &Detail::default(), &mut Interrupt::never()) {
        Ok(batch) => batch.map_err(|unfit| Failure::of_form(unfit.errors, unfit.unlisted)),
        // `Interrupt::never` does not interrupt.
        Err(Interrupted) => Err(Failure::of_form(Vec::new(), 0)),
    }
}
