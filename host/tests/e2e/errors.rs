//! Errors are kept: each answer that is an error or a fallback's names a record, which says what an operator needs.

use crate::import::import;
use crate::support::{Host, Ran, Reply, eventually, example_with, guest, root, rows, sha256};
use serde_json::{Value, json};

const LIMITS: &str = "[limits]\ndeadline_ms = 5000\nin_flight_max = 1\nqueue_max = 4\n";

/// A host with `hostile`, which may fail as often as it likes.
fn host(config: &str) -> Host {
    let host = Host::with(config);
    host.publish(&guest("hostile"));
    host.deploy(&["hostile", "--deadline-ms", "400", "--memory-max-bytes", "67108864", "--fuel", "500000000000"]).ok();
    host.scry(&["circuit", "hostile", "--closed"]).ok();
    host
}

/// The id that an answer names.
#[track_caller]
fn id(reply: &Reply) -> String {
    reply.header("scry-error-id").unwrap_or_else(|| panic!("no id: {} {}", reply.status, reply.text)).to_owned()
}

/// A record, with its group.
fn record(host: &Host, id: &str) -> (Value, Value) {
    let told = host.scry(&["errors", id, "--json"]).ok().json();
    (told["record"].clone(), told["group"].clone())
}

/// Standard output holds all of these.
#[track_caller]
fn shows(ran: &Ran, parts: &[&str]) {
    for part in parts {
        assert!(ran.stdout.contains(part), "no {part:?} in {ran:#?}");
    }
}

fn groups(host: &Host) -> Vec<Value> {
    host.scry(&["errors", "--json"]).ok().json()["groups"].as_array().unwrap().clone()
}

#[test]
fn each_failure_is_recorded_under_the_id_that_its_answer_names() {
    let host = host(LIMITS);
    let digest = guest("hostile").digest.clone();
    for (behaviour, reason, within) in [
        ("trap", "trap", Some("predict")),
        ("recursion", "trap", Some("deeper")),
        ("loop", "timeout", Some("predict")),
        ("growth", "memory", Some("predict")),
        ("failed", "failed", None),
        ("wrong-shape", "invalid-output", None),
    ] {
        let reply = host.predict("hostile", behaviour, 1.5);
        let id = id(&reply);
        assert_eq!(reply.json()["error_id"], id.as_str(), "{behaviour}");
        let (record, group) = record(&host, &id);
        assert_eq!((&record["id"], &record["reason"], &record["fault"]), (&json!(id), &json!(reason), &json!("host")));
        assert_eq!(
            (&record["model"], &record["version"], &record["digest"]),
            (&json!("hostile"), &json!(1), &json!(digest))
        );
        assert_eq!(group["count"], 1, "{group}");
        let [call] = record["calls"].as_array().unwrap().as_slice() else { panic!("{behaviour}: one call: {record}") };
        assert_eq!((&call["reason"], &call["digest"]), (&json!(reason), &json!(digest)));
        let limits = (&call["fuel_max"], &call["memory_max_bytes"], &record["deadline_us"]);
        assert_eq!(limits, (&json!(500_000_000_000_u64), &json!(67_108_864), &json!(400_000)));
        assert!(
            call["ran_us"].as_u64() <= record["took_us"].as_u64() && call["memory_bytes"].as_u64() > Some(0),
            "{call}"
        );
        let functions: Vec<_> = call["backtrace"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|frame| frame["function"].as_str().unwrap())
            .collect();
        assert!(!functions.iter().any(|name| name.starts_with("function ")), "each has its name: {functions:?}");
        assert_eq!(
            functions.iter().any(|name| within.is_some_and(|within| name.contains(within))),
            within.is_some(),
            "{behaviour}: {functions:?}"
        );
        let input = &record["input"];
        assert_eq!((&input["format"], &input["rows"], &input["text"]), (&json!("v2"), &json!(1), &Value::Null));
        assert_eq!(
            input["sha256"],
            json!(sha256(rows(behaviour, &[1.5]).to_string().as_bytes()).trim_start_matches("sha256:")),
            "{behaviour}"
        );
    }
    let (trap, group) = record(&host, &id(&host.predict("hostile", "trap", 1.5)));
    assert!(trap["cause"].as_str().unwrap().contains("as told"), "{trap}");
    assert!(!trap["cause"].as_str().unwrap().contains("backtrace"), "{trap}");
    assert_eq!(group["count"], 2);
    let url = format!("{}/v2/models/hostile/infer", host.prediction);
    let traced = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("x-request-id", "order-7"), ("traceparent", traced)];
    let reply = host.send("POST", &url, &headers, rows("failed", &[1.0]).to_string().as_bytes());
    let (named, _) = record(&host, &id(&reply));
    assert_eq!((&named["request_id"], &named["trace_id"]), (&json!("order-7"), &json!(&traced[3..35])));
}

