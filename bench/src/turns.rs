//! Servers under load, turn by turn within one run: a noisy machine disturbs
//! all of them alike, and each turn is compared with the first server's.

use crate::error::Error;
use crate::load::Load;
use crate::servers::Server;
use crate::stats::{Sample, median};
use std::time::Duration;

/// Turns that each server takes.
const ROUNDS: usize = 7;

/// A server, and what it is asked in a turn.
pub(crate) struct Entrant<'a> {
    pub(crate) server: &'a Server,
    pub(crate) load: Load<'a>,
}

/// What came of one server's turns.
pub(crate) struct Standing {
    pub(crate) requests_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cpu_us: f64,
    /// CPU time a request, in those of the first: the median of the turns.
    pub(crate) ratio: f64,
    /// The same in those of the one before.
    pub(crate) ratio_to_last: f64,
}

/// Sums over one server's turns.
#[derive(Default)]
struct Sums {
    latencies: Vec<Duration>,
    wall: Duration,
    cpu: Duration,
    ratios: Vec<f64>,
    ratios_to_last: Vec<f64>,
}

/// Lets them take their turns.
pub(crate) fn take(entrants: &[Entrant<'_>]) -> Result<Vec<Standing>, Error> {
    let mut sums: Vec<Sums> = entrants.iter().map(|_| Sums::default()).collect();
    for _ in 0..ROUNDS {
        let (mut first, mut last) = (None, None);
        for (entrant, sum) in entrants.iter().zip(&mut sums) {
            let processes = entrant.server.processes();
            let before = processes.cpu_time()?;
            let outcome = entrant.load.send(entrant.server)?;
            let cpu = processes.cpu_time()?.saturating_sub(before);
            let each = cpu.as_secs_f64() / outcome.latencies.len() as f64;
            sum.ratios.push(each / *first.get_or_insert(each));
            sum.ratios_to_last.push(each / last.replace(each).unwrap_or(each));
            sum.cpu += cpu;
            sum.wall += outcome.wall;
            sum.latencies.extend(outcome.latencies);
        }
    }
    Ok(sums.into_iter().map(Sums::standing).collect())
}

impl Sums {
    fn standing(self) -> Standing {
        let requests = self.latencies.len() as f64;
        let latencies = Sample::new(self.latencies);
        Standing {
            requests_per_s: requests / self.wall.as_secs_f64(),
            p50_us: latencies.rank_us(0.5),
            p99_us: latencies.rank_us(0.99),
            cpu_us: self.cpu.as_secs_f64() * 1e6 / requests,
            ratio: median(self.ratios),
            ratio_to_last: median(self.ratios_to_last),
        }
    }
}
