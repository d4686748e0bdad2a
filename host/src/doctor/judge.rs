//! What was seen → findings, each with what to do next. Pure.

use super::finding::{Finding, Level};
use super::seen::{Answer, Configuration, Content, Disk, Listener, Seen, State, System};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// Less is a problem: a component and a checkpoint may need it.
const FREE_MIN_BYTES: u64 = 128 * MIB;
/// Less is a warning.
const FREE_LOW_BYTES: u64 = GIB;
/// Files for which there has to be room.
const FREE_FILES_MIN: u64 = 1000;
/// A shorter token can be guessed.
const TOKEN_CHARS_MIN: usize = 16;
/// 2025-01-01, in Unix time: no clock that is set is before it.
const EPOCH_MS: u64 = 1_735_689_600_000;
/// How far the clock may be behind the last change.
const BEHIND_MAX_MS: u64 = 5_000;
/// Clocks that every reading of takes a call of the system.
const SLOW_CLOCKS: [&str; 5] = ["hpet", "acpi_pm", "jiffies", "pit", "refined-jiffies"];

/// What to say of it, in a fixed order.
pub fn judge(seen: &Seen) -> Vec<Finding> {
    let mut all = vec![version(seen)];
    all.extend(configuration(&seen.configuration));
    all.extend(folder(seen));
    all.push(disk(&seen.disk));
    all.push(memory(&seen.system, &seen.configuration));
    all.push(open_files(&seen.system, &seen.configuration));
    all.extend(seen.listeners.iter().map(|listener| port(listener, &seen.configuration)));
    all.push(clock(seen));
    all.extend(host(seen));
    all
}

fn version(seen: &Seen) -> Finding {
    let System { name, release, machine, processors, .. } = &seen.system;
    let own = format!("scry {}, data format {}", seen.scry, seen.folder_format);
    Finding::ok("version", format!("{own}; {name} {release}, {machine}, {}", counted(*processors, "processor")))
}

fn configuration(found: &Configuration) -> Vec<Finding> {
    const ABOUT: &str = "configuration";
    let file = found.file.as_ref().map(|file| file.display().to_string());
    let mut all = Vec::new();
    if let Some(error) = &found.error {
        return vec![Finding::problem(ABOUT, error.trim(), "correct it: a host does not start with it")];
    }
    all.extend(found.warnings.iter().map(|warning| Finding::warning(ABOUT, warning, "take the key out of the file")));
    all.extend(found.unusable.iter().map(|(key, why)| {
        Finding::problem(
            ABOUT,
            format!("`{key}` cannot be used: {why}"),
            "give the host's user a file that it can read",
        )
    }));
    if found.shortest_token.is_some_and(|chars| chars < TOKEN_CHARS_MIN) {
        let found = format!("an admin token has fewer than {TOKEN_CHARS_MIN} characters: it can be guessed");
        all.push(Finding::warning(ABOUT, found, "take a longer one, such as `openssl rand -hex 32` makes"));
    }
    if all.is_empty() {
        let found = file.map_or("no file: every key has its default".into(), |file| format!("{file} reads well"));
        all.push(Finding::ok(ABOUT, found));
    }
    all
}

fn folder(seen: &Seen) -> Vec<Finding> {
    const ABOUT: &str = "data";
    let path = seen.folder.path.display().to_string();
    match &seen.folder.content {
        None => {
            let next = "name the folder with `--data`; a host that starts there makes it";
            vec![Finding::warning(ABOUT, format!("{path} is not there"), next)]
        }
        Some(Err(why)) => {
            let next = "run this as the host's user, with the host's version of scry";
            vec![Finding::problem(ABOUT, format!("{path} cannot be read: {why}"), next)]
        }
        Some(Ok(content)) => {
            let mut all = vec![history(&path, content)];
            all.extend(content.state.as_ref().ok().map(components));
            all.extend(leftovers(&path, content));
            all
        }
    }
}

fn history(path: &str, content: &Content) -> Finding {
    const ABOUT: &str = "data";
    let state = match &content.state {
        Ok(state) => format!("{path}: state {}, {}", state.number, counted(state.models, "model")),
        Err(why) => return Finding::problem(ABOUT, format!("{path}: {why}"), "`scry restore` a backup elsewhere"),
    };
    match content.damage.as_slice() {
        [] if content.cut_bytes > 0 && !content.is_in_use => {
            Finding::ok(ABOUT, format!("{state}; a change that was never finished is cut off at the next start"))
        }
        [] => Finding::ok(ABOUT, format!("{state}; history and checkpoint verify")),
        damage => Finding::problem(
            ABOUT,
            format!("{state}; damaged: {}", damage.join("; ")),
            "check the disk; the next start sets the damaged file aside and keeps what verifies",
        ),
    }
}

