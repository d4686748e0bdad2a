//! The servers as processes: how each is started, and ended with all that it
//! started.

use crate::error::Error;
use crate::models::Model;
use crate::native_server::NATIVE_SERVER;
use crate::process_tree::ProcessTree;
use crate::wire::Request;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to end in order.
const GRACE: Duration = Duration::from_secs(5);

/// A server that ends when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) prediction: SocketAddr,
    /// Where it takes gRPC, if that is elsewhere.
    grpc: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    data: PathBuf,
}

/// A folder that is gone when it is dropped.
pub(crate) struct TempDir(pub(crate) PathBuf);

impl TempDir {
    pub(crate) fn new() -> Result<Self, Error> {
        let path = std::env::temp_dir().join(format!("scry-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What is left is in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Server {
    /// This binary again, serving the models natively.
    pub(crate) fn native(models: &[&Model]) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg(NATIVE_SERVER).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            for model in models {
                let described = (&model.description.card, &model.description.references);
                writeln!(stdin, "{}", serde_json::to_string(&described)?)?;
            }
        }
        Self::ready(child)
    }

    /// `scry serve`, with the models published.
    pub(crate) fn scry(data: &Path, models: &[&Model]) -> Result<Self, Error> {
        Self::configured(data, "", models)
    }

    /// `scry serve` with a configuration.
    pub(crate) fn configured(data: &Path, config: &str, models: &[&Model]) -> Result<Self, Error> {
        Self::of_program(&build_scry()?, data, config, models)
    }

    /// Another `scry` program, with the models published.
    pub(crate) fn of_program(scry: &Path, data: &Path, config: &str, models: &[&Model]) -> Result<Self, Error> {
        std::fs::create_dir_all(data)?;
        let file = data.join("scry.toml");
        std::fs::write(&file, config)?;
        let mut command = Command::new(scry);
        command.arg("serve").args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"]).arg(data);
        command.arg("--config").arg(file);
        let mut server = Self::ready(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?)?;
        server.data = data.to_owned();
        let admin = server.admin.ok_or("scry named no admin address")?;
        for model in models {
            let name = &model.description.card.name;
            let file = data.join(format!("{name}.wasm"));
            std::fs::write(&file, &model.component)?;
            let mut publish = Command::new(scry);
            publish.arg("publish").arg(&file).args(["--admin", &format!("http://{admin}"), "--data"]).arg(data);
            let output = publish.output()?;
            if !output.status.success() {
                return Err(format!("publishing {name}: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
        }
        Ok(server)
    }

    /// The process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where changes are made.
    pub(crate) fn admin(&self) -> Result<SocketAddr, Error> {
        Ok(self.admin.ok_or("scry named no admin address")?)
    }

    /// The admin token.
    pub(crate) fn token(&self) -> Result<String, Error> {
        Ok(std::fs::read_to_string(self.data.join("admin.token"))?)
    }

    /// Waits for the line that names the addresses.
    fn ready(mut child: Child) -> Result<Self, Error> {
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = |key: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(key));
            found.and_then(|address| address.parse().ok())
        };
        match address("prediction=http://") {
            Some(prediction) => {
                Ok(Self { admin: address("admin=http://"), prediction, grpc: None, child, data: PathBuf::new() })
            }
            None => {
                child.kill()?;
                Err(format!("a server did not start: it said {line:?}").into())
            }
        }
    }

    /// A server that takes connections at these addresses sooner or later.
    pub(crate) fn other(mut command: Command, prediction: SocketAddr, grpc: SocketAddr) -> Result<Self, Error> {
        Ok(Self { child: command.spawn()?, prediction, grpc: Some(grpc), admin: None, data: PathBuf::new() })
    }

    /// Where it takes this request.
    pub(crate) fn address(&self, request: &Request) -> SocketAddr {
        self.grpc.filter(|_| request.is_grpc()).unwrap_or(self.prediction)
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> Result<bool, Error> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Its processes as they are now.
    pub(crate) fn processes(&self) -> ProcessTree {
        ProcessTree::of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return; // Its number may be another's by now.
        }
        let processes = self.processes();
        // Told first, so that it removes what it wrote; what is left then is ended.
        processes.terminate();
        let asked = Instant::now();
        while asked.elapsed() < GRACE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        processes.kill();
        let _ = self.child.wait();
    }
}

/// Brings the `scry` binary beside this one up to date.
pub(crate) fn build_scry() -> Result<PathBuf, Error> {
    eprintln!("building scry");
    // Both packages are named so that their dependencies are shared.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package=scry", "--package=scry-bench", "--bin=scry"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    if !status.success() {
        return Err("scry does not build".into());
    }
    Ok(std::env::current_exe()?.with_file_name("scry"))
}
