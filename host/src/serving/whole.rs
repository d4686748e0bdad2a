//! A large request, made as a whole by one compute thread: what is read stays
//! in its cache for the checks, the guest and the answer, and nothing is handed
//! over between them.
//!
//! Only where nobody stands behind the model: a spare must be able to go on
//! without whoever is at it. What would have to wait there goes back to whoever
//! asked, and goes on from where it was.

use super::budget::Window;
use super::job::{Job, Link, tidy};
use super::predict::{Asked, window};
use super::routes::Served;
use super::run::{Attempt, run};
use super::target::Target;
use super::{Admission, PredictError, Predictor};
use scry_card::Batch;
use scry_sandbox::{CallError, Spent};
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// What is larger stays in no cache from one step to the next.
const WHOLE_MAX_BYTES: usize = 256 << 10;

/// What a call has left behind, for after the answer.
type Left = Option<(Arc<Target>, Spent)>;

/// What a compute thread that makes a whole request has for it.
struct Hand {
    /// A place in this lane.
    lane: Arc<Admission>,
    link: Arc<Link>,
    spent: Left,
}

thread_local! {
    static HAND: RefCell<Option<Hand>> = const { RefCell::new(None) };
}

/// Whether this thread is making a whole request.
pub(super) fn is_whole() -> bool {
    HAND.with_borrow(Option::is_some)
}

/// Whether the client waits for the whole request that this thread is making.
pub(super) fn link_of_whole() -> Option<Arc<Link>> {
    HAND.with_borrow(|hand| hand.as_ref().map(|hand| hand.link.clone()))
}

/// What became of a request there.
enum Outcome<T, F> {
    Done(T),
    /// It has to wait for something.
    GoesOn(Pin<Box<F>>),
}

impl Predictor {
    /// Does all that is left to do for a request of so many bytes. One that may
    /// say a deadline of its own is read before it waits.
    pub async fn whole<F>(
        &self,
        served: &Served,
        (received, timeout): (Instant, Option<Duration>),
        bytes: usize,
        may_wait: impl FnOnce() -> bool,
        rest: F,
    ) -> Result<F::Output, PredictError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let is_alone = served.fallback.is_empty() && served.canary_fallback.is_empty();
        let may_be = is_alone && served.limits.batch_max_rows < 2 && bytes <= WHOLE_MAX_BYTES;
        if !may_be || self.is_short(served, bytes, received) || !may_wait() {
            return Ok(rest.await);
        }
        let longest = served.limits.deadline;
        let deadline = received + timeout.map_or(longest, |timeout| timeout.min(longest));
        let (answer, answered) = oneshot::channel();
        let link = Arc::<Link>::default();
        let hand = Hand { lane: served.admission.clone(), link: link.clone(), spent: None };
        let (runtime, metrics, queued) = (Handle::current(), self.metrics.clone(), Instant::now());
        let run = Box::new(move || {
            metrics.queued(&hand.lane.model, queued.elapsed());
            let (outcome, spent) = make(Box::pin(rest), hand, &runtime);
            drop(answer.send(outcome));
            if let Some((target, spent)) = spent {
                tidy(&target, spent);
            }
        });
        let job = Job::Aside { deadline, link: link.clone(), run };
        let asked = Asked { metrics: &self.metrics, served, number: served.serving.live, received };
        let unbegun = Unbegun { asked: Some(asked), link: link.clone() };
        let give_up = window(served, &[], deadline).give_up;
        match self.wait(&served.admission, job, answered, link, give_up).await {
            Ok(Outcome::Done(done)) => Ok(done),
            Ok(Outcome::GoesOn(rest)) => Ok(rest.await),
            Err(error) => {
                if matches!(error, CallError::Overload) {
                    self.refusals.wait(deadline).await;
                }
                unbegun.ended(&error);
                Err(PredictError::NoAnswer(error))
            }
        }
    }

    /// Makes the call on this thread, where that is making the whole request.
    pub(super) fn attempt_whole(&self, target: &Arc<Target>, inputs: &Batch, window: &Window) -> Option<Attempt> {
        let link = HAND.with_borrow(|hand| {
            let hand = hand.as_ref().filter(|hand| Arc::ptr_eq(&hand.lane, &target.admission))?;
            Some(hand.link.clone())
        })?;
        let (attempt, spent) = run(target, inputs, 1, window.until, window.fair, Some(link), &self.metrics);
        HAND.with_borrow_mut(|hand| {
            if let Some(hand) = hand {
                hand.spent = Some((target.clone(), spent));
            }
        });
        Some(attempt)
    }
}

/// Goes as far as it goes without waiting.
fn make<F: Future>(mut rest: Pin<Box<F>>, hand: Hand, runtime: &Handle) -> (Outcome<F::Output, F>, Left) {
    /// Also where there is a panic.
    struct Emptied;
    impl Drop for Emptied {
        fn drop(&mut self) {
            HAND.take();
        }
    }
    let _runtime = runtime.enter();
    HAND.set(Some(hand));
    let _emptied = Emptied;
    let outcome = match rest.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Outcome::Done(done),
        // Whoever goes on polls it again, so no waking is missed.
        Poll::Pending => Outcome::GoesOn(rest),
    };
    (outcome, HAND.take().and_then(|hand| hand.spent))
}

/// A request that has not begun; once it has, it counts itself.
struct Unbegun<'a> {
    asked: Option<Asked<'a>>,
    link: Arc<Link>,
}

impl Unbegun<'_> {
    fn ended(mut self, error: &CallError) {
        if let Some(asked) = self.asked.take() {
            if self.link.begin() { asked.answered(error.reason()) } else { asked.goes_on() }
        }
    }
}

impl Drop for Unbegun<'_> {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take()
            && !self.link.begin()
        {
            asked.goes_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::admission::test_lane;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;

    fn made<F: Future + 'static>(rest: F) -> Outcome<F::Output, F> {
        let hand = Hand { lane: Arc::new(test_lane(1, 1)), link: Arc::default(), spent: None };
        make(Box::pin(rest), hand, &Handle::current()).0
    }

    #[tokio::test(start_paused = true)]
    async fn what_need_not_wait_is_done_and_the_rest_goes_on_from_where_it_was() {
        assert!(matches!(made(async { is_whole() }), Outcome::Done(true)));
        let (first, second) = (Arc::new(Mutex::new(0)), Duration::from_secs(1));
        let begun = first.clone();
        let outcome = made(async move {
            *begun.lock().unwrap() += 1;
            tokio::time::sleep(second).await;
            is_whole()
        });
        let Outcome::GoesOn(rest) = outcome else { panic!("it did not wait") };
        let before = tokio::time::Instant::now();
        assert!(!rest.await, "it goes on elsewhere");
        assert_eq!((*first.lock().unwrap(), before.elapsed().as_secs()), (1, 1));
    }

    #[tokio::test]
    async fn a_panic_leaves_nothing_in_the_threads_hands() {
        async fn panics() {
            std::panic::resume_unwind(Box::new(is_whole()))
        }
        let panic = catch_unwind(AssertUnwindSafe(|| drop(made(panics())))).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&true));
        assert!(!is_whole());
    }
}
