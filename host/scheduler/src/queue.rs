//! Which call is next: shares of processor time between lanes, the most urgent call first
//! within a lane. Pure: time is passed in, nothing is run here, no thread is woken.
//!
//! Of the lanes that have a free place, the one that has used the least processor time is
//! next; one that comes back from being idle starts level with the others. Lanes whose calls
//! burn whole slices are served by the threads of low priority.

use crate::lane::Lane;
use crate::work::Work;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which threads serve a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// At the host's own priority.
    Prompt,
    /// At a low priority.
    Patient,
}

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The lane, or the queue as a whole, has no room.
    Full,
    /// It would wait too long to be of use.
    Late,
}

/// What a thread may do now.
pub(crate) enum Pick<W> {
    /// Run this.
    Run(Picked<W>),
    /// Look again then: calls are held back for others to join them.
    At(Instant),
    /// Sleep.
    Nothing,
}

/// Work that was taken up; `done` is told what it cost.
pub(crate) struct Picked<W> {
    pub(crate) lane: Arc<Lane>,
    pub(crate) work: W,
    /// Work that the same call answers.
    pub(crate) joined: Vec<W>,
    /// What the lane was charged beforehand.
    charged: Duration,
}

pub(crate) struct Queue<W> {
    /// Only lanes with calls that wait or were taken up.
    by_lane: HashMap<u64, Waiting<W>>,
    /// Calls that wait, over all lanes.
    waiting: usize,
    sequence: u64,
    /// What the lane that was served last had used before.
    level: Duration,
    queue_max: usize,
    /// No more calls can be taken from prompt threads.
    is_crowded: bool,
}

/// One lane's part of the queue.
struct Waiting<W> {
    lane: Arc<Lane>,
    entries: BinaryHeap<Reverse<Entry<W>>>,
    /// Calls that were taken up and have not ended.
    taken: usize,
    /// Processor time, above the level at which it began.
    used: Duration,
}

/// Ordered by deadline, then by arrival.
struct Entry<W> {
    deadline: Instant,
    sequence: u64,
    came: Instant,
    /// When waiting is over.
    start_by: Instant,
    work: W,
}

impl<W: Work> Queue<W> {
    pub(crate) fn new(queue_max: usize) -> Self {
        let (by_lane, level) = (HashMap::new(), Duration::ZERO);
        Self { by_lane, waiting: 0, sequence: 0, level, queue_max, is_crowded: false }
    }

    /// Adds a call; says which threads could take it up right now.
    pub(crate) fn push(&mut self, lane: &Arc<Lane>, work: W, now: Instant) -> Result<Option<Class>, Refused> {
        let limits = &lane.limits;
        let of_lane = self.by_lane.entry(lane.id).or_insert_with(|| Waiting::new(lane, self.level));
        let free = lane.free();
        let room = limits.queue_max.saturating_add(free);
        if of_lane.entries.len() >= room {
            self.waiting -= of_lane.sweep(now);
        }
        let before = of_lane.entries.len();
        if before >= room || self.waiting >= self.queue_max {
            self.forget_if_empty(lane.id);
            return Err(Refused::Full);
        }
        let deadline = work.deadline();
        // At least this long, behind those that wait already.
        let waits = lane.expected_wait(before.saturating_sub(free));
        if !waits.is_zero() && (is_long(waits, lane) || now + waits + lane.least() > deadline) {
            self.forget_if_empty(lane.id);
            return Err(Refused::Late);
        }
        self.sequence += 1;
        self.waiting += 1;
        let start_by = deadline.min(now + limits.queue_time_max);
        of_lane.entries.push(Reverse(Entry { deadline, sequence: self.sequence, came: now, start_by, work }));
        lane.waits(before + 1);
        // Asked again: a call that ended meanwhile did not see this one.
        Ok((lane.free() > 0).then(|| self.class_of(lane)))
    }

    /// Which threads serve a lane. While no more calls can be taken from prompt
    /// threads, only lanes that are known to be quick have those.
    pub(crate) fn class_of(&self, lane: &Lane) -> Class {
        if lane.is_patient() || (self.is_crowded && !lane.is_known()) { Class::Patient } else { Class::Prompt }
    }

    pub(crate) fn set_crowded(&mut self, is_crowded: bool) {
        self.is_crowded = is_crowded;
    }

    /// Whether one more call would be refused whatever it is. Requests that are
    /// still read by the compute threads come before it.
    pub(crate) fn has_room(&mut self, lane: &Lane, reading: &Lane, now: Instant) -> bool {
        let coming = self.by_lane.get(&reading.id).map_or(0, |of_lane| of_lane.entries.len() + of_lane.taken);
        let free = lane.free();
        let room = lane.limits.queue_max.saturating_add(free);
        let mut before = coming;
        if let Some(of_lane) = self.by_lane.get_mut(&lane.id) {
            if of_lane.entries.len() + coming >= room {
                self.waiting -= of_lane.sweep(now);
            }
            before += of_lane.entries.len();
        }
        let waits = lane.expected_wait(before.saturating_sub(free));
        before < room && self.waiting < self.queue_max && !is_long(waits, lane)
    }

