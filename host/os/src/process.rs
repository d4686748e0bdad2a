//! What this process uses of the machine, as the system counts it, and how full a file system is.
//!
//! Never decides what is too much. What the system does not say is absent.

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the process uses at one moment. Limits that are not set are absent, too.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessUse {
    /// Processor time of all threads, user and system.
    pub cpu: Duration,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// The soft limit of open file descriptors.
    pub max_fds: Option<u64>,
    /// Memory that is present, in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space, in bytes.
    pub virtual_bytes: Option<u64>,
    /// The soft limit of the address space, in bytes.
    pub virtual_max_bytes: Option<u64>,
    /// When the process started, since the Unix epoch.
    pub started: Option<Duration>,
}

/// The file system of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// Bytes that this process may still write.
    pub free_bytes: u64,
    /// Bytes that there are.
    pub size_bytes: u64,
}

impl ProcessUse {
    /// Of this process, now.
    pub fn now() -> Self {
        let memory = std::fs::read_to_string("/proc/self/statm").ok();
        let pages =
            |field| memory.as_deref().and_then(|memory| memory.split_whitespace().nth(field)?.parse::<u64>().ok());
        let bytes = |field| pages(field).map(|pages| pages.saturating_mul(rustix::param::page_size() as u64));
        Self {
            cpu: duration(ClockId::ProcessCPUTime),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
            resident_bytes: bytes(1),
            virtual_bytes: bytes(0),
            virtual_max_bytes: getrlimit(Resource::As).current,
            started: started(),
        }
    }
}

impl DiskSpace {
    /// Of the file system that holds this folder; nothing where the system does not say.
    pub fn of(folder: &Path) -> Option<Self> {
        let stat = rustix::fs::statvfs(folder).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Some(Self { free_bytes: bytes(stat.f_bavail), size_bytes: bytes(stat.f_blocks) })
    }
}

/// Kernels from 6.2 on say the number as the folder's size; older ones say 0.
fn open_fds() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match std::fs::metadata(FOLDER).ok()?.len() {
        0 => Some(std::fs::read_dir(FOLDER).ok()?.count() as u64),
        count => Some(count),
    }
}

/// Read once: the system counts from its boot, by a clock that is not set.
fn started() -> Option<Duration> {
    static STARTED: OnceLock<Option<Duration>> = OnceLock::new();
    *STARTED.get_or_init(|| {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let age = duration(ClockId::Boottime).checked_sub(since_boot(&stat)?)?;
        SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(age)
    })
}

/// Field 22 of `/proc/self/stat`. The name before it may hold spaces and parentheses.
fn since_boot(stat: &str) -> Option<Duration> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let ticks: u64 = after_name.split(' ').nth(19)?.parse().ok()?;
    let per_second = rustix::param::clock_ticks_per_second();
    (per_second > 0).then(|| Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

fn duration(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What a command of the system prints, as one number.
    fn says(program: &str, args: &[&str]) -> u64 {
        let out = Command::new(program).args(args).output().unwrap();
        String::from_utf8(out.stdout).unwrap().split_whitespace().last().unwrap().parse().unwrap()
    }

    #[test]
    fn the_process_uses_what_others_count() {
        let me = std::process::id().to_string();
        let before = ProcessUse::now();
        let age_s = says("ps", &["-o", "etimes=", "-p", &me]);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let since_start = (now - before.started.unwrap()).as_secs_f64();
        assert!((since_start - age_s as f64).abs() < 2.0, "{since_start} s, ps says {age_s} s");
        let resident = says("ps", &["-o", "rss=", "-p", &me]) * 1024;
        let found = before.resident_bytes.unwrap();
        assert!((resident / 2..=resident * 2).contains(&found), "{found} bytes, ps says {resident}");
        assert!(before.virtual_bytes.unwrap() >= found);
        assert_eq!(before.max_fds.unwrap(), says("sh", &["-c", "ulimit -n"]));

        let files: Vec<_> = (0..20).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        // Other tests of this process open and close files, too.
        assert!(ProcessUse::now().open_fds.unwrap() >= 20);
        drop(files);
        let until = before.cpu + Duration::from_millis(20);
        while ProcessUse::now().cpu < until {}
    }

    #[test]
    fn a_start_is_read_whatever_the_program_is_called() {
        let fields = (3..=52).map(|field| if field == 22 { "4200".to_owned() } else { field.to_string() });
        let stat = format!("7 (a) b) (c {}", fields.collect::<Vec<_>>().join(" ")).replacen("(c 3", "(c) 3", 1);
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(since_boot(&stat), Some(Duration::from_secs_f64(4200.0 / per_second)));
        assert_eq!(since_boot("7 (a"), None);
        assert_eq!(since_boot("7 (a) 3 4"), None);
    }

    #[test]
    fn a_file_system_has_as_much_room_as_df_says() {
        let folder = std::env::temp_dir();
        let space = DiskSpace::of(&folder).unwrap();
        let df = |column: &str| says("df", &["-B1", &format!("--output={column}"), folder.to_str().unwrap()]);
        assert_eq!(space.size_bytes, df("size"));
        let free = df("avail");
        assert!(space.free_bytes.abs_diff(free) < 1 << 30, "{} bytes, df says {free}", space.free_bytes);
        assert_eq!(DiskSpace::of(Path::new("/nowhere")), None);
    }
}
