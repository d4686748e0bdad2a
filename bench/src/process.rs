//! What a process holds, as `/proc` says.

use std::io;
use std::time::{Duration, Instant};

/// Memory, threads and descriptors at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) rss_mib: f64,
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
}

/// The most memory that a process has had so far.
pub(crate) fn peak_mib(process: u32) -> io::Result<f64> {
    Ok(number(&status(process)?, "VmHWM:")? / 1024.0)
}

fn status(process: u32) -> io::Result<String> {
    std::fs::read_to_string(format!("/proc/{process}/status"))
}

fn number(status: &str, key: &str) -> io::Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    number.ok_or_else(|| io::Error::other(format!("a process has no {key}")))
}

impl Usage {
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        let status = status(process)?;
        Ok(Self {
            rss_mib: number(&status, "VmRSS:")? / 1024.0,
            threads: number(&status, "Threads:")? as usize,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd"))?.count(),
        })
    }

    /// Waits until memory, threads and descriptors are back at the plateau, or
    /// patience ends; gives what is held then.
    pub(crate) fn settled(process: u32, plateau: &Self, patience: Duration) -> io::Result<Self> {
        let end = Instant::now() + patience;
        loop {
            let now = Self::of(process)?;
            let is_back = now.is_back_at(plateau) && now.descriptors <= plateau.descriptors;
            if is_back || Instant::now() > end {
                return Ok(now);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether memory and threads are no more than the plateau.
    pub(crate) fn is_back_at(&self, plateau: &Self) -> bool {
        self.rss_is_back_at(plateau) && self.threads <= plateau.threads
    }

    /// The same of memory, give or take an allocator's mood.
    pub(crate) fn rss_is_back_at(&self, plateau: &Self) -> bool {
        self.rss_mib <= plateau.rss_mib + RSS_TOLERANCE_MIB
    }
}

/// What memory may be more than before and still be the same.
pub(crate) const RSS_TOLERANCE_MIB: f64 = 8.0;