fn components(state: &State) -> Finding {
    const ABOUT: &str = "components";
    let named = |all: &[scry_names::Digest]| {
        let more = if all.len() > 3 { format!(" and {} more", all.len() - 3) } else { String::new() };
        all.iter().take(3).map(ToString::to_string).collect::<Vec<_>>().join(", ") + &more
    };
    let next = "publish the same bytes again, or restore a backup";
    if !state.missing.is_empty() {
        return Finding::problem(ABOUT, format!("not there: {}", named(&state.missing)), next);
    }
    if !state.damaged.is_empty() {
        return Finding::problem(ABOUT, format!("without their digest: {}", named(&state.damaged)), next);
    }
    let hashed = match state.hashed == state.needed {
        true => format!("{}, each with its digest", counted(state.needed, "component")),
        false => format!("{} of {} components have their digest; no time for the others", state.hashed, state.needed),
    };
    Finding::ok(ABOUT, format!("{hashed}; {} in the folder", size(state.components_bytes)))
}

fn leftovers(path: &str, content: &Content) -> Vec<Finding> {
    let mut all = Vec::new();
    if content.quarantined > 0 {
        let found = format!("{} in {path}/quarantine", counted(content.quarantined, "damaged file"));
        all.push(Finding::warning("quarantine", found, "see what was lost, then remove what is settled"));
    }
    if content.unfinished > 0 && !content.is_in_use {
        let found =
            format!("{} that a crash has left; the next start removes them", counted(content.unfinished, "file"));
        all.push(Finding::ok("leftovers", found));
    }
    let exposed = content.exposed.iter().map(|name| {
        let file = format!("{path}/{name}");
        Finding::warning("secrets", format!("other users can read {file}"), format!("chmod 600 {file}"))
    });
    all.extend(exposed);
    all
}

fn disk(found: &Result<Disk, String>) -> Finding {
    const ABOUT: &str = "disk";
    let disk = match found {
        Ok(disk) => disk,
        Err(why) => {
            return Finding::warning(ABOUT, format!("unknown: {why}"), "look whether the folder can be reached");
        }
    };
    let free = format!("{} free of {}", size(disk.free_bytes), size(disk.total_bytes));
    let room = "make room: `scry gc`, another disk, or less beside it";
    match disk {
        Disk { is_read_only: true, .. } => Finding::problem(
            ABOUT,
            "nothing can be written",
            "mount it to be written, or name another folder with `--data`",
        ),
        Disk { free_bytes: ..FREE_MIN_BYTES, .. } => Finding::problem(ABOUT, free, room),
        Disk { free_files: Some(..FREE_FILES_MIN), .. } => {
            let files = disk.free_files.unwrap_or_default();
            Finding::problem(ABOUT, format!("{free}, and room for {files} more files"), room)
        }
        Disk { is_shared: true, .. } => Finding::warning(
            ABOUT,
            format!("{free}, on a network: locks may not hold there"),
            "use a disk of this machine: two hosts on one folder would damage it",
        ),
        Disk { free_bytes: ..FREE_LOW_BYTES, .. } => Finding::warning(ABOUT, free, room),
        Disk { .. } => Finding::ok(ABOUT, free),
    }
}

fn memory(system: &System, config: &Configuration) -> Finding {
    const ABOUT: &str = "memory";
    let Some(memory) = system.memory_bytes else { return Finding::ok(ABOUT, "unknown on this system") };
    let available = system.available_bytes.map(|bytes| format!("{} free of ", size(bytes))).unwrap_or_default();
    let call = config.call_memory_max_bytes;
    let all = call.saturating_mul(config.compute_threads as u64);
    let found = format!("{available}{}; {} of {}", size(memory), counted(config.compute_threads, "call"), size(call));
    let next = "lower `limits.memory_max_bytes` or `compute.threads`, or give it more memory";
    match () {
        () if call > memory => Finding::problem(ABOUT, format!("{found} at once do not fit, nor does one"), next),
        () if all > memory => Finding::warning(ABOUT, format!("{found} at once may not fit"), next),
        () => Finding::ok(ABOUT, format!("{found} at once fit")),
    }
}

fn open_files(system: &System, config: &Configuration) -> Finding {
    const ABOUT: &str = "open files";
    let wanted = config.open_files_wanted;
    match system.open_files_max {
        Some(max) if max < wanted => Finding::warning(
            ABOUT,
            format!("at most {max} here; a host with all its connections opens {wanted}"),
            "raise the limit (`ulimit -Hn`, `LimitNOFILE=`), or lower `prediction.connections_max`",
        ),
        Some(max) => Finding::ok(ABOUT, format!("up to {max} here; a host opens at most {wanted}")),
        None => Finding::ok(ABOUT, format!("any number; a host opens at most {wanted}")),
    }
}

