//! From the files of a data folder to the state that they tell.
//!
//! Either file alone is enough: the history leads to the state, the checkpoint
//! is a copy of it. Every line that verifies is kept, and a damaged file is set
//! aside before it is repaired. Never guesses: where both fail, the host does
//! not start.

use super::record::{line, read};
use super::{ChangeError, Registry};
use scry_catalog::{Catalog, History, HistoryError, Record};
use scry_store::{Journal, Quarantined, Replay, Store};

/// What was found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) catalog: Catalog,
    pub(super) history: History,
    pub(super) journal: Journal,
    /// What was damaged, for people.
    pub(super) damage: Vec<String>,
}

/// Where the files of a folder lead, and how.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) history: History,
    pub(super) catalog: Catalog,
    records: Vec<Record>,
    checkpoint: Option<Record>,
    /// Whether the history told it alone, in order.
    is_whole: bool,
    is_in_order: bool,
}

/// Follows what was read to its state. Touches nothing.
pub(super) fn follow(replay: &Replay) -> Result<Followed, ChangeError> {
    let found = replay.lines.iter().map(|line| read(line)).collect::<Result<Vec<_>, _>>()?;
    let records = in_order(&found);
    let is_in_order = records == found;
    let checkpoint = replay.checkpoint.as_deref().map(read).transpose()?;
    // With its copy gone, an end that was cut off may be one that counted.
    let end_unknown = replay.checkpoint_damaged && (replay.cut_bytes > 0 || records.is_empty());
    let damaged = replay.journal_damaged || end_unknown;
    let Led { history, catalog, is_whole } = lead(&records, checkpoint.as_ref(), damaged).map_err(|error| {
        let message = format!(
            "neither the history nor the checkpoint leads to a state ({error}; {}): restore the data folder from a copy, \
             or move `history.log` and `checkpoint.json` away and bring the host up with `scry apply`",
            replay.damage.join("; ")
        );
        ChangeError::Recovery(message)
    })?;
    Ok(Followed { history, catalog, records, checkpoint, is_whole: is_whole && is_in_order, is_in_order })
}

/// Reads history and checkpoint, and when it is clear where they lead, repairs the one from the other.
pub(super) fn recover(store: &Store) -> Result<Recovered, ChangeError> {
    let mut replay = store.read_journal()?;
    let Followed { history, catalog, records, checkpoint, is_whole, is_in_order } = follow(&replay)?;
    let mut journal = store.open_journal(&mut replay, !is_whole)?;
    let mut damage = replay.damage;
    if !is_in_order {
        damage.push("history.log has changes twice or out of order; they are put in order".into());
    }
    if !is_whole || replay.journal_damaged {
        damage.extend(losses(&records, &history));
        let lines = history.records().iter().map(line).collect::<Result<Vec<_>, _>>()?;
        // What is served does not depend on it. A change would build on what is damaged.
        if let Err(error) = journal.rewrite(&lines) {
            let why = format!("the history could not be repaired: {error}");
            journal.refuse_changes(why.clone());
            damage.push(why);
        }
    }
    for damage in &damage {
        tracing::error!("damaged: {damage}");
    }
    let state = history.checkpoint(catalog.clone());
    if checkpoint.as_ref() != Some(&state)
        && history.last() > 0
        && let Err(error) = journal.checkpoint_file().write(&line(&state)?)
    {
        tracing::warn!(%error, "the checkpoint was not written");
    }
    Ok(Recovered { catalog, history, journal, damage })
}

impl Registry {
    /// What was found damaged at this start, and what any start has set aside, as
    /// long as it is there.
    pub fn damage(&self) -> Vec<String> {
        /// More is counted.
        const SHOWN_MAX: usize = 100;
        let mut damage = self.damage.clone();
        match self.store.list_quarantined() {
            Ok(set_aside) => {
                let is_new = |file: &&Quarantined| !self.damage.iter().any(|damage| damage.contains(&file.name));
                let told = |file: &Quarantined| {
                    format!(
                        "quarantine/{} is what was found of a damaged file: remove it when it is settled",
                        file.name
                    )
                };
                damage.extend(set_aside.iter().filter(is_new).map(told));
            }
            Err(error) => damage.push(format!("what was set aside cannot be listed: {error}")),
        }
        if damage.len() > SHOWN_MAX {
            let more = damage.split_off(SHOWN_MAX).len();
            damage.push(format!("and {more} more"));
        }
        damage
    }
}

