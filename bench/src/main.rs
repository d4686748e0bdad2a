//! What a sandboxed prediction costs, beside the same model called natively;
//! and what a host stands: hostile guests, overload, hours of everything.
//!
//! `cargo run --release -p scry-bench` prints Markdown tables; progress goes
//! to stderr. Variants take turns within one run, so that a noisy machine
//! disturbs all of them alike: trust the ratios more than the times.

mod admin;
mod arena;
mod book;
mod channel;
mod claims;
mod client;
mod crowd;
mod data;
mod environments;
mod error;
mod forms;
mod hostile;
mod http;
mod imports;
mod in_process;
mod instructions;
mod load;
mod machine;
mod many;
mod models;
mod native_server;
mod operator;
mod overload;
mod pace;
mod peers;
mod process;
mod process_tree;
mod publishing;
mod scaling;
mod servers;
mod soak;
mod soak_load;
mod stats;
mod storms;
mod tally;
mod turns;
mod wire;

use clap::{Parser, Subcommand};
use data::scry_turn::DATA_TURN;
use error::Error;
use instructions::counted::COUNTED_CALLS;
use models::Workbench;
use native_server::NATIVE_SERVER;
use std::process::ExitCode;

/// The host's, so that native code is not charged for another one.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a prediction costs, and what a host stands.
///
/// Prints Markdown tables; progress goes to stderr. Builds models and host from
/// source, starts its own servers on free ports of the loopback interface, and
/// leaves nothing behind outside of the build folder.
#[derive(Parser)]
#[command(name = "scry-bench", max_term_width = 100)]
struct Arguments {
    /// A part; without one, the tables of costs
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One call in this process: native, kept and fresh instances, with fuel and without
    InProcess,
    /// The same requests to a native server and to `scry serve`
    Http(http::Options),
    /// What callers notice while versions of another model are published
    Publishing,
    /// More compute threads, with one model and with many
    Scaling(scaling::Options),
    /// What a model weighs by itself, with ten and with thousands
    Models(many::Options),
    /// One row and 64 beside FastAPI, MLServer and Triton; installs them below `target/peers`
    Peers,
    /// Profile, validation and drift of tables beside TFDV, whylogs and Evidently, which are installed
    /// below `target/peers`; exits 1 when a claim does not hold
    Data(data::Options),
    /// Models that were trained in Python beside the libraries that trained them, which are installed
    /// below `target/peers`
    Imports,
    /// Instructions a call, counted by callgrind; exits 1 when they are more than is stored
    Instructions(instructions::Options),
    /// Hostile guests beside a good model; exits 1 when a claim does not hold
    Hostile(hostile::Options),
    /// More requests than there is room for; exits 1 when a claim does not hold
    Overload(overload::Options),
    /// Everything at once for minutes or hours; exits 1 when something grows or is not explained
    Soak(soak::Options),
    /// The native server that `http` compares with
    #[command(hide = true, name = NATIVE_SERVER)]
    NativeServer,
    /// The calls that `instructions` counts
    #[command(hide = true, name = COUNTED_CALLS)]
    CountedCalls(instructions::counted::Options),
    /// What Scry does of `data`
    #[command(hide = true, name = DATA_TURN)]
    DataTurn(data::scry_turn::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().part) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(part: Option<Part>) -> Result<(), Error> {
    match part {
        None => {
            let workbench = Workbench::new()?;
            in_process::run(&workbench)?;
            http::run(&workbench, &http::Options::default())?;
            publishing::run(&workbench)
        }
        Some(Part::InProcess) => in_process::run(&Workbench::new()?),
        Some(Part::Http(options)) => http::run(&Workbench::new()?, &options),
        Some(Part::Publishing) => publishing::run(&Workbench::new()?),
        Some(Part::Models(options)) => many::run(&options),
        Some(Part::Scaling(options)) => scaling::run(&Workbench::new()?, &options),
        Some(Part::Imports) => imports::run(),
        Some(Part::Peers) => peers::run(&Workbench::new()?),
        Some(Part::Data(options)) => data::run(&options),
        Some(Part::DataTurn(options)) => data::scry_turn::run(&options),
        Some(Part::Instructions(options)) => instructions::run(&options),
        Some(Part::Hostile(options)) => on_small_pages(|| hostile::run(&options)),
        Some(Part::Overload(options)) => on_small_pages(|| overload::run(&options)),
        Some(Part::Soak(options)) => on_small_pages(|| soak::run(&options)),
        Some(Part::NativeServer) => native_server::run(),
        Some(Part::CountedCalls(options)) => instructions::counted::run(&options),
    }
}

/// Hundreds of clients start at once; with huge pages each would clear two
/// megabytes first, while the host waits for a processor.
fn on_small_pages(run: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    scry_os::memory::small_pages();
    run()
}
