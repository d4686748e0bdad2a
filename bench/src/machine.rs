//! Who else uses the machine: what a turn showed while others computed says
//! little about the host.

use crate::error::Error;
use std::thread;
use std::time::{Duration, Instant};

/// The unit of `/proc/stat` and `/proc/PID/stat`, which is the same everywhere.
const TICKS_PER_S: f64 = 100.0;
/// What others may take of the machine before a turn is taken again.
const OTHERS_PERCENT_MAX: f64 = 5.0;
/// How often a turn is tried, where others do not leave.
const TRIES: u64 = 3;

/// Turns that belong together, and what others took meanwhile.
pub(crate) struct Watched<T> {
    pub(crate) others_percent: f64,
    pub(crate) turn: T,
}

/// Takes so many turns while nobody else computes; where others do not leave,
/// keeps those that they disturbed least.
pub(crate) fn undisturbed<T>(
    turns: u64,
    processes: &[u32],
    mut turn: impl FnMut(u64) -> Result<T, Error>,
) -> Result<Vec<Watched<T>>, Error> {
    let (mut taken, mut good) = (Vec::new(), 0);
    for number in 1..=turns * TRIES {
        if good == turns {
            break;
        }
        let before = Look::take(processes)?;
        let turn = turn(number)?;
        let others_percent = before.others_percent(processes)?;
        good += u64::from(others_percent <= OTHERS_PERCENT_MAX);
        taken.push(Watched { others_percent, turn });
    }
    taken.sort_by(|a, b| a.others_percent.total_cmp(&b.others_percent));
    taken.truncate(usize::try_from(turns)?);
    Ok(taken)
}

/// What others took on average.
pub(crate) fn others_percent<T>(turns: &[Watched<T>]) -> f64 {
    turns.iter().map(|watched| watched.others_percent).sum::<f64>() / turns.len() as f64
}

/// As the host counts them.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

/// Processor time used until a moment: by all, and by us.
pub(crate) struct Look {
    at: Instant,
    all: Duration,
    ours: Duration,
}

impl Look {
    pub(crate) fn take(processes: &[u32]) -> Result<Self, Error> {
        let ours = processes.iter().map(|&process| used_by(process)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { at: Instant::now(), all: used_by_all()?, ours: ours.iter().sum() })
    }

    /// What others took of the machine since then.
    pub(crate) fn others_percent(&self, processes: &[u32]) -> Result<f64, Error> {
        let now = Self::take(processes)?;
        let others = (now.all - self.all).saturating_sub(now.ours - self.ours);
        let machine = (now.at - self.at).mul_f64(cores() as f64);
        Ok(100.0 * others.as_secs_f64() / machine.as_secs_f64())
    }
}

/// All but idling and waiting for disks; what a hypervisor gave to others counts.
fn used_by_all() -> Result<Duration, Error> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().ok_or("/proc/stat is empty")?;
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|ticks| ticks.parse().ok()).collect();
    let busy = ticks.iter().enumerate().filter(|(i, _)| ![3, 4].contains(i)).map(|(_, ticks)| ticks).sum::<f64>();
    Ok(Duration::from_secs_f64(busy / TICKS_PER_S))
}

/// User and system time of a process, ended threads included.
fn used_by(process: u32) -> Result<Duration, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/PID/stat has another form")?;
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks / TICKS_PER_S))
}