/// Where the files lead.
#[derive(Debug)]
struct Led {
    history: History,
    catalog: Catalog,
    /// Whether the history told it alone.
    is_whole: bool,
}

/// By the history alone, or with the checkpoint in its place among the changes.
fn lead(records: &[Record], checkpoint: Option<&Record>, damaged: bool) -> Result<Led, HistoryError> {
    let checkpoint = checkpoint.filter(|record| matches!(record, Record::State { .. }));
    let led = |is_whole| move |(history, catalog)| Led { history, catalog, is_whole };
    let told = History::replay(records.iter().cloned());
    match (told, checkpoint) {
        (Ok(told), None) if !damaged => Ok(led(true)(told)),
        // Damaged, and what is left still follows: its end may be missing.
        (Ok((history, _)), None) => {
            Err(HistoryError::Gap { after: history.last(), found: "damage, and no checkpoint".into() })
        }
        (Err(error), None) => Err(error),
        (Ok(told), Some(checkpoint)) if checkpoint.number() <= told.0.last() => Ok(led(true)(told)),
        (_, Some(checkpoint)) => {
            let is_later = |record: &Record| record.number() > checkpoint.number();
            let at = records.iter().position(is_later).unwrap_or(records.len());
            let (before, after) = records.split_at_checked(at).unwrap_or((records, &[]));
            let mended = before.iter().chain([checkpoint]).chain(after).cloned();
            // Lines that verify and contradict each other are no history: they are set aside.
            let anew = || [checkpoint].into_iter().chain(records.iter().filter(|record| is_later(record))).cloned();
            History::replay(mended).or_else(|_| History::replay(anew())).map(led(false))
        }
    }
}

/// The records by number, each once. A history that was written whole is in order.
fn in_order(found: &[Record]) -> Vec<Record> {
    let mut records = found.to_vec();
    records.sort_by_key(|record| (record.number(), matches!(record, Record::State { .. })));
    records.dedup();
    records
}

/// Describes what is missing.
fn losses(found: &[Record], history: &History) -> Vec<String> {
    let mut losses: Vec<String> = history.lost().iter().map(|lost| lost_changes(*lost.start(), *lost.end())).collect();
    losses.extend(history.lost_start().map(|start| format!("the history lacks what led to state {start}")));
    let last_found = found.last().map_or(0, Record::number);
    if losses.is_empty() && last_found < history.last() {
        losses.push(lost_changes(last_found + 1, history.last()));
    }
    losses
}

