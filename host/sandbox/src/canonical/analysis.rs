//! Where a function needs the canonical NaN.
//!
//! Follows floats through stack and locals. A result of arithmetic is *loose*:
//! made canonical, it is what it should be. That is put off until something
//! looks at its bits, or for ever. Where paths meet, a local may be loose on
//! one and not on another, and after that nothing tells which: it is *mixed*. If
//! something looks at its bits later, the loose paths make it canonical before
//! they meet. So a loop that adds up pays nothing, and what is stored after it
//! is made canonical once.

use super::known::Shape;
use super::steps::{Does, Function, Step};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// Canonical NaNs go in before the instruction at `offset`: into a local, or
/// into the value on top of the stack.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) offset: usize,
    pub(super) local: Option<u32>,
    pub(super) shape: Shape,
}

/// Beyond these a function is not worth its analysis: whatever arithmetic
/// gives is made canonical at once.
const PASSES_MAX: usize = 16;
const LOCALS_AT_LABELS_MAX: usize = 1 << 18;

/// What is known of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Every bit is what it should be.
    Exact,
    /// Every bit is, once NaNs are made canonical.
    Loose(Shape),
    /// Exact or loose, by the path that was taken to a label. It is NaN where
    /// it should be, so it can be calculated with.
    Mixed(Shape, Meeting),
}

/// A local where paths meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Meeting {
    /// The step that opens the block.
    label: usize,
    /// Its place among the floats.
    place: usize,
}

/// The patches, in the order of the code.
pub(super) fn patches(function: &Function) -> Vec<Patch> {
    let labels = |step: &Step| match &step.does {
        Does::Branch { to, .. } => to.len(),
        Does::Block | Does::Loop | Does::If { .. } | Does::End => 1,
        _ => 0,
    };
    let labels: usize = function.steps.iter().map(labels).sum();
    let small = labels.saturating_mul(function.floats.len()) <= LOCALS_AT_LABELS_MAX;
    small.then(|| Analysis::new(function).run()).flatten().unwrap_or_else(|| everywhere(function))
}

/// After each piece of arithmetic.
fn everywhere(function: &Function) -> Vec<Patch> {
    let next = function.steps.iter().skip(1);
    let after = function.steps.iter().zip(next).filter_map(|(step, next)| match step.does {
        Does::Float { gives: Some(shape), .. } => Some(Patch { offset: next.offset, local: None, shape }),
        _ => None,
    });
    after.collect()
}

struct Analysis<'a> {
    function: &'a Function,
    /// Steps whose result something looks at.
    seen: HashSet<usize>,
    /// Meetings after which something looks at the local.
    seen_after: HashSet<Meeting>,
    /// The float locals at each label that was come to.
    at_labels: HashMap<usize, Vec<Value>>,
    /// Whether a pass came to a label with something new.
    news: bool,
    locals: Vec<Value>,
    /// Each with the step that pushed it.
    stack: Vec<(Value, usize)>,
    blocks: Vec<Block>,
    reachable: bool,
    patches: Vec<Patch>,
}

/// An open block.
struct Block {
    label: usize,
    is_loop: bool,
    height: usize,
    /// The float locals with which an `else` begins, when it can be come to.
    otherwise: Option<Vec<Value>>,
}

impl<'a> Analysis<'a> {
    fn new(function: &'a Function) -> Self {
        Self {
            function,
            seen: HashSet::new(),
            seen_after: HashSet::new(),
            at_labels: HashMap::new(),
            news: false,
            locals: Vec::new(),
            stack: Vec::new(),
            blocks: Vec::new(),
            reachable: true,
            patches: Vec::new(),
        }
    }

    /// Passes until one finds nothing new: its patches are right, as whatever
    /// it took for granted has held. `None`: that takes too long.
    fn run(mut self) -> Option<Vec<Patch>> {
        for _ in 0..PASSES_MAX {
            let (seen, seen_after) = (self.seen.len(), self.seen_after.len());
            self.news = false;
            self.pass()?;
            if self.seen_after.len() > seen_after {
                // Locals are exact where they were mixed: look again.
                self.at_labels.clear();
            } else if !self.news && self.seen.len() == seen {
                return Some(self.patches);
            }
        }
        None
    }

    fn pass(&mut self) -> Option<()> {
        self.patches.clear();
        self.stack.clear();
        self.blocks.clear();
        // Parameters are exact, and zeros are no NaNs.
        self.locals = vec![Value::Exact; self.function.floats.len()];
        self.reachable = true;
        let function = self.function;
        // The function's own block, which no step opens.
        self.open(function.steps.len(), false);
        for (at, step) in function.steps.iter().enumerate() {
            self.step(at, step)?;
        }
        Some(())
    }

