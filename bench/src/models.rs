//! The example models: as native Rust, and as the components that `scry build`
//! makes of the same sources.

use crate::Error;
use bikeshare::Bikeshare;
use digits::Digits;
use scry::build::{Request, build};
use scry::component::Description;
use scry::sandbox::{Sandbox, SandboxSettings};
use scry_card::{Batch, Tensor, batch_from_records};
use scry_guest::{Failure, runtime};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// A model as a native function from columns to columns.
pub(crate) type Native = Box<dyn Fn(Vec<Tensor>) -> Result<Vec<Tensor>, Failure> + Send + Sync>;

/// The models that take part.
pub(crate) const NAMES: [&str; 2] = ["bikeshare", "digits"];

/// The sandbox and the components.
pub(crate) struct Workbench {
    pub(crate) sandbox: Sandbox,
    pub(crate) bikeshare: Model,
    pub(crate) digits: Model,
}

/// A component, and what is known of it.
pub(crate) struct Model {
    pub(crate) component: Vec<u8>,
    pub(crate) description: Description,
}

impl Workbench {
    /// Builds the components.
    pub(crate) fn new() -> Result<Self, Error> {
        let sandbox = Sandbox::new(SandboxSettings { instances_max: 16, memory_max_bytes: 256 << 20 })?;
        let [bikeshare, digits] = NAMES.map(|name| Model::build(&sandbox, name));
        Ok(Self { bikeshare: bikeshare?, digits: digits?, sandbox })
    }
}

impl Model {
    fn build(sandbox: &Sandbox, name: &str) -> Result<Self, Error> {
        // This binary is in `target/<profile>`; where the tests build guests, these are built already.
        let target_dir = std::env::current_exe()?.ancestors().nth(2).map(|target| target.join("guests"));
        let request = Request { dir: workspace().join("examples").join(name), target_dir, ..Request::default() };
        let (component, description) = build(sandbox, &request, |step| eprintln!("{name}: {}", step.label()))?;
        Ok(Self { component, description })
    }

    /// A component that was built before.
    pub(crate) fn read(component: Vec<u8>) -> Result<Self, Error> {
        let description = Description::read(&component)?;
        Ok(Self { component, description })
    }

    /// The rows of the golden examples, over and over.
    pub(crate) fn records(&self, rows: usize) -> Vec<Map<String, Value>> {
        let examples = self.description.golden.examples.iter().flat_map(|example| &example.inputs);
        examples.cycle().take(rows).cloned().collect()
    }

    /// A batch of so many rows.
    pub(crate) fn batch(&self, rows: usize) -> Result<Batch, Error> {
        Ok(batch_from_records(&self.description.card.schema.inputs, &self.records(rows))?)
    }

    /// The same batch as the body of a V2 request.
    pub(crate) fn v2_body(&self, rows: usize) -> Vec<u8> {
        self.v2_request(&self.records(rows)).to_string().into_bytes()
    }

    /// These records as a V2 request.
    pub(crate) fn v2_request(&self, records: &[Map<String, Value>]) -> Value {
        let inputs = self.description.card.schema.inputs.iter().map(|field| {
            let mut data = Vec::new();
            records.iter().for_each(|record| flatten(record.get(&field.name).unwrap_or(&Value::Null), &mut data));
            let shape = field.batch_shape(records.len() as u64);
            json!({ "name": field.name, "shape": shape, "datatype": field.datatype, "data": data })
        });
        json!({ "inputs": inputs.collect::<Vec<_>>() })
    }
}

fn flatten(value: &Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| flatten(value, into)),
        scalar => into.push(scalar.clone()),
    }
}

/// A model of this name, loaded natively.
pub(crate) fn native(name: &str) -> Result<Native, Error> {
    fn of<M: scry_guest::Model>() -> Result<Native, Error> {
        let model = M::load()?;
        Ok(Box::new(move |columns| runtime::predict(&model, columns)))
    }
    match name {
        "bikeshare" => of::<Bikeshare>(),
        "digits" => of::<Digits>(),
        other => Err(format!("no model `{other}`").into()),
    }
}

/// The folder of the workspace that this binary was built from.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
