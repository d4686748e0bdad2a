//! Errors by what they have in common, within bounds: of each group how many there were, the first and the last.
//!
//! Pure: the time is passed in. Clients' mistakes have a quarter of the room, so that none of them takes a version's
//! error its place.

use super::entry::{Entry, Fault, GroupId};
use crate::recording::RecordId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};

/// The share of the room that clients' mistakes have.
const CLIENTS_SHARE: usize = 4;
/// Of the records that a group may have, the share that its first ones are.
const FIRST_SHARE: usize = 4;
/// What a record takes beside its JSON, roughly.
const OVERHEAD_BYTES: usize = 64;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Groups.
    pub groups_max: usize,
    /// Records of one group, at least two; of clients' mistakes a quarter of that.
    pub records_max: usize,
    /// All records together.
    pub bytes_max: usize,
    /// How old a record may be.
    pub age_max_ms: u64,
}

/// All that is kept.
#[derive(Debug)]
pub struct Groups {
    bounds: Bounds,
    all: BTreeMap<GroupId, Group>,
    /// Records that gave way before they were written.
    pub(super) unwritten_lost: u64,
}

#[derive(Debug)]
struct Group {
    shown: ShownGroup,
    is_changed: bool,
    bytes: usize,
    first: Vec<Kept>,
    last: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    id: RecordId,
    at_ms: u64,
    /// Its [`Entry`], as it is written and shown.
    json: Box<RawValue>,
    is_written: bool,
}

/// What the errors of a group have in common, and how many there were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownGroup {
    /// Its name.
    pub group: GroupId,
    /// The model that was asked.
    pub model: String,
    /// The version that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
    /// Why it did not answer.
    pub reason: String,
    /// Whose fault that is.
    pub fault: Fault,
    /// Whether a fallback answered.
    pub is_degraded: bool,
    /// What their causes have in common.
    pub cause: String,
    /// How many there were.
    pub count: u64,
    /// When the first was, in milliseconds of Unix time.
    pub first_ms: u64,
    /// When the last was.
    pub last_ms: u64,
}

/// A line of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<E> {
    /// A record.
    Record(E),
    /// A group as it stood.
    Group(ShownGroup),
}

impl Groups {
    /// None yet.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, all: BTreeMap::new(), unwritten_lost: 0 }
    }

    /// One more error.
    pub fn add(&mut self, entry: &Entry) {
        self.keep(entry, true);
    }

    /// What a line of the log says; false where it says nothing that is known.
    pub fn replay(&mut self, line: &[u8]) -> bool {
        match serde_json::from_slice(line) {
            Ok(Line::Record(entry)) => self.keep(&entry, false),
            Ok(Line::Group(told)) => {
                let group = self.all.entry(told.group).or_insert_with(|| Group::new(told.clone()));
                // Its records may have come first, or it may be older than they are.
                let (count, first_ms) = (group.shown.count.max(told.count), group.shown.first_ms.min(told.first_ms));
                let last_ms = group.shown.last_ms.max(told.last_ms);
                group.shown = ShownGroup { count, first_ms, last_ms, ..told };
                self.make_room();
            }
            Err(_) => return false,
        }
        true
    }

    /// Everything, where `is_all`; else what has changed since [`Self::written`].
    pub fn lines(&self, is_all: bool) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for group in self.all.values() {
            if is_all || group.is_changed {
                lines.extend(serde_json::to_vec(&Line::<()>::Group(group.shown.clone())).ok());
            }
            for kept in group.records().filter(|kept| is_all || !kept.is_written) {
                lines.extend(serde_json::to_vec(&Line::Record(&kept.json)).ok());
            }
        }
        lines
    }

    /// All lines are on the disk.
    pub fn written(&mut self) {
        for group in self.all.values_mut() {
            group.is_changed = false;
            group.first.iter_mut().chain(&mut group.last).for_each(|kept| kept.is_written = true);
        }
    }

    /// Records that are not on the disk.
    pub fn unwritten(&self) -> u64 {
        self.all.values().flat_map(Group::records).filter(|kept| !kept.is_written).count() as u64
    }

    /// Lets go of what is too old.
    pub fn expire(&mut self, now_ms: u64) {
        let oldest_ms = now_ms.saturating_sub(self.bounds.age_max_ms);
        for group in self.all.values_mut() {
            group.retain(|kept| kept.at_ms >= oldest_ms);
        }
        self.all.retain(|_, group| group.shown.last_ms >= oldest_ms);
    }

    /// The groups, the one with the newest error first.
    pub fn shown(&self) -> Vec<&ShownGroup> {
        let mut shown: Vec<_> = self.all.values().map(|group| &group.shown).collect();
        shown.sort_by_key(|group| std::cmp::Reverse((group.last_ms, group.group)));
        shown
    }

    /// The records of a group that are kept, the oldest first.
    pub fn records(&self, group: GroupId) -> impl Iterator<Item = (RecordId, u64)> {
        self.all.get(&group).into_iter().flat_map(Group::records).map(|kept| (kept.id, kept.at_ms))
    }

    /// A record, and its group.
    pub fn find(&self, id: RecordId) -> Option<(&RawValue, &ShownGroup)> {
        self.all.values().find_map(|group| {
            let kept = group.records().find(|kept| kept.id == id)?;
            Some((&*kept.json, &group.shown))
        })
    }

    fn keep(&mut self, entry: &Entry, is_new: bool) {
        let pattern = entry.pattern();
        let id = entry.group(&pattern);
        let Ok(json) = serde_json::value::to_raw_value(entry) else { return };
        let group = self.all.entry(id).or_insert_with(|| {
            Group::new(ShownGroup {
                group: id,
                model: entry.model.clone(),
                version: entry.version,
                reason: entry.reason.clone(),
                fault: entry.fault,
                is_degraded: entry.answered_by.is_some(),
                cause: pattern,
                count: 0,
                first_ms: entry.at_ms,
                last_ms: entry.at_ms,
            })
        });
        if is_new {
            group.shown.count += 1;
            group.is_changed = true;
        }
        group.shown.first_ms = group.shown.first_ms.min(entry.at_ms);
        group.shown.last_ms = group.shown.last_ms.max(entry.at_ms);
        let kept = Kept { id: entry.id, at_ms: entry.at_ms, json, is_written: !is_new };
        let displaced = group.push(kept, self.bounds.records_of(entry.fault));
        if !is_new {
            // A line that says how many there were may be lost.
            group.shown.count = group.shown.count.max(group.records().count() as u64);
        }
        self.unwritten_lost += u64::from(displaced.is_some_and(|kept| !kept.is_written));
        self.make_room();
    }

    /// Lets go of what is beyond the bounds: of either fault its own share.
    fn make_room(&mut self) {
        for fault in [Fault::Client, Fault::Host] {
            let (groups_max, bytes_max) = self.bounds.share(fault);
            loop {
                let of_fault = || self.all.values().filter(|group| group.shown.fault == fault);
                let bytes: usize = of_fault().map(|group| group.bytes).sum();
                let has_groups_too_many = of_fault().count() > groups_max;
                if !has_groups_too_many && bytes <= bytes_max {
                    break;
                }
                // The largest gives up its oldest record; where that is all there is, the oldest group goes.
                let largest = of_fault().max_by_key(|group| group.bytes).map(|group| group.shown.group);
                let oldest = of_fault().min_by_key(|group| group.shown.last_ms).map(|group| group.shown.group);
                let gone = match (has_groups_too_many, largest.and_then(|id| self.all.get_mut(&id))) {
                    (false, Some(group)) if group.records().count() > 1 => u64::from(group.pop()),
                    _ => oldest.and_then(|id| self.all.remove(&id)).map_or(0, |group| group.unwritten()),
                };
                self.unwritten_lost += gone;
            }
        }
    }
}

