//! More than there is room for: who is refused, how soon, and that all others
//! have the answers that they would have had alone.

use crate::ontime::{CONSTANT, SLOW, answers, at_once, runs, slow, steady};
use crate::support::{Host, Reply, rows};

#[test]
fn whoever_finds_no_room_is_refused_at_once_and_the_others_are_answered() {
    let host = slow("in_flight_max = 1\nqueue_max = 1\n", &[]);
    let replies = at_once(10, |_| steady(&host, &[SLOW; 50]));
    let (accepted, refused): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert!(!accepted.is_empty() && !refused.is_empty());
    assert!(accepted.iter().all(|reply| reply.y() == 2.0 * SLOW));
    let counted = (accepted.len() as f64, refused.len() as f64);
    for reply in refused {
        let reply = reply.error(503, &[]);
        assert_eq!((reply.header("scry-reason"), reply.header("retry-after")), (Some("overload"), Some("1")));
    }
    assert_eq!((answers(&host, "steady", "ok"), answers(&host, "steady", "overload")), counted);
    assert_eq!(runs(&host, "steady"), counted.0);
}

#[test]
fn whoever_finds_no_room_gets_the_fallback() {
    let host = slow("in_flight_max = 1\nqueue_max = 1\n", &["--fallback", CONSTANT]);
    let replies = at_once(10, |_| steady(&host, &[SLOW; 50]).status(200));
    let (degraded, good): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.header("scry-degraded").is_some());
    assert!(!degraded.is_empty() && !good.is_empty());
    assert!(degraded.iter().all(|reply| (reply.header("scry-degraded"), reply.y()) == (Some("overload"), -1.0)));
    assert!(good.iter().all(|reply| reply.y() == 2.0 * SLOW));
    assert_eq!(runs(&host, "steady"), good.len() as f64);
}

/// Rows that make a request and its answer large, no two clients' alike; all are quick.
fn many_rows(client: usize) -> Vec<f64> {
    (0..3000).map(|row| (client * 3000 + row) as f64 / 65536.0).collect()
}

fn ask_many(host: &Host, rows_of: &[f64]) -> Reply {
    host.post("/v2/models/steady/infer", &rows("", rows_of))
}

/// Whether all rows have the answers that they have alone.
fn has_all(reply: &Reply, rows_of: &[f64]) -> bool {
    let data = &reply.json()["outputs"][0]["data"];
    data.as_array().is_some_and(|data| data.iter().map(|y| y.as_f64()).eq(rows_of.iter().map(|x| Some(2.0 * x))))
}

#[test]
fn large_requests_of_many_at_once_are_all_answered_and_each_with_its_own() {
    let host = slow("", &[]);
    let (clients, each) = (24, 8);
    let replies = at_once(clients, |client| {
        let rows_of = many_rows(client);
        (0..each).all(|_| has_all(&ask_many(&host, &rows_of).status(200), &rows_of))
    });
    assert!(replies.iter().all(|&good| good));
    assert_eq!(answers(&host, "steady", "ok"), (clients * each) as f64);
}

#[test]
fn large_requests_for_which_there_is_no_room_are_refused_and_counted_once() {
    let host = slow("in_flight_max = 1\nqueue_max = 2\n", &[]);
    let (clients, each) = (24, 20);
    let replies = at_once(clients, |client| {
        let rows_of = many_rows(client);
        (0..each)
            .filter(|_| {
                let reply = ask_many(&host, &rows_of);
                if reply.status == 200 {
                    assert!(has_all(&reply, &rows_of), "{reply:#?}");
                    return true;
                }
                let reply = reply.error(503, &[]);
                assert_eq!((reply.header("scry-reason"), reply.header("retry-after")), (Some("overload"), Some("1")));
                false
            })
            .count()
    });
    let good: usize = replies.iter().sum();
    let refused = clients * each - good;
    assert!(good > 0 && refused > 0, "{good} answered, {refused} refused");
    let counted = (answers(&host, "steady", "ok"), answers(&host, "steady", "overload"));
    assert_eq!(counted, (good as f64, refused as f64));
}

#[test]
fn large_requests_for_which_there_is_no_room_get_the_fallback() {
    let host = slow("in_flight_max = 1\nqueue_max = 2\n", &["--fallback", CONSTANT]);
    let (clients, each) = (24, 20);
    let degraded = at_once(clients, |client| {
        let rows_of = many_rows(client);
        let is_degraded = |_: &usize| {
            let reply = ask_many(&host, &rows_of).status(200);
            let is_degraded = reply.header("scry-degraded").is_some();
            assert!(is_degraded || has_all(&reply, &rows_of), "{reply:#?}");
            is_degraded
        };
        (0..each).filter(is_degraded).count()
    });
    let degraded: usize = degraded.iter().sum();
    assert!(degraded > 0 && degraded < clients * each, "{degraded} degraded");
    let good = (clients * each - degraded) as f64;
    assert_eq!((answers(&host, "steady", "ok"), answers(&host, "steady", "degraded")), (good, degraded as f64));
}
