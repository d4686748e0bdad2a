//! Several operators at once, under load: every request is answered, and only
//! by versions that have passed their gates.

use crate::support::{Guest, Host, features, guest, with_section};
use crate::swap::variant;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Only what is routed, and what a rollback would bring back, is kept ready.
const CONFIG: &str = "[limits]\ndeadline_ms = 10000\nin_flight_max = 2\n[catalog]\nversions_warm = 0\n";

/// A model whose golden examples take long: what is large takes `slow` some 30 ms.
fn slow_to_prove(of: &Guest) -> Vec<u8> {
    let row = |x: f64| (json!({ "behaviour": "", "x": x }), json!({ "y": 2.0 * x }));
    let examples: Vec<_> = (0..30)
        .map(|n| {
            let (inputs, outputs) = row(2000.0 + f64::from(n));
            json!({ "name": n.to_string(), "inputs": [inputs], "outputs": [outputs] })
        })
        .collect();
    let golden = json!({ "examples": examples }).to_string();
    with_section(&of.bytes(), "scry:golden", &golden)
}

fn deploy(host: &Host, deployment: &Value) -> crate::support::Reply {
    host.admin_post("/v1/models/steady/deploy", deployment.to_string().as_bytes())
}

/// A host with this as version 1 and quick versions 2 to 5. Version 1 is then
/// deployed again with other limits, while the quick ones are deployed in turn.
/// For each round: the answer, and how many other deployments there were.
fn proved_while_others_deploy(first: &[u8]) -> Vec<(u16, Value, usize)> {
    let host = Host::with(CONFIG);
    host.admin_post("/v1/models", first).status(200);
    (2..=5).for_each(|n| drop(host.admin_post("/v1/models", &variant(&guest("steady"), n)).status(200)));
    let round = |round: usize| {
        deploy(&host, &json!({ "to": 1, "allow_breaking": true })).status(200);
        // Ready for a rollback, and for nothing else.
        deploy(&host, &json!({ "to": 2 })).status(200);
        let (over, meanwhile) = (AtomicBool::new(false), AtomicUsize::new(0));
        let reply = thread::scope(|scope| {
            let slow = scope.spawn(|| {
                let reply = deploy(&host, &json!({ "to": 1, "limits": { "deadline_ms": 9000 + round } }));
                over.store(true, Ordering::Relaxed);
                reply
            });
            while !over.load(Ordering::Relaxed) {
                let done = meanwhile.fetch_add(1, Ordering::Relaxed);
                deploy(&host, &json!({ "to": 4 + done % 2 })).status(200);
                assert_eq!(host.predict("steady", "", 10.0).status(200).y(), 20.0);
            }
            slow.join().unwrap()
        });
        assert_eq!(host.predict("steady", "", 10.0).status(200).y(), 20.0);
        host.get("/v2/models/steady/ready").status(200);
        let shown = host.admin_get("/v1/models/steady").json();
        let live = shown["versions"].as_array().unwrap().iter().find(|version| version["version"] == shown["live"]);
        assert_eq!(live.unwrap()["state"], "ready");
        let json = reply.json();
        (reply.status, json, meanwhile.into_inner())
    };
    (0..3).map(round).collect()
}

#[test]
fn a_version_that_takes_long_to_prove_is_loaded_whatever_others_deploy_meanwhile() {
    let answers = proved_while_others_deploy(&slow_to_prove(&features("steady", "slow")));
    assert!(answers.iter().any(|(_, _, meanwhile)| *meanwhile > 1), "no other change came between: {answers:?}");
    assert!(answers.iter().any(|(status, ..)| *status == 200), "{answers:?}");
    for (status, json, _) in answers.iter().filter(|(status, ..)| *status != 409) {
        assert_eq!(*status, 200, "{json}");
        let gates = json["gates"].as_array().unwrap();
        let schemas: Vec<_> = gates.iter().filter(|gate| gate["gate"] == "schema").collect();
        // One, against what it replaced, and not one for each time that it began.
        assert!(schemas.len() == 1 && schemas[0]["note"].as_str().unwrap().contains("callers of version"), "{json}");
    }
}

#[test]
fn what_breaks_callers_is_refused_whatever_others_deploy_meanwhile() {
    let answers = proved_while_others_deploy(&slow_to_prove(&features("steady", "slow,narrow")));
    assert!(answers.iter().any(|(_, _, meanwhile)| *meanwhile > 1), "no other change came between: {answers:?}");
    for (status, json, _) in answers {
        assert_eq!(status, 409, "{json}");
        assert!(json["error"].as_str().unwrap().contains("would break callers of version"), "{json}");
    }
}

#[test]
fn eight_deployers_at_once_fail_no_request() {
    const DEPLOYERS: usize = 8;
    const CLIENTS: usize = 3;
    const EACH: usize = 25;

    let (host, steady) = (Host::with(CONFIG), guest("steady"));
    (1..=6).for_each(|n| drop(host.admin_post("/v1/models", &variant(&steady, n)).status(200)));
    let over = AtomicBool::new(false);
    let asked: usize = thread::scope(|scope| {
        let ask = || {
            let mut asked = 0;
            while !over.load(Ordering::Relaxed) {
                let reply = host.predict("steady", "", 10.0).status(200);
                assert_eq!((reply.y(), reply.header("scry-degraded")), (20.0, None));
                host.get("/v2/models/steady/ready").status(200);
                asked += 1;
            }
            asked
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        let operate = |who: usize| {
            let host = &host;
            move || {
                for n in 0..EACH {
                    let to = 1 + (who * 5 + n * 7) % 6;
                    let reply = match (who + n) % 8 {
                        0 => host.admin_post("/v1/models/steady/rollback", b"{}"),
                        1 => deploy(host, &json!({ "aliases": { "champion": to } })),
                        // Other limits: to be proved anew, as other code where fuel is not counted.
                        2 => deploy(host, &json!({ "to": to, "limits": { "deadline_ms": 9000 + who * EACH + n } })),
                        3 => {
                            let fuel = if n % 16 < 8 { 0 } else { 1u64 << 40 };
                            deploy(host, &json!({ "to": to, "limits": { "fuel": fuel } }))
                        }
                        _ => deploy(host, &json!({ "to": to })),
                    };
                    assert!([200, 404, 409].contains(&reply.status), "{reply:?}");
                }
            }
        };
        let deployers: Vec<_> = (0..DEPLOYERS).map(|who| scope.spawn(operate(who))).collect();
        let ended = deployers.into_iter().map(thread::ScopedJoinHandle::join).collect::<Vec<_>>();
        over.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|ended| ended.unwrap());
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    let number = host.admin_get("/v1/state").json()["number"].as_u64().unwrap();
    println!("{asked} requests, {number} states");
    assert!(asked >= 50 && number >= 50, "{asked} requests, {number} states");
}