    /// The next work for a thread of this class. Work that no client waits for
    /// any more is dropped on the way.
    pub(crate) fn pop(&mut self, class: Class, now: Instant) -> Pick<W> {
        loop {
            let mut wake: Option<Instant> = None;
            let mut next: Option<((Duration, Instant, u64), u64)> = None;
            for (&id, of_lane) in &mut self.by_lane {
                let Some(Reverse(head)) = of_lane.entries.peek() else { continue };
                let lane = &of_lane.lane;
                let is_patient = lane.is_patient() || (self.is_crowded && !lane.is_known());
                if lane.free() == 0 || is_patient != (class == Class::Patient) {
                    continue;
                }
                if let Some(until) = of_lane.held_until(now) {
                    wake = Some(wake.map_or(until, |wake| wake.min(until)));
                    continue;
                }
                let rank = (of_lane.used + of_lane.lane.uncharged(), head.deadline, head.sequence);
                if next.is_none_or(|(least, _)| rank < least) {
                    next = Some((rank, id));
                }
            }
            let Some((_, id)) = next else { return wake.map_or(Pick::Nothing, Pick::At) };
            if let Some(picked) = self.take(id, now) {
                return Pick::Run(picked);
            }
        }
    }

    /// The lane's most urgent call, with those that join it.
    fn take(&mut self, id: u64, now: Instant) -> Option<Picked<W>> {
        let of_lane = self.by_lane.get_mut(&id)?;
        let lane = of_lane.lane.clone();
        if !lane.enter() {
            return None;
        }
        let Some(Reverse(entry)) = of_lane.entries.pop() else {
            lane.leave();
            return None;
        };
        self.waiting -= 1;
        if entry.is_over(now) {
            lane.waits(of_lane.entries.len());
            lane.leave();
            self.forget_if_empty(id);
            return None;
        }
        let (mut joined, mut rows) = (Vec::new(), entry.work.rows());
        while let Some(Reverse(head)) = of_lane.entries.peek() {
            rows = rows.saturating_add(head.work.rows());
            if rows > lane.limits.batch_max_rows || !entry.work.joins(&head.work) {
                break;
            }
            let Some(Reverse(head)) = of_lane.entries.pop() else { break };
            self.waiting -= 1;
            if !head.is_over(now) {
                joined.push(head.work);
            }
        }
        lane.waits(of_lane.entries.len());
        let charged = lane.expected_cpu();
        of_lane.used += lane.take_uncharged();
        self.level = self.level.max(of_lane.used);
        of_lane.used += charged;
        of_lane.taken += 1;
        Some(Picked { lane, work: entry.work, joined, charged })
    }

    /// Work has ended: its place is free, and the lane pays what it cost.
    pub(crate) fn done(&mut self, lane: &Lane, charged: Duration, cpu: Duration) {
        lane.leave();
        let Some(of_lane) = self.by_lane.get_mut(&lane.id) else { return };
        of_lane.taken = of_lane.taken.saturating_sub(1);
        of_lane.used = (of_lane.used + cpu).saturating_sub(charged);
        self.forget_if_empty(lane.id);
    }

    /// Whether a thread of this class would find something.
    pub(crate) fn has_work(&self, class: Class) -> bool {
        let is_ready = |of_lane: &Waiting<W>| !of_lane.entries.is_empty() && of_lane.lane.free() > 0;
        self.by_lane.values().any(|of_lane| is_ready(of_lane) && self.class_of(&of_lane.lane) == class)
    }

    fn forget_if_empty(&mut self, id: u64) {
        if self.by_lane.get(&id).is_some_and(|of_lane| of_lane.taken == 0 && of_lane.entries.is_empty()) {
            self.by_lane.remove(&id);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_lane.is_empty() && self.waiting == 0
    }
}

/// Half of the limit is for estimates that prove too short: a refusal should
/// come at once, and not when the limit ends the wait.
fn is_long(waits: Duration, lane: &Lane) -> bool {
    waits * 2 > lane.limits.queue_time_max
}

impl<W> Picked<W> {
    pub(crate) fn charged(&self) -> Duration {
        self.charged
    }
}

impl<W: Work> Waiting<W> {
    fn new(lane: &Arc<Lane>, used: Duration) -> Self {
        // An idle lane starts level with the others, whatever it has used before.
        lane.take_uncharged();
        Self { lane: lane.clone(), entries: BinaryHeap::new(), taken: 0, used }
    }

    /// Until when its calls are held back, for others to join them.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let limits = &self.lane.limits;
        if limits.batch_max_rows < 2 || limits.batch_delay.is_zero() {
            return None;
        }
        let rows: usize = self.entries.iter().map(|Reverse(entry)| entry.work.rows()).sum();
        let oldest = self.entries.iter().map(|Reverse(entry)| entry.came).min()?;
        let urgent = self.entries.peek().map(|Reverse(entry)| entry.deadline)?;
        // Never past a deadline: what a call usually takes is left for it, twice.
        let latest = urgent.checked_sub(self.lane.expected_wait(limits.in_flight_max) * 2)?;
        let until = (oldest + limits.batch_delay).min(latest);
        (rows < limits.batch_max_rows && now < until).then_some(until)
    }

    /// Drops work that no client waits for; returns how many.
    fn sweep(&mut self, now: Instant) -> usize {
        let before = self.entries.len();
        self.entries.retain(|Reverse(entry)| !entry.is_over(now));
        self.lane.waits(self.entries.len());
        before - self.entries.len()
    }
}

impl<W: Work> Entry<W> {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.start_by || self.work.is_abandoned()
    }
}

impl<W> PartialEq for Entry<W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<W> Eq for Entry<W> {}

impl<W> PartialOrd for Entry<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Entry<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.deadline, self.sequence).cmp(&(other.deadline, other.sequence))
    }
}