fn port(listener: &Listener, config: &Configuration) -> Finding {
    let Listener { name, address, .. } = *listener;
    let about = match name {
        "admin" => "admin port",
        "metrics" => "metrics port",
        _ => "prediction port",
    };
    if let Some(error) = &listener.error {
        let next = format!("end what has it, or give `{name}.listen` another address");
        return Finding::problem(about, format!("{address} cannot be taken: {error}"), next);
    }
    if name == "admin" && !address.ip().is_loopback() && !config.has_admin_tls {
        let next = "give it a certificate with `[admin.tls]`, or 127.0.0.1";
        return Finding::warning(about, format!("{address}: tokens travel there as they are"), next);
    }
    match listener.is_tried {
        _ if address.port() == 0 => Finding::ok(about, format!("{address}: any that is free")),
        true => Finding::ok(about, format!("{address} is free")),
        false => Finding::ok(about, "not tried: a host is running"),
    }
}

fn clock(seen: &Seen) -> Finding {
    const ABOUT: &str = "clock";
    let System { now_ms, clock, .. } = &seen.system;
    let state = seen.folder.content.as_ref().and_then(|content| content.as_ref().ok()?.state.as_ref().ok());
    let last_ms = state.and_then(|state| state.changes.first()).map_or(0, |change| change.at_ms);
    let set = "set it, and have it kept: `timedatectl set-ntp true`";
    if *now_ms < EPOCH_MS {
        return Finding::problem(ABOUT, "it says that it is before 2025", set);
    }
    if last_ms > now_ms.saturating_add(BEHIND_MAX_MS) {
        let behind_s = (last_ms - now_ms) / 1000;
        return Finding::problem(ABOUT, format!("it is {behind_s} s behind the last change of the history"), set);
    }
    match clock {
        Some(clock) if SLOW_CLOCKS.contains(&clock.as_str()) => Finding::warning(
            ABOUT,
            format!("the system tells time by {clock}, which is slow: every prediction asks it several times"),
            "let the kernel use `tsc` or the hypervisor's clock",
        ),
        Some(clock) => Finding::ok(ABOUT, format!("by {clock}, not behind the history")),
        None => Finding::ok(ABOUT, "not behind the history"),
    }
}

fn host(seen: &Seen) -> Vec<Finding> {
    const ABOUT: &str = "host";
    let content = seen.folder.content.as_ref().and_then(|content| content.as_ref().ok());
    let is_in_use = content.is_some_and(|content| content.is_in_use);
    let path = seen.folder.path.display();
    match &seen.host {
        Answer::NotAsked(why) if is_in_use => {
            vec![Finding::warning(
                ABOUT,
                format!("one has {path}, and was not asked: {why}"),
                "give it with `--admin-token`",
            )]
        }
        Answer::Silent { url, why } if is_in_use => vec![Finding::problem(
            ABOUT,
            format!("one has {path}, and {url} does not say what it should: {why}"),
            "name its admin listener with `--admin`, or look at its log",
        )],
        Answer::NotAsked(_) | Answer::Silent { .. } => vec![Finding::ok(ABOUT, format!("none is running on {path}"))],
        Answer::Says { url, .. } if !is_in_use => vec![Finding::warning(
            ABOUT,
            format!("one answers at {url}, and it is not on {path}"),
            "name its data folder with `--data`",
        )],
        Answer::Says { version, state, prediction, damage, unavailable, open, .. } => {
            let mut all = Vec::new();
            if version != seen.scry {
                let found = format!("it is scry {version}, and this command is of scry {}", seen.scry);
                all.push(Finding::warning(ABOUT, found, "use one version for both"));
            }
            if !damage.is_empty() {
                let next = "see what was lost, then remove what is settled from `quarantine/`";
                all.push(Finding::warning(ABOUT, format!("it has found damage: {}", damage.join("; ")), next));
            }
            if !unavailable.is_empty() {
                let found = format!("versions that do not answer: {}", unavailable.join("; "));
                all.push(Finding::problem(ABOUT, found, "publish them again, or roll back"));
            }
            if !open.is_empty() {
                let found = format!("versions whose circuit is open: {}", open.join(", "));
                all.push(Finding::warning(ABOUT, found, "see their last errors with `scry models`, or roll back"));
            }
            if all.is_empty() {
                all.push(Finding::ok(ABOUT, format!("scry {version}, state {state}, predictions at {prediction}")));
            }
            all
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// As people read it: three digits at most before the unit.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

/// How many findings are of a level.
pub fn count(findings: &[Finding], level: Level) -> usize {
    findings.iter().filter(|finding| finding.level == level).count()
}