    fn step(&mut self, at: usize, step: &Step) -> Option<()> {
        match &step.does {
            Does::Block => {
                self.pop_seen(step.pops);
                self.open(at, false);
                self.push_exact(step.pushes, at);
            }
            Does::Loop => {
                self.pop_seen(step.pops);
                self.open(at, true);
                self.come_to(0, step)?;
                self.go_on_from(at);
                self.push_exact(step.pushes, at);
            }
            Does::If { has_else } => {
                self.pop_seen(step.pops);
                self.open(at, false);
                if !has_else {
                    self.come_to(0, step)?;
                } else if self.reachable {
                    self.blocks.last_mut()?.otherwise = Some(self.locals.clone());
                }
                self.push_exact(step.pushes, at);
            }
            Does::Else => {
                self.pop_seen(step.pops);
                self.come_to(0, step)?;
                let block = self.blocks.last_mut()?;
                self.stack.truncate(block.height);
                self.reachable = block.otherwise.is_some();
                self.locals = block.otherwise.take().unwrap_or_default();
                self.push_exact(step.pushes, at);
            }
            Does::End => {
                self.pop_seen(step.pops);
                if !self.blocks.last()?.is_loop {
                    self.come_to(0, step)?;
                }
                let block = self.blocks.pop()?;
                self.stack.truncate(block.height);
                if !block.is_loop {
                    self.go_on_from(block.label);
                }
                self.push_exact(step.pushes, at);
            }
            // Nothing that cannot be come to matters.
            _ if !self.reachable => {}
            Does::Branch { to, may_fall_through } => {
                self.pop_seen(step.pops);
                for &label in to {
                    self.come_to(usize::try_from(label).ok()?, step)?;
                }
                self.reachable = *may_fall_through;
                self.push_exact(step.pushes, at);
            }
            Does::Leave => {
                self.pop_seen(step.pops);
                self.reachable = false;
            }
            _ => self.plain(at, step)?,
        }
        Some(())
    }

    /// A step that comes to the next one, and there only.
    fn plain(&mut self, at: usize, step: &Step) -> Option<()> {
        match step.does {
            Does::Get(place) => {
                let value = *self.locals.get(place)?;
                self.push(value, at);
            }
            Does::Set(place) => *self.locals.get_mut(place)? = self.stack.pop()?.0,
            Does::Tee(place) => {
                let (value, _) = self.stack.pop()?;
                *self.locals.get_mut(place)? = value;
                self.push(value, at);
            }
            Does::Float { takes, gives } => {
                for _ in 0..step.pops {
                    let operand = self.stack.pop()?;
                    if operand.0.shape() != Some(takes) {
                        self.see(operand);
                    }
                }
                self.push(gives.map_or(Value::Exact, Value::Loose), at);
            }
            _ => {
                self.pop_seen(step.pops);
                self.push_exact(step.pushes, at);
            }
        }
        Some(())
    }

    /// Pushes what a step gives, made canonical where something looks at it.
    fn push(&mut self, value: Value, at: usize) {
        let next = self.function.steps.get(at + 1);
        let value = match (value, next) {
            (Value::Loose(shape), Some(next)) if self.seen.contains(&at) => {
                self.patches.push(Patch { offset: next.offset, local: None, shape });
                Value::Exact
            }
            _ => value,
        };
        self.stack.push((value, at));
    }

    fn push_exact(&mut self, count: u32, at: usize) {
        self.stack.extend((0..count).map(|_| (Value::Exact, at)));
    }

    /// Pops what something looks at. In code that cannot be come to, the stack
    /// may hold less, and nothing that matters.
    fn pop_seen(&mut self, count: u32) {
        if self.reachable {
            for _ in 0..count {
                if let Some(value) = self.stack.pop() {
                    self.see(value);
                }
            }
        }
    }

    /// Something looks at the bits of a value.
    fn see(&mut self, (value, made): (Value, usize)) {
        match value {
            Value::Exact => false,
            Value::Loose(_) => self.seen.insert(made),
            Value::Mixed(_, meeting) => self.seen_after.insert(meeting),
        };
    }

    fn open(&mut self, label: usize, is_loop: bool) {
        self.blocks.push(Block { label, is_loop, height: self.stack.len(), otherwise: None });
    }

    /// Goes on with the locals as they are at a label, if it is come to.
    fn go_on_from(&mut self, label: usize) {
        let locals = self.at_labels.get(&label);
        self.reachable = locals.is_some();
        self.locals = locals.cloned().unwrap_or_default();
    }

    /// Locals come to a label, counted from the innermost, from before a step.
    fn come_to(&mut self, depth: usize, step: &Step) -> Option<()> {
        if !self.reachable {
            return Some(());
        }
        let label = self.blocks.iter().rev().nth(depth)?.label;
        self.settle(label, step);
        let mut there = match self.at_labels.entry(label) {
            Entry::Occupied(there) => there,
            Entry::Vacant(unknown) => {
                unknown.insert(self.locals.clone());
                self.news = true;
                return Some(());
            }
        };
        for (place, (there, &value)) in there.get_mut().iter_mut().zip(&self.locals).enumerate() {
            let meeting = Meeting { label, place };
            let met = meet(*there, value, meeting).unwrap_or_else(|| {
                self.seen_after.insert(meeting);
                Value::Exact
            });
            self.news |= met != *there;
            *there = met;
        }
        Some(())
    }

    /// Makes the locals exact that something looks at after a label.
    fn settle(&mut self, label: usize, step: &Step) {
        for (place, (value, &local)) in self.locals.iter_mut().zip(&self.function.floats).enumerate() {
            if *value == Value::Exact || !self.seen_after.contains(&Meeting { label, place }) {
                continue;
            }
            match *value {
                Value::Loose(shape) => {
                    self.patches.push(Patch { offset: step.offset, local: Some(local), shape });
                }
                Value::Mixed(_, earlier) => drop(self.seen_after.insert(earlier)),
                Value::Exact => {}
            }
            *value = Value::Exact;
        }
    }
}

impl Value {
    fn shape(self) -> Option<Shape> {
        match self {
            Self::Exact => None,
            Self::Loose(shape) | Self::Mixed(shape, _) => Some(shape),
        }
    }
}

/// What a local is where two paths meet; `None`: nothing that would do for
/// both, so it must be exact.
fn meet(one: Value, other: Value, meeting: Meeting) -> Option<Value> {
    if one == other {
        return Some(one);
    }
    match (one.shape(), other.shape()) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => one.or(other).map(|shape| Value::Mixed(shape, meeting)),
    }
}
