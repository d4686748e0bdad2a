//! kill -9 after every single write of many lives.

use super::each;
use super::folder::config;
use super::life::{Life, Lived};
use super::picture::{Hurt, serves};
use crate::support::{Fallen, Host};
use scry::store::write_steps;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::time::Instant;

const KILLS: usize = 1000;

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
    let seed = std::env::var(SEED).ok();
    let only = seed.as_deref().map(|seed| {
        let (life, step) = seed.split_once('.').unwrap();
        (life.parse().unwrap(), step.parse().unwrap())
    });
    let lives: Vec<(usize, Lived)> = match only {
        Some((life, _)) => vec![(life, Lived::of(Life::of(life)))],
        None => {
            let mut kills = 0;
            let enough = |(_, lived): &(usize, Lived)| {
                let more = kills < KILLS;
                kills += lived.steps.len();
                more
            };
            (0..).map(|number| (number, Lived::of(Life::of(number)))).take_while(enough).collect()
        }
    };
    let all = lives.iter().flat_map(|(number, lived)| (1..=lived.steps.len()).map(move |step| (*number, lived, step)));
    let all: Vec<_> = all.filter(|(number, _, step)| only.is_none_or(|only| only == (*number, *step))).collect();
    let seen = Mutex::new(BTreeSet::new());
    each(&all, |(number, lived, step)| {
        let _repeat = Repeat(lived, format!("{number}.{step}"));
        let steps = kill(lived, *step);
        seen.lock().unwrap().extend(steps);
    });
    println!("{} kills in {} lives, {:?}", all.len(), lives.len(), started.elapsed());
    if only.is_none() {
        assert!(all.len() >= KILLS);
        let whats: Vec<&str> = lives.iter().flat_map(|(_, lived)| lived.whats()).collect();
        for kind in
            ["publish", "--to", "--alias", "--canary", "--promote", "withdraw", "roll back", "everything", "apply"]
        {
            assert!(whats.iter().any(|what| what.contains(kind)), "no {kind} among {whats:#?}");
        }
        assert_eq!(seen.into_inner().unwrap(), write_steps().into_iter().collect());
    }
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
