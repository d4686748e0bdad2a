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
    let (mut journal, replay) = store.open_journal()?;
    let records = replay.lines.iter().map(|line| read(line)).collect::<Result<Vec<_>, _>>()?;
    let checkpoint = replay.checkpoint.as_deref().map(read).transpose()?;
    let mut damage = replay.damage;
    let (history, catalog) = lead(&records, checkpoint.as_ref(), replay.journal_damaged).map_err(|error| {
        let message = format!(
            "neither the history nor the checkpoint leads to a state ({error}; {}): restore the data folder from a copy, \
             or move `history.log` and `checkpoint.json` away and bring the host up with `scry apply`",
            damage.join("; ")
        );
        ChangeError::Recovery(message)
    })?;
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
    let state = Record::State { number: history.last(), catalog: catalog.clone() };
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
