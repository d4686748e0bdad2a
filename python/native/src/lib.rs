//! The native module of the Python package: models made sealed components, and components run in the host's sandbox,
//! all within a process of Python.
//!
//! Never installs a signal handler, never reserves memory, never lets a panic through, and never holds the
//! interpreter's lock while a component runs.

mod arrow;
mod columns;
mod component;
mod errors;
mod process;
mod profile;

use crate::errors::Failure;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use scry::config::Config;
use scry::import::{Words, import};
use scry::registry::limits_of_config;

/// What `scry.export` and `scry.Component` are made of.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::arrow::Table;
    #[pymodule_export]
    use super::component::Component;
    #[pymodule_export]
    use super::import_model;
    #[pymodule_export]
    use super::profile::Profile;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::process::keep_panics();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// A model file's bytes as those of a sealed component that has reproduced its golden examples, and its digest.
#[pyfunction]
fn import_model<'py>(py: Python<'py>, file: &[u8]) -> PyResult<(Bound<'py, PyBytes>, String)> {
    let made = process::apart(py, |process, _| {
        let limits = limits_of_config(&Config::default());
        import(&process.sandbox, file, &Words::default(), &limits, None, |_| ())
            .map_err(|error| Failure::Export(error.to_string()))
    });
    let (bytes, description) = made?;
    Ok((PyBytes::new(py, &bytes), description.digest.to_string()))
}