impl Bounds {
    /// Groups and bytes that errors of one fault may take.
    fn share(&self, fault: Fault) -> (usize, usize) {
        let clients = ((self.groups_max / CLIENTS_SHARE).max(1), self.bytes_max / CLIENTS_SHARE);
        match fault {
            Fault::Client => clients,
            Fault::Host => ((self.groups_max - clients.0.min(self.groups_max)).max(1), self.bytes_max - clients.1),
        }
    }

    fn records_of(&self, fault: Fault) -> usize {
        match fault {
            Fault::Client => (self.records_max / CLIENTS_SHARE).max(2),
            Fault::Host => self.records_max.max(2),
        }
    }
}

impl Group {
    fn new(shown: ShownGroup) -> Self {
        Self { shown, is_changed: false, bytes: 0, first: Vec::new(), last: VecDeque::new() }
    }

    fn records(&self) -> impl Iterator<Item = &Kept> {
        self.first.iter().chain(&self.last)
    }

    /// Keeps a record; the one that gives way to it.
    fn push(&mut self, kept: Kept, records_max: usize) -> Option<Kept> {
        let first_max = (records_max / FIRST_SHARE).max(1);
        self.bytes += kept.bytes();
        if self.first.len() < first_max && self.last.is_empty() {
            self.first.push(kept);
            return None;
        }
        self.last.push_back(kept);
        let displaced = (self.last.len() > records_max - first_max).then(|| self.last.pop_front()).flatten()?;
        self.bytes -= displaced.bytes();
        Some(displaced)
    }

    /// Lets go of its oldest record that is not among the first, else of its last first one; whether that was unwritten.
    fn pop(&mut self) -> bool {
        let Some(gone) = self.last.pop_front().or_else(|| self.first.pop()) else { return false };
        self.bytes -= gone.bytes();
        !gone.is_written
    }

    fn retain(&mut self, keeps: impl Fn(&Kept) -> bool) {
        self.first.retain(&keeps);
        self.last.retain(&keeps);
        self.bytes = self.records().map(Kept::bytes).sum();
    }

    fn unwritten(&self) -> u64 {
        self.records().filter(|kept| !kept.is_written).count() as u64
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.json.get().len() + OVERHEAD_BYTES
    }
}
