//! What training data looks like on all sides of a component, for the alarm of drift.
//!
//! Never keeps a value of it beyond what says where bins begin, and names no text that the card does not name, unless
//! that is asked for.

use crate::component::{Component, Held, rows_of};
use crate::errors::Failure;
use crate::process::apart;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use scry::import::with_references;
use scry_card::stats::{Profiler, Reference, References};
use scry_card::{Records, Schema};
use scry_sandbox::Client;
use std::sync::{Arc, Mutex, PoisonError};

/// Asks a component about training data, and counts what goes in and comes out.
#[pyclass(frozen, module = "scry._native")]
#[derive(Debug)]
pub(crate) struct Profile {
    held: Arc<Held>,
    schema: Arc<Schema>,
    sides: Mutex<Sides>,
}

#[derive(Debug, Clone)]
struct Sides {
    inputs: Profiler,
    features: Profiler,
    outputs: Profiler,
}

#[pymethods]
impl Profile {
    #[new]
    fn new(component: &Component) -> Self {
        let schema = component.schema.clone();
        let [inputs, features, outputs] =
            [&schema.inputs, &schema.features, &schema.outputs].map(|fields| Profiler::new(fields).sample_values(0));
        let sides = Mutex::new(Sides { inputs, features, outputs });
        Self { held: component.held.load_full(), schema, sides }
    }

    /// The answers to rows as a JSON list of objects, as one.
    fn records(&self, py: Python<'_>, rows: &str) -> PyResult<String> {
        apart(py, |_, client| self.count(rows, client))
    }

    /// A component with what was counted, and its digest. `is_open`: whether texts that the schema does not name may be
    /// among it.
    fn seal<'py>(
        &self,
        py: Python<'py>,
        component: &[u8],
        data_from: Option<String>,
        data_until: Option<String>,
        is_open: bool,
    ) -> PyResult<(Bound<'py, PyBytes>, String)> {
        let Sides { inputs, features, outputs } = self.sides.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let dated =
            |side: Reference| Reference { data_from: data_from.clone(), data_until: data_until.clone(), ..side };
        let (features, outputs) = (Some(dated(features.finish())), Some(dated(outputs.finish())));
        let mut references = References { inputs: dated(inputs.finish()), features, outputs };
        if !is_open {
            references = references.without_values(&self.schema);
        }
        let sealed = with_references(component.to_vec(), &references);
        let (sealed, description) = sealed.map_err(|error| Failure::Export(error.to_string()).raised(py))?;
        Ok((PyBytes::new(py, &sealed), description.digest.to_string()))
    }
}

impl Profile {
    fn count(&self, rows: &str, client: &Arc<dyn Client>) -> Result<String, Failure> {
        let batch = rows_of(&self.schema.inputs, rows)?;
        let runner = &self.held.runner;
        runner.check(&batch)?;
        let features = runner.transform(&batch, Some(client))?;
        let (outputs, _) = runner.predict(&batch, Some(client))?;
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = sides.inputs.add(&batch).and_then(|()| sides.features.add(&features));
        let counted = counted.and_then(|()| sides.outputs.add(&outputs));
        counted.map_err(|error| Failure::Bug(error.to_string()))?;
        let records = Records { fields: &self.schema.outputs, batch: &outputs };
        serde_json::to_string(&records).map_err(|error| Failure::Bug(error.to_string()))
    }
}
