//! The dashboard: what its page asks the host for, and the page itself in a real browser.

mod browser;

use crate::drift::{Random, publish, references, with};
use crate::edge::Client;
use crate::support::{Host, PATIENT, eventually, features, guest, rows};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Read;
use std::time::{Duration, Instant};

/// A model in the list, as the page gets it.
fn shown(host: &Host, model: &str) -> Value {
    let overview = host.admin_get("/v1/overview").status(200).json();
    let found = overview["models"].as_array().unwrap().iter().find(|shown| shown["model"] == model);
    found.unwrap_or_else(|| panic!("no {model} in {overview:#}")).clone()
}

/// A host with a model that may fail, and one that never does.
fn failing() -> Host {
    let host = Host::with("[limits]\ndeadline_ms = 10000\nin_flight_max = 2\nfuel = 0\ncircuit_pause_ms = 60000\n");
    host.publish(&guest("hostile"));
    host.publish(&guest("steady"));
    host
}

fn send(host: &Host, x: &[f64]) {
    host.post("/v2/models/steady/infer", &rows("", x)).status(200);
}

/// Requests of the last hour, all minutes together.
fn total(shown: &Value, of: &str) -> u64 {
    shown["hour"][of].as_array().map_or(0, |minutes| minutes.iter().map(|count| count.as_u64().unwrap()).sum())
}

