use super::Outcome::{Bad, Good, Unknown};
use super::*;
use proptest::prelude::*;

const PAUSE: Duration = Duration::from_secs(1);

/// A breaker and its time, which passes when a test says so.
struct Bench {
    breaker: Breaker,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self { breaker: Breaker::new(PAUSE, 7), now: Duration::ZERO }
    }

    fn enter(&mut self) -> Option<Period> {
        self.breaker.enter(self.now).ok()
    }

    fn tell(&mut self, began: Period, outcome: Outcome) {
        self.breaker.tell(began, outcome, self.now);
    }

    /// One call after the other.
    #[track_caller]
    fn calls(&mut self, outcome: Outcome, count: u32) {
        for _ in 0..count {
            let began = self.enter().expect("the call passes");
            self.tell(began, outcome);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Waits for the next probe; how long that took.
    #[track_caller]
    fn pause(&mut self) -> Duration {
        let pause = self.breaker.next_probe(self.now).expect("a pause");
        assert!(self.enter().is_none());
        self.pass(pause - Duration::from_nanos(1));
        assert!(self.enter().is_none(), "a call before the pause is over");
        self.pass(Duration::from_nanos(1));
        pause
    }

    fn phase(&self) -> Phase {
        self.breaker.phase()
    }

    fn opened() -> Self {
        let mut bench = Self::new();
        bench.calls(Bad, 5);
        assert_eq!(bench.phase(), Phase::Open);
        bench
    }
}

/// 20 % around.
fn is_about(pause: Duration, expected: Duration) -> bool {
    (expected * 80 / 100..=expected * 120 / 100).contains(&pause)
}

#[test]
fn five_failures_open_it_and_half_of_the_last_32() {
    let mut bench = Bench::new();
    bench.calls(Bad, 4);
    assert_eq!(bench.phase(), Phase::Closed);
    bench.calls(Bad, 1);
    assert_eq!(bench.phase(), Phase::Open);

    // After as many good ones as there are in a window, half of a window.
    let mut bench = Bench::new();
    bench.calls(Good, 1000);
    bench.calls(Bad, 15);
    assert_eq!(bench.phase(), Phase::Closed);
    bench.calls(Bad, 1);
    assert_eq!(bench.phase(), Phase::Open);

    // A failure less than half of the time is borne for ever.
    let mut bench = Bench::new();
    for _ in 0..1000 {
        bench.calls(Good, 4);
        bench.calls(Bad, 3);
    }
    assert_eq!(bench.phase(), Phase::Closed);
}

#[test]
fn one_good_probe_closes_it_and_one_bad_probe_doubles_the_pause() {
    let mut bench = Bench::opened();
    for doubled in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
        let pause = bench.pause();
        assert!(is_about(pause, PAUSE * doubled), "{pause:?} is not about {doubled} s");
        let probe = bench.enter().unwrap();
        assert_eq!((bench.phase(), bench.enter()), (Phase::HalfOpen, None), "a second probe");
        // However long it takes.
        bench.pass(Duration::from_secs(3600));
        assert_eq!(bench.enter(), None);
        bench.tell(probe, Bad);
        assert_eq!(bench.phase(), Phase::Open);
    }
    bench.pause();
    bench.calls(Good, 1);
    assert_eq!((bench.phase(), bench.breaker.since()), (Phase::Closed, Some(bench.now)));
}

#[test]
fn a_probe_that_says_nothing_is_given_back() {
    let mut bench = Bench::opened();
    bench.pause();
    for _ in 0..10 {
        let probe = bench.enter().unwrap();
        assert_eq!((bench.breaker.next_probe(bench.now), bench.enter()), (None, None));
        bench.tell(probe, Unknown);
        assert_eq!((bench.phase(), bench.breaker.next_probe(bench.now)), (Phase::HalfOpen, Some(Duration::ZERO)));
    }
    bench.calls(Good, 1);
    assert_eq!(bench.phase(), Phase::Closed);
}

#[test]
fn what_began_before_it_opened_changes_nothing_any_more() {
    for late in [Good, Bad, Unknown] {
        let mut bench = Bench::new();
        let old: Vec<Period> = (0..40).map(|_| bench.enter().unwrap()).collect();
        bench.calls(Bad, 5);
        let until = bench.breaker.next_probe(bench.now);
        old.iter().take(10).for_each(|&began| bench.tell(began, late));
        assert_eq!((bench.phase(), bench.breaker.next_probe(bench.now)), (Phase::Open, until));
        bench.pause();
        let probe = bench.enter().unwrap();
        old.iter().skip(10).take(10).for_each(|&began| bench.tell(began, late));
        assert_eq!((bench.phase(), bench.enter()), (Phase::HalfOpen, None), "{late:?} took the probe's place");
        bench.tell(probe, Good);
        old.iter().skip(20).for_each(|&began| bench.tell(began, late));
        assert_eq!(bench.phase(), Phase::Closed, "{late:?}");
    }
}

#[test]
fn one_that_fails_again_at_once_pauses_longer_and_one_that_keeps_well_starts_over() {
    let mut bench = Bench::opened();
    for doubled in [1, 2, 4] {
        assert!(is_about(bench.pause(), PAUSE * doubled));
        bench.calls(Good, 4);
        bench.calls(Bad, 5);
    }
    assert!(is_about(bench.pause(), PAUSE * 8));
    bench.calls(Good, 33);
    bench.calls(Bad, 16);
    assert!(is_about(bench.pause(), PAUSE));
}

