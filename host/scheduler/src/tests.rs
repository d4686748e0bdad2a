use crate::lane::{Lane, LaneLimits, SLICE, test_lane};
use crate::pool::Pool;
use crate::queue::{Class, Pick, Queue, Refused};
use crate::work::Work;
use proptest::prelude::*;
use scry_os::threads::thread_cpu;
use scry_os::ticker::Ticker;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Work that only the test does.
struct Task {
    name: usize,
    deadline: Instant,
    gone: Arc<AtomicBool>,
    rows: usize,
    run: Box<dyn FnOnce(Vec<usize>) + Send>,
}

impl Work for Task {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn is_abandoned(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn joins(&self, _: &Self) -> bool {
        true
    }

    fn run(self, joined: Vec<Self>) -> bool {
        (self.run)(joined.iter().map(|task| task.name).collect());
        true
    }
}

fn task(name: usize, deadline: Instant) -> Task {
    Task { name, deadline, gone: Arc::default(), rows: 1, run: Box::new(|_| {}) }
}

fn doing(deadline: Instant, run: impl FnOnce() + Send + 'static) -> Task {
    Task { run: Box::new(|_| run()), ..task(0, deadline) }
}

fn pool(threads: usize, queue_max: usize) -> (Pool<Task>, Arc<Mutex<HashMap<String, Duration>>>) {
    let books = Arc::<Mutex<HashMap<String, Duration>>>::default();
    let kept = books.clone();
    let account = move |lane: &Lane, cpu| *kept.lock().unwrap().entry(lane.name().to_owned()).or_default() += cpu;
    (Pool::start(threads, queue_max, Ticker::start().unwrap(), account).unwrap(), books)
}

/// Occupies a place until the sender is used; returns once the work runs.
fn hold(pool: &Pool<Task>, lane: &Arc<Lane>) -> Sender<()> {
    let (hold, held) = channel::<()>();
    let (say, said) = channel();
    let run = move || {
        say.send(()).unwrap();
        held.recv().unwrap();
    };
    pool.submit(lane, doing(later(), run)).unwrap();
    said.recv().unwrap();
    hold
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn spin(time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// What a thread of this class would get now.
fn next(queue: &mut Queue<Task>, class: Class, now: Instant) -> Option<(usize, Vec<usize>)> {
    match queue.pop(class, now) {
        Pick::Run(picked) => Some((picked.work.name, picked.joined.iter().map(|task| task.name).collect())),
        Pick::At(_) | Pick::Nothing => None,
    }
}

#[test]
fn within_a_lane_the_most_urgent_goes_first_and_a_panic_costs_no_thread() {
    let ((pool, _), lane) = (pool(1, 3), Arc::new(test_lane(2, 10)));
    let held = hold(&pool, &lane);
    let (say, said) = channel();
    for (after, name) in [(30, "late"), (10, "soon")] {
        let say = say.clone();
        let deadline = Instant::now() + Duration::from_secs(after);
        pool.submit(&lane, doing(deadline, move || say.send(name).unwrap())).unwrap();
    }
    pool.submit(&lane, doing(Instant::now() + Duration::from_secs(5), || panic!("on purpose"))).unwrap();
    assert_eq!(pool.submit(&lane, doing(later(), || {})), Err(Refused::Full), "the queue as a whole is bounded");
    held.send(()).unwrap();
    assert_eq!((said.recv().unwrap(), said.recv().unwrap()), ("soon", "late"));
}

#[test]
fn a_call_outside_the_pool_has_a_place_only_where_none_waits_and_hands_it_on() {
    let (pool, _) = pool(1, 10);
    let lane = Arc::new(test_lane(1, 10));
    let permit = pool.enter(&lane).unwrap();
    assert!(pool.enter(&lane).is_none(), "one place");
    let (say, said) = channel();
    pool.submit(&lane, doing(later(), move || say.send(()).unwrap())).unwrap();
    assert!(said.recv_timeout(Duration::from_millis(20)).is_err(), "the place is taken");
    drop(permit);
    said.recv_timeout(Duration::from_secs(20)).expect("the place was not handed on");
    let held = hold(&pool, &lane);
    pool.submit(&lane, doing(later(), || {})).unwrap();
    assert!(pool.enter(&lane).is_none(), "another waits");
    held.send(()).unwrap();
}

#[test]
fn a_lane_keeps_to_its_places_and_forgets_abandoned_work() {
    let now = Instant::now();
    let (mut queue, lane) = (Queue::new(100), Arc::new(test_lane(1, 2)));
    let push = |queue: &mut Queue<Task>, task| queue.push(&lane, task, now);
    assert_eq!(push(&mut queue, task(1, now + SLICE)), Ok(Some(Class::Prompt)));
    assert_eq!(next(&mut queue, Class::Prompt, now).unwrap().0, 1);
    let (abandoned, gone) = (task(2, now + SLICE), Arc::new(AtomicBool::new(false)));
    assert_eq!(push(&mut queue, Task { gone: gone.clone(), ..abandoned }), Ok(None), "one place, and it is taken");
    assert_eq!(push(&mut queue, task(3, now + SLICE * 2)), Ok(None));
    assert_eq!(next(&mut queue, Class::Prompt, now), None);
    assert_eq!(push(&mut queue, task(4, now + SLICE)), Err(Refused::Full));
    let reading = Arc::new(test_lane(1, 1));
    assert!(!queue.has_room(&lane, &reading, now));
    gone.store(true, Ordering::Relaxed);
    assert!(queue.has_room(&lane, &reading, now));
    queue.push(&reading, task(6, now + SLICE * 9), now).unwrap();
    assert!(!queue.has_room(&lane, &reading, now), "a request that is being read has the place");
    assert_eq!(next(&mut queue, Class::Prompt, now).unwrap().0, 6);
    queue.done(&reading, Duration::ZERO, Duration::ZERO);
    assert_eq!(push(&mut queue, task(5, now + SLICE * 4)), Ok(None), "its client went away, and its place is free");
    queue.done(&lane, Duration::ZERO, Duration::ZERO);
    let overdue = now + SLICE * 3;
    assert_eq!(next(&mut queue, Class::Prompt, overdue).unwrap().0, 5, "the other one's deadline has passed");
    queue.done(&lane, Duration::ZERO, Duration::ZERO);
    assert!(queue.is_empty());
}

#[test]
fn a_call_that_would_wait_in_vain_is_refused_at_once() {
    let now = Instant::now();
    let (mut queue, lane) = (Queue::new(100), Arc::new(test_lane(1, 100)));
    lane.ran(Duration::from_millis(20), Duration::ZERO);
    lane.succeeded(Duration::from_millis(20));
    let mut push = |name, ms| queue.push(&lane, task(name, now + Duration::from_millis(ms)), now).map(drop);
    assert_eq!(push(1, 300), Ok(()), "a place is free");
    assert_eq!(push(2, 300), Ok(()), "nobody waits in front");
    assert_eq!(push(3, 30), Err(Refused::Late), "20 ms to wait and 20 to run");
    assert_eq!(push(4, 50), Ok(()));
    assert_eq!(push(5, 50), Err(Refused::Late), "two wait in front");
    let mut lane = test_lane(1, 100);
    lane.limits.queue_time_max = Duration::from_millis(100);
    lane.ran(Duration::from_millis(20), Duration::ZERO);
    let lane = Arc::new(lane);
    let refused = (0..100).position(|name| queue.push(&lane, task(name, later()), now) == Err(Refused::Late));
    assert_eq!(refused, Some(4), "one has a place; behind three, 60 ms are more than half");
}

#[test]
fn who_has_used_less_goes_first_and_an_idle_lane_saves_nothing_up() {
    let now = Instant::now();
    let mut queue = Queue::new(1000);
    let (busy, light) = (Arc::new(test_lane(1, 100)), Arc::new(test_lane(1, 100)));
    let push = |queue: &mut Queue<Task>, lane, name| queue.push(lane, task(name, later()), now).map(drop).unwrap_or(());
    (0..50).for_each(|_| push(&mut queue, &busy, 1));
    for _ in 0..10 {
        assert_eq!(next(&mut queue, Class::Prompt, now).unwrap().0, 1);
        queue.done(&busy, Duration::ZERO, Duration::from_millis(4));
    }
    // Level with the other, not ten calls ahead of it: they take turns by what they use.
    (0..50).for_each(|_| push(&mut queue, &light, 2));
    let mut turns = [0, 0];
    for _ in 0..30 {
        let (name, _) = next(&mut queue, Class::Prompt, now).unwrap();
        turns[name - 1] += 1;
        let (lane, used) = if name == 1 { (&busy, 4) } else { (&light, 1) };
        queue.done(lane, Duration::ZERO, Duration::from_millis(used));
    }
    assert!((5..=8).contains(&turns[0]), "four times the time, a quarter of the turns: {turns:?}");
}

#[test]
fn requests_that_wait_are_joined_up_to_the_rows_and_held_back_no_longer_than_told() {
    let now = Instant::now();
    let ms = Duration::from_millis;
    let mut queue = Queue::new(100);
    let limits = LaneLimits {
        in_flight_max: 1,
        queue_max: 100,
        queue_time_max: ms(1000),
        batch_max_rows: 3,
        batch_delay: ms(5),
    };
    let lane = Arc::new(Lane::new("m", limits));
    let push = |queue: &mut Queue<Task>, name, rows, after| {
        let task = Task { rows, ..task(name, now + ms(500)) };
        queue.push(&lane, task, now + after).map(drop).unwrap_or(());
    };
    push(&mut queue, 1, 1, ms(0));
    assert!(matches!(queue.pop(Class::Prompt, now), Pick::At(until) if until == now + ms(5)));
    push(&mut queue, 2, 1, ms(1));
    assert_eq!(next(&mut queue, Class::Prompt, now + ms(5)), Some((1, vec![2])), "the delay is over");
    queue.done(&lane, Duration::ZERO, Duration::ZERO);
    (3..8).for_each(|name| push(&mut queue, name, 1, ms(6)));
    assert_eq!(next(&mut queue, Class::Prompt, now + ms(6)), Some((3, vec![4, 5])), "enough rows: no delay");
    queue.done(&lane, Duration::ZERO, Duration::ZERO);
    push(&mut queue, 8, 2, ms(6));
    assert_eq!(next(&mut queue, Class::Prompt, now + ms(12)), Some((6, vec![7])), "the last would be one row too many");
    queue.done(&lane, Duration::ZERO, Duration::ZERO);
    assert_eq!(next(&mut queue, Class::Prompt, now + ms(12)), Some((8, vec![])));
}

/// Far more models loop than there are threads to take; one that is known to be
/// quick is still answered.
#[test]
fn a_crowd_of_unknown_lanes_leaves_the_known_ones_their_threads() {
    let (pool, _) = pool(2, 1000);
    let stop = Arc::new(AtomicBool::new(false));
    let good = Arc::new(test_lane(1, 10));
    good.ran(Duration::from_micros(50), Duration::from_micros(50));
    for _ in 0..40 {
        let stop = stop.clone();
        let run = move || {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        pool.submit(&Arc::new(test_lane(1, 10)), doing(later(), run)).unwrap();
    }
    let until = Instant::now() + Duration::from_secs(60);
    for _ in 0..50 {
        let (say, said) = channel();
        pool.submit(&good, doing(later(), move || say.send(()).unwrap())).unwrap();
        let waits = until.saturating_duration_since(Instant::now());
        said.recv_timeout(waits).expect("the others hold every thread");
    }
    stop.store(true, Ordering::Relaxed);
}

/// Two models loop on both threads; a third is still answered.
#[test]
fn a_call_that_outlives_its_slice_gives_up_its_place() {
    let (pool, books) = pool(2, 100);
    let stop = Arc::new(AtomicBool::new(false));
    let burners = [0, 1].map(|_| Arc::new(test_lane(1, 10)));
    for lane in &burners {
        let stop = stop.clone();
        let run = move || {
            // A busy machine may give it very little.
            while !stop.load(Ordering::Relaxed) || thread_cpu() < SLICE * 3 {
                std::hint::spin_loop();
            }
        };
        pool.submit(lane, doing(later(), run)).unwrap();
    }
    let good = Arc::new(Lane::new("good", test_lane(1, 10).limits));
    let answered = Arc::new(AtomicU64::new(0));
    for _ in 0..100 {
        let (say, said) = channel();
        let run = move || {
            spin(Duration::from_micros(200));
            say.send(()).unwrap();
        };
        pool.submit(&good, doing(later(), run)).unwrap();
        said.recv_timeout(Duration::from_secs(30)).expect("the others hold every thread");
        answered.fetch_add(1, Ordering::Relaxed);
    }
    stop.store(true, Ordering::Relaxed);
    while burners.iter().any(|lane| !lane.is_patient()) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!good.is_patient());
    // A lane that burned is now served at a low priority from the start.
    let (say, said) = channel();
    let run = move || say.send(rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap()).unwrap();
    pool.submit(&burners[0], doing(later(), run)).unwrap();
    assert_eq!(said.recv(), Ok(10));
    let books = books.lock().unwrap();
    assert!(books["good"] >= Duration::from_millis(15), "{books:?}");
    assert!(books["m"] >= SLICE, "{books:?}");
}

/// A lane whose standing changes while calls wait in it is still served.
#[test]
fn no_request_waits_in_a_lane_that_changes_hands() {
    let (pool, _) = pool(2, 100);
    let (lane, (say, said)) = (Arc::new(test_lane(1, 100)), channel());
    // Each of them turns it: a long call, then as many short ones as it takes.
    for round in 0..3 {
        for i in 0..60 {
            let say = say.clone();
            let run = move || {
                if i == 0 {
                    spin(SLICE * 12);
                }
                say.send((round, i)).unwrap();
            };
            pool.submit(&lane, doing(later(), run)).unwrap();
        }
        for i in 0..60 {
            assert_eq!(said.recv_timeout(Duration::from_secs(30)), Ok((round, i)));
        }
    }
}

#[test]
fn threads_that_were_added_for_burners_end_again() {
    let (pool, _) = pool(1, 100);
    let (lane, (say, said)) = (Arc::new(test_lane(8, 100)), channel());
    for _ in 0..8 {
        let say = say.clone();
        let run = move || {
            spin(Duration::from_millis(20));
            say.send(()).unwrap();
        };
        pool.submit(&lane, doing(later(), run)).unwrap();
    }
    (0..8).for_each(|_| said.recv().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    let count = |class| pool.shared.lock().count(class);
    while (count(Class::Prompt), count(Class::Patient)) != (1, 1) || !pool.shared.lock().queue.is_empty() {
        assert!(Instant::now() < until, "{} prompt, {} patient", count(Class::Prompt), count(Class::Patient));
        std::thread::sleep(Duration::from_millis(1));
    }
}

proptest! {
    /// Whatever comes and goes, in whatever order.
    #[test]
    fn the_queue_keeps_its_promises(
        steps in prop::collection::vec((0..4usize, 0..3usize, 0..3000u64, any::<bool>()), 1..300),
    ) {
        let begin = Instant::now();
        let mut now = begin;
        let mut queue = Queue::new(12);
        let limits = [(1, 4), (2, 4), (1, 0)];
        let lanes = limits.map(|(in_flight, queue)| Arc::new(test_lane(in_flight, queue)));
        let (mut running, mut waiting) = ([0usize; 3], [0usize; 3]);
        let mut gone = Vec::new();
        for (step, lane, us, flag) in steps {
            now += Duration::from_micros(us / 10);
            match step {
                0 | 1 => {
                    let task = task(lane, now + Duration::from_micros(us));
                    gone.push(task.gone.clone());
                    let taken = queue.push(&lanes[lane], task, now);
                    let room = limits[lane].1 + limits[lane].0 - running[lane].min(limits[lane].0);
                    if taken.is_ok() {
                        waiting[lane] += 1;
                    } else {
                        // What no client waited for may have been dropped on the way.
                        prop_assert!(waiting[lane] >= room || waiting.iter().sum::<usize>() >= 12);
                    }
                    prop_assert_eq!(taken.is_ok_and(|class| class.is_some()), taken.is_ok() && running[lane] < limits[lane].0);
                }
                2 => {
                    if let Some((picked, joined)) = next(&mut queue, Class::Prompt, now) {
                        prop_assert!(joined.is_empty());
                        running[picked] += 1;
                        prop_assert!(running[picked] <= limits[picked].0);
                        prop_assert!(waiting[picked] > 0);
                        waiting[picked] -= 1;
                    }
                }
                _ if running[lane] > 0 => {
                    queue.done(&lanes[lane], Duration::ZERO, Duration::from_micros(us));
                    running[lane] -= 1;
                }
                _ if flag => {
                    if let Some(gone) = gone.pop() {
                        gone.store(true, Ordering::Relaxed);
                    }
                }
                _ => {}
            }
        }
        now += Duration::from_secs(3600);
        prop_assert_eq!(next(&mut queue, Class::Prompt, now), None, "everything is overdue");
        for (lane, running) in lanes.iter().zip(running) {
            (0..running).for_each(|_| queue.done(lane, Duration::ZERO, Duration::ZERO));
        }
        while next(&mut queue, Class::Prompt, now).is_some() {}
        prop_assert!(queue.is_empty(), "nothing is kept");
    }
}