fn lost_changes(from: u64, to: u64) -> String {
    format!("the history lacks changes {from} to {to}; what is served comes from the checkpoint and later changes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use scry_catalog::{Change, Deployment, VersionRef};
    use scry_names::Digest;
    use std::path::Path;

    /// A catalog of `count` versions, published and deployed: one change each.
    fn states(count: u8) -> Vec<Catalog> {
        let next = |catalog: &mut Catalog, n: u8| {
            let (name, digest) = (format!("m{}", n % 3), Digest::of(&[n]));
            let live = Deployment { to: Some(VersionRef::Digest(digest)), ..Deployment::default() };
            *catalog = catalog.publish(&name, digest, None).unwrap().0.deploy(&name, &live, 0).unwrap();
            Some(catalog.clone())
        };
        std::iter::once(Catalog::default()).chain((0..count).scan(Catalog::default(), next)).collect()
    }

    /// Writes what a host writes, and perhaps dies before the last checkpoint.
    fn live(dir: &Path, states: &[Catalog], last_checkpoint: bool) {
        let store = Store::open(dir).unwrap();
        let mut recovered = recover(&store).unwrap();
        for (number, pair) in (1..).zip(states.windows(2)) {
            let models = Change::between(&pair[0], &pair[1]);
            let (by, what) = (String::new(), String::new());
            let change = Change { number, at_ms: number, by, what, restored: None, file: None, models };
            recovered.journal.append(&line(&Record::Change(change)).unwrap()).unwrap();
            if last_checkpoint || number + 1 < states.len() as u64 {
                let state = Record::State { number, catalog: pair[1].clone(), file: None };
                recovered.journal.checkpoint_file().write(&line(&state).unwrap()).unwrap();
            }
        }
    }

    fn recovered(dir: &Path) -> Result<Recovered, ChangeError> {
        recover(&Store::open(dir).unwrap())
    }

    #[derive(Debug, Clone)]
    enum Damage {
        Flip(prop::sample::Index, u8),
        Cut(prop::sample::Index),
        Gone,
    }

    fn damage(file: &Path, damage: &Damage) {
        let mut bytes = std::fs::read(file).unwrap();
        match damage {
            Damage::Gone => return std::fs::remove_file(file).unwrap(),
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << (bit % 8);
            }
        }
        std::fs::write(file, bytes).unwrap();
    }

    fn damages() -> impl Strategy<Value = Damage> {
        prop_oneof![
            4 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit)),
            4 => any::<prop::sample::Index>().prop_map(Damage::Cut),
            1 => Just(Damage::Gone),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        /// Either file alone leads to the very same state, and the next start
        /// finds nothing damaged any more.
        #[test]
        fn damage_to_one_file_loses_nothing(count in 1..8u8, of_history in any::<bool>(), how in damages()) {
            let (dir, states) = (tempfile::tempdir().unwrap(), states(count));
            live(dir.path(), &states, true);
            damage(&dir.path().join(if of_history { "history.log" } else { "checkpoint.json" }), &how);
            let after = recovered(dir.path()).unwrap();
            prop_assert_eq!(&after.catalog, &states[usize::from(count)]);
            prop_assert_eq!(after.history.last(), u64::from(count));
            prop_assert_eq!(&after.history.state(u64::from(count)).unwrap(), &after.catalog);
            drop(after);
            let again = recovered(dir.path()).unwrap();
            prop_assert_eq!(again.damage, Vec::<String>::new());
            prop_assert_eq!(&again.catalog, &states[usize::from(count)]);
        }

        /// Lines that come twice or elsewhere verify, and nothing is lost.
        #[test]
        fn lines_twice_or_out_of_order_lose_nothing(
            count in 1..8u8,
            moved in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 1..4),
            has_checkpoint in any::<bool>(),
        ) {
            let (dir, states) = (tempfile::tempdir().unwrap(), states(count));
            live(dir.path(), &states, true);
            let log = dir.path().join("history.log");
            let whole = std::fs::read(&log).unwrap();
            let mut lines: Vec<_> = whole.split_inclusive(|&byte| byte == b'\n').collect();
            for (from, to, is_copied) in moved {
                let line = lines[from.index(lines.len())];
                if !is_copied {
                    lines.remove(from.index(lines.len()));
                }
                lines.insert(to.index(lines.len() + 1), line);
            }
            let changed = lines.concat();
            std::fs::write(&log, &changed).unwrap();
            if !has_checkpoint {
                std::fs::remove_file(dir.path().join("checkpoint.json")).unwrap();
            }
            for start in 0..2 {
                let after = recovered(dir.path()).unwrap();
                prop_assert_eq!(&after.catalog, &states[usize::from(count)]);
                let numbers: Vec<u64> = after.history.changes().map(|change| change.number).collect();
                prop_assert_eq!(numbers, (1..=u64::from(count)).collect::<Vec<_>>());
                prop_assert_eq!(after.damage.is_empty(), start == 1 || changed == whole, "{:?}", after.damage);
            }
            prop_assert!(std::fs::read(&log).unwrap().ends_with(&whole));
        }

        /// One flipped bit costs its own line and no other; the damaged file is
        /// set aside, and no state is made up.
        #[test]
        fn a_flipped_bit_costs_its_own_line_and_no_other(count in 1..8u8, at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let (dir, states) = (tempfile::tempdir().unwrap(), states(count));
            live(dir.path(), &states, true);
            let log = dir.path().join("history.log");
            let whole = std::fs::read(&log).unwrap();
            let place = at.index(whole.len());
            damage(&log, &Damage::Flip(at, bit));
            let damaged = std::fs::read(&log).unwrap();
            let line = 1 + whole[..place].iter().filter(|&&byte| byte == b'\n').count() as u64;
            // A line break between two lines costs neither.
            let lost = (whole[place] != b'\n' || line == u64::from(count)).then_some(line);
            let kept: Vec<u64> = (1..=u64::from(count)).filter(|number| Some(*number) != lost).collect();
            for start in 0..2 {
                let after = recovered(dir.path()).unwrap();
                prop_assert_eq!(&after.catalog, &states[usize::from(count)]);
                let numbers: Vec<u64> = after.history.changes().map(|change| change.number).collect();
                prop_assert_eq!(&numbers, &kept);
                prop_assert_eq!(after.damage.is_empty(), start == 1, "{:?}", after.damage);
                let now = std::fs::read(&log).unwrap();
                for (number, line) in (1..).zip(whole.split_inclusive(|&byte| byte == b'\n')) {
                    let is_there = now.windows(line.len()).any(|bytes| bytes == line);
                    prop_assert_eq!(is_there, Some(number) != lost, "line {}", number);
                }
                for (number, state) in (0..).zip(&states) {
                    match after.history.state(number) {
                        Ok(found) => prop_assert_eq!(&found, state),
                        Err(_) => prop_assert!(lost.is_some_and(|lost| number < u64::from(count) && (lost <= number || lost == 1))),
                    }
                }
                for (name, model) in after.catalog.models.iter() {
                    if let Ok((number, serving)) = after.history.before(name, model.serving.as_ref()) {
                        let then = states[number as usize].models.get(name).and_then(|model| model.serving.as_ref());
                        prop_assert_eq!(then, Some(&serving), "a rollback leads to what was served");
                    }
                    for number in 0..=u64::from(count) {
                        if let Ok(serving) = after.history.serving(name, number) {
                            let then = states[number as usize].models.get(name).and_then(|model| model.serving.as_ref());
                            prop_assert_eq!(serving, then);
                        }
                    }
                }
                let set_aside: Vec<_> = std::fs::read_dir(dir.path().join("quarantine")).unwrap().collect();
                prop_assert_eq!(set_aside.len(), 1);
                prop_assert_eq!(&std::fs::read(set_aside[0].as_ref().unwrap().path()).unwrap(), &damaged);
            }
        }

        /// A history that ends before its checkpoint keeps every line, and the
        /// states that they tell.
        #[test]
        fn a_history_that_is_older_than_its_checkpoint_loses_nothing(count in 1..8u8, left in any::<prop::sample::Index>()) {
            let (dir, states) = (tempfile::tempdir().unwrap(), states(count));
            live(dir.path(), &states, true);
            let log = dir.path().join("history.log");
            let whole = std::fs::read(&log).unwrap();
            let left = left.index(usize::from(count));
            let older: Vec<u8> = whole.split_inclusive(|&byte| byte == b'\n').take(left).flatten().copied().collect();
            std::fs::write(&log, &older).unwrap();
            for start in 0..2 {
                let after = recovered(dir.path()).unwrap();
                prop_assert_eq!(&after.catalog, &states[usize::from(count)]);
                prop_assert_eq!(after.history.last(), u64::from(count));
                let numbers: Vec<u64> = after.history.changes().map(|change| change.number).collect();
                prop_assert_eq!(numbers, (1..=left as u64).collect::<Vec<_>>());
                for number in (1..=left).chain([usize::from(count)]) {
                    prop_assert_eq!(&after.history.state(number as u64).unwrap(), &states[number]);
                }
                let says = format!("lacks changes {} to {count}", left + 1);
                prop_assert_eq!(after.damage.iter().any(|damage| damage.contains(&says)), start == 0, "{:?}", after.damage);
            }
            let set_aside = std::fs::read_dir(dir.path().join("quarantine"));
            let set_aside = set_aside.into_iter().flatten().map(|file| std::fs::read(file.unwrap().path()).unwrap());
            prop_assert_eq!(set_aside.collect::<Vec<_>>(), if left == 0 { vec![] } else { vec![older] });
        }

        /// A crash before the checkpoint and then damage: the state before the
        /// last change, or after it, or a refusal. Never a third.
        #[test]
        fn damage_after_a_crash_never_makes_a_third_state(count in 2..8u8, of_history in any::<bool>(), how in damages()) {
            let (dir, states) = (tempfile::tempdir().unwrap(), states(count));
            live(dir.path(), &states, false);
            damage(&dir.path().join(if of_history { "history.log" } else { "checkpoint.json" }), &how);
            if let Ok(after) = recovered(dir.path()) {
                let last = usize::from(count);
                prop_assert!([&states[last], &states[last - 1]].contains(&&after.catalog));
            }
        }

        /// Both damaged: a state that was, or a refusal that says what to do.
        #[test]
        fn damage_to_both_files_is_refused_or_leads_to_a_state_that_was(count in 1..8u8, one in damages(), other in damages()) {
            let (dir, states) = (tempfile::tempdir().unwrap(), states(count));
            live(dir.path(), &states, true);
            damage(&dir.path().join("history.log"), &one);
            damage(&dir.path().join("checkpoint.json"), &other);
            match recovered(dir.path()) {
                Ok(after) => prop_assert!(states.contains(&after.catalog)),
                Err(error) => {
                    prop_assert!(error.to_string().contains("scry apply"), "{error}");
                    // A host that is started again and again does not talk itself into it.
                    prop_assert!(recovered(dir.path()).is_err());
                }
            }
        }
    }
}
