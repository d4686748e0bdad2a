//! Asks the system. Never says what an answer means, and writes nothing.

use super::seen::{Answer, Configuration, Content, Disk, Folder, Listener, Seen, State, System};
use crate::config::{Config, Tls};
use crate::registry::survey;
use crate::server::open_files_wanted;
use crate::telemetry::unix_ms;
use rustix::fs::{StatVfsMountFlags, statfs, statvfs};
use rustix::process::{Resource, getrlimit};
use scry_names::{Digest, Hasher};
use scry_store::{FORMAT_NUMBER, Replay, component_path, inspect};
use std::fs::File;
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// The last changes that a bundle has.
const CHANGES_MAX: usize = 200;
/// Components are hashed for so long.
const HASH_MAX: Duration = Duration::from_secs(30);

/// Looks at a host's machine. `error` is why its configuration cannot be used; then `config` has the defaults.
pub fn look(file: Option<&Path>, config: &Config, error: Option<String>, host: Answer) -> Seen {
    let folder = folder(&config.data_dir);
    let is_in_use = matches!(&folder.content, Some(Ok(content)) if content.is_in_use);
    Seen {
        scry: env!("CARGO_PKG_VERSION"),
        folder_format: FORMAT_NUMBER,
        system: system(),
        configuration: configuration(file, config, error),
        disk: disk(&config.data_dir).map_err(|error| error.to_string()),
        folder,
        listeners: listeners(config, is_in_use),
        host,
        variables: variables(),
    }
}

fn system() -> System {
    let kernel = |name: &str| line(&format!("/proc/sys/kernel/{name}")).unwrap_or_else(|| "unknown".into());
    let (memory_bytes, available_bytes) = memory();
    System {
        name: kernel("ostype"),
        release: kernel("osrelease"),
        machine: std::env::consts::ARCH,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes,
        available_bytes,
        open_files_max: getrlimit(Resource::Nofile).maximum,
        clock: line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        now_ms: unix_ms(),
    }
}

/// The first line of a file of the system's.
fn line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

/// All of it and what is free, of the machine or of this process's group.
fn memory() -> (Option<u64>, Option<u64>) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let of_machine = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        Some(value.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    };
    let group = line("/proc/self/cgroup").and_then(|line| line.strip_prefix("0::").map(str::to_owned));
    let of_group = |name: &str| {
        let number = |group: &str| line(&format!("/sys/fs/cgroup{group}/{name}"))?.parse::<u64>().ok();
        // Within a container its own group is the root.
        group.as_deref().and_then(number).or_else(|| number(""))
    };
    let (max, used) = (of_group("memory.max"), of_group("memory.current"));
    let left = max.zip(used).map(|(max, used)| max.saturating_sub(used));
    (least(of_machine("MemTotal:"), max), least(of_machine("MemAvailable:"), left))
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

fn configuration(file: Option<&Path>, config: &Config, error: Option<String>) -> Configuration {
    let (prediction, admin) = (&config.prediction, &config.admin);
    let tokens = admin.token.iter().chain(admin.tokens.values());
    Configuration {
        file: file.map(Path::to_owned),
        error,
        warnings: config.warnings.clone(),
        unusable: unusable(config),
        has_admin_tls: admin.tls.is_some(),
        shortest_token: tokens.map(|token| token.chars().count()).min(),
        open_files_wanted: open_files_wanted(prediction.connections_max, admin.connections_max),
        call_memory_max_bytes: config.limits.memory_max_bytes,
        compute_threads: config.compute_threads(),
        component_max_bytes: admin.component_max_bytes as u64,
    }
}

