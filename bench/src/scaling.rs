//! Whether more compute threads answer more: throughput, what a request costs, and what the host holds for it, with
//! one hot model and with many.
//!
//! The load generator shares the machine: beyond its processors, more threads show what they cost, not what they bring.

use crate::admin::Admin;
use crate::client::{Connection, render};
use crate::error::Error;
use crate::models::{Model, Workbench};
use crate::pace::{closed_loop, for_a_time};
use crate::servers::{Server, TempDir};
use std::fs::read_to_string;
use std::time::Duration;

/// The same component under so many names.
const MANY: usize = 64;

/// How much is tried.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Compute threads.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16,64")]
    threads: Vec<usize>,
    /// Seconds of load for each row.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Measures and prints the table.
pub(crate) fn run(workbench: &Workbench, options: &Options) -> Result<(), Error> {
    println!("## Scaling\n");
    println!(
        "64 rows of digits over loopback, two connections for each compute thread, {} s a row; {} processors, which the load \
         generator shares. *Waits* are the times that a thread of the host gave up its processor, a request: for a lock, \
         for work, or for a socket. *Mappings* are the memory mappings of the process.\n",
        options.seconds,
        std::thread::available_parallelism()?
    );
    println!(
        "| compute threads | models | requests/s | CPU µs/request | waits/request | put back | inline | mappings |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for &threads in &options.threads {
        for models in [1, MANY] {
            eprintln!("scaling: {threads} threads, {models} models");
            measure(&workbench.digits, threads, models, Duration::from_secs(options.seconds))?;
        }
    }
    println!();
    Ok(())
}

fn measure(model: &Model, threads: usize, models: usize, time: Duration) -> Result<(), Error> {
    let dir = TempDir::new()?;
    let server = Server::configured(&dir.0, &format!("compute.threads = {threads}\n"), &[])?;
    let admin = Admin::of(&server)?;
    let names: Vec<_> = (0..models).map(|n| format!("m{n}")).collect();
    for name in &names {
        admin.publish(name, &model.component)?;
    }
    let body = model.v2_body(64);
    let requests: Vec<_> =
        names.iter().map(|name| render("POST", &format!("/v2/models/{name}/infer"), "", &body)).collect();
    let load = |time| {
        let each = (2 * threads).div_ceil(models).max(1);
        std::thread::scope(|scope| {
            let turn = |request| scope.spawn(move || closed_loop(server.prediction, request, each, for_a_time(time)));
            let turns: Vec<_> = requests.iter().take(2 * threads).map(|request| turn(request.as_slice())).collect();
            let join = |turn: std::thread::ScopedJoinHandle<'_, _>| turn.join().map_err(|_| "a turn panicked");
            turns.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        })
    };
    load(time / 3)?;
    let processes = server.processes();
    let (cpu, waits) = (processes.cpu_time()?, waits(server.process())?);
    let counted = |series: &str| -> Result<f64, Error> {
        let mut connection = Connection::new(admin.address);
        let of =
            |name: &String| Ok(admin.metric(&mut connection, &format!("{series}{{model=\"{name}\"}}"))?.unwrap_or(0.0));
        names.iter().map(of).sum()
    };
    let (put_back, inline) = (counted("scry_instances_put_back_total")?, counted("scry_inline_calls_total")?);
    let tallies = load(time)?;
    let answered: usize = tallies.iter().map(|tally| tally.count(|kind| kind.is_ok())).sum();
    let others: usize = tallies.iter().map(|tally| tally.lost + tally.count(|kind| !kind.is_ok())).sum();
    if others > 0 {
        return Err(format!("{others} requests of {} were not answered", answered + others).into());
    }
    let each = |total: f64| total / answered.max(1) as f64;
    println!(
        "| {threads} | {models} | {:.0} | {:.0} | {:.2} | {:.0} % | {:.0} % | {} |",
        answered as f64 / time.as_secs_f64(),
        each((processes.cpu_time()? - cpu).as_secs_f64() * 1e6),
        each(self::waits(server.process())?.saturating_sub(waits) as f64),
        each(counted("scry_instances_put_back_total")? - put_back) * 100.0,
        each(counted("scry_inline_calls_total")? - inline) * 100.0,
        read_to_string(format!("/proc/{}/maps", server.process()))?.lines().count(),
    );
    Ok(())
}

/// How often threads of a process have given up their processors.
fn waits(process: u32) -> Result<u64, Error> {
    let mut waits = 0;
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        // One may end meanwhile.
        let status = read_to_string(task?.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        waits += line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(waits)
}
