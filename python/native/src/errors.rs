//! What is raised in Python: the classes of `scry.errors`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use scry::offline::{OpenError, RunError};
use scry_card::{Decision, Finding, Invalid, Policy, Verdict};
use scry_sandbox::CallError;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Rows that the schema or the checks refuse.
    Rejected { findings: Vec<Finding>, unlisted: usize },
    /// A row that the model itself refuses.
    Refused(usize, String),
    /// A call that has no answer, and its row.
    Call(usize, CallError),
    /// A file that does not run.
    Component(String),
    /// A model that cannot be made a component.
    Export(String),
    /// What the system does not give.
    System(String),
    /// A mistake of ours.
    Bug(String),
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Component(error.to_string())
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Refused(Verdict { findings, unlisted, .. }) => Self::Rejected { findings, unlisted },
            RunError::Row(row, CallError::InvalidInput(said)) => Self::Refused(row, said),
            RunError::Row(row, error) => Self::Call(row, error),
        }
    }
}

impl Failure {
    /// Rows that do not even have the schema's form.
    pub(crate) fn of_form(errors: Vec<Invalid>, unlisted: usize) -> Self {
        let finding = |invalid| Finding { invalid, policy: Policy::Reject };
        Self::Rejected { findings: errors.into_iter().map(finding).collect(), unlisted }
    }

    /// The exception.
    pub(crate) fn raised(self, py: Python<'_>) -> PyErr {
        self.exception(py).unwrap_or_else(|error| error)
    }

    fn exception(self, py: Python<'_>) -> PyResult<PyErr> {
        let class = |name: &str| py.import("scry.errors")?.getattr(name);
        let made = match self {
            Self::Rejected { findings, unlisted } => {
                class("RejectedError")?.call1((list(&findings, unlisted), found(py, &findings)?, unlisted))?
            }
            Self::Refused(row, said) => {
                let none = Vec::<Bound<'_, PyDict>>::new();
                class("RejectedError")?.call1((
                    format!("row {row}: the model refuses the input: {said}"),
                    none,
                    0,
                    row,
                ))?
            }
            Self::Call(row, error) => {
                let is_limit = matches!(error.reason(), "timeout" | "fuel" | "memory");
                let class = class(if is_limit { "LimitError" } else { "ComponentError" })?;
                class.call1((format!("row {row}: {error}"), error.reason(), row))?
            }
            Self::Component(said) => class("ComponentError")?.call1((said,))?,
            Self::Export(said) => class("ExportError")?.call1((said,))?,
            Self::System(said) => class("ScryError")?.call1((said,))?,
            Self::Bug(said) => {
                class("ScryError")?.call1((format!("{said}. This is a bug in scry; please report it"),))?
            }
        };
        Ok(PyErr::from_value(made))
    }
}

/// All findings in a sentence.
fn list(findings: &[Finding], unlisted: usize) -> String {
    let mut said = findings.iter().map(|finding| finding.invalid.to_string()).collect::<Vec<_>>().join("; ");
    if unlisted > 0 {
        said.push_str(&format!("; and {unlisted} more"));
    }
    said
}

/// Findings as dictionaries.
fn found<'py>(py: Python<'py>, findings: &[Finding]) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let told = |Finding { invalid, policy }: &Finding| {
        let dict = PyDict::new(py);
        dict.set_item("field", &invalid.field)?;
        dict.set_item("row", invalid.row)?;
        dict.set_item("element", invalid.element)?;
        dict.set_item("check", invalid.check.name())?;
        dict.set_item("expected", &invalid.expected)?;
        dict.set_item("found", &invalid.found)?;
        dict.set_item("policy", policy.name())?;
        Ok(dict)
    };
    findings.iter().map(told).collect()
}

/// Warns of what was found in rows that pass.
pub(crate) fn warn(py: Python<'_>, side: &str, rows: usize, verdict: &Verdict) -> PyResult<()> {
    let warned = (0..rows).filter(|&row| verdict.row_decision(row) == Decision::Warn).count();
    if warned == 0 {
        return Ok(());
    }
    let told = verdict.tallies.iter().map(|tally| format!("`{}`, {}: {}", tally.field, tally.check, tally.count));
    let text =
        format!("{warned} of {rows} rows pass with a warning about {side} ({})", told.collect::<Vec<_>>().join("; "));
    let category = py.import("scry.errors")?.getattr("CheckWarning")?;
    // Of the line that calls `predict`.
    const LEVEL: u32 = 3;
    py.import("warnings")?.call_method1("warn", (PyString::new(py, &text), category, LEVEL))?;
    Ok(())
}
