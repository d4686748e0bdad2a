//! The tools, each a process on one core.

use super::made::Made;
use super::scry_turn::DATA_TURN;
use super::task::{Answer, Task};
use crate::environments::{folder, install, sources};
use crate::error::Error;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Within this, a tool must be done.
const TURN_MAX: Duration = Duration::from_secs(300);
/// How often a tool is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Those that others use: name of the environment, and title.
const PEERS: [(&str, &str); 3] = [("tfdv", "TFDV"), ("whylogs", "whylogs"), ("evidently", "Evidently")];

/// A tool that takes part.
pub(crate) struct Tool {
    pub(crate) title: &'static str,
    program: PathBuf,
    first: PathBuf,
}

/// A tool that does not, and why.
pub(crate) type Skipped = (&'static str, String);

/// What came of one task.
pub(crate) struct Turn {
    pub(crate) answer: Answer,
    /// From start to end of the process.
    pub(crate) process_seconds: f64,
}

/// Scry alone.
pub(crate) fn scry() -> Result<Tool, Error> {
    Ok(Tool { title: "**scry**", program: std::env::current_exe()?, first: DATA_TURN.into() })
}

/// The others that can be installed, and those that cannot, with the reason.
pub(crate) fn peers() -> Result<(Vec<Tool>, Vec<Skipped>), Error> {
    let scripts = sources().join("data");
    let (mut tools, mut skipped) = (Vec::new(), Vec::new());
    let outcomes = install(&scripts, &PEERS.map(|(name, _)| name))?;
    for ((name, title), outcome) in PEERS.into_iter().zip(outcomes) {
        match outcome.skipped() {
            Some(reason) => skipped.push((title, reason.to_owned())),
            None => {
                let program = folder()?.join(name).join("bin/python");
                tools.push(Tool { title, program, first: scripts.join(format!("with_{name}.py")) });
            }
        }
    }
    Ok((tools, skipped))
}

impl Tool {
    /// One task. What the tool says besides its answer is in the folder.
    pub(crate) fn turn(&self, task: Task, made: &Made, folder: &Path) -> Result<Turn, Error> {
        let [said, log] = ["answer.json", "log"].map(|name| folder.join(name));
        let mut command = Command::new(&self.program);
        command.arg(&self.first).args(task.arguments(made));
        // Nobody is told what is done here, and nothing is left beside the scripts.
        command.envs([("DO_NOT_TRACK", "1"), ("WHYLOGS_NO_ANALYTICS", "True"), ("PYTHONDONTWRITEBYTECODE", "1")]);
        command.env("TF_CPP_MIN_LOG_LEVEL", "3");
        command.stdin(Stdio::null()).stdout(File::create(&said)?).stderr(File::create(&log)?);
        let started = Instant::now();
        let mut child = on_one_core(command)?;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > TURN_MAX {
                child.kill()?;
            }
            thread::sleep(LOOK_EVERY);
        };
        let process_seconds = started.elapsed().as_secs_f64();
        if !status.success() {
            let log = std::fs::read_to_string(&log)?;
            return Err(format!("{}, {}: failed after {process_seconds:.0} s:\n{log}", self.title, task.title()).into());
        }
        // Some have more to say than was asked.
        let said = std::fs::read_to_string(&said)?;
        let answer = serde_json::from_str(said.lines().last().unwrap_or_default())?;
        Ok(Turn { answer, process_seconds })
    }
}

/// Starts a process that has one core for all of its threads.
fn on_one_core(mut command: Command) -> Result<Child, Error> {
    let ours = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::MAX_CPU).find(|&core| ours.is_set(core)).ok_or("no core is ours")?;
    one.set(first);
    // A process has the cores of the thread that starts it.
    let started = thread::scope(|scope| {
        let start = scope.spawn(move || {
            sched_setaffinity(None, &one)?;
            command.spawn()
        });
        start.join()
    });
    Ok(started.map_err(|_| "a thread failed")??)
}
