//! The changes that are kept, in runs: between two runs, changes were lost to
//! damage.
//!
//! Never makes up a state: one that the lost changes leave open is refused.

use super::super::{Catalog, Serving};
use super::{Change, HistoryError, Record, Told};
use scry_names::Digest;
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

/// The changes that are kept, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    /// Runs that ended in a loss.
    earlier: Vec<Run>,
    current: Run,
}

/// Changes that follow each other, and what they follow.
#[derive(Debug, Clone, PartialEq)]
struct Run {
    /// The number of the state before the first of the changes.
    start: u64,
    /// That state. Where `is_exact` is false, the last state before the loss.
    start_catalog: Catalog,
    start_file: Option<Digest>,
    /// Whether the state at the start is known.
    is_exact: bool,
    changes: Vec<Change>,
    /// By model, the numbers of the changes that reroute it, oldest first.
    rerouted: HashMap<String, Vec<u64>>,
}

impl Default for Run {
    fn default() -> Self {
        Self::new(0, Catalog::default(), None, true)
    }
}

impl Run {
    /// One without changes yet.
    fn new(start: u64, start_catalog: Catalog, start_file: Option<Digest>, is_exact: bool) -> Self {
        Self { start, start_catalog, start_file, is_exact, changes: Vec::new(), rerouted: HashMap::new() }
    }

    fn push(&mut self, change: Change) {
        for name in change.models.iter().filter(|(_, model)| model.serving.is_some()).map(|(name, _)| name) {
            self.rerouted.entry(name.clone()).or_default().push(change.number);
        }
        self.changes.push(change);
    }

    /// The newest change, at most `number`, that reroutes a model.
    fn newest_rerouting(&self, model: &str, number: u64) -> Option<&Change> {
        let numbers = self.rerouted.get(model)?;
        let older = numbers.partition_point(|&rerouting| rerouting <= number);
        self.change(*numbers.get(older.checked_sub(1)?)?)
    }

    fn change(&self, number: u64) -> Option<&Change> {
        let at = number.checked_sub(self.start + 1)?;
        self.changes.get(usize::try_from(at).ok()?)
    }

    fn last(&self) -> u64 {
        self.changes.last().map_or(self.start, |change| change.number)
    }

    fn file(&self) -> Option<Digest> {
        self.changes.iter().rev().find_map(|change| change.file).or(self.start_file)
    }

    /// The catalog after change `number`, as far as it is known.
    fn catalog(&self, number: u64) -> Catalog {
        let mut catalog = self.start_catalog.clone();
        self.changes.iter().take_while(|change| change.number <= number).for_each(|change| change.apply(&mut catalog));
        catalog
    }

    /// How the start serves a model.
    fn start_serving(&self, model: &str) -> Option<&Serving> {
        self.start_catalog.models.get(model)?.serving.as_ref()
    }

    /// How the last change that reroutes a model left it; otherwise, how the start serves it.
    fn end_serving(&self, model: &str) -> Option<&Serving> {
        match self.newest_rerouting(model, u64::MAX).and_then(|change| change.rerouted(model)) {
            Some(rerouted) => rerouted.serving(),
            None => self.start_serving(model),
        }
    }

    /// Lets go of the first `count` changes.
    fn cut(&mut self, count: usize) {
        for change in self.changes.drain(..count) {
            change.apply(&mut self.start_catalog);
            self.start = change.number;
            self.start_file = change.file.or(self.start_file);
        }
        let start = self.start;
        self.rerouted.retain(|_, numbers| {
            numbers.retain(|&number| number > start);
            !numbers.is_empty()
        });
    }
}

impl History {
    /// Follows records from the first to the last. A state that is further than
    /// the changes before it, and a change that does not follow them, begin a
    /// new run; the last run must begin with a state that is known.
    pub fn replay(records: impl IntoIterator<Item = Record>) -> Result<(Self, Catalog), HistoryError> {
        let mut history = Self::default();
        for record in records {
            let (after, number) = (history.last(), record.number());
            let gap = |what: &str| HistoryError::Gap { after, found: format!("{what} {number}") };
            match record {
                Record::State { number, .. } if number < after => return Err(gap("state")),
                // The state is the one that the changes lead to.
                Record::State { number, .. } if number == after && history.current.is_exact && !history.is_empty() => {}
                Record::State { number, catalog, file } => {
                    history.begin(Run::new(number, catalog, file, true));
                }
                Record::Change(change) if change.number == after + 1 => history.push(change),
                Record::Change(change) if change.number > after => {
                    let (start, start_file) = (change.number - 1, history.file());
                    let start_catalog = history.current.catalog(u64::MAX);
                    history.begin(Run::new(start, start_catalog, start_file, false));
                    history.push(change);
                }
                Record::Change(_) => return Err(gap("change")),
            }
        }
        let current = &history.current;
        if !current.is_exact {
            let (after, found) = (history.earlier.last().map_or(0, Run::last), current.start + 1);
            return Err(HistoryError::Gap { after, found: format!("change {found}") });
        }
        let catalog = current.catalog(u64::MAX);
        Ok((history, catalog))
    }

