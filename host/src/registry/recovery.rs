//! From the files of a data folder to the state that they tell.
//!
//! Either file alone is enough: the history leads to the state, the checkpoint
//! is a copy of it. Never guesses: where both fail, the host does not start.

use super::ChangeError;
use crate::catalog::{Catalog, History, HistoryError, Record};
use crate::store::{Journal, Store};

/// What was found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) catalog: Catalog,
    pub(super) history: History,
    pub(super) journal: Journal,
    /// What was damaged, for people.
    pub(super) damage: Vec<String>,
}

/// Reads history and checkpoint; repairs the one from the other.
pub(super) fn recover(store: &Store) -> Result<Recovered, ChangeError> {
    // Nothing is touched until it is clear where it leads.
    let mut replay = store.read_journal()?;
    let records = replay.lines.iter().map(|line| read(line)).collect::<Result<Vec<_>, _>>()?;
    let checkpoint = replay.checkpoint.as_deref().map(read).transpose()?;
    // With its copy gone, an end that was cut off may be one that counted.
    let end_unknown = replay.checkpoint_damaged && (replay.cut_bytes > 0 || records.is_empty());
    let damaged = replay.journal_damaged || end_unknown;
    let (history, catalog) = lead(&records, checkpoint.as_ref(), damaged).map_err(|error| {
        let message = format!(
            "neither the history nor the checkpoint leads to a state ({error}; {}): restore the data folder from a copy, \
             or move `history.log` and `checkpoint.json` away and bring the host up with `scry apply`",
            replay.damage.join("; ")
        );
        ChangeError::Recovery(message)
    })?;
    let mut journal = store.open_journal(&mut replay)?;
    let mut damage = replay.damage;
    let known = History::replay(records).map_or(0, |(history, _)| history.last());
    if replay.journal_damaged || known != history.last() {
        damage
            .push(format!("the history before change {} is lost; its state comes from the checkpoint", history.last()));
        let lines = history.records().iter().map(line).collect::<Result<Vec<_>, _>>()?;
        // What is served does not depend on it; changes are refused until it succeeds.
        if let Err(error) = journal.rewrite(&lines) {
            damage.push(format!("the history could not be repaired: {error}"));
        }
    }
    for damage in &damage {
        tracing::error!("damaged: {damage}");
    }
    let state = history.checkpoint(catalog.clone());
    if checkpoint.as_ref() != Some(&state)
        && history.last() > 0
        && let Err(error) = journal.checkpoint(&line(&state)?)
    {
        tracing::warn!(%error, "the checkpoint was not written");
    }
    Ok(Recovered { catalog, history, journal, damage })
}

/// The history alone, or from the checkpoint on.
fn lead(records: &[Record], checkpoint: Option<&Record>, damaged: bool) -> Result<(History, Catalog), HistoryError> {
    let checkpoint_number = match checkpoint {
        Some(Record::State { number, .. }) => Some(*number),
        _ => None,
    };
    let whole = History::replay(records.iter().cloned());
    match (whole, checkpoint_number) {
        (Ok(told), number) if !damaged && number.is_none_or(|number| number <= told.0.last()) => Ok(told),
        (Err(error), None) => Err(error),
        // Damaged, and what is left follows all the same: its end may be missing.
        (Ok((history, _)), None) => {
            Err(HistoryError::Gap { after: history.last(), found: "damage, and no checkpoint".into() })
        }
        (_, Some(number)) => {
            let later =
                records.iter().filter(|record| matches!(record, Record::Change(change) if change.number > number));
            History::replay(checkpoint.into_iter().chain(later).cloned())
        }
    }
}

fn read(line: &[u8]) -> Result<Record, ChangeError> {
    serde_json::from_slice(line).map_err(|e| {
        ChangeError::Recovery(format!("the history was written by another version of scry, or by something else: {e}"))
    })
}

/// A record as it is kept.
pub(super) fn line(record: &Record) -> Result<Vec<u8>, ChangeError> {
    serde_json::to_vec(record).map_err(|e| ChangeError::Recovery(format!("a change cannot be written down: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Change;
    use crate::store::Digest;
    use proptest::prelude::*;
    use std::path::Path;

    /// A catalog of so many published versions: one change each.
    fn states(count: u8) -> Vec<Catalog> {
        let next = |catalog: &mut Catalog, n: u8| {
            *catalog = catalog.publish(&format!("m{}", n % 3), Digest::of(&[n]), None).unwrap().0;
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
                recovered.journal.checkpoint(&line(&state).unwrap()).unwrap();
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
