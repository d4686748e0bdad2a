//! One bash for a page, in a folder of its own, and the hosts that it starts.

use crate::support::{authored_target_dir, root};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Runs what comes, up to each NUL; after each, a line with the exit status. Hosts do not outlive it.
const LOOP: &str = r#"exec 3<&0 </dev/null 2>&1
while IFS= read -r -d '' -u 3 command; do eval "$command"; printf '\n\036%s\n' $?; done
kill -INT $(jobs -p)"#;
/// The longest that a command may take: a first build of a model's crate.
const PATIENCE: Duration = Duration::from_secs(900);
/// Where hosts that do not say otherwise write their logs.
const LOG: &str = "hosts.log";
/// Deadlines that a busy machine keeps, and that end a loop soon; pages show times that match any.
const PATIENT: &str = "[limits]\ndeadline_ms = 2000\nfuel = 20000000000\n";
/// What pages show of a host's listeners.
const SHOWN: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:8081"];

pub(crate) struct Shell {
    bash: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    pub(crate) dir: PathBuf,
    /// Where the host that was started last listens in fact.
    listens: Option<[String; 2]>,
    hosts: usize,
}

/// What a command did.
pub(crate) struct Did {
    pub(crate) lines: Vec<String>,
    pub(crate) status: i32,
}

impl Shell {
    /// In a folder that is the same in every run, so that crates made there are compiled into the same files.
    pub(crate) fn start(page: &str) -> Self {
        let dir = authored_target_dir().join("crates/guide").join(page.replace(['/', '.'], "-"));
        if dir.exists() {
            std::fs::remove_dir_all(&dir).unwrap();
        }
        std::fs::create_dir_all(&dir).unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_scry")).parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(binary).chain(std::env::split_paths(&path))).unwrap();
        let mut command = Command::new("bash");
        for (key, _) in std::env::vars_os() {
            let name = key.to_string_lossy();
            if name.starts_with("SCRY_") || name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
                command.env_remove(&key);
            }
        }
        command
            .args(["--norc", "--noprofile", "-c", LOOP])
            .current_dir(&dir)
            .env("PATH", path)
            .env("CARGO_TARGET_DIR", authored_target_dir())
            .env_remove("RUSTFLAGS")
            .envs([("CARGO_TERM_COLOR", "never"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")])
            .envs([("SCRY_LISTEN", "127.0.0.1:0"), ("SCRY_ADMIN_LISTEN", "127.0.0.1:0")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Hosts are its children, in its group: one signal ends them all.
            .process_group(0);
        let mut bash = command.spawn().unwrap();
        let (input, output) = (bash.stdin.take().unwrap(), bash.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    break;
                }
            }
        });
        std::os::unix::fs::symlink(root().join("examples"), dir.join("examples")).unwrap();
        std::fs::write(dir.join("patient.toml"), PATIENT).unwrap();
        // `scry build` compiles below cargo's target folder: here into that folder itself, as the tests of authors do.
        let below = authored_target_dir().join("scry");
        assert!(below.is_symlink() || std::os::unix::fs::symlink(".", &below).is_ok() || below.is_symlink());
        Self { bash, input, lines, dir, listens: None, hosts: 0 }
    }

    pub(crate) fn run(&mut self, command: &str) -> Did {
        let is_host = command.ends_with('&') && !command.ends_with("&&");
        let mut script = self.as_run(command);
        if is_host {
            self.hosts += 1;
            // Its first line says that it is ready; what else it prints must not meet a closed pipe.
            let (ready, log) = (self.dir.join(format!("ready-{}", self.hosts)), self.dir.join(LOG));
            let (ready, log) = (ready.display(), log.display());
            script = format!(
                "mkfifo '{ready}'; >'{ready}' 2>>'{log}' {script}\nexec {{ready}}<'{ready}'; IFS= read -r -u $ready line; echo \"$line\""
            );
        }
        let did = self.eval(&script);
        if is_host {
            self.meet(&did.lines);
        }
        Did { lines: did.lines.iter().map(|line| self.as_shown(line)).collect(), ..did }
    }

    fn eval(&mut self, script: &str) -> Did {
        self.input.write_all(script.as_bytes()).and_then(|()| self.input.write_all(b"\0")).unwrap();
        let mut lines = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("`{script}` did not end\n{}\n{}", lines.join("\n"), self.logs()));
            match line.strip_prefix('\x1e') {
                Some(status) => {
                    while lines.last().is_some_and(String::is_empty) {
                        lines.pop();
                    }
                    return Did { lines, status: status.parse().unwrap() };
                }
                None => lines.push(line),
            }
        }
    }

    /// Learns where a host listens from its ready line, and tells the clients.
    fn meet(&mut self, lines: &[String]) {
        let part = |key: &str| lines.iter().flat_map(|line| line.split(' ')).find_map(|word| word.strip_prefix(key));
        if let (Some(prediction), Some(admin)) = (part("prediction="), part("admin=")) {
            let authority = |url: &str| url.split_once("://").unwrap().1.to_owned();
            self.listens = Some([authority(prediction), authority(admin)]);
            let export = format!("export SCRY_ADMIN={admin}");
            self.eval(&export);
        }
    }

    /// What a page shows, with what is so in fact.
    pub(crate) fn as_run(&self, command: &str) -> String {
        let mut command = command.replace("cargo run --release -- ", "scry ");
        if !command.contains("--config") {
            let serve = format!("scry serve --config '{}'", self.dir.join("patient.toml").display());
            command = command.replace("scry serve", &serve);
        }
        let listens = self.listens.iter().flatten().zip(SHOWN);
        listens.fold(command, |command, (real, shown)| command.replace(shown, real))
    }

    fn as_shown(&self, line: &str) -> String {
        let listens = self.listens.iter().flatten().zip(SHOWN);
        listens.fold(line.to_owned(), |line, (real, shown)| line.replace(real.as_str(), shown))
    }

    /// What the page's hosts have logged, in its folder or one below.
    pub(crate) fn logs(&self) -> String {
        let files = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|file| file.path());
        let below = files(&self.dir).filter(|path| path.is_dir()).flat_map(|dir| files(&dir).collect::<Vec<_>>());
        let logs = files(&self.dir).chain(below).filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.map(|log| format!("--- {}\n{}", log.display(), std::fs::read_to_string(&log).unwrap_or_default()))
            .collect()
    }

    /// Ends the hosts, which must end as they should.
    pub(crate) fn finish(mut self) {
        let ended = self.eval("for host in $(jobs -p); do kill -INT $host && wait $host || exit; done");
        assert_eq!(ended.status, 0, "a host did not end well: {}\n{}", ended.lines.join("\n"), self.logs());
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // Whatever is left of it: nothing, where the page was run to its end.
        if let Some(group) = i32::try_from(self.bash.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.bash.wait();
    }
}
