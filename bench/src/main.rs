//! What a sandboxed prediction costs, beside the same model called natively.
//!
//! `cargo run --release -p scry-bench` prints Markdown tables; progress goes
//! to stderr. Variants take turns within one run, so that a noisy machine
//! disturbs all of them alike: trust the ratios more than the times.

mod http;
mod in_process;
mod instructions;
mod load;
mod models;
mod native_server;
mod peers;
mod process_tree;
mod publishing;
mod servers;
mod stats;
mod turns;

use models::Workbench;

type Error = Box<dyn std::error::Error>;

/// The benchmark's second face: the native server that it starts.
const NATIVE_SERVER: &str = "native-server";
/// And its third: the calls that callgrind counts.
const COUNTED_CALLS: &str = "counted-calls";

fn main() -> Result<(), Error> {
    let what = std::env::args().nth(1);
    if what.as_deref() == Some(NATIVE_SERVER) {
        return native_server::run();
    }
    if what.as_deref() == Some(COUNTED_CALLS) {
        return instructions::counted::run(std::env::args().skip(2));
    }
    // Only when asked for: it needs valgrind, and says nothing of time.
    if what.as_deref() == Some("instructions") {
        return instructions::run(std::env::args().skip(2));
    }
    // A part of the benchmark, for whoever works on that part.
    let wants = |part: &str| what.as_deref().is_none_or(|what| what == part);
    let workbench = Workbench::new()?;
    if wants("in-process") {
        in_process::run(&workbench)?;
    }
    if wants("http") {
        http::run(&workbench)?;
    }
    if wants("publishing") {
        publishing::run(&workbench)?;
    }
    // Only when asked for: it installs the servers of others.
    if what.as_deref() == Some("peers") {
        peers::run(&workbench)?;
    }
    Ok(())
}
