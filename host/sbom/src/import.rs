//! The document of a model that a prebuilt runtime runs.
//!
//! What the file was made with is what the model card says; it is not in the component, and says so.

use crate::Document;
use crate::document::{Dependency, Kind, License, Part, Scope};
use crate::source::pypi;
use std::collections::BTreeMap;

/// Labels with the version of a library, which exporters and boosters write.
const LIBRARIES: [&str; 5] = ["catboost", "lightgbm", "numpy", "scikit-learn", "xgboost"];
/// The label with the version of Python, which the exporter alone writes.
const PYTHON: &str = "python";
/// The label with name and version of what wrote an ONNX file.
const PRODUCER: &str = "producer";

/// What a card says of a model, as far as it counts here.
#[derive(Debug, Clone, Copy)]
pub struct Model<'a> {
    /// Its name.
    pub name: &'a str,
    /// The author's number for it.
    pub version: Option<&'a str>,
    /// SPDX, or whatever the author calls it.
    pub license: Option<&'a str>,
    /// What else is known of it.
    pub labels: &'a BTreeMap<String, String>,
}

impl Model<'_> {
    fn reference(&self) -> String {
        // Cargo's packages have a slash or an `@`, which names of models have not.
        format!("model:{}", self.name)
    }

    /// What the file that was imported was made with.
    fn origins(&self) -> Vec<Part> {
        let is_exported = self.labels.contains_key(PYTHON);
        let library = |name: &str| {
            let version = self.labels.get(name)?;
            let purl = is_exported.then(|| pypi(name, version));
            let reference = Some(purl.clone().unwrap_or_else(|| format!("{name}@{version}")));
            let part = Part::new(Kind::Library, name, Some(version.clone()));
            Some(Part { reference, purl, scope: Some(Scope::Excluded), ..part })
        };
        let other = |kind: Kind, name: &str, version: Option<&str>| {
            let reference = Some(version.map_or(name.to_owned(), |version| format!("{name}@{version}")));
            Part { reference, scope: Some(Scope::Excluded), ..Part::new(kind, name, version.map(str::to_owned)) }
        };
        let python = self.labels.get(PYTHON).map(|version| other(Kind::Platform, PYTHON, Some(version)));
        let producer = self.labels.get(PRODUCER).map(|told| match told.rsplit_once(' ') {
            Some((name, version)) => other(Kind::Application, name, Some(version)),
            None => other(Kind::Application, told, None),
        });
        LIBRARIES.iter().filter_map(|name| library(name)).chain(python).chain(producer).collect()
    }
}

impl Document {
    /// The document of a model that the runtime of this document runs.
    pub fn of_import(mut self, model: &Model<'_>) -> Self {
        let about = Part {
            reference: Some(model.reference()),
            licenses: model.license.map(License::of).into_iter().collect(),
            ..Part::new(Kind::MachineLearningModel, model.name, model.version.map(str::to_owned))
        };
        let runtime = std::mem::replace(&mut self.metadata.component, about);
        let depends_on = runtime.reference.iter().cloned().collect();
        self.dependencies.push(Dependency { of: model.reference(), depends_on });
        self.components.push(Part { kind: Kind::Library, scope: Some(Scope::Required), ..runtime });
        self.components.extend(model.origins());
        self.sort();
        self
    }
}
