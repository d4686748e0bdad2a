//! A disk that is full, or fails, at any write.

use super::folder::{Beginning, components, config, copied, files, lived_in};
use super::life::{Act, Dice, Life, Lived};
use super::picture::{Hurt, Picture, serves};
use super::{each, wants_all_faults};
use crate::support::{Host, Ran, Reply};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One act on a host, and one fault on the way.
#[derive(Debug)]
struct Case<'a> {
    lived: &'a Lived,
    fault: &'static str,
    step: usize,
}

/// Says what the fault was.
struct Told<'a>(&'a Case<'a>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Case { lived, fault, step } = self.0;
            eprintln!("--- {fault} at {}, N = {step} of {:?}", lived.steps[step - 1], lived.life);
        }
    }
}

impl Case<'_> {
    fn failpoint(&self) -> String {
        self.fault.replace('N', &self.step.to_string())
    }

    fn is_full(&self) -> bool {
        self.fault.starts_with("full")
    }

    /// Whether it goes on failing.
    fn stays(&self) -> bool {
        self.fault.ends_with('+')
    }

    /// Refused in words that say what it is, and what to do.
    #[track_caller]
    fn is_refused(&self, reply: Reply) {
        if self.is_full() {
            reply.error(507, &["full", "nothing has changed", "scry gc"]);
        } else {
            reply.error(500, &["data/", "os error 5"]);
        }
    }
}

/// A full disk or a failing one at every one of these steps of a life, for a moment or for good: one of the four,
/// the same in every run; `all` tries all of them.
fn cases<'a>(lived: &'a Lived, steps: std::ops::RangeInclusive<usize>) -> Vec<Case<'a>> {
    const FAULTS: [&str; 4] = ["full:N", "full:N+", "error:N", "error:N+"];
    let all = wants_all_faults();
    let mut dice = Dice(1);
    let chosen = steps.flat_map(|step| {
        let kept = dice.below(FAULTS.len());
        let faults = FAULTS.into_iter().enumerate().filter(move |(at, _)| all || *at == kept);
        faults.map(move |(_, fault)| Case { lived, fault, step })
    });
    chosen.collect()
}

fn of_act(beginning: Beginning, act: Act) -> Lived {
    Lived::of(Life { beginning, acts: vec![act] })
}

/// The act's own steps, faults in each, and what has to come of it.
fn at_each_step(beginning: Beginning, act: Act) {
    let lived = of_act(beginning, act);
    assert_eq!(lived.done[0].status, 200);
    each(&cases(&lived, lived.start_steps + 1..=lived.steps.len()), |case| {
        let _told = Told(case);
        let host = Host::begin(beginning.folder(), &config(), &case.failpoint()).unwrap();
        let (before, after) = (&lived.start, &lived.done[0].after);
        let act = &lived.done[0].act;
        let kept = stored(&host);
        let reply = act.on(&host).unwrap();
        let is_done = reply.status == 200;
        let step = &lived.steps[case.step - 1];
        // A copy, or the compiler's work kept for later, is no reason to refuse.
        if !case.stays() && ["cache.", "checkpoint."].iter().any(|copy| step.starts_with(copy)) {
            assert!(is_done, "{step}: {}", reply.text);
        }
        if is_done {
            // Whatever could not be written beside it.
            assert!(!host.log().contains("nothing has changed"), "{}", host.log());
        } else {
            case.is_refused(reply);
            // A disk on which nothing can be removed any more is excused.
            if case.is_full() || !case.stays() {
                assert_eq!(stored(&host), kept);
            }
        }
        serves(&host, if is_done { after } else { before }, Hurt::default());
        if !case.stays() {
            // What failed once does not fail again.
            act.on(&host).unwrap().status(200);
            if !is_done {
                serves(&host, after, Hurt::default());
            }
            let last = Picture::of(&host);
            serves(&again(host), &last, Hurt::default());
            return;
        }
        let host = again(host);
        let is_unknown = !is_done && !case.is_full() && step.starts_with("journal.append");
        if is_unknown && Picture::of(&host) == *after {
            // It could be neither finished nor taken back: the next start tells.
            return;
        }
        serves(&host, if is_done { after } else { before }, Hurt::default());
    });
}

/// Files of components and of compiled code.
fn stored(host: &Host) -> Vec<PathBuf> {
    let all = files(&host.data()).into_keys();
    all.filter(|path| path.starts_with("components") || path.starts_with("cache")).collect()
}

/// SIGKILL, and a host whose disk is as it should be.
fn again(host: Host) -> Host {
    let fallen = host.kill();
    Host::begin(fallen.dir, &config(), "").unwrap_or_else(|fallen| panic!("{}", fallen.log()))
}

#[test]
fn a_full_or_failing_disk_refuses_a_publication_or_does_it() {
    at_each_step(Beginning::Uncompiled, Act::publish("steady", 4));
}

#[test]
fn a_full_or_failing_disk_refuses_a_first_publication_or_does_it() {
    at_each_step(Beginning::Cluttered, Act::publish("fresh", 5));
}

#[test]
fn a_full_or_failing_disk_refuses_a_deployment_or_does_it() {
    at_each_step(Beginning::LivedIn, Act::deploy("steady", json!({ "to": 1, "aliases": { "challenger": 3 } })));
}

