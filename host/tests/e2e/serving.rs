//! The Open Inference Protocol as clients meet it.

use crate::support::{Host, Reply, example, guest, root, rows};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// An hour with every reading.
fn hour() -> Value {
    json!({
        "hour": 8, "weekday": 3, "month": 1, "holiday": false, "working_day": true, "weather": "clear",
        "temperature": 0.2, "felt_temperature": 0.1818, "humidity": 0.4, "wind_speed": 0.2985,
    })
}

/// Hours as a V2 request; a reading that no row has is left out.
pub(crate) fn v2(hours: &Value) -> Value {
    let hours = hours.as_array().unwrap();
    let columns: Vec<&String> = hours[0].as_object().unwrap().keys().collect();
    let datatype = |name: &str| match name {
        "hour" | "weekday" | "month" => "INT64",
        "holiday" | "working_day" => "BOOL",
        "weather" => "BYTES",
        _ => "FP64",
    };
    let input = |name: &&String| {
        let data: Vec<&Value> = hours.iter().map(|hour| &hour[name.as_str()]).collect();
        json!({ "name": name, "shape": [hours.len()], "datatype": datatype(name), "data": data })
    };
    json!({ "inputs": columns.iter().map(input).collect::<Vec<_>>() })
}

/// One host for the tests that only ask; it ends with the last that holds it.
fn host() -> Arc<Host> {
    static HOST: Mutex<Weak<Host>> = Mutex::new(Weak::new());
    let mut running = HOST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(host) = running.upgrade() {
        return host;
    }
    let config = "[limits]\ndeadline_ms = 10000\nin_flight_max = 2\n\n[prediction]\nbody_max_bytes = 100000\n";
    let host = Arc::new(Host::with(config));
    for guest in [example("bikeshare"), example("digits"), guest("steady")] {
        host.publish(&guest);
    }
    *running = Arc::downgrade(&host);
    host
}

fn infer(host: &Host, body: &Value) -> Reply {
    host.post("/v2/models/bikeshare/infer", body)
}

/// The request with one input changed.
fn with(name: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let mut request = v2(&json!([hour()]));
    let inputs = request["inputs"].as_array_mut().unwrap();
    change(inputs.iter_mut().find(|input| input["name"] == name).unwrap().as_object_mut().unwrap());
    request
}

fn set(name: &str, key: &str, value: Value) -> Value {
    with(name, |input| {
        input.insert(key.to_owned(), value);
    })
}

#[test]
fn health_and_metadata_have_the_protocols_form() {
    let host = host();
    assert_eq!(host.get("/v2/health/live").status(200).json(), json!({ "live": true }));
    assert_eq!(host.get("/v2/health/ready").status(200).json(), json!({ "ready": true }));
    let server = host.get("/v2").status(200).json();
    assert_eq!(server["name"], "scry");
    assert!(server["version"].is_string() && server["extensions"].is_array(), "{server}");
    assert_eq!(host.get("/v2/models/digits/ready").status(200).json(), json!({ "name": "digits", "ready": true }));
    host.get("/v2/models/digits/versions/1/ready").status(200);
    let digits = host.get("/v2/models/digits").status(200).json();
    assert_eq!(digits["name"], "digits");
    assert_eq!(digits["versions"], json!(["1"]));
    assert!(digits["platform"].is_string());
    let form = |side: &str| -> Value {
        let of = |tensor: &Value| json!({ "name": tensor["name"], "datatype": tensor["datatype"], "shape": tensor["shape"] });
        digits[side].as_array().unwrap().iter().map(of).collect()
    };
    assert_eq!(form("inputs"), json!([{ "name": "image", "datatype": "FP32", "shape": [-1, 8, 8] }]));
    assert_eq!(
        form("outputs"),
        json!([
            { "name": "digit", "datatype": "INT64", "shape": [-1] },
            { "name": "probabilities", "datatype": "FP32", "shape": [-1, 10] },
        ])
    );
    assert_eq!(host.get("/v2/models/digits/versions/1").status(200).json(), digits);
}

