//! Who is next: a lane a model, shares of processor time between lanes, the
//! most urgent call first within a lane. Pure: time is passed in, nothing is
//! run here, nobody is woken.
//!
//! A lane runs so many calls at once, and so many wait. Of the lanes that may
//! run, the one that has used the least processor time is next; whoever comes
//! back from being idle starts level with the others. Lanes whose calls burn
//! whole slices are served by the threads of low priority.

use super::Work;
use crate::serving::Admission;
use crate::serving::admission::SLICE;
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which threads serve a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// At the host's own priority.
    Prompt,
    /// At a low priority.
    Patient,
}

/// Why a call is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::serving) enum Refused {
    /// The lane, or the queue as a whole, has no room.
    Full,
    /// It would wait too long to be of use.
    Late,
}

/// What a thread may do now.
pub(super) enum Pick<W> {
    /// Run this.
    Run(Picked<W>),
    /// Look again then: calls are held back for others to join them.
    At(Instant),
    /// Sleep.
    Nothing,
}

/// Work that was taken up; `done` is told what it cost.
pub(super) struct Picked<W> {
    pub(super) admission: Arc<Admission>,
    pub(super) work: W,
    /// Those that are answered by the same call.
    pub(super) joined: Vec<W>,
    /// What the lane was charged beforehand.
    charged: Duration,
}

pub(super) struct Queue<W> {
    /// Only lanes with calls that run or wait.
    lanes: HashMap<u64, Lane<W>>,
    /// Calls that wait, over all lanes.
    waiting: usize,
    sequence: u64,
    /// What the lane that was served last had used before.
    level: Duration,
    queue_max: usize,
    /// No more calls can be taken from prompt threads.
    is_crowded: bool,
    /// Whether a quick model was asked since somebody wanted to know.
    was_quick: bool,
}

struct Lane<W> {
    admission: Arc<Admission>,
    jobs: BinaryHeap<Reverse<Job<W>>>,
    running: usize,
    /// Processor time, above the level at which it began.
    used: Duration,
}

/// Ordered by deadline, then by arrival.
struct Job<W> {
    deadline: Instant,
    sequence: u64,
    came: Instant,
    /// When waiting is over.
    start_by: Instant,
    work: W,
}

impl<W: Work> Queue<W> {
    pub(super) fn new(queue_max: usize) -> Self {
        let (lanes, level) = (HashMap::new(), Duration::ZERO);
        Self { lanes, waiting: 0, sequence: 0, level, queue_max, is_crowded: false, was_quick: false }
    }

    /// A place for a call that somebody else makes: only where nobody waits for
    /// it, and no call is to be joined with others. `done` ends it.
    pub(super) fn enter(&mut self, admission: &Arc<Admission>) -> bool {
        if admission.limits.batch_max_rows > 1 {
            return false;
        }
        let lane = self.lanes.entry(admission.lane).or_insert_with(|| Lane::new(admission, self.level));
        let enters = lane.jobs.is_empty() && lane.is_ready();
        lane.running += usize::from(enters);
        enters
    }

    /// Adds a call; says which threads could take it up right now.
    pub(super) fn push(&mut self, admission: &Arc<Admission>, work: W, now: Instant) -> Result<Option<Class>, Refused> {
        let limits = &admission.limits;
        let lane = self.lanes.entry(admission.lane).or_insert_with(|| Lane::new(admission, self.level));
        let free = limits.in_flight_max.saturating_sub(lane.running);
        let room = limits.queue_max.saturating_add(free);
        if lane.jobs.len() >= room {
            self.waiting -= lane.sweep(now);
        }
        if lane.jobs.len() >= room || self.waiting >= self.queue_max {
            self.forget_if_empty(admission.lane);
            return Err(Refused::Full);
        }
        let deadline = work.deadline();
        // At least so long, behind those that wait already.
        let waits = admission.expected_wait(lane.jobs.len().saturating_sub(free));
        if !waits.is_zero() && (is_long(waits, admission) || now + waits + admission.least() > deadline) {
            self.forget_if_empty(admission.lane);
            return Err(Refused::Late);
        }
        self.sequence += 1;
        self.waiting += 1;
        let start_by = deadline.min(now + limits.queue_time_max);
        lane.jobs.push(Reverse(Job { deadline, sequence: self.sequence, came: now, start_by, work }));
        Ok((free > 0).then(|| self.class_of(admission)))
    }

    /// Which threads serve a lane. While no more calls can be taken from prompt
    /// threads, only lanes that are known to be quick have those.
    pub(super) fn class_of(&self, lane: &Admission) -> Class {
        if lane.is_patient() || (self.is_crowded && !lane.is_known()) { Class::Patient } else { Class::Prompt }
    }

    pub(super) fn set_crowded(&mut self, is_crowded: bool) {
        self.is_crowded = is_crowded;
    }

    /// Whether a quick call of a quick model has ended since the last time. A
    /// model on the border to slow is neither.
    pub(super) fn take_quick(&mut self) -> bool {
        std::mem::take(&mut self.was_quick)
    }

    /// Whether one more call would be refused whatever it is. Requests that are
    /// still read by the compute threads come before it.
    pub(super) fn has_room(&mut self, admission: &Admission, reading: &Admission, now: Instant) -> bool {
        let limits = &admission.limits;
        let coming = self.lanes.get(&reading.lane).map_or(0, |lane| lane.jobs.len() + lane.running);
        let (mut running, mut before) = (0, coming);
        if let Some(lane) = self.lanes.get_mut(&admission.lane) {
            let room = limits.queue_max.saturating_add(limits.in_flight_max.saturating_sub(lane.running));
            if lane.jobs.len() + coming >= room {
                self.waiting -= lane.sweep(now);
            }
            (running, before) = (lane.running, lane.jobs.len() + coming);
        }
        let free = limits.in_flight_max.saturating_sub(running);
        let waits = admission.expected_wait(before.saturating_sub(free));
        let room = limits.queue_max.saturating_add(free);
        before < room && self.waiting < self.queue_max && !is_long(waits, admission)
    }