    /// Whether nothing at all has happened.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn begin(&mut self, run: Run) {
        let is_empty = self.is_empty();
        let before = std::mem::replace(&mut self.current, run);
        if !is_empty {
            self.earlier.push(before);
        }
    }

    fn runs(&self) -> impl DoubleEndedIterator<Item = &Run> {
        self.earlier.iter().chain([&self.current])
    }

    /// The records that lead here again.
    pub fn records(&self) -> Vec<Record> {
        let records = self.runs().flat_map(|run| {
            let catalog = run.start_catalog.clone();
            let state = run.is_exact.then_some(Record::State { number: run.start, catalog, file: run.start_file });
            state.into_iter().chain(run.changes.iter().cloned().map(Record::Change))
        });
        records.collect()
    }

    /// Where it stands, as one record: the catalog is the one that it led to.
    pub fn checkpoint(&self, catalog: Catalog) -> Record {
        Record::State { number: self.last(), catalog, file: self.file() }
    }

    /// The file that was applied last, by content.
    pub fn file(&self) -> Option<Digest> {
        self.current.file()
    }

    /// The number of the newest change; 0 before the first.
    pub fn last(&self) -> u64 {
        self.current.last()
    }

    /// The changes that are kept, oldest first.
    pub fn changes(&self) -> impl DoubleEndedIterator<Item = &Change> {
        self.runs().flat_map(|run| &run.changes)
    }

    /// The numbers of the changes between those that are kept that were lost to
    /// damage, oldest first.
    pub fn lost(&self) -> Vec<RangeInclusive<u64>> {
        let between = self.runs().zip(self.runs().skip(1)).map(|(run, next)| run.last() + 1..=next.start);
        between.filter(|lost| !lost.is_empty()).collect()
    }

    /// The number of the state that the oldest change followed, where it is lost.
    pub fn lost_start(&self) -> Option<u64> {
        self.runs().next().filter(|run| !run.is_exact).map(|run| run.start)
    }

    /// Takes in the next change.
    pub fn push(&mut self, change: Change) {
        self.current.push(change);
    }

    /// Forgets changes before `at_ms`, and more where there are more than `changes_max`.
    pub fn cut(&mut self, at_ms: u64, changes_max: usize) -> bool {
        let old = self.changes().take_while(|change| change.at_ms < at_ms).count();
        let cut = old.max(self.changes().count().saturating_sub(changes_max));
        let mut left = cut;
        // Each turn takes an earlier run away: this ends.
        while left > 0 {
            let first = self.earlier.first_mut().unwrap_or(&mut self.current);
            let count = left.min(first.changes.len());
            first.cut(count);
            left -= count;
            if first.changes.is_empty() && !self.earlier.is_empty() {
                self.earlier.remove(0);
            }
        }
        let first = self.earlier.first_mut().unwrap_or(&mut self.current);
        if cut > 0 && !first.is_exact {
            // The records have no place for what is kept of it.
            (first.start_catalog, first.start_file) = (Catalog::default(), None);
        }
        cut > 0
    }

    /// The run that holds a state: the newer one, where one run ends as another begins.
    fn run_of(&self, number: u64) -> Result<&Run, HistoryError> {
        let (from, to) = (self.runs().next().map_or(0, |run| run.start), self.last());
        let holds = |run: &&Run| (run.start..=run.last()).contains(&number);
        match self.runs().rev().find(holds) {
            Some(run) => Ok(run),
            None if (from..=to).contains(&number) => Err(self.lost_state(number)),
            None => Err(HistoryError::NoState { number, from, to }),
        }
    }

    /// The last loss before a state.
    fn lost_state(&self, number: u64) -> HistoryError {
        let lost = self.lost().into_iter().rev().find(|lost| *lost.start() <= number);
        let (from, to) = lost.map_or((1, self.lost_start().unwrap_or(number)), RangeInclusive::into_inner);
        HistoryError::Lost { number, from, to }
    }

    /// The catalog after change `number`.
    pub fn state(&self, number: u64) -> Result<Catalog, HistoryError> {
        let run = self.run_of(number)?;
        if run.is_exact { Ok(run.catalog(number)) } else { Err(self.lost_state(number)) }
    }

    /// How a model was served after change `number`.
    pub fn serving(&self, model: &str, number: u64) -> Result<Option<&Serving>, HistoryError> {
        let run = self.run_of(number)?;
        match run.newest_rerouting(model, number).and_then(|change| change.rerouted(model)) {
            Some(rerouted) => Ok(rerouted.serving()),
            None if run.is_exact => Ok(run.start_serving(model)),
            None => Err(self.lost_state(number)),
        }
    }

    /// The newest changes, newest first, of one model or of all.
    pub fn told(&self, model: Option<&str>, most: usize) -> Vec<Told> {
        let concerns = |change: &&Change| model.is_none_or(|model| change.models.contains_key(model));
        let first = self.changes().rev().filter(concerns).take(most).last().map_or(u64::MAX, |change| change.number);
        let (mut told, mut losses) = (Vec::new(), self.lost().into_iter().peekable());
        for run in self.runs() {
            let mut catalog = run.start_catalog.clone();
            for change in &run.changes {
                if change.number < first || !concerns(&change) {
                    change.apply(&mut catalog);
                    // A loss before the oldest change shown is shown only if it is right before that change.
                    while change.number < first && losses.next_if(|lost| *lost.end() < change.number).is_some() {}
                    continue;
                }
                let mut lost = Vec::new();
                while let Some(range) = losses.next_if(|lost| *lost.end() < change.number) {
                    lost.push(range.into_inner());
                }
                let before = catalog.only(change.models.keys());
                change.apply(&mut catalog);
                let after = catalog.only(change.models.keys());
                told.push(Told {
                    number: change.number,
                    at_ms: change.at_ms,
                    by: change.by.clone(),
                    what: change.what.clone(),
                    restored: change.restored,
                    lost,
                    changes: super::super::differences(&before, &after),
                });
            }
        }
        told.reverse();
        told
    }

    /// What every state that is kept refers to, and what was published since.
    pub fn referenced(&self) -> BTreeSet<Digest> {
        let mut digests = BTreeSet::new();
        for run in self.runs() {
            let mut catalog = run.start_catalog.clone();
            digests.extend(catalog.referenced());
            for change in &run.changes {
                change.apply(&mut catalog);
                // What others refer to by a name that moved is what the moved model serves.
                digests.extend(change.models.keys().flat_map(|name| catalog.referenced_by(name)));
                let versions = change.models.values().flat_map(|model| model.versions.values());
                digests.extend(versions.map(|bound| bound.digest));
            }
        }
        digests
    }

    /// How a model was served before, and by which state that is known. Going
    /// back twice goes back further; a canary that was tried is not tried again.
    pub fn before(&self, model: &str, now: Option<&Serving>) -> Result<(u64, Serving), HistoryError> {
        let nothing = || HistoryError::Nothing(model.to_owned());
        let mut position = self.position(model, self.last()).ok_or_else(nothing)?;
        // Each turn finds an older change: this ends.
        loop {
            let older = position.checked_sub(1).ok_or_else(nothing)?;
            position = self.newest(model, older).ok_or_else(nothing)?;
            let serving = self.serving_at(model, position).map(Serving::without_canary);
            if let Some(serving) = serving.filter(|serving| Some(serving) != now) {
                return Ok((position, serving));
            }
        }
    }

    /// How a state that came from rerouting a model serves it.
    fn serving_at(&self, model: &str, number: u64) -> Option<&Serving> {
        match self.rerouting(model, number).and_then(|change| change.rerouted(model)) {
            Some(rerouted) => rerouted.serving(),
            None => self.runs().find(|run| run.start == number)?.start_serving(model),
        }
    }

    /// The state that the model is in, seen through rollbacks.
    fn position(&self, model: &str, from: u64) -> Option<u64> {
        let mut number = self.newest(model, from)?;
        // Each step leads to an older change: this ends.
        while let Some(restored) = self.rerouting(model, number).and_then(|change| change.restored) {
            number = self.newest(model, restored.min(number.saturating_sub(1)))?;
        }
        Some(number)
    }

    /// The newest state, at most `number`, that came from rerouting the model,
    /// also by a change that was lost.
    fn newest(&self, model: &str, number: u64) -> Option<u64> {
        let runs: Vec<&Run> = self.runs().collect();
        for (at, run) in runs.iter().enumerate().rev() {
            if let Some(change) = run.newest_rerouting(model, number) {
                return Some(change.number);
            }
            let before = at.checked_sub(1).and_then(|at| runs.get(at)?.end_serving(model));
            if run.start <= number && run.start_serving(model) != before {
                return Some(run.start);
            }
        }
        None
    }

    /// The change of this number, if it reroutes the model.
    fn rerouting(&self, model: &str, number: u64) -> Option<&Change> {
        self.runs().find_map(|run| run.change(number)).filter(|change| change.rerouted(model).is_some())
    }
}