#[test]
fn an_answer_of_a_fallback_names_why() {
    let host = host(LIMITS);
    host.publish(&guest("steady"));
    host.deploy(&["hostile", "--fallback", "steady"]).ok();
    let reply = host.predict("hostile", "trap", 2.0).status(200);
    let (degraded, group) = record(&host, &id(&reply));
    assert_eq!((reply.y(), &degraded["reason"], &group["is_degraded"]), (4.0, &json!("trap"), &json!(true)));
    assert_eq!(degraded["answered_by"]["model"], "steady");
    assert_eq!(degraded["answered_by"]["digest"], guest("steady").digest.as_str());
    let well = host.predict("hostile", "well", 2.0).status(200);
    assert_eq!(well.header("scry-error-id"), None, "an ordinary answer names nothing");
    host.deploy(&["hostile", "--fallback", r#"constant:{"y":-1}"#]).ok();
    let (degraded, _) = record(&host, &id(&host.predict("hostile", "loop", 2.0).status(200)));
    assert_eq!((&degraded["reason"], &degraded["answered_by"]["version"]), (&json!("timeout"), &json!("constant")));
    // What keeps the version from being called is a cause, too.
    host.scry(&["circuit", "hostile", "--open"]).ok();
    let (open, _) = record(&host, &id(&host.predict("hostile", "well", 2.0).status(200)));
    assert_eq!((&open["reason"], open.get("calls")), (&json!("circuit-open"), None));
    assert_eq!(groups(&host).len(), 3);
}

#[test]
fn what_clients_do_wrong_is_grouped_and_kept_from_taking_all_the_room() {
    let host = host(&format!("{LIMITS}[errors]\ngroups_max = 8\nrecords_max = 8\n"));
    host.predict("hostile", "trap", 1.0);
    for n in 0..30 {
        let mut wrong = rows("well", &[1.0]);
        wrong["inputs"][1]["data"] = json!([format!("seven{n}")]);
        let reply = host.post("/v2/models/hostile/infer", &wrong).status(400);
        assert_eq!(reply.json()["error_id"], id(&reply).as_str());
        host.post("/v2/models/hostile/infer", &json!({ "inputs": [{ "name": format!("x{n}") }] })).status(400);
    }
    let all = groups(&host);
    let clients: Vec<_> = all.iter().filter(|group| group["fault"] == "client").collect();
    assert!(clients.len() <= 2, "{all:?}");
    assert!(clients.iter().all(|group| group["records"].as_array().unwrap().len() <= 2), "{all:?}");
    assert_eq!(all.len() - clients.len(), 1, "the version's own error is still there");
    let unread = host.post("/v2/models/hostile/infer", &json!("nonsense")).status(400);
    let (unread, _) = record(&host, &id(&unread));
    assert_eq!(
        (&unread["reason"], &unread["fault"], &unread["input"]["rows"]),
        (&json!("invalid-input"), &json!("client"), &Value::Null)
    );
    let absent = host.post("/v2/models/hostile/versions/9/infer", &rows("well", &[1.0])).status(404);
    let (absent, _) = record(&host, &id(&absent));
    assert_eq!((&absent["version"], &absent["digest"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_request_is_kept_where_that_is_switched_on() {
    let host = host(&format!("{LIMITS}[errors]\ninput_models = [\"hostile\"]\ninput_max_bytes = 1000\n"));
    host.publish(&guest("steady"));
    let (kept, _) = record(&host, &id(&host.predict("hostile", "trap", 0.1)));
    let text = kept["input"]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), rows("trap", &[0.1]));
    let long = host.post("/v2/models/hostile/infer", &rows("trap", &[0.1; 400]));
    assert_eq!(record(&host, &id(&long)).0["input"]["text"], Value::Null, "a long one is not");
    let other = host.post("/v2/models/steady/infer", &json!({})).status(400);
    assert_eq!(record(&host, &id(&other)).0["input"]["text"], Value::Null, "nor another model's");
}

#[test]
fn errors_survive_a_stop_and_a_kill() {
    let host = host(LIMITS);
    let first = id(&host.predict("hostile", "trap", 1.0));
    let host = host.restart(|_| {});
    let (before, group) = record(&host, &first);
    assert_eq!((&before["reason"], &group["count"]), (&json!("trap"), &json!(1)));
    let second = id(&host.predict("hostile", "failed", 1.0));
    eventually("it is written", || {
        let log = std::fs::read_to_string(host.data().join("errors.log")).unwrap_or_default();
        log.contains(&second)
    });
    let host = host.kill_and_restart();
    assert_eq!([&first, &second].map(|id| record(&host, id).0["id"].clone()), [json!(first), json!(second)]);
    let third = id(&host.predict("hostile", "trap", 1.0));
    assert_eq!(record(&host, &third).1["count"], 2);
}

#[test]
fn damage_costs_what_was_damaged_and_is_told() {
    let host = host(LIMITS);
    let ids = ["trap", "failed", "loop"].map(|behaviour| id(&host.predict("hostile", behaviour, 1.0)));
    let host = host.restart(|data| {
        let path = data.join("errors.log");
        let log = std::fs::read_to_string(&path).unwrap();
        let broken = log.replace(&ids[1], &ids[1].replace('-', "_"));
        assert_ne!(log, broken);
        std::fs::write(&path, broken + "an append that was cut sh").unwrap();
    });
    assert_eq!(record(&host, &ids[0]).0["reason"], "trap");
    assert_eq!(record(&host, &ids[2]).0["reason"], "timeout");
    host.scry(&["errors", &ids[1]]).code(1).says(&["no error of this id is kept"]);
    assert_eq!(host.scry(&["errors", "--json"]).ok().json()["lost"]["damage"], 2);
    assert_eq!(host.metric(r#"scry_records_lost_total{kind="errors",reason="damage"}"#), 2.0);
    host.scry(&["errors"]).ok().says(&["2 records lost: they were in damaged lines of the log"]);
    let quarantined = std::fs::read_dir(host.data().join("quarantine")).unwrap().count();
    assert_eq!(quarantined, 1);
    // It is written anew, so that the next start finds no damage.
    let host = host.restart(|_| {});
    assert_eq!(host.scry(&["errors", "--json"]).ok().json()["lost"]["damage"], 0);
}

#[test]
fn a_disk_that_takes_nothing_fails_no_prediction_and_is_told() {
    let host = host(&format!("{LIMITS}[errors]\nrecords_max = 4\n"));
    let host = host.restart(|data| std::fs::create_dir(data.join("errors.log")).unwrap());
    host.scry(&["circuit", "hostile", "--closed"]).ok();
    let first = id(&host.predict("hostile", "trap", 1.0));
    eventually("the disk was asked", || host.metric(r#"scry_records_unwritten{kind="errors"}"#) == 1.0);
    (0..20).for_each(|_| drop(host.predict("hostile", "trap", 1.0).error(500, &[])));
    assert_eq!(host.predict("hostile", "well", 3.0).status(200).y(), 3.0);
    assert_eq!(record(&host, &first).1["count"], 21);
    let lost = host.scry(&["errors", "--json"]).ok().json()["lost"].clone();
    assert_eq!((&lost["unwritten"], &lost["disk"]), (&json!(4), &json!(17)));
    host.scry(&["errors"]).ok().says(&["17 records lost: they could not be written", "4 records only in memory"]);
    assert_eq!(host.metric(r#"scry_records_lost_total{kind="errors",reason="disk"}"#), 17.0);
    std::fs::remove_dir(host.data().join("errors.log")).unwrap();
    // Tried again every few seconds.
    eventually("it is written", || host.scry(&["errors", "--json"]).ok().json()["lost"]["unwritten"] == 0);
    let host = host.restart(|_| {});
    assert_eq!(record(&host, &first).1["count"], 21);
}

#[test]
fn the_command_shows_causes_and_one_error_with_what_to_do_next() {
    let host = host(LIMITS);
    host.scry(&["errors"]).ok();
    let reply = host.predict("hostile", "trap", 1.0);
    let listed = host.scry(&["errors", "--model", "hostile", "--since", "1h"]).ok();
    shows(&listed, &["1 error", "hostile@1", "trap", "as told", &format!("newest {}, 1 record kept", id(&reply))]);
    assert_eq!(host.scry(&["errors", "--model", "other"]).ok().stdout, "");
    let shown = host.scry(&["errors", &id(&reply)]).ok();
    shows(
        &shown,
        &["hostile@1 sha256:", "as told", "fuel ", "memory ", "backtrace", "1 time since", "errors.input_models"],
    );
    host.scry(&["errors", "1"]).code(2).says(&["expected a record's id"]);
    host.scry(&["errors", "--since", "soon"]).code(2).says(&["30m"]);
    let host = Host::with("[errors]\ngroups_max = 0\n");
    host.scry(&["errors"]).code(1).says(&["no errors are kept: `errors.groups_max` is 0"]);
}

#[test]
fn an_error_over_grpc_and_a_request_without_room_name_their_records_too() {
    let host = host(LIMITS);
    let url = format!("{}/inference.GRPCInferenceService/ModelInfer", host.prediction);
    // A message that names the model, and nothing else.
    let message = b"\x0a\x07hostile";
    let framed = [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat();
    let file = host.data().join("call");
    std::fs::write(&file, framed).unwrap();
    let mut curl = std::process::Command::new("curl");
    curl.args(["--silent", "--max-time", "60", "--http2-prior-knowledge", "--dump-header", "-"]);
    curl.args(["--header", "content-type: application/grpc", "--header", "te: trailers"]);
    let told = curl.arg("--data-binary").arg(format!("@{}", file.display())).arg(url).output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let id = told.lines().find_map(|line| line.strip_prefix("scry-error-id: ")).unwrap_or_else(|| panic!("{told}"));
    assert_eq!(record(&host, id.trim()).0["input"]["format"], "grpc");
}

#[test]
fn each_way_to_make_a_component_keeps_the_names_of_its_functions() {
    let host = Host::with(LIMITS);
    let traps = example_with("bikeshare-faulty", "traps");
    host.scry(&["publish", traps.path.to_str().unwrap(), "--name", "bikeshare"]).ok();
    let four = json!({"hour": 4, "weekday": 3, "month": 6, "holiday": false, "working_day": true, "weather": "clear"});
    let reply = host.post("/v1/models/bikeshare:predict", &json!({ "instances": [four] })).status(500);
    assert_eq!(reply.json()["error_id"], id(&reply).as_str());
    let (built, group) = record(&host, &id(&reply));
    assert_eq!(built["input"]["format"], "instances");
    let cause = group["cause"].as_str().unwrap();
    assert!(cause.contains("no riders at four in the morning") && cause.contains("bikeshare_faulty::"), "{group}");

    let file = root().join("tests/imports/bikes-forest.scry");
    let component = host.data().join("imported.wasm");
    import(&file, &component, &[]).ok();
    host.scry(&["publish", component.to_str().unwrap(), "--name", "imported"]).ok();
    let card = host.admin_get("/v1/models/imported").status(200).json()["card"].clone();
    // Enough for its golden examples, and not for these rows.
    host.deploy(&["imported", "--fuel", "20000000"]).ok();
    const ROWS: usize = 20_000;
    let column = |field: &Value| {
        let zero = if field["datatype"] == "BYTES" { field["categories"][0].clone() } else { json!(0) };
        json!({ "name": field["name"], "datatype": field["datatype"], "shape": [ROWS], "data": vec![zero; ROWS] })
    };
    let inputs: Vec<_> = card["schema"]["inputs"].as_array().unwrap().iter().map(column).collect();
    let reply = host.post("/v2/models/imported/infer", &json!({ "inputs": inputs }));
    let (imported, _) = record(&host, &id(&reply));
    assert_eq!(imported["reason"], "fuel", "{}", reply.text);
    let backtrace = imported["calls"][0]["backtrace"].to_string();
    assert!(backtrace.contains("scry_graph::"), "{backtrace}");
}
