//! kill -9 after every single write of many lives.

use super::each;
use super::folder::config;
use super::life::{Dice, Life, Lived};
use super::picture::{Hurt, serves};
use crate::support::{Fallen, Host};
use scry_files::write_steps;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::time::Instant;

/// How many kills a run makes where `SCRY_CRASH_KILLS` does not say.
const KILLS: usize = 120;

/// A longer run: `SCRY_CRASH_KILLS=1000`.
const KILLS_ENV: &str = "SCRY_CRASH_KILLS";

/// Repeats one kill: `SCRY_CRASH_SEED=LIFE.STEP`.
const SEED: &str = "SCRY_CRASH_SEED";

/// Says how a failure is repeated.
struct Repeat<'a>(&'a Lived, String);

impl Drop for Repeat<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(lived, seed) = self;
            eprintln!("--- {SEED}={seed} repeats this; the life: {:#?}", lived.life);
        }
    }
}

#[test]
fn a_kill_at_any_write_leaves_the_old_state_or_the_new_one() {
    let started = Instant::now();
    let wanted = std::env::var(KILLS_ENV).map_or(KILLS, |kills| kills.parse().unwrap());
    let seed = std::env::var(SEED).ok();
    let only = seed.as_deref().map(|seed| {
        let (life, step) = seed.split_once('.').unwrap();
        (life.parse().unwrap(), step.parse().unwrap())
    });
    let lives: Vec<(usize, Lived)> = match only {
        Some((life, _)) => vec![(life, Lived::of(Life::of(life)))],
        None => lives(wanted),
    };
    let all = lives.iter().flat_map(|(number, lived)| (1..=lived.steps.len()).map(move |step| (*number, lived, step)));
    let all: Vec<_> = match only {
        Some(only) => all.filter(|(number, _, step)| only == (*number, *step)).collect(),
        None => sampled(all.collect(), wanted),
    };
    let seen = Mutex::new(BTreeSet::new());
    each(&all, |(number, lived, step)| {
        let _repeat = Repeat(lived, format!("{number}.{step}"));
        let steps = kill(lived, *step);
        seen.lock().unwrap().extend(steps);
    });
    println!("{} kills in {} lives, {:?}", all.len(), lives.len(), started.elapsed());
    if only.is_none() {
        assert!(all.len() >= wanted);
        let mut expected: BTreeSet<String> = write_steps().into_iter().collect();
        // Compiled functions are written by the sandbox beside its code, not by the store.
        let steps = ["create", "half", "rest", "sync", "rename", "folder", "remove"];
        expected.extend(steps.map(|step| format!("functions.{step}")));
        assert_eq!(seen.into_inner().unwrap(), expected);
    }
}

/// Lives in their fixed order: as many as have this many write steps and every kind of change between them.
fn lives(steps_min: usize) -> Vec<(usize, Lived)> {
    const LIVES_MAX: usize = 1000;
    let mut missing =
        vec!["publish", "--to", "--alias", "--canary", "--promote", "withdraw", "roll back", "everything", "apply"];
    let (mut lives, mut steps) = (Vec::new(), 0);
    while steps < steps_min || !missing.is_empty() {
        assert!(lives.len() < LIVES_MAX, "no life has {missing:?}");
        let lived = Lived::of(Life::of(lives.len()));
        steps += lived.steps.len();
        missing.retain(|kind| !lived.whats().any(|what| what.contains(kind)));
        lives.push((lives.len(), lived));
    }
    lives
}

/// A sample of this many kills, the same in every run. Each kind of write step is in it.
fn sampled(mut all: Vec<(usize, &Lived, usize)>, wanted: usize) -> Vec<(usize, &Lived, usize)> {
    let mut dice = Dice(1);
    for at in (1..all.len()).rev() {
        all.swap(at, dice.below(at + 1));
    }
    let mut kinds = BTreeSet::new();
    // A stable sort: the first kill of each kind comes before all others.
    all.sort_by_cached_key(|(_, lived, step)| !kinds.insert(lived.steps[step - 1].clone()));
    all.truncate(wanted);
    all
}

/// A life up to a step, and what comes after. Tells where the host was killed.
fn kill(lived: &Lived, step: usize) -> Vec<String> {
    let beginning = lived.life.beginning;
    let hurt = Hurt { damage: beginning.is_damaged(), component: beginning.damaged_digest(), ..Hurt::default() };
    let mut fallen = match Host::begin(beginning.folder(), &config(), &format!("kill:{step}")) {
        Err(fallen) => {
            assert_eq!(lived.act_at(step), None, "it died too early\n{}", fallen.log());
            fallen
        }
        Ok(host) => {
            let last = lived.act_at(step).expect("it should have died at its start");
            for done in &lived.done[..last] {
                assert_eq!(done.act.on(&host).unwrap().status, done.status, "{:?}", done.act);
            }
            let reply = lived.done[last].act.on(&host);
            assert!(reply.is_err(), "it should have died of {:?}", lived.done[last].act);
            host.kill()
        }
    };
    let mut killed = vec![killed_at(&fallen)];
    assert_eq!(killed[0], lived.steps[step - 1]);
    // Getting up again is writing too.
    if step.is_multiple_of(3) {
        fallen = match Host::begin(fallen.dir, &config(), &format!("kill:{}", 1 + step / 3 % 6)) {
            Err(fallen) => {
                killed.push(killed_at(&fallen));
                fallen
            }
            Ok(host) => host.kill(),
        };
    }
    let (state, next) = lived.state_at(step);
    let host = Host::begin(fallen.dir, &config(), "").unwrap_or_else(|fallen| panic!("{}", fallen.log()));
    serves(&host, state, hurt);
    // Life goes on as if nothing had happened.
    if let Some(done) = lived.done.get(next) {
        assert_eq!(done.act.on(&host).unwrap().status, done.status, "{:?}", done.act);
        serves(&host, &done.after, hurt);
    }
    killed
}

fn killed_at(fallen: &Fallen) -> String {
    assert_eq!(fallen.status.signal(), Some(9), "{}", fallen.log());
    let log = fallen.log();
    let last = log.lines().filter_map(|line| line.strip_prefix("failpoint: killed at ")).next_back();
    last.unwrap_or_else(|| panic!("it died of something else\n{log}")).to_owned()
}
