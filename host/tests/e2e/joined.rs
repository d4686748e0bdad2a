//! Requests that wait anyway, answered by one call.

use crate::ontime::{answers, at_once, host, hostile, runs, within};
use crate::support::{features, guest, rows};

#[test]
fn requests_that_are_answered_together_get_each_its_own_answer() {
    // Nobody waits so long: a full batch goes at once.
    let host = host("batch_max_rows = 8\nbatch_delay_ms = 20000\n");
    host.publish(&guest("steady"));
    for round in 0..3 {
        let replies = at_once(8, |n| host.predict("steady", "", (round * 8 + n) as f64));
        for (n, reply) in replies.into_iter().enumerate() {
            assert_eq!(reply.status(200).y(), 2.0 * (round * 8 + n) as f64);
        }
    }
    assert_eq!(host.metric(r#"scry_batch_requests_count{model="steady"}"#), 3.0);
    assert_eq!(host.metric(r#"scry_batch_requests_sum{model="steady"}"#), 24.0);
    assert_eq!((runs(&host, "steady"), answers(&host, "steady", "ok")), (3.0, 24.0));
}

#[test]
fn a_request_that_fails_a_joined_call_spoils_no_other_answer() {
    let host = hostile("", &["--batch-max-rows", "8", "--batch-delay-ms", "20000"]);
    // The first row decides what the guest does; the most urgent is first.
    let replies = at_once(8, |n| {
        let (behaviour, timeout_ms) = if n == 0 { ("trap", 50_000) } else { ("well", 60_000) };
        within(&host, timeout_ms, "hostile", &rows(behaviour, &[n as f64]))
    });
    for (n, reply) in replies.into_iter().enumerate() {
        match n {
            0 => assert_eq!(reply.error(500, &[]).header("scry-reason"), Some("trap")),
            _ => assert_eq!(reply.status(200).y(), n as f64),
        }
    }
    assert_eq!(runs(&host, "hostile"), 1.0 + 8.0, "together, then each alone");
    assert_eq!(host.metric(r#"scry_batch_requests_count{model="hostile"}"#), 0.0);
}

#[test]
fn a_model_whose_rows_depend_on_each_other_is_not_joined() {
    let host = host("");
    host.publish(&guest("steady"));
    let gates = host.deploy(&["steady", "--batch-max-rows", "8"]).ok().stdout;
    assert!(gates.contains("answered together"), "{gates}");
    let crowd = features("steady", "crowd");
    let publish = ["publish", crowd.path.to_str().unwrap(), "--name", "crowd"];
    host.scry(&publish).ok();
    let refused = host.deploy(&["crowd", "--batch-max-rows", "8"]).code(1);
    refused.says(&["`nothing from nothing`", "together with others", "--batch-max-rows 0"]);
    host.deploy(&["crowd", "--batch-max-rows", "0"]).ok();
    assert_eq!(host.predict("crowd", "", 2.0).status(200).y(), 4.0);
}
