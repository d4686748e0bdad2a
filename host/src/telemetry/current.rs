//! Whose work this task or thread does at the moment, so that each line of the log can say it. Never decides anything by
//! it: what a step needs of a request, it is given.

use super::context::{Context, Given};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    static CURRENT: Arc<Context>;
}

/// Does a request's work.
pub fn scope<F: Future>(context: Arc<Context>, work: F) -> TaskLocalFuture<Arc<Context>, F> {
    CURRENT.scope(context, work)
}

/// Does a request's work on this thread.
pub fn enter<T>(context: Arc<Context>, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(context, work)
}

/// The request whose work is done here; a new one where that is nobody's.
pub fn current() -> Arc<Context> {
    with_current(Arc::clone).unwrap_or_else(|| Arc::new(Context::new(Given::default(), false, random)))
}

/// Looks at the request whose work is done here.
pub fn with_current<T>(look: impl FnOnce(&Arc<Context>) -> T) -> Option<T> {
    CURRENT.try_with(look).ok()
}

thread_local! {
    /// Begins where no other thread does: the system has chosen the keys.
    static NUMBERS: Cell<Xoroshiro> = Cell::new({
        let keys = RandomState::new();
        Xoroshiro(keys.hash_one(0), keys.hash_one(1))
    });
}

/// A number for an id, which differs from all others; not a secret.
pub fn random() -> u64 {
    NUMBERS.with(|numbers| {
        let (number, next) = numbers.get().next();
        numbers.set(next);
        number
    })
}

/// xoroshiro128++ of Blackman and Vigna: a request needs a few numbers, and the period is long enough for all hosts.
#[derive(Clone, Copy)]
struct Xoroshiro(u64, u64);

impl Xoroshiro {
    fn next(self) -> (u64, Self) {
        let Self(first, second) = self;
        let number = first.wrapping_add(second).rotate_left(17).wrapping_add(first);
        let mixed = second ^ first;
        (number, Self(first.rotate_left(49) ^ mixed ^ mixed << 21, mixed.rotate_left(28)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_differ_on_every_thread() {
        let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(|| (0..1000).map(|_| random()).collect())).collect();
        let all: Vec<Vec<u64>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.concat().into_iter().collect::<BTreeSet<_>>().len(), 8000);
    }

    /// The numbers of rand_xoshiro's own test, which are those of the reference in C.
    #[test]
    fn numbers_are_those_of_the_reference() {
        let expected = [393217, 669327710093319, 1732421326133921491, 11394790081659126983];
        let mut numbers = Xoroshiro(1, 2);
        let next = || {
            let (number, next) = numbers.next();
            numbers = next;
            number
        };
        assert_eq!(std::iter::repeat_with(next).take(4).collect::<Vec<_>>(), expected);
    }

    #[tokio::test]
    async fn work_is_its_requests_wherever_it_goes_on() {
        let made = || Arc::new(Context::new(Given::default(), false, random));
        let (one, other) = (made(), made());
        let id = || with_current(|context| context.request_id().into_owned());
        let theirs = scope(one.clone(), async {
            tokio::task::yield_now().await;
            let (here, context) = (id(), current());
            let there = tokio::task::spawn_blocking(move || enter(context, id)).await.unwrap();
            (here, enter(other.clone(), id), there, id())
        });
        let (here, within, there, after) = theirs.await;
        let [one, other] = [one, other].map(|context| Some(context.request_id().into_owned()));
        assert_eq!((here, within, there, after), (one.clone(), other, one.clone(), one));
        assert_eq!(id(), None);
    }
}
