//! What a compile process gives up before it reads a byte of a component.
//!
//! The host signs the code that the process writes, and a component could take
//! over the process through a fault in the compiler. So the process has no file,
//! no network, no other process and no executable memory. No step can be undone.

use rustix::process::{Resource, Rlimit, getpid, setrlimit};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCondition, SeccompFilter, SeccompRule};
use std::collections::BTreeMap;
use std::io::{Error, Result};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Keeps the three standard descriptors and no other, leaves no core, and ends
/// with the thread that started it.
pub(super) fn begin() -> Result<()> {
    // SAFETY: this is the first thing that the process does: there is no other
    // descriptor that anything in it relies on.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) } != 0 {
        return Err(Error::last_os_error());
    }
    limit(Resource::Core, 0, 0)?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // A signal that is ignored here would not end a process that is over its time.
    // SAFETY: the default action, of a signal that nothing else handles.
    unsafe { libc::signal(libc::SIGXCPU, libc::SIG_DFL) };
    Ok(())
}

/// Memory from here on, and processor time over the process's life.
pub(super) fn bound(memory_max_bytes: u64, cpu_max_s: u64) -> Result<()> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages = pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| Error::other("/proc/self/statm does not read"))?;
    let begun_bytes = pages.saturating_mul(rustix::param::page_size() as u64);
    let memory_bytes = begun_bytes.saturating_add(memory_max_bytes);
    limit(Resource::As, memory_bytes, memory_bytes)?;
    limit(Resource::Cpu, cpu_max_s, cpu_max_s.saturating_add(1))
}

/// No descriptor beyond those that are open, no byte of a file; then nothing but
/// memory, and the pipes that are open. Where the system has no such filter,
/// [`freedoms`] tells.
pub(super) fn end() -> Result<()> {
    limit(Resource::Nofile, 0, 0)?;
    limit(Resource::Fsize, 0, 0)?;
    let filter = filter().map_err(Error::other)?;
    match seccompiler::apply_filter(&filter) {
        Ok(()) => Ok(()),
        // `freedoms` then names what is missing.
        Err(seccompiler::Error::Prctl(_) | seccompiler::Error::Seccomp(_)) => Ok(()),
        Err(error) => Err(Error::other(error)),
    }
}

fn limit(resource: Resource, soft: u64, hard: u64) -> Result<()> {
    // Never more than there is already.
    let max = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let [current, maximum] = [soft, hard].map(|limit| Some(limit.min(max)));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

/// Calls that are not listed are refused, and the process goes on.
fn filter() -> std::result::Result<BpfProgram, seccompiler::BackendError> {
    let free = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_brk,
        libc::SYS_futex,
        libc::SYS_sched_yield,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_clock_gettime,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    let mut rules: Rules = free.into_iter().map(|call| (call, Vec::new())).collect();
    // Memory that is not executable, and signals to itself, which an abort needs.
    let executes = SeccompCondition::new(2, SeccompCmpArgLen::Dword, MaskedEq(libc::PROT_EXEC as u64), 0)?;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![SeccompRule::new(vec![executes.clone()])?]);
    }
    let own = getpid().as_raw_nonzero().get() as u64;
    let to_itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, Eq, own)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![to_itself])?]);
    let arch = std::env::consts::ARCH.try_into()?;
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()
}

/// Tries what the process should not be able to do; names what it still can.
pub(super) fn freedoms() -> Vec<&'static str> {
    const MAPPED_BYTES: usize = 4096;
    let opens = std::fs::File::open("/dev/null").is_ok();
    let connects = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).is_ok();
    let connects_here = std::os::unix::net::UnixDatagram::unbound().is_ok();
    let (protection, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, which nothing refers to and which is given back.
    let maps_code = unsafe {
        let mapped = libc::mmap(std::ptr::null_mut(), MAPPED_BYTES, protection, flags, -1, 0);
        mapped != libc::MAP_FAILED && libc::munmap(mapped, MAPPED_BYTES) == 0
    };
    // SAFETY: this process has one thread; the new one ends at once.
    let forks = unsafe {
        match libc::fork() {
            -1 => false,
            0 => libc::_exit(0),
            started => libc::waitpid(started, std::ptr::null_mut(), 0) == started,
        }
    };
    let found = [
        (opens, "open a file"),
        (connects || connects_here, "open a socket"),
        (forks, "start a process"),
        (maps_code, "map memory that runs"),
    ];
    found.into_iter().filter_map(|(is_free, what)| is_free.then_some(what)).collect()
}
