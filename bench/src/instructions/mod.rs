//! How many instructions a prediction in process takes, held against figures
//! in the repository: a change for the worse fails.
//!
//! Callgrind counts them, so neither the machine's speed nor what else it does
//! matters. Never times anything.

mod callgrind;
mod comparison;
pub(crate) mod counted;

use crate::Error;
use crate::models::{Model, Workbench};
use crate::servers::TempDir;
use comparison::{Figures, Stored, compare};
use std::io::ErrorKind;
use std::path::PathBuf;

/// What to do with the figures.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Store what is measured instead of comparing it
    #[arg(long)]
    accept: bool,
    /// The stored figures
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json"))]
    stored: PathBuf,
}

/// Measures, prints the table, and fails where a call became dearer.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let Options { accept, stored: file } = options;
    let mut stored: Stored = match std::fs::read(file) {
        Err(error) if *accept && error.kind() == ErrorKind::NotFound => Stored::new(),
        read => serde_json::from_slice(&read?)?,
    };
    let measured_with = callgrind::measured_with()?;
    let measured = measure(&Workbench::new()?)?;
    if *accept {
        // Figures of other machines would be those of older code; the other profile has its own.
        let profile = |with: &str| with.rsplit(", ").next().map(str::to_owned);
        stored.retain(|with, _| profile(with) != profile(&measured_with));
        stored.insert(measured_with, measured);
        std::fs::write(file, serde_json::to_string_pretty(&stored)? + "\n")?;
        println!("Stored in {}.", file.display());
        return Ok(());
    }
    let report = compare(&stored, &measured_with, &measured);
    print!("{}", report.text);
    if report.is_worse { Err("a call takes more instructions than it may".into()) } else { Ok(()) }
}

fn measure(workbench: &Workbench) -> Result<Figures, Error> {
    let dir = TempDir::new()?;
    let cases: [(&str, &Model, usize); 2] =
        [("bikeshare, 1 row", &workbench.bikeshare, 1), ("digits, 64 rows", &workbench.digits, 64)];
    // Side by side: what else runs does not change a count.
    let start = |(name, model, rows)| {
        eprintln!("instructions: {name}");
        Ok((name, callgrind::Run::start(&dir.0, model, rows)?))
    };
    let runs = cases.map(start).into_iter().collect::<Result<Vec<_>, Error>>()?;
    runs.into_iter().map(|(name, run)| Ok((name.to_owned(), run.instructions_per_call()?))).collect()
}