    /// Whether a call of this lane, or a request that is still to be read for it, waits.
    pub(super) fn is_waited_for(&self, admission: &Admission, reading: &Admission) -> bool {
        [admission, reading].iter().any(|lane| self.lanes.get(&lane.lane).is_some_and(|lane| !lane.jobs.is_empty()))
    }

    /// The next work for a thread of this class. Work that nobody waits for
    /// any more is dropped on the way.
    pub(super) fn pop(&mut self, class: Class, now: Instant) -> Pick<W> {
        loop {
            let mut wake: Option<Instant> = None;
            let mut next: Option<((Duration, Instant, u64), u64)> = None;
            for (&id, lane) in &self.lanes {
                if !lane.is_ready() || self.class_of(&lane.admission) != class {
                    continue;
                }
                let Some(Reverse(head)) = lane.jobs.peek() else { continue };
                if let Some(until) = lane.held_until(now) {
                    wake = Some(wake.map_or(until, |wake| wake.min(until)));
                    continue;
                }
                let rank = (lane.used, head.deadline, head.sequence);
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
        let lane = self.lanes.get_mut(&id)?;
        let Reverse(job) = lane.jobs.pop()?;
        self.waiting -= 1;
        if job.is_over(now) {
            self.forget_if_empty(id);
            return None;
        }
        let (mut joined, mut rows) = (Vec::new(), job.work.rows());
        while let Some(Reverse(head)) = lane.jobs.peek() {
            rows = rows.saturating_add(head.work.rows());
            if rows > lane.admission.limits.batch_max_rows || !job.work.joins(&head.work) {
                break;
            }
            let Some(Reverse(head)) = lane.jobs.pop() else { break };
            self.waiting -= 1;
            if !head.is_over(now) {
                joined.push(head.work);
            }
        }
        let charged = lane.admission.expected_cpu();
        self.level = self.level.max(lane.used);
        lane.used += charged;
        lane.running += 1;
        Some(Picked { admission: lane.admission.clone(), work: job.work, joined, charged })
    }

    /// Work has ended: its place is free, and the lane pays what it cost. Says
    /// which threads serve those that wait for the place.
    pub(super) fn done(&mut self, admission: &Admission, charged: Duration, cpu: Duration) -> Option<Class> {
        self.was_quick |= cpu < SLICE / 2 && !admission.is_patient();
        let lane = self.lanes.get_mut(&admission.lane)?;
        lane.running = lane.running.saturating_sub(1);
        lane.used = (lane.used + cpu).saturating_sub(charged);
        let is_wanted = !lane.jobs.is_empty();
        self.forget_if_empty(admission.lane);
        is_wanted.then(|| self.class_of(admission))
    }

    /// Whether a thread of this class would find something.
    pub(super) fn has_work(&self, class: Class) -> bool {
        self.lanes
            .values()
            .any(|lane| lane.is_ready() && !lane.jobs.is_empty() && self.class_of(&lane.admission) == class)
    }

    fn forget_if_empty(&mut self, lane: u64) {
        if self.lanes.get(&lane).is_some_and(|lane| lane.running == 0 && lane.jobs.is_empty()) {
            self.lanes.remove(&lane);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty() && self.waiting == 0
    }
}

/// Half of the limit is for estimates that prove too short: a refusal should
/// come at once, and not when the limit ends the wait.
fn is_long(waits: Duration, admission: &Admission) -> bool {
    waits * 2 > admission.limits.queue_time_max
}

impl<W> Picked<W> {
    pub(super) fn charged(&self) -> Duration {
        self.charged
    }
}

impl<W: Work> Lane<W> {
    fn new(admission: &Arc<Admission>, used: Duration) -> Self {
        Self { admission: admission.clone(), jobs: BinaryHeap::new(), running: 0, used }
    }

    fn is_ready(&self) -> bool {
        self.running < self.admission.limits.in_flight_max
    }

    /// Until when its calls are held back, for others to join them.
    fn held_until(&self, now: Instant) -> Option<Instant> {
        let limits = &self.admission.limits;
        if limits.batch_max_rows < 2 || limits.batch_delay.is_zero() {
            return None;
        }
        let rows: usize = self.jobs.iter().map(|Reverse(job)| job.work.rows()).sum();
        let oldest = self.jobs.iter().map(|Reverse(job)| job.came).min()?;
        let urgent = self.jobs.peek().map(|Reverse(job)| job.deadline)?;
        // Never past a deadline: what a call usually takes is left for it, twice.
        let latest = urgent.checked_sub(self.admission.expected_wait(limits.in_flight_max) * 2)?;
        let until = (oldest + limits.batch_delay).min(latest);
        (rows < limits.batch_max_rows && now < until).then_some(until)
    }

    /// Drops work that no client waits for; returns how many.
    fn sweep(&mut self, now: Instant) -> usize {
        let before = self.jobs.len();
        self.jobs.retain(|Reverse(job)| !job.is_over(now));
        before - self.jobs.len()
    }
}

impl<W: Work> Job<W> {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.start_by || self.work.is_abandoned()
    }
}

impl<W> PartialEq for Job<W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<W> Eq for Job<W> {}

impl<W> PartialOrd for Job<W> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<W> Ord for Job<W> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.deadline, self.sequence).cmp(&(other.deadline, other.sequence))
    }
}