#[test]
fn the_page_is_everyones_holds_nothing_of_the_host_and_runs_no_word_of_anyones() {
    let host = Host::start();
    host.publish(&guest("steady"));
    for path in ["/", "/dashboard"] {
        let page = host.send("GET", &format!("{}{path}", host.admin), &[], b"").status(200);
        let policy = page.header("content-security-policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            (page.header("content-type"), page.header("x-content-type-options"), page.header("referrer-policy")),
            (Some("text/html; charset=utf-8"), Some("nosniff"), Some("no-referrer"))
        );
        assert!(!page.text.contains("steady") && !page.text.contains(&host.token()));
        let files: Vec<_> =
            page.text.split("\"dashboard/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(files.contains(&"app.js") && files.contains(&"style.css"), "{files:?}");
        for file in files {
            let reply = host.send("GET", &format!("{}/dashboard/{file}", host.admin), &[], b"").status(200);
            let kind = if file.ends_with(".css") { "text/css" } else { "text/javascript" };
            assert!(reply.header("content-type").unwrap().starts_with(kind), "{reply:?}");
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        }
    }
    host.send("GET", &format!("{}/dashboard/other.js", host.admin), &[], b"").error(404, &["/dashboard"]);
    host.send("GET", &format!("{}/", host.admin), &[("host", "elsewhere.example")], b"").status(403);
    for path in ["/v1/overview", "/v1/events", "/v1/models/steady/hour", "/v1/models/steady/drift/histograms"] {
        host.send("GET", &format!("{}{path}", host.admin), &[], b"").status(401);
    }
    // The prediction listener has no such page.
    host.get("/").status(404);
    host.get("/dashboard").status(404);
}

#[test]
fn the_last_hour_has_what_the_metrics_counted() {
    let host = failing();
    host.deploy(&["hostile", "--fallback", "steady"]).ok();
    (0..30).for_each(|_| drop(host.predict("steady", "", 1.0).status(200)));
    (0..9).for_each(|_| drop(host.predict("hostile", "well", 1.0).status(200)));
    for _ in 0..20 {
        assert!(host.predict("hostile", "trap", 1.0).status(200).header("scry-degraded").is_some());
    }
    host.post("/v2/models/steady/infer", &json!({ "inputs": [] })).status(400);
    eventually("the sample of all requests", || {
        total(&shown(&host, "hostile"), "requests") == 29 && total(&shown(&host, "steady"), "requests") == 31
    });

    let (steady, hostile) = (shown(&host, "steady"), shown(&host, "hostile"));
    let ends = |model: &Value, of: &str| {
        ["ok", "degraded", "refused", "failed"].map(|end| model["hour"][of][end].as_u64().unwrap())
    };
    assert_eq!((ends(&steady, "lately"), ends(&hostile, "lately")), ([30, 0, 1, 0], [9, 20, 0, 0]));
    assert_eq!((total(&steady, "troubled"), total(&hostile, "troubled")), (0, 20));
    let (p50, p99) = (steady["hour"]["p50_us"].as_u64().unwrap(), steady["hour"]["p99_us"].as_u64().unwrap());
    assert!(0 < p50 && p50 <= p99 && p99 < 10_000_000, "{p50} {p99}");
    // Why: as the metrics name and count it.
    let reasons = hostile["hour"]["reasons"].as_array().unwrap();
    let metric = |reason: &str| host.metric(&format!(r#"scry_fallbacks_total{{model="hostile",reason="{reason}"}}"#));
    let mut sum = 0;
    for reason in reasons {
        assert_eq!(reason["kind"], "fallback", "{reason}");
        let count = reason["count"].as_u64().unwrap();
        assert_eq!(metric(reason["reason"].as_str().unwrap()), count as f64, "{reason}");
        sum += count;
    }
    assert_eq!((sum, reasons.len()), (20, 2), "traps, then an open circuit: {reasons:?}");
    let version = &hostile["versions"][0];
    assert_eq!((&version["role"], &version["circuit"]["state"]), (&json!("live"), &json!("open")));
    assert_eq!((&hostile["deadline_ms"], &hostile["fallbacks"]), (&json!(10_000), &json!(1)));

    let hour = host.admin_get("/v1/models/hostile/hour").status(200).json();
    let [by_version] = &hour["versions"].as_array().unwrap()[..] else { panic!("{hour:#}") };
    let of = |name: &str| by_version[name].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!((of("ok"), of("degraded"), &by_version["version"]), (9, 20, &json!(1)));
    assert_eq!(by_version["ok"].as_array().unwrap().len(), hour["slots"].as_u64().unwrap() as usize);
    host.admin_get("/v1/models/nobody/hour").error(404, &["nobody"]);
}

#[test]
fn histograms_have_the_counts_of_the_training_data_and_of_live_rows() {
    let host = Host::with(&format!("{PATIENT}[validation]\nskew_sample_percent = 0\n"));
    let references = references(0.0);
    publish(&host, &with(&guest("steady"), &references, &Value::Null));
    let mut random = Random(3);
    // More than an epoch, then a shift.
    random.normal(2_300, 0.0).chunks(50).for_each(|x| send(&host, x));
    random.normal(400, 1.5).chunks(50).for_each(|x| send(&host, x));
    let drawn = host.admin_get("/v1/models/steady/drift/histograms").status(200).json();
    let side = &drawn["versions"][0]["sides"]["inputs"];
    let column = &side["columns"][0];
    let trained = serde_json::to_value(&references.inputs).unwrap();
    let histogram = &trained["columns"][0]["kind"]["numeric"]["histogram"];
    assert_eq!((&column["edges"], &column["before"]["counts"]), (&histogram["edges"], &histogram["counts"]));
    // The epoch that runs and the one before, as they are exported.
    let counts = host.admin_get("/v1/models/steady/drift/counts").status(200).json();
    let epochs = &counts["versions"][0]["sides"]["inputs"];
    let cells = |epoch: &str| epochs[epoch]["counts"]["columns"][0]["cells"].clone();
    let (current, last) = (cells("current"), cells("last"));
    let both: Vec<_> = (0..10).map(|at| current[at].as_u64().unwrap() + last[at].as_u64().unwrap()).collect();
    assert_eq!((&column["after"]["counts"], &side["after_rows"]), (&json!(both), &json!(2_700)));
    assert_eq!(
        (&side["verdict"], &column["verdict"], &column["column"]),
        (&json!("drift"), &json!("drift"), &json!("x"))
    );
    let effect = &column["effect"];
    assert!(effect["observed_value"].as_f64() > effect["threshold"].as_f64(), "{effect}");

    // A canary is drawn beside the live version, in the same bins.
    publish(&host, &with(&features("steady", "triple"), &references, &Value::Null));
    host.deploy(&["steady", "--to", "2", "--canary", "50", "--allow-breaking"]).ok();
    let ask = |x: f64| host.post("/v2/models/steady/infer", &rows("", &[x])).status(200);
    let answered: Vec<_> = random.normal(400, 0.0).into_iter().map(ask).collect();
    let of = |version| answered.iter().filter(|reply| reply.header("scry-version") == Some(version)).count();
    let (live, tried) = (of("1"), of("2"));
    assert!(live + tried == 400 && live.abs_diff(tried) < 10, "{live} {tried}");
    let drawn = host.admin_get("/v1/models/steady/drift/histograms?limit=1").status(200).json();
    let canary = drawn["versions"].as_array().unwrap().iter().find(|shown| shown["role"] == "canary").unwrap();
    let outputs = &canary["beside"]["outputs"];
    assert_eq!((&outputs["before_rows"], &outputs["after_rows"]), (&json!(live), &json!(tried)), "{outputs:#}");
    let sum = |side: &str| {
        outputs["columns"][0][side]["counts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|count| count.as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum("before"), sum("after")), (live as u64, tried as u64));
    let none = host.admin_get("/v1/models/steady/drift/histograms?limit=0").status(200).json();
    let side = &none["versions"][0]["sides"]["inputs"];
    assert_eq!((&side["columns"], &side["column_count"]), (&json!([]), &json!(1)));
    host.admin_get("/v1/models/nobody/drift/histograms").error(404, &["nobody"]);
    host.admin_get("/v1/models/steady/drift/histograms?limit=-1").error(400, &["limit"]);
}

/// A client that follows the host.
struct Follower(Client);

impl Follower {
    fn of(host: &Host) -> Self {
        let mut client = Client::to(&host.admin);
        let token = host.token();
        client.says(&format!("GET /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"));
        Self(client)
    }

    /// The next event's data.
    fn next(&mut self) -> Value {
        let mut heard = Vec::new();
        let mut byte = [0];
        let until = Instant::now() + Duration::from_secs(60);
        while !heard.ends_with(b"\n\n") {
            assert!(
                Instant::now() < until && self.0.0.read(&mut byte).unwrap() == 1,
                "{}",
                String::from_utf8_lossy(&heard)
            );
            heard.push(byte[0]);
        }
        let text = String::from_utf8(heard).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(data.unwrap_or_else(|| panic!("{text}"))).unwrap()
    }
}

fn names(event: &Value) -> BTreeSet<&str> {
    event["models"].as_array().unwrap().iter().map(|shown| shown["model"].as_str().unwrap()).collect()
}

#[test]
fn the_stream_tells_everything_then_what_changes_and_ends_with_the_host() {
    let mut host = failing();
    let mut follower = Follower::of(&host);
    let first = follower.next();
    assert_eq!((names(&first), &first["whole"]), (BTreeSet::from(["hostile", "steady"]), &json!(true)));
    host.deploy(&["steady", "--deadline-ms", "777"]).ok();
    let mut changed = follower.next();
    // An event may have been on its way.
    while names(&changed).is_empty() {
        changed = follower.next();
    }
    assert_eq!(
        (names(&changed), &changed["whole"], &changed["gone"]),
        (BTreeSet::from(["steady"]), &json!(false), &json!([]))
    );
    assert_eq!(changed["models"][0]["deadline_ms"], 777);
    assert!(changed["number"].as_u64() > first["number"].as_u64(), "{changed}");
    assert_eq!(changed["models"][0], shown(&host, "steady"));
    // An open stream keeps no host from ending in time.
    let began = Instant::now();
    host.terminate();
    follower.0.hears_out();
    assert!(host.wait().success(), "{}", host.log());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn streams_have_a_limit_and_leave_room_for_operators() {
    const STREAMS_MAX: usize = 16;
    let host = Host::start();
    let mut followers: Vec<_> = (0..STREAMS_MAX).map(|_| Follower::of(&host)).collect();
    followers.iter_mut().for_each(|follower| drop(follower.next()));
    host.admin_get("/v1/events").error(503, &["too many dashboards"]);
    host.admin_get("/v1/overview").status(200);
    drop(followers.pop());
    let mut next = None;
    eventually("a place that has become free", || {
        let mut client = Follower::of(&host);
        client.0.0.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut head = [0; 12];
        client.0.0.read_exact(&mut head).unwrap();
        let is_free = head.ends_with(b"200");
        next = is_free.then_some(client);
        is_free
    });
    assert_eq!(next.unwrap().next()["whole"], true);
}
