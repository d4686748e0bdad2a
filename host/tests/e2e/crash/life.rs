//! What operators do to a host, one thing after the other, drawn by lot.

use super::folder::{Beginning, components, config};
use super::picture::Picture;
use crate::support::{Host, Reply};
use serde_json::json;
use std::collections::BTreeMap;

/// The same numbers for the same seed, everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// SplitMix64.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// One admin request.
#[derive(Clone)]
pub(super) struct Act {
    method: &'static str,
    path: String,
    body: Vec<u8>,
}

impl std::fmt::Debug for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(200).collect();
        let body = if self.body.starts_with(b"\0asm") { "a component".to_owned() } else { body };
        write!(f, "{} {} {body}", self.method, self.path)
    }
}

impl Act {
    pub(super) fn publish(model: &str, component: usize) -> Self {
        Self { method: "POST", path: format!("/v1/models?name={model}"), body: components()[component].bytes.clone() }
    }

    pub(super) fn deploy(model: &str, deployment: serde_json::Value) -> Self {
        Self::post(&format!("/v1/models/{model}/deploy"), deployment)
    }

    pub(super) fn post(path: &str, body: serde_json::Value) -> Self {
        Self { method: "POST", path: path.to_owned(), body: body.to_string().into_bytes() }
    }

    pub(super) fn apply(document: &str) -> Self {
        Self { method: "PUT", path: "/v1/desired".into(), body: document.as_bytes().to_vec() }
    }

    pub(super) fn clean() -> Self {
        Self::post("/v1/gc", json!({}))
    }

    /// An error is a connection that broke: the host may be dead.
    pub(super) fn on(&self, host: &Host) -> Result<Reply, String> {
        host.try_admin(self.method, &self.path, &self.body)
    }
}

/// A beginning, and what is done from there on.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) beginning: Beginning,
    pub(super) acts: Vec<Act>,
}

impl Life {
    /// The life of a number.
    pub(super) fn of(number: usize) -> Self {
        let beginning = Beginning::ALL[number % Beginning::ALL.len()];
        let mut dice = Dice(number as u64);
        // Which component has which number in which model.
        let mut versions: BTreeMap<&str, Vec<usize>> = match beginning {
            Beginning::Nothing => BTreeMap::new(),
            Beginning::SecretsDamaged => [("steady", vec![0])].into(),
            _ => [("steady", vec![0, 1, 2]), ("other", vec![0, 3])].into(),
        };
        let mut acts = Vec::new();
        if beginning == Beginning::Nothing {
            versions.insert("steady", vec![0]);
            acts.push(Act::publish("steady", 0));
        }
        if beginning == Beginning::Cluttered {
            acts.push(Act::clean());
        }
        let most = if beginning.is_small() { 4 } else { 8 };
        while acts.len() < most {
            acts.push(act(&mut dice, beginning.is_small(), &mut versions));
        }
        Self { beginning, acts }
    }
}

/// Something that will probably be allowed.
fn act(dice: &mut Dice, is_small: bool, versions: &mut BTreeMap<&'static str, Vec<usize>>) -> Act {
    let model = if is_small { "steady" } else { dice.one_of(&["steady", "steady", "other"]) };
    let known = versions.entry(model).or_default();
    let version = 1 + dice.below(known.len().max(1));
    let alias = dice.one_of(&["champion", "challenger"]);
    let at = |what: &str| format!("/v1/models/{model}/{what}");
    // Compiling takes its time: where all is small, nothing more is published.
    let kind = if is_small { 5 + dice.below(15) } else { dice.below(24) };
    match kind {
        0..=4 => {
            // Not one that has a number already.
            let fresh: Vec<usize> = (0..components().len()).filter(|n| !known.contains(n)).collect();
            let component = dice.one_of(if fresh.is_empty() { &[0] } else { &fresh });
            if !known.contains(&component) {
                known.push(component);
            }
            Act::publish(model, component)
        }
        5..=7 => Act::deploy(model, json!({ "to": version })),
        8 | 9 => Act::deploy(model, json!({ "aliases": { alias: version } })),
        10 => Act::deploy(model, json!({ "limits": { "deadline_ms": 9000 + dice.below(999) } })),
        11 => Act::deploy(model, json!({ "fallback": [{ "constant": { "y": dice.below(9) as f64 + 0.25 } }] })),
        12 | 13 => Act::post(&at("rollback"), json!({})),
        14 => Act::post(&at("withdraw"), json!({})),
        15 => Act::clean(),
        16 | 17 => Act::apply(&document(dice, versions)),
        18 => Act::deploy(model, json!({ "shadow": { "to": version, "percent": 50 } })),
        19 => Act::post("/v1/rollback", json!({ "to": 1 + dice.below(9) })),
        20 => Act::post(&at("rollback"), json!({ "to": 1 + dice.below(9) })),
        21 | 22 => Act::deploy(model, json!({ "to": version, "canary": [{ "percent": 40 }] })),
        _ => Act::deploy(model, json!({ "promote": true })),
    }
}