#[test]
fn an_operator_has_the_last_word() {
    let mut bench = Bench::new();
    let force = |bench: &mut Bench, wanted| bench.breaker.force(wanted, bench.now);
    force(&mut bench, Override::Open);
    bench.pass(Duration::from_secs(100));
    assert_eq!(bench.breaker.enter(bench.now), Err(CircuitOpen { is_forced: true }));
    assert_eq!((bench.phase(), bench.breaker.next_probe(bench.now)), (Phase::Open, None));
    // Shut by a person, it is opened to one call, not to all of them.
    force(&mut bench, Override::Auto);
    let probe = bench.enter().unwrap();
    assert_eq!((bench.enter(), bench.breaker.is_forced()), (None, false));
    bench.tell(probe, Bad);
    assert!(is_about(bench.pause(), PAUSE));

    force(&mut bench, Override::Closed);
    bench.calls(Bad, 100);
    assert_eq!((bench.phase(), bench.breaker.is_forced()), (Phase::Closed, true));
    let since = bench.breaker.since();
    bench.pass(PAUSE);
    force(&mut bench, Override::Closed);
    assert_eq!(bench.breaker.since(), since, "nothing has changed");
    force(&mut bench, Override::Auto);
    bench.calls(Bad, 5);
    assert_eq!((bench.phase(), bench.breaker.is_forced()), (Phase::Open, false));
    let until = bench.breaker.next_probe(bench.now);
    force(&mut bench, Override::Auto);
    assert_eq!(bench.breaker.next_probe(bench.now), until, "it was left to itself already");
}

#[test]
fn it_is_calm_when_another_good_call_changes_nothing() {
    let mut bench = Bench::new();
    bench.calls(Good, 31);
    assert_eq!(bench.breaker.calm(), None);
    bench.calls(Good, 1);
    assert!(bench.breaker.calm().is_some());
    bench.calls(Bad, 1);
    assert_eq!(bench.breaker.calm(), None);
    bench.calls(Good, 32);
    assert!(bench.breaker.calm().is_some());
    assert_eq!(Bench::opened().breaker.calm(), None);
}

#[test]
fn circuits_that_open_together_do_not_probe_together() {
    let pause = |seed| {
        let mut breaker = Breaker::new(PAUSE, seed);
        (0..5).for_each(|_| breaker.tell(1, Bad, Duration::ZERO));
        breaker.next_probe(Duration::ZERO).unwrap().as_millis()
    };
    let pauses: std::collections::BTreeSet<_> = (0..100).map(pause).collect();
    assert!(pauses.len() > 20, "{pauses:?}");
    assert!(*pauses.first().unwrap() < 850 && *pauses.last().unwrap() > 1150, "{pauses:?}");
}

/// What can happen, in any order.
#[derive(Debug, Clone)]
enum Event {
    Enter,
    Tell(usize, Outcome),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let outcome = prop_oneof![1 => Just(Good), 3 => Just(Bad), 1 => Just(Unknown)];
    let event = prop_oneof![
        4 => Just(Event::Enter),
        4 => (any::<usize>(), outcome).prop_map(|(which, outcome)| Event::Tell(which, outcome)),
        1 => (0u64..70_000).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..400)
}

proptest! {
    #[test]
    fn whatever_happens_one_probe_at_a_time_and_none_before_its_time(events in events(), seed in any::<u64>()) {
        let mut bench = Bench { breaker: Breaker::new(PAUSE, seed), now: Duration::ZERO };
        let mut out: Vec<Period> = Vec::new();
        let mut open_until = Duration::ZERO;
        for event in events {
            let was_closed = bench.phase() == Phase::Closed;
            match event {
                Event::Pass(millis) => bench.pass(Duration::from_millis(millis)),
                Event::Enter => match bench.enter() {
                    Some(began) => {
                        prop_assert!(bench.now >= open_until, "a call during the pause");
                        prop_assert!(was_closed || !out.contains(&began), "a second probe");
                        out.push(began);
                    }
                    None => prop_assert!(!was_closed && (bench.now < open_until || bench.phase() == Phase::HalfOpen)),
                },
                Event::Tell(which, outcome) if !out.is_empty() => {
                    let began = out.swap_remove(which % out.len());
                    let before = bench.phase();
                    bench.tell(began, outcome);
                    if bench.phase() != before && bench.phase() == Phase::Open {
                        let pause = bench.breaker.next_probe(bench.now).unwrap();
                        prop_assert!(pause >= PAUSE * 80 / 100 && pause <= Duration::from_secs(72), "{:?}", pause);
                        prop_assert_eq!(outcome, Bad);
                        open_until = bench.now + pause;
                    }
                }
                Event::Tell(..) => {}
            }
        }
        // Whatever it went through: good calls, and no call that is out for ever, close it.
        for began in out.drain(..) {
            bench.tell(began, Unknown);
        }
        bench.pass(Duration::from_secs(72));
        bench.calls(Good, 33);
        prop_assert_eq!(bench.phase(), Phase::Closed);
        prop_assert!(bench.breaker.calm().is_some());
    }

    #[test]
    fn good_calls_never_open_it_and_neither_do_those_that_say_nothing(good in prop::collection::vec(any::<bool>(), 1..200)) {
        let mut bench = Bench::new();
        for good in good {
            bench.calls(if good { Good } else { Unknown }, 1);
            prop_assert_eq!(bench.phase(), Phase::Closed);
        }
    }
}
