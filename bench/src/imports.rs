//! Imported models beside the libraries that trained them, and ONNX Runtime.
//!
//! `bench/imports/imports.py` fits, exports, and measures; this makes its environment.

use crate::environments::{folder, install};
use crate::error::Error;
use crate::servers::build_scry;
use std::path::Path;
use std::process::Command;

/// Prints the table.
pub(crate) fn run() -> Result<(), Error> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("imports");
    let scry = build_scry()?;
    if let [outcome] = install(&sources, &["imports"])?.as_slice()
        && let Some(why) = outcome.skipped()
    {
        return Err(why.into());
    }
    println!("## Imported models\n");
    println!("One thread; times are medians of a call with 1 / 64 rows.\n");
    let mut script = Command::new(folder()?.join("imports/bin/python"));
    script.arg(sources.join("imports.py")).arg(scry);
    for threads in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] {
        script.env(threads, "1");
    }
    if !script.status()?.success() {
        return Err("bench/imports/imports.py failed".into());
    }
    Ok(())
}
