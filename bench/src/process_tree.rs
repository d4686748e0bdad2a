//! A process and all below it: what they used, and their end. A server in
//! Python is seldom one process. Never touches a process outside of the tree.

use crate::error::Error;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::{read_dir, read_to_string};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The root first. A handle a process, so that a number used again later
/// names nobody else.
pub(crate) struct ProcessTree(Vec<(u32, OwnedFd)>);

impl ProcessTree {
    pub(crate) fn of(root: u32) -> Self {
        let (mut found, mut seen) = (Vec::new(), vec![root]);
        while let Some(id) = seen.pop() {
            let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
            // One that cannot be opened has ended.
            if let Some(Ok(handle)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) {
                found.push((id, handle));
                seen.extend(children(id));
            }
        }
        Self(found)
    }

    /// User and system time of all threads so far, as the scheduler counts it:
    /// `/proc/PID/stat` would only sample it a hundred times a second.
    pub(crate) fn cpu_time(&self) -> Result<Duration, Error> {
        let mut time = Duration::ZERO;
        for schedstat in self.tasks().filter_map(|task| read_to_string(task + "/schedstat").ok()) {
            let nanos = schedstat.split(' ').next().ok_or("schedstat has another form")?;
            time += Duration::from_nanos(nanos.parse()?);
        }
        Ok(time)
    }

    /// Memory in bytes; a page that several share counts once.
    pub(crate) fn memory(&self) -> Result<u64, Error> {
        let mut kilobytes = 0;
        for (id, _) in &self.0 {
            // A process that has ended has none.
            let maps = read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
            if let Some(share) = maps.lines().find_map(|line| line.strip_prefix("Pss:")) {
                kilobytes += share.trim().trim_end_matches(" kB").parse::<u64>()?;
            }
        }
        Ok(kilobytes * 1024)
    }

    /// Asks the root to end.
    pub(crate) fn terminate(&self) {
        if let Some((_, root)) = self.0.first() {
            // It may have ended by itself.
            let _ = pidfd_send_signal(root, Signal::TERM);
        }
    }

    /// Ends all that are left.
    pub(crate) fn kill(&self) {
        for (_, process) in &self.0 {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    fn tasks(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(id, _)| tasks(*id))
    }
}

/// The threads of a process; none when it has ended.
fn tasks(id: u32) -> Vec<String> {
    let path = format!("/proc/{id}/task");
    let entries = read_dir(&path).into_iter().flatten().flatten();
    entries.map(|entry| format!("{path}/{}", entry.file_name().display())).collect()
}

/// A child belongs to the thread that started it.
fn children(id: u32) -> Vec<u32> {
    let lists = tasks(id).into_iter().filter_map(|task| read_to_string(task + "/children").ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}
