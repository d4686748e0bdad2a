//! The host's side of a compile process: it inherits nothing from the host, is
//! talked to over two pipes, and is always ended.
//!
//! Never trusts what the process says: every length and the time have limits.

use super::wire::{Order, Tag, receive, send};
use crate::error::CompileError;
use crate::functions::Found;
use crate::settings::{CompileSettings, WORKER};
use rustix::event::{PollFd, PollFlags, poll};
use scry_os::threads::{Priority, demote};
use std::io::{BufReader, Error, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The exit status of a process that has used up its memory.
pub(super) const OUT_OF_MEMORY: u8 = 3;
/// What a key, a function or a message may be.
const FRAME_MAX_BYTES: u64 = 64 << 20;
/// The most of a dead process's stderr that is repeated.
const LAST_WORDS_MAX_BYTES: u64 = 500;

/// A process at work; ended when it is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    input: Timed<ChildStdin>,
    output: BufReader<Timed<ChildStdout>>,
}

/// The outcome of compiling a component.
enum Answer {
    Code(Vec<u8>),
    TooLong,
    Refused(String),
}

impl Process {
    /// Starts one, at the lowest priority.
    pub(super) fn start(program: &Path, until: Instant) -> Result<Self, CompileError> {
        let mut command = Command::new(program);
        command.arg0("scry").arg(WORKER).current_dir("/").env_clear();
        // What the allocator reserves at its start counts towards the limit.
        command.env("MIMALLOC_ARENA_RESERVE", "64MiB");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(CompileError::Start)?;
        if let Some(process) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            demote(process, Priority::Last);
        }
        // Without its pipes the process ends by itself.
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or_else(|| CompileError::Start(Error::other("no pipes")))?;
        let output = BufReader::new(Timed { pipe: output, until });
        let process = Self { child, input: Timed { pipe: input, until }, output };
        rustix::io::ioctl_fionbio(&process.input.pipe, true).map_err(|e| CompileError::Start(e.into()))?;
        Ok(process)
    }

    /// Has it compile one component.
    pub(super) fn compile(
        mut self,
        settings: &CompileSettings,
        order: &Order,
        component: &[u8],
        found: &mut Found,
    ) -> Result<Vec<u8>, CompileError> {
        match self.converse(order, component, found) {
            Ok(Answer::Code(code)) => Ok(code),
            Ok(Answer::TooLong) => Err(CompileError::CodeSize { max_bytes: settings.code_max_bytes }),
            Ok(Answer::Refused(why)) => Err(CompileError::Refused(why)),
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                Err(CompileError::Stalled { max_s: settings.wall_max().as_secs() })
            }
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe) => {
                Err(self.ended(settings))
            }
            Err(error) => Err(CompileError::Crash(error.to_string())),
        }
    }

    fn converse(&mut self, order: &Order, component: &[u8], found: &mut Found) -> std::io::Result<Answer> {
        let order_json = serde_json::to_vec(order)?;
        send(&mut self.input, Tag::Order, &[&order_json])?;
        send(&mut self.input, Tag::Component, &[component])?;
        loop {
            let (tag, bytes) = receive(&mut self.output, order.code_max_bytes.max(FRAME_MAX_BYTES))?;
            match tag {
                Tag::Ask => match found.get(&bytes) {
                    Some(function) => send(&mut self.input, Tag::Known, &[function])?,
                    None => send(&mut self.input, Tag::Unknown, &[])?,
                },
                Tag::Keep => found.keep(&bytes),
                Tag::Unconfined => tracing::warn!(
                    can = %text(&bytes),
                    "compiling is not confined as it should be: this system lacks seccomp"
                ),
                Tag::Code if bytes.len() as u64 > order.code_max_bytes => return Ok(Answer::TooLong),
                Tag::Code => return Ok(Answer::Code(bytes)),
                Tag::TooLong => return Ok(Answer::TooLong),
                Tag::Refused => return Ok(Answer::Refused(text(&bytes))),
                Tag::Order | Tag::Component | Tag::Known | Tag::Unknown => {
                    return Err(Error::new(ErrorKind::InvalidData, "expected an answer, found a question"));
                }
            }
        }
    }

    /// Why it has ended without an answer.
    fn ended(&mut self, settings: &CompileSettings) -> CompileError {
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => return CompileError::Crash(error.to_string()),
        };
        if status.code() == Some(i32::from(OUT_OF_MEMORY)) {
            return CompileError::Memory { max_bytes: settings.memory_max_bytes };
        }
        if status.signal() == Some(libc::SIGXCPU) {
            return CompileError::CpuTime { max_s: settings.cpu_max_s };
        }
        let mut words = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            // The process has ended, so its output is complete.
            let _ = stderr.take(LAST_WORDS_MAX_BYTES).read_to_end(&mut words);
        }
        CompileError::Crash(format!("{status}: {}", text(&words)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process says, as one line.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A pipe that is waited for until a certain time.
#[derive(Debug)]
struct Timed<P> {
    pipe: P,
    until: Instant,
}

impl<P: AsFd> Timed<P> {
    fn wait(&self, flags: PollFlags) -> std::io::Result<()> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                return Err(ErrorKind::TimedOut.into());
            }
            let left = left.min(Duration::from_secs(3600)).try_into().map_err(Error::other)?;
            match poll(&mut [PollFd::new(&self.pipe, flags)], Some(&left)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<P: AsFd + Read> Read for Timed<P> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.wait(PollFlags::IN)?;
        self.pipe.read(to)
    }
}

impl<P: AsFd + Write> Write for Timed<P> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        loop {
            self.wait(PollFlags::OUT)?;
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.pipe.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const SETTINGS: CompileSettings =
        CompileSettings { program: None, processes_max: 1, memory_max_bytes: 1 << 20, cpu_max_s: 7, code_max_bytes: 3 };

    /// The outcome when a shell script plays the process after it has read the component.
    fn compiled(script: &str, time: Duration) -> Result<Vec<u8>, CompileError> {
        let order = Order {
            is_whole: false,
            counts_fuel: false,
            has_functions: false,
            memory_max_bytes: SETTINGS.memory_max_bytes,
            cpu_max_s: SETTINGS.cpu_max_s,
            code_max_bytes: SETTINGS.code_max_bytes,
        };
        let component = b"component";
        let sent = 2 * 9 + serde_json::to_vec(&order).unwrap().len() + component.len();
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, format!("#!/bin/sh\nhead -c {sent} > /dev/null\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let process = Process::start(&program, Instant::now() + time)?;
        process.compile(&SETTINGS, &order, component, &mut Found::default())
    }

    /// A frame as a script prints it.
    fn frame(tag: Tag, payload: &str) -> String {
        let mut bytes = Vec::new();
        send(&mut bytes, tag, &[payload.as_bytes()]).unwrap();
        let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
        format!("printf '{octal}'")
    }

    #[test]
    fn whatever_the_process_does_comes_to_an_end_that_is_named() {
        use CompileError as E;
        const PATIENCE: Duration = Duration::from_secs(60);
        let done = |script: &str| compiled(script, PATIENCE);
        assert_eq!(done(&frame(Tag::Code, "abc")).unwrap(), b"abc");
        assert!(matches!(done(&frame(Tag::Code, "abcd")), Err(E::CodeSize { max_bytes: 3 })));
        assert!(matches!(done(&frame(Tag::TooLong, "")), Err(E::CodeSize { max_bytes: 3 })));
        assert!(matches!(done(&frame(Tag::Refused, "why\n")), Err(E::Refused(why)) if why == "why"));
        assert!(matches!(done("exit 3"), Err(E::Memory { max_bytes: 0x10_0000 })));
        assert!(matches!(done("kill -XCPU $$"), Err(E::CpuTime { max_s: 7 })));
        for (script, says) in [
            ("kill -SEGV $$", "signal: 11"),
            ("echo 'thread panicked\t!' >&2; exit 101", "101: thread panicked !"),
            ("printf 'Hello, world'", "expected a frame, found tag 72"),
            (&frame(Tag::Component, ""), "expected an answer"),
            ("printf '\\010\\377\\377\\377\\377\\377\\377\\377\\377'", "expected a frame of at most"),
        ] {
            let Err(E::Crash(said)) = done(script) else { panic!("{script}") };
            assert!(said.contains(says), "{said}");
        }
        let said = compiled("exec /bin/sleep 1000", Duration::from_millis(50));
        assert!(matches!(said, Err(E::Stalled { max_s: 100 })), "{said:?}");
        let none = Process::start(Path::new("/no/such/program"), Instant::now());
        assert!(matches!(none, Err(E::Start(_))));
    }
}