/// The files that a configuration names and that cannot be read.
fn unusable(config: &Config) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for (name, tls) in [("prediction", &config.prediction.tls), ("admin", &config.admin.tls)] {
        let Some(Tls { certificate, key, client_ca }) = tls else { continue };
        files.push((format!("{name}.tls.certificate"), certificate));
        files.push((format!("{name}.tls.key"), key));
        files.extend(client_ca.iter().map(|path| (format!("{name}.tls.client_ca"), path)));
    }
    files.extend(config.access.token_file.iter().map(|path| ("access.token_file".to_owned(), path)));
    files.extend(config.desired_state.file.iter().map(|path| ("desired_state.file".to_owned(), path)));
    let unread = files.into_iter().filter_map(|(key, path)| {
        let error = File::open(path).and_then(|mut file| file.read(&mut [0])).err()?;
        Some((key, format!("{}: {error}", path.display())))
    });
    let keys = config.trust.read().err().map(|error| ("trust.keys".to_owned(), error.to_string()));
    unread.chain(keys).collect()
}

fn folder(path: &Path) -> Folder {
    let content = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(error.to_string())),
        Ok(_) => Some(content(path)),
    };
    Folder { path: path.to_owned(), content }
}

fn content(path: &Path) -> Result<Content, String> {
    let found = inspect(path).map_err(|error| error.to_string())?;
    Ok(Content {
        is_in_use: found.is_in_use,
        damage: found.replay.damage.clone(),
        cut_bytes: found.replay.cut_bytes,
        quarantined: found.quarantined,
        unfinished: found.unfinished,
        state: state(path, &found.replay, &found.components),
        exposed: found.exposed,
    })
}

fn state(root: &Path, replay: &Replay, components: &[(Digest, u64)]) -> Result<State, String> {
    let survey = survey(replay, CHANGES_MAX).map_err(|error| error.to_string())?;
    let components_bytes = components.iter().map(|(_, size_bytes)| size_bytes).sum();
    let mut state = State {
        number: survey.state,
        models: survey.models,
        needed: survey.needed.len(),
        components_bytes,
        changes: survey.changes,
        ..State::default()
    };
    let until = Instant::now() + HASH_MAX;
    for digest in survey.needed {
        let path = component_path(root, &digest);
        if !path.exists() {
            state.missing.push(digest);
        } else if Instant::now() < until {
            state.hashed += 1;
            if !digest_of(&path).is_ok_and(|found| found == digest) {
                state.damaged.push(digest);
            }
        }
    }
    Ok(state)
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    /// Read at once.
    const PART_BYTES: usize = 256 << 10;
    let (mut file, mut hasher) = (File::open(path)?, Hasher::default());
    let mut part = vec![0; PART_BYTES];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(part.get(..count).unwrap_or_default()),
        }
    }
}

/// Of the folder, or of what it will be made in.
fn disk(path: &Path) -> io::Result<Disk> {
    /// NFS, SMB and CIFS by their numbers.
    const SHARED: [u32; 4] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42];
    /// The numbers of file systems have 32 bits.
    const NUMBER: i64 = 0xffff_ffff;
    let path = std::path::absolute(path)?;
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let (found, kind) = (statvfs(there)?, statfs(there)?);
    Ok(Disk {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
        free_files: (found.f_files > 0).then_some(found.f_favail),
        is_read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
        is_shared: SHARED.iter().any(|shared| i64::from(*shared) == kind.f_type & NUMBER),
    })
}

/// Takes each address for a moment, unless a host has them.
fn listeners(config: &Config, is_in_use: bool) -> Vec<Listener> {
    let mut all = vec![("prediction", config.prediction.listen), ("admin", config.admin.listen)];
    all.extend(config.metrics.listen.map(|address| ("metrics", address)));
    let tried = all.into_iter().map(|(name, address)| {
        let error = if is_in_use { None } else { TcpListener::bind(address).err().map(|error| error.to_string()) };
        Listener { name, address, error, is_tried: !is_in_use }
    });
    tried.collect()
}

/// Their values are not shown.
fn variables() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("SCRY_") || name.starts_with("AIP_")).collect();
    names.sort();
    names
}