#[test]
fn an_answer_says_who_gave_it() {
    let host = host();
    let reply = infer(&host, &v2(&json!([hour()]))).status(200);
    let digest = &example("bikeshare").digest;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!((reply.header("scry-model"), reply.header("scry-version")), (Some("bikeshare"), Some("1")));
    assert_eq!(reply.header("scry-digest"), Some(digest.as_str()));
    assert_eq!(reply.header("scry-degraded"), None);
    let json = reply.json();
    assert_eq!((&json["model_name"], &json["model_version"]), (&json!("bikeshare"), &json!("1")));
    let parameters = json!({ "scry-model": "bikeshare", "scry-version": "1", "scry-digest": digest });
    assert_eq!(json["parameters"], parameters);
    assert!(json.get("id").is_none());
    assert_eq!(json["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(json["outputs"][0]["name"], "riders");
    assert_eq!(json["outputs"][0]["shape"], json!([1]));
}

#[test]
fn predictions_are_the_original_models() {
    let host = host();
    let golden = std::fs::read(root().join("examples/bikeshare/golden.json")).unwrap();
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let mut compared = 0;
    for example in golden["examples"].as_array().unwrap() {
        // Rows that leave readings out name fewer columns than others.
        for (hour, expected) in example["inputs"].as_array().unwrap().iter().zip(example["outputs"].as_array().unwrap())
        {
            let riders = infer(&host, &v2(&json!([hour]))).status(200).y();
            let expected = expected["riders"].as_f64().unwrap();
            assert!((riders - expected).abs() <= 1e-6 + 1e-6 * expected.abs(), "{hour}: {riders}, not {expected}");
            compared += 1;
        }
    }
    assert!(compared >= 10, "only {compared} rows to compare");
}

#[test]
fn an_id_comes_back_and_outputs_can_be_chosen() {
    let host = host();
    let image = json!({ "name": "image", "shape": [1, 8, 8], "datatype": "FP32", "data": vec![0; 64] });
    let request = json!({ "id": "my \"id\"", "inputs": [image], "outputs": [{ "name": "digit" }] });
    let answer = host.post("/v2/models/digits/infer", &request).status(200).json();
    assert_eq!(answer["id"], "my \"id\"");
    assert_eq!(answer["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(answer["outputs"][0]["name"], "digit");
    let both = host.post("/v2/models/digits/infer", &json!({ "inputs": [image] })).status(200).json();
    assert_eq!(both["outputs"].as_array().unwrap().len(), 2);
    assert_eq!(both["outputs"][1]["shape"], json!([1, 10]));
    let unknown = json!({ "inputs": [image], "outputs": [{ "name": "letter" }] });
    host.post("/v2/models/digits/infer", &unknown).error(400, &["`letter`", "expected one of digit, probabilities"]);
}

#[test]
fn data_may_be_nested_and_members_in_any_order() {
    let host = host();
    let flat = json!({ "name": "image", "shape": [2, 8, 8], "datatype": "FP32", "data": vec![3; 128] });
    let nested =
        json!({ "data": vec![vec![vec![3; 8]; 8]; 2], "datatype": "FP32", "shape": [2, 8, 8], "name": "image" });
    let ask = |input: &Value| host.post("/v2/models/digits/infer", &json!({ "inputs": [input] })).status(200).json();
    assert_eq!(ask(&flat), ask(&nested));
    // `data` before `datatype`: what is read must not depend on the order.
    let text = r#"{"inputs":[{"data":[""],"shape":[1],"name":"behaviour","datatype":"BYTES"},{"data":[1.5],"datatype":"FP64","shape":[1],"name":"x"}]}"#;
    let url = format!("{}/v2/models/steady/infer", host.prediction);
    assert_eq!(host.send("POST", &url, &[], text.as_bytes()).status(200).y(), 3.0);
}

#[test]
fn what_may_be_missing_may_be_null_or_left_out() {
    let host = host();
    let given = infer(&host, &set("temperature", "data", json!([null]))).status(200).y();
    let mut request = v2(&json!([hour()]));
    request["inputs"].as_array_mut().unwrap().retain(|input| input["name"] != "temperature");
    assert_eq!(infer(&host, &request).status(200).y(), given);
}

#[test]
fn an_empty_batch_gets_an_empty_answer() {
    let host = host();
    let answer = host.post("/v2/models/steady/infer", &rows("", &[])).status(200).json();
    assert_eq!(answer["outputs"][0]["shape"], json!([0]));
    assert_eq!(answer["outputs"][0]["data"], json!([]));
}

#[test]
fn a_wrong_request_is_told_which_field_what_was_expected_and_what_was_found() {
    let host = host();
    let renamed = set("hour", "name", json!("minute"));
    let twice = {
        let mut request = v2(&json!([hour()]));
        let inputs = request["inputs"].as_array_mut().unwrap();
        inputs.push(inputs[0].clone());
        request
    };
    let without_hour = {
        let mut request = v2(&json!([hour()]));
        request["inputs"].as_array_mut().unwrap().retain(|input| input["name"] != "hour");
        request
    };
    for (request, says) in [
        (renamed, vec!["field `minute`", "expected one of hour, weekday", "an unknown field"]),
        (twice, vec!["the field once", "the field twice"]),
        (without_hour, vec!["field `hour`", "expected an INT64 tensor", "found nothing"]),
        (set("hour", "datatype", json!("FP64")), vec!["field `hour`", "expected INT64", "found FP64"]),
        (set("hour", "datatype", json!("INT65")), vec!["field `hour`", "expected a datatype of", "found INT65"]),
        (set("hour", "shape", json!([1, 1, 1])), vec!["field `hour`", "expected shape [1]", "found shape [1, 1, 1]"]),
        (set("hour", "shape", json!([2])), vec!["field `hour`", "2 elements", "found 1"]),
        (set("hour", "data", json!([1, 2])), vec!["field `hour`", "1 elements", "found 2"]),
        (
            set("hour", "shape", json!([4_294_967_296_u64, 4_294_967_296_u64, 4_294_967_296_u64])),
            vec!["field `hour`", "a shape that can be counted"],
        ),
        (set("hour", "shape", json!([-1])), vec!["not V2 JSON", "-1"]),
        (
            set("hour", "data", json!(["eight"])),
            vec!["field `hour`, row 0", "expected an INT64 value", "found \"eight\""],
        ),
        (set("hour", "data", json!([8.5])), vec!["field `hour`, row 0", "expected an INT64 value", "found 8.5"]),
        (set("hour", "data", json!([24])), vec!["field `hour`, row 0", "expected 0 to 23 h", "found 24"]),
        (set("hour", "data", json!([null])), vec!["field `hour`, row 0", "expected an INT64 value", "found null"]),
        (set("hour", "data", json!(8)), vec!["a list of elements"]),
        (set("hour", "data", json!([{}])), vec!["field `hour`", "found an object"]),
        (
            set("weather", "data", json!(["hail"])),
            vec!["field `weather`, row 0", "expected one of \"clear\"", "\"hail\""],
        ),
        (set("humidity", "data", json!([1.5])), vec!["field `humidity`, row 0", "expected 0 to 1", "found 1.5"]),
        (set("humidity", "data", json!([true])), vec!["field `humidity`", "expected an FP64 value", "found true"]),
        (set("holiday", "data", json!([0])), vec!["field `holiday`", "expected a BOOL value", "found 0"]),
        (json!({ "inputs": [] }), vec!["at least one tensor"]),
        (json!({}), vec!["not V2 JSON", "inputs"]),
        (json!([]), vec!["not V2 JSON"]),
        (json!({ "inputs": [{ "name": "hour" }] }), vec!["`inputs[0].shape`", "found nothing"]),
        (json!({ "inputs": [{ "shape": [1], "data": [1] }] }), vec!["`inputs[0].name`", "found nothing"]),
    ] {
        infer(&host, &request).error(400, &says);
    }
    let url = format!("{}/v2/models/bikeshare/infer", host.prediction);
    for body in ["", "{", "nonsense", "{\"inputs\":[{]}", "\u{0}", &"[".repeat(10_000)] {
        host.send("POST", &url, &[], body.as_bytes()).error(400, &["not V2 JSON"]);
    }
}

#[test]
fn every_wrong_row_is_named_up_to_a_limit() {
    let host = host();
    let mut bad = hour();
    bad["hour"] = json!(99);
    bad["humidity"] = json!(-3);
    let request = v2(&json!([hour(), bad, hour()]));
    infer(&host, &request).error(400, &["field `hour`, row 1", "found 99", "field `humidity`, row 1", "found -3"]);
    let many = v2(&Value::Array(vec![bad; 100]));
    let text = infer(&host, &many).error(400, &[]).text;
    assert!(text.matches("field `").count() <= 20, "{text}");
}

#[test]
fn a_body_that_is_too_long_is_413() {
    let host = host();
    let url = format!("{}/v2/models/steady/infer", host.prediction);
    host.send("POST", &url, &[], &vec![b' '; 100_001]).error(413, &["100000 bytes"]);
    assert_eq!(host.predict("steady", "", 1.0).status(200).y(), 2.0);
}

#[test]
fn a_client_can_shorten_its_deadline_and_not_lengthen_it() {
    let host = Host::with("[limits]\ndeadline_ms = 1000\nfuel = 0\n");
    host.publish(&guest("hostile"));
    let url = format!("{}/v2/models/hostile/infer", host.prediction);
    let ask = |timeout: &str| {
        let started = std::time::Instant::now();
        let body = rows("loop", &[1.0]).to_string();
        host.send("POST", &url, &[("x-request-timeout-ms", timeout)], body.as_bytes()).error(504, &["deadline"]);
        started.elapsed().as_millis()
    };
    let (short, long) = (ask("50"), ask("60000"));
    assert!(short < 950, "asked for 50 ms, took {short} ms");
    assert!((950..10_000).contains(&long), "the model's 1000 ms became {long} ms");
    let mut request = rows("loop", &[1.0]);
    request["parameters"] = json!({ "timeout": 50_000 });
    let started = std::time::Instant::now();
    host.post("/v2/models/hostile/infer", &request).error(504, &[]);
    assert!(started.elapsed().as_millis() < 950, "{:?}", started.elapsed());
    for wrong in ["soon", "-1", "1.5", ""] {
        let body = rows("well", &[1.0]).to_string();
        let says = ["x-request-timeout-ms", "expected milliseconds"];
        host.send("POST", &url, &[("x-request-timeout-ms", wrong)], body.as_bytes()).error(400, &says);
    }
    request["parameters"] = json!({ "timeout": "soon" });
    host.post("/v2/models/hostile/infer", &request).error(400, &["timeout", "microseconds", "soon"]);
}

#[test]
fn the_admin_listener_wants_its_token_on_every_path() {
    let host = host();
    let token = host.token();
    let wrong_case = format!("bearer{token}");
    for path in ["/v1/models", "/v1/models/steady", "/v1/models/steady/circuit", "/v1/state", "/metrics", "/v1/nothing"]
    {
        let url = format!("{}{path}", host.admin);
        for authorization in
            [None, Some(""), Some("Bearer "), Some("Bearer wrong"), Some(token.as_str()), Some(wrong_case.as_str())]
        {
            let headers: Vec<_> = authorization.iter().map(|value| ("authorization", *value)).collect();
            let refused = host.send("GET", &url, &headers, b"").error(401, &["token"]);
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            assert!(!refused.text.contains(&token));
        }
    }
    let url = format!("{}/v1/models", host.admin);
    host.send("POST", &url, &[], b"anything").error(401, &["token"]);
    host.admin_get("/v1/nothing").error(404, &[]);
    host.admin_get("/v1/models/nobody").error(404, &["`nobody` is not known"]);
    host.admin_post("/v1/models/nobody/deploy", b"{}").error(404, &["`nobody` is not known"]);
    host.admin_post("/v1/state", b"").error(405, &[]);
    host.admin_post("/v1/models?nmae=x", b"").error(400, &["nmae"]);
}

#[test]
fn nothing_on_the_prediction_listener_changes_anything() {
    let host = host();
    let before = host.admin_get("/v1/state").json();
    let bearer = format!("Bearer {}", host.token());
    for path in [
        "/v1/models",
        "/v1/models/steady/deploy",
        "/v1/state",
        "/v2/models/steady",
        "/v2/repository/models/steady/unload",
    ] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let url = format!("{}{path}", host.prediction);
            let status = host.send(method, &url, &[("authorization", &bearer)], br#"{"to":"1"}"#).status;
            assert!(status == 404 || status == 405, "{method} {path}: {status}");
        }
    }
    assert_eq!(host.admin_get("/v1/state").json(), before);
}

#[test]
fn metrics_count_requests_and_time_them() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let ok = r#"scry_requests_total{model="steady",outcome="ok",version="1"}"#;
    for _ in 0..3 {
        host.predict("steady", "", 1.0).status(200);
    }
    host.post("/v2/models/steady/infer", &json!({ "inputs": [] })).status(400);
    host.post("/v2/models/nobody/infer", &json!({})).status(404);
    host.post("/v2/models/steady/versions/7/infer", &rows("", &[1.0])).status(404);
    assert_eq!(host.metric(ok), 3.0);
    assert_eq!(host.metric(r#"scry_requests_total{model="steady",outcome="invalid-input",version="1"}"#), 1.0);
    // Names that clients make up must not become labels.
    assert_eq!(host.metric(r#"scry_requests_total{model="unknown",outcome="not-found",version="unknown"}"#), 1.0);
    assert_eq!(host.metric(r#"scry_requests_total{model="steady",outcome="not-found",version="unknown"}"#), 1.0);
    assert_eq!(host.metric(r#"scry_sandbox_seconds_count{model="steady",version="1"}"#), 3.0);
    // The request without good inputs waited for a thread, too.
    assert_eq!(host.metric(r#"scry_queue_seconds_count{model="steady"}"#), 4.0);
    let timed = |labels: &str| host.metric(&format!(r#"scry_request_seconds_count{{model="steady",{labels}}}"#));
    assert_eq!(timed(r#"outcome="ok",version="1""#), 3.0);
    assert_eq!(timed(r#"outcome="invalid-input",version="1""#), 1.0);
    assert_eq!(host.metric("scry_compile_seconds_count"), 1.0);
    assert_eq!(host.metric("scry_instances_live"), 0.0);
    let text = host.admin_get("/metrics");
    assert!(text.header("content-type").unwrap().starts_with("text/plain"));
    assert!(!text.text.contains("nobody"), "{}", text.text);
    for line in text.text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn request_bodies_stay_out_of_the_log() {
    let host = Host::start();
    host.publish(&guest("steady"));
    host.predict("steady", "a-very-private-value", 1.0).status(200);
    host.post("/v2/models/steady/infer", &json!({ "a-very-private-value": 1 })).status(400);
    assert!(!host.log().contains("a-very-private-value"), "{}", host.log());
}