#[test]
fn a_full_or_failing_disk_refuses_a_rollback_or_does_it() {
    at_each_step(Beginning::LivedIn, Act::post("/v1/models/steady/rollback", json!({})));
}

#[test]
fn a_full_or_failing_disk_refuses_a_document_or_applies_it() {
    at_each_step(Beginning::LivedIn, Act::apply("[models.steady]\nlive = 3\n"));
}

#[test]
fn a_clean_up_that_a_failing_disk_interrupts_loses_nothing() {
    let lived = of_act(Beginning::Cluttered, Act::clean());
    let (before, after) = (&lived.start, &lived.done[0].after);
    assert_ne!(before.history, after.history, "there is something to cut");
    each(&cases(&lived, lived.start_steps + 1..=lived.steps.len()), |case| {
        let _told = Told(case);
        let host = Host::begin(Beginning::Cluttered.folder(), &config(), &case.failpoint()).unwrap();
        let reply = Act::clean().on(&host).unwrap();
        if reply.status != 200 {
            case.is_refused(reply);
        }
        for host in [host].into_iter().flat_map(|host| {
            is_either(&host, before, after);
            [again(host)]
        }) {
            is_either(&host, before, after);
            Act::clean().on(&host).unwrap().status(200);
            serves(&host, after, Hurt::default());
            assert!(!files(&host.data()).keys().any(|path| path.starts_with("quarantine")));
        }
    });
}

#[track_caller]
fn is_either(host: &Host, before: &Picture, after: &Picture) {
    serves(host, if Picture::of(host) == *after { after } else { before }, Hurt::default());
}

#[test]
fn a_host_that_starts_on_a_full_or_failing_disk_serves_or_says_why_not() {
    let lives = Beginning::ALL.map(|beginning| Lived::of(Life { beginning, acts: Vec::new() }));
    let all: Vec<_> = lives.iter().flat_map(|lived| cases(lived, 1..=lived.start_steps)).collect();
    each(&all, |case| {
        let _told = Told(case);
        let beginning = case.lived.life.beginning;
        let hurt = Hurt { damage: true, component: beginning.damaged_digest(), ..Hurt::default() };
        let fallen = match Host::begin(beginning.folder(), &config(), &case.failpoint()) {
            Ok(host) => {
                serves(&host, &case.lived.start, Hurt { unfinished: true, ..hurt });
                host.kill()
            }
            Err(fallen) => {
                assert_eq!((fallen.status.code(), fallen.stdout.as_str()), (Some(1), ""), "{}", fallen.log());
                let says = if case.is_full() { "full" } else { "os error 5" };
                assert!(fallen.log().lines().last().unwrap().contains(says), "{}", fallen.log());
                fallen
            }
        };
        let host = Host::begin(fallen.dir, &config(), "").unwrap_or_else(|fallen| panic!("{}", fallen.log()));
        serves(&host, &case.lived.start, hurt);
    });
}

/// A file system of its own, and small.
struct Small(PathBuf);

impl Small {
    /// None where nobody may mount one.
    fn at(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(path);
        mount.output().is_ok_and(|ran| ran.status.success()).then(|| Self(path.to_owned()))
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        for piece in [1 << 16, 1 << 12, 1] {
            while std::io::Write::write_all(&mut file, &vec![1; piece]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        Ran::of(Command::new("umount").arg("-l").arg(&self.0));
        // The host's folder could not be removed while this was in it.
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[test]
fn a_file_system_that_is_really_full_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Small::at(&dir.path().join("data")) else {
        println!("skipped: nobody here may mount a file system");
        return;
    };
    drop(copied_into(&small.0));
    let mut host = Host::begin(dir, &config(), "").unwrap();
    for round in 0..2 {
        let component = 4 + round;
        small.fill();
        let before = Picture::of(&host);
        Act::publish("steady", component).on(&host).unwrap().error(507, &["full", "nothing has changed", "scry gc"]);
        serves(&host, &before, Hurt::default());
        // A record still fits into the last page of the history, until none does.
        let mut changes = (0..500).map(|n| Act::deploy("steady", json!({ "to": 1 + n % 2 })).on(&host).unwrap());
        let refused = changes.find(|reply| reply.status != 200).expect("the disk is full");
        refused.error(507, &["full", "nothing has changed", "scry gc"]);
        let full = Picture::of(&host);
        serves(&host, &full, Hurt::default());
        // What is in nobody's way any more makes room, even where the history cannot be cut.
        host.scry(&["gc"]).ok();
        let cleaned = Picture::of(&host);
        assert_eq!((cleaned.number, &cleaned.models), (full.number, &full.models));
        host = again(host);
        serves(&host, &cleaned, Hurt::default());
        small.empty();
        let published = Act::publish("steady", component).on(&host).unwrap().status(200).json();
        assert_eq!(published["digest"], components()[component].digest);
        let after = Picture::of(&host);
        serves(&host, &after, Hurt::default());
        host = again(host);
        serves(&host, &after, Hurt::default());
    }
    host.kill();
}

/// The lived-in folder's data, copied where it is wanted.
fn copied_into(data: &Path) -> tempfile::TempDir {
    let dir = copied(lived_in());
    for (path, bytes) in files(&dir.path().join("data")) {
        let to = data.join(path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    dir
}