/// Everything that runs, as someone wants it.
fn document(dice: &mut Dice, versions: &BTreeMap<&'static str, Vec<usize>>) -> String {
    let model = |(name, known): (&&str, &Vec<usize>)| {
        let (live, alias) = (1 + dice.below(known.len()), 1 + dice.below(known.len()));
        format!("[models.{name}]\nlive = {live}\n[models.{name}.aliases]\nwanted = {alias}\n")
    };
    versions.iter().filter(|(_, known)| !known.is_empty()).map(model).collect()
}

/// A life that nothing interrupted.
#[derive(Debug)]
pub(super) struct Lived {
    pub(super) life: Life,
    /// The state that the host began with.
    pub(super) start: Picture,
    /// Every write step, in order.
    pub(super) steps: Vec<String>,
    /// How many of them the start took.
    pub(super) start_steps: usize,
    pub(super) done: Vec<Done>,
}

/// What came of an act.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) act: Act,
    pub(super) status: u16,
    /// The state that it led to.
    pub(super) after: Picture,
    /// How many steps there were by its end.
    pub(super) steps: usize,
}

impl Lived {
    pub(super) fn of(life: Life) -> Self {
        let host = Host::begin(life.beginning.folder(), &config(), "trace:1+").unwrap();
        let steps = |host: &Host| passed(&host.log());
        let (start, start_steps) = (Picture::of(&host), steps(&host).len());
        let mut done: Vec<Done> = Vec::new();
        for act in &life.acts {
            let status = act.on(&host).unwrap_or_else(|e| panic!("{e}")).status;
            let known = done.last().map_or(start.number, |done| done.after.number);
            let after = Picture::of(&host);
            assert!([known, known + 1].contains(&after.number), "{act:?} is more than one change");
            done.push(Done { act: act.clone(), status, after, steps: steps(&host).len() });
        }
        let steps = steps(&host);
        Self { life, start, steps, start_steps, done }
    }

    /// Which act takes a step, counted from 1; none: the host's start.
    pub(super) fn act_at(&self, step: usize) -> Option<usize> {
        (step > self.start_steps).then(|| self.done.iter().position(|done| step <= done.steps).unwrap())
    }

    /// The changes that were made, as the history tells them.
    pub(super) fn whats(&self) -> impl Iterator<Item = &str> {
        let last = |at: usize| self.before(at).number;
        let made = self.done.iter().enumerate().filter(move |(at, done)| done.after.number > last(*at));
        made.map(|(_, done)| done.after.history[0]["what"].as_str().unwrap())
    }

    /// The state before an act.
    pub(super) fn before(&self, act: usize) -> &Picture {
        act.checked_sub(1).map_or(&self.start, |before| &self.done[before].after)
    }

    /// The state that a host is in when it ends right after a step. The moment
    /// of a change is the one at which its record, or the cut history, is whole.
    pub(super) fn state_at(&self, step: usize) -> (&Picture, usize) {
        let Some(act) = self.act_at(step) else { return (&self.start, 0) };
        let first = if act == 0 { self.start_steps } else { self.done[act - 1].steps };
        let moments = ["journal.append.rest", "journal.rename"];
        let is_over = self.steps[first..step].iter().any(|name| moments.contains(&name.as_str()));
        if is_over { (&self.done[act].after, act + 1) } else { (self.before(act), act) }
    }
}

/// The steps that a trace names.
pub(super) fn passed(log: &str) -> Vec<String> {
    log.lines().filter_map(|line| line.strip_prefix("failpoint: passed ")).map(str::to_owned).collect()
}
