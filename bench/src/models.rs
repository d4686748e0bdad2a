//! The example models: as native Rust, and as the components that `scry build`
//! makes of the same sources.

use crate::error::Error;
use bikeshare::Bikeshare;
use digits::Digits;
use scry_build::{Request, build};
use scry_card::{Batch, Field, Tensor, batch_from_records};
use scry_component::Description;
use scry_guest::{Failure, runtime};
use scry_sandbox::{CompileSettings, Sandbox, SandboxSettings};
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
        let sandbox = sandbox()?;
        let [bikeshare, digits] = NAMES.map(|name| Model::example(&sandbox, name));
        Ok(Self { bikeshare: bikeshare?, digits: digits?, sandbox })
    }
}

/// Where components are built and tried.
pub(crate) fn sandbox() -> Result<Sandbox, Error> {
    Ok(Sandbox::new(SandboxSettings {
        instances_max: 16,
        instances_ahead_max: 16,
        memory_max_bytes: 256 << 20,
        compile: CompileSettings::trusting(),
        is_embedded: false,
    })?)
}

impl Model {
    /// One of `examples`.
    pub(crate) fn example(sandbox: &Sandbox, name: &str) -> Result<Self, Error> {
        Self::build(sandbox, name, workspace().join("examples").join(name), &[])
    }

    /// One of `tests/guests`, with cargo features.
    pub(crate) fn guest(sandbox: &Sandbox, name: &str, features: &[&str]) -> Result<Self, Error> {
        Self::build(sandbox, name, workspace().join("tests/guests").join(name), features)
    }

    fn build(sandbox: &Sandbox, name: &str, dir: PathBuf, features: &[&str]) -> Result<Self, Error> {
        let features = features.iter().map(|&feature| feature.to_owned()).collect();
        // This binary is in `target/<profile>`; where the tests build guests, these are built already.
        let target_dir = std::env::current_exe()?.ancestors().nth(2).map(|target| target.join("guests"));
        let request = Request { dir, features, target_dir, ..Request::default() };
        let (component, description) = build(sandbox, &request, |step| eprintln!("{name}: {}", step.label()))?;
        Ok(Self { component, description })
    }

    /// A component that was built before.
    pub(crate) fn read(component: Vec<u8>) -> Result<Self, Error> {
        let description = Description::read(&component)?;
        Ok(Self { component, description })
    }

    /// The same model with other bytes, told apart by a custom section.
    pub(crate) fn variant(&self, serial: u32) -> Vec<u8> {
        let mut component = self.component.clone();
        // Id 0, length 6: a name of one byte, then four of content.
        component.extend([0, 6, 1, b'n']);
        component.extend(serial.to_le_bytes());
        component
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
        self.v2_request(&self.records(rows), |field| field.batch_shape(rows as u64)).into_bytes()
    }

    /// These records as a V2 request, each tensor's keys in the order in which
    /// clients write them.
    pub(crate) fn v2_request(&self, records: &[Map<String, Value>], shape: impl Fn(&Field) -> Vec<u64>) -> String {
        let tensor = |field: &Field| {
            let mut data = Vec::new();
            records.iter().for_each(|record| flatten(record.get(&field.name).unwrap_or(&Value::Null), &mut data));
            let (name, shape, datatype, data) =
                (json!(field.name), json!(shape(field)), json!(field.datatype), Value::Array(data));
            format!(r#"{{"name":{name},"shape":{shape},"datatype":{datatype},"data":{data}}}"#)
        };
        let tensors: Vec<_> = self.description.card.schema.inputs.iter().map(tensor).collect();
        format!(r#"{{"inputs":[{}]}}"#, tensors.join(","))
    }
}

/// All elements of nested lists, or the only one.
pub(crate) fn flatten(value: &Value, into: &mut Vec<Value>) {
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
