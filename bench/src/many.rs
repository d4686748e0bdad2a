//! What a model weighs by itself: publishing one more, memory, a start, and a list of all, with ten models and with
//! thousands of about a kilobyte.

use crate::admin::Admin;
use crate::error::Error;
use crate::process::Usage;
use crate::servers::{Server, TempDir, build_scry};
use crate::stats::median;
use std::process::{Command, Stdio};
use std::time::Instant;

#[expect(clippy::unwrap_used, reason = "it is the tests' too, and its parts are constants")]
#[path = "../../host/src/registry/tests/guest.rs"]
mod guest;

/// Publications that are timed, the last ones.
const TIMED: usize = 20;

/// How many models.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Models on a host
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000")]
    models: Vec<usize>,
}

/// Measures and prints the table.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    let scry = build_scry()?;
    println!("## Many models\n");
    println!("Components of {} bytes that differ, each a model of its own.\n", guest::component(0.0, false).len());
    println!("| models | publish ms, median of the last {TIMED} | KiB a model | start s | `scry models` s |");
    println!("|--:|--:|--:|--:|--:|");
    for &models in &options.models {
        eprintln!("models: {models}");
        let dir = TempDir::new()?;
        let server = Server::of_program(&scry, &dir.0, "", &[])?;
        let (admin, before) = (Admin::of(&server)?, Usage::of(server.process())?);
        let mut took = Vec::new();
        for n in 0..models {
            let component = guest::component(n as f64, false);
            let began = Instant::now();
            admin.publish(&format!("m{n}"), &component)?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let kib = (Usage::of(server.process())?.rss_mib - before.rss_mib) * 1024.0 / models as f64;
        drop(server);
        let began = Instant::now();
        let server = Server::of_program(&scry, &dir.0, "", &[])?;
        let start = began.elapsed().as_secs_f64();
        let mut list = Command::new(&scry);
        list.args(["models", "--json", "--admin", &format!("http://{}", server.admin()?), "--data"]).arg(&dir.0);
        let began = Instant::now();
        if !list.stdout(Stdio::null()).status()?.success() {
            return Err("scry models failed".into());
        }
        let listed = began.elapsed().as_secs_f64();
        let publish = median(took.split_off(models.saturating_sub(TIMED)));
        println!("| {models} | {publish:.1} | {kib:.0} | {start:.2} | {listed:.2} |");
    }
    println!();
    Ok(())
}
