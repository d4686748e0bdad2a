//! Inputs and answers that fail a check: refused with every error, answered
//! with a warning, or left to the fallback; rows of a batch one by one.

use crate::support::{Host, Reply, guest};
use serde_json::{Value, json};

const FALLBACK: &str = r#"constant:{"risk":0.5}"#;

fn host(config: &str, deployment: &[&str]) -> Host {
    let host = Host::with(&format!("[limits]\ndeadline_ms = 10000\n{config}"));
    host.publish(&guest("checked"));
    host.deploy(&[&["checked"], deployment].concat()).ok();
    host
}

fn loan() -> Value {
    json!({ "start": 1, "end": 9, "amount": 500.0, "income": 100.0, "loans": 2, "region": "north", "note": "first" })
}

/// A loan with one or two members changed.
fn but(changes: Value) -> Value {
    let mut loan = loan();
    for (name, value) in changes.as_object().unwrap() {
        loan[name] = value.clone();
    }
    loan
}

fn predict(host: &Host, instances: &[Value]) -> Reply {
    host.post("/v1/models/checked:predict", &json!({ "instances": instances }))
}

fn by_row(host: &Host, instances: &[Value]) -> Reply {
    let body = json!({ "instances": instances, "parameters": { "invalid_rows": "refuse-row" } });
    host.post("/v1/models/checked:predict", &body)
}

/// The same rows as V2 tensors, in the order that this client likes.
fn v2(instances: &[Value]) -> Value {
    let types = [
        ("amount", "FP64"),
        ("start", "INT64"),
        ("end", "INT64"),
        ("income", "FP64"),
        ("loans", "INT64"),
        ("region", "BYTES"),
        ("note", "BYTES"),
    ];
    let tensor = |(name, datatype): &(&str, &str)| {
        let data: Vec<_> = instances.iter().map(|loan| loan[name].clone()).collect();
        json!({ "name": name, "datatype": datatype, "shape": [instances.len()], "data": data })
    };
    json!({ "inputs": types.iter().map(tensor).collect::<Vec<_>>() })
}

/// What each error says: row, field or rule, check.
fn errors(json: &Value) -> Vec<(Option<u64>, String, String)> {
    let error = |error: &Value| {
        (error["row"].as_u64(), error["field"].as_str().unwrap().into(), error["type"].as_str().unwrap().into())
    };
    json["errors"].as_array().unwrap().iter().map(error).collect()
}

fn error(row: u64, field: &str, check: &str) -> (Option<u64>, String, String) {
    (Some(row), field.into(), check.into())
}

#[test]
fn records_are_answered_in_order_and_say_who_answered() {
    let host = host("", &[]);
    let reply = predict(&host, &[loan(), but(json!({ "amount": 1000.0, "income": null, "loans": null }))]).status(200);
    assert_eq!(reply.json(), json!({ "predictions": [{ "risk": 0.25 }, { "risk": 0.5 }] }));
    assert_eq!((reply.header("scry-version"), reply.header("scry-warnings")), (Some("1"), None));
    // Nullable members may be left out; a version is named as in V2.
    let mut short = loan();
    short.as_object_mut().unwrap().retain(|name, _| name != "note" && name != "income");
    let reply = host.post("/v1/models/checked/versions/1:predict", &json!({ "instances": [short] })).status(200);
    assert_eq!(reply.json()["predictions"], json!([{ "risk": 0.25 }]));
}

#[test]
fn all_errors_of_a_request_come_at_once_each_with_row_field_check_and_pointer() {
    let host = host("", &[]);
    let rows = [
        but(json!({ "amount": -1.0, "end": 0 })),
        loan(),
        but(json!({ "amount": "much", "note": "far too long", "start": null, "extra/~": 1 })),
    ];
    // What cannot even be put into columns comes first, and all of it; then what is wrong with the rest.
    let reply = predict(&host, &rows).status(422);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let problem = reply.json();
    assert_eq!((&problem["status"], &problem["title"]), (&json!(422), &json!("Unprocessable Entity")));
    let expected = [
        error(2, "amount", "type"),
        error(2, "extra/~", "unknown-field"),
        error(2, "start", "missing"),
        error(0, "amount", "range"),
        error(2, "note", "length"),
        error(0, "ends after it starts", "rule"),
    ];
    assert_eq!(errors(&problem), expected, "{problem:#}");
    let pointer = |field: &str| {
        let all = problem["errors"].as_array().unwrap();
        all.iter().find(|error| error["field"] == field).unwrap()["pointer"].clone()
    };
    assert_eq!(
        (pointer("amount"), pointer("extra/~")),
        (json!("/instances/2/amount"), json!("/instances/2/extra~1~0"))
    );
    let rows = [rows[0].clone(), loan(), but(json!({ "note": "far too long", "start": null }))];
    let problem = predict(&host, &rows).status(422).json();
    let expected = [
        error(0, "amount", "range"),
        error(2, "note", "length"),
        error(2, "start", "missing"),
        error(0, "ends after it starts", "rule"),
    ];
    let found = errors(&problem);
    assert!(expected.iter().all(|error| found.contains(error)) && found.len() == expected.len(), "{problem:#}");
    let range = problem["errors"].as_array().unwrap().iter().find(|error| error["type"] == "range").unwrap();
    assert_eq!((&range["input"], &range["loc"]), (&json!("-1"), &json!(["instances", 0, "amount"])));
    assert_eq!(range["msg"], "expected at least 0, found -1");
}

#[test]
fn v2_has_the_same_detail_in_its_own_shape() {
    let host = host("", &[]);
    let rows = [loan(), but(json!({ "amount": -1.0, "end": 0, "note": "far too long" }))];
    let reply = host.post("/v2/models/checked/infer", &v2(&rows)).status(400);
    let json = reply.json();
    assert_eq!(errors(&json).len(), 3, "{json:#}");
    let told = json["error"].as_str().unwrap();
    assert!(["amount", "note", "ends after"].iter().all(|part| told.contains(part)), "{told}");
    let pointers: Vec<_> = json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert!(pointers.contains(&json!("/inputs/0/data/1")) && pointers.contains(&json!("/inputs/6/data/1")), "{json:#}");
    let predicted = host.post("/v2/models/checked/infer", &v2(&[loan()])).status(200).json();
    assert_eq!(predicted["outputs"][0]["data"], json!([0.25]));
}

#[test]
fn how_much_of_the_input_is_echoed_is_a_setting() {
    let host = host("[validation]\nerrors_max = 2\necho_max_chars = 0\n", &[]);
    let row = but(json!({ "amount": -1.0, "note": "far too long", "end": 0 }));
    let reply = predict(&host, &[row]).status(422);
    assert!(!reply.text.contains("far too") && !reply.text.contains("-1"), "{reply:?}");
    assert_eq!(errors(&reply.json()).len(), 2);
    assert!(reply.json()["detail"].as_str().unwrap().contains("1 more"), "{reply:?}");
}

#[test]
fn a_warning_is_in_the_answer_and_counted() {
    let host = host("", &[]);
    let reply = predict(&host, &[but(json!({ "income": 2000.0 })), but(json!({ "income": 1.0 }))]).status(200);
    let json = reply.json();
    assert_eq!(json["predictions"], json!([{ "risk": 0.25 }, { "risk": 0.25 }]));
    let warnings = json["warnings"].as_array().unwrap();
    assert_eq!((warnings.len(), reply.header("scry-warnings")), (2, Some("2")));
    let reply = host.post("/v2/models/checked/infer", &v2(&[but(json!({ "income": 2000.0 }))])).status(200);
    assert!(reply.json()["parameters"]["scry-warnings"][0].as_str().unwrap().contains("income"), "{reply:?}");
    let series = |check: &str| {
        let labels = format!(r#"check="{check}",model="checked",policy="warn",side="inputs""#);
        host.metric(&format!("scry_validation_findings_total{{{labels}}}"))
    };
    assert_eq!((series("range"), series("rule")), (2.0, 1.0));
    // Beside an error it is listed, and no reason.
    let refused = predict(&host, &[but(json!({ "income": 2000.0, "amount": -1.0 }))]).status(422).json();
    assert!(errors(&refused).iter().any(|(_, field, _)| field == "income"), "{refused:#}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("amount") && !detail.contains("income"), "{detail}");
}

#[test]
fn the_fallback_answers_what_the_model_must_not_see_or_it_is_refused() {
    let unseen = but(json!({ "region": "west" }));
    let alone = host("", &[]);
    assert_eq!(
        errors(&predict(&alone, std::slice::from_ref(&unseen)).status(422).json()),
        [error(0, "region", "category")]
    );
    let host = host("", &["--fallback", FALLBACK]);
    let reply = predict(&host, &[loan(), unseen.clone()]).status(200);
    assert_eq!(reply.json()["predictions"], json!([{ "risk": 0.5 }, { "risk": 0.5 }]));
    assert_eq!(
        (reply.header("scry-degraded"), reply.header("scry-version")),
        (Some("invalid-input"), Some("constant"))
    );
    // Half of a batch may be without an income, and no more.
    let poor = but(json!({ "income": null }));
    assert_eq!(predict(&host, &[loan(), poor.clone()]).status(200).header("scry-degraded"), None);
    assert_eq!(
        predict(&host, &[loan(), poor.clone(), poor]).status(200).header("scry-degraded"),
        Some("invalid-input")
    );
    // What is to be refused is refused, fallback or not.
    predict(&host, &[unseen, but(json!({ "amount": -1.0 }))]).status(422);
}

#[test]
fn bad_rows_are_refused_alone_where_the_client_wants_that() {
    let host = host("", &["--fallback", FALLBACK]);
    let rows = [loan(), but(json!({ "amount": -1.0 })), but(json!({ "amount": 1000.0 })), but(json!({ "end": 0 }))];
    let reply = by_row(&host, &rows).status(200);
    let json = reply.json();
    assert_eq!(json["predictions"], json!([{ "risk": 0.25 }, null, { "risk": 0.5 }, null]));
    assert_eq!(errors(&json), [error(1, "amount", "range"), error(3, "ends after it starts", "rule")]);
    assert_eq!((reply.header("scry-refused-rows"), reply.header("scry-degraded")), (Some("2"), None));
    // V2 says it in its parameters; a row without an answer is null.
    let mut body = v2(&rows);
    body["parameters"] = json!({ "invalid_rows": "refuse-row" });
    let json = host.post("/v2/models/checked/infer", &body).status(200).json();
    assert_eq!(json["outputs"][0]["data"], json!([0.25, null, 0.5, null]));
    assert_eq!(json["parameters"]["scry-errors"].as_array().unwrap().len(), 2);
    // The fallback answers the rest where one of the others is its own.
    let rows = [but(json!({ "region": "west" })), but(json!({ "amount": -1.0 }))];
    let reply = by_row(&host, &rows).status(200);
    assert_eq!(reply.json()["predictions"], json!([{ "risk": 0.5 }, null]));
    assert_eq!(reply.header("scry-degraded"), Some("invalid-input"));
    // Nobody is left to answer.
    by_row(&host, &[but(json!({ "amount": -1.0 }))]).status(422);
}

#[test]
fn an_answer_that_fails_its_checks_is_the_versions_fault() {
    let host = host("", &[]);
    let impossible = but(json!({ "amount": 4000.0, "income": 900.0 }));
    let reply = predict(&host, std::slice::from_ref(&impossible)).status(500);
    assert_eq!(reply.header("scry-reason"), Some("invalid-output"));
    assert!(reply.json()["detail"].as_str().unwrap().contains("risk"), "{reply:?}");
    host.deploy(&["checked", "--check", "outputs.range=warn"]).ok();
    let reply = predict(&host, std::slice::from_ref(&impossible)).status(200);
    assert_eq!(reply.json()["predictions"], json!([{ "risk": 2.0 }]));
    host.deploy(&["checked", "--no-checks", "--fallback", FALLBACK]).ok();
    let reply = predict(&host, &[impossible]).status(200);
    assert_eq!(reply.header("scry-degraded"), Some("invalid-output"));
}

#[test]
fn a_number_that_json_does_not_have_is_an_error_that_names_the_binary_way() {
    let host = Host::start();
    host.publish(&guest("hostile"));
    host.predict("hostile", "nan", 1.0).error(500, &["expected a finite number, found NaN"]);
    host.deploy(&["hostile", "--check", "outputs.finite=warn"]).ok();
    host.predict("hostile", "nan", 1.0).error(500, &["output `y`, element 0", "found NaN", "`binary_data`"]);
    host.predict("hostile", "well", 1.0).status(200);
}

#[test]
fn the_operator_decides_otherwise_than_the_card_and_sees_what_was_found() {
    let host = host("", &["--fallback", FALLBACK]);
    predict(&host, &[but(json!({ "amount": -1.0 }))]).status(422);
    let checks = ["--check", "amount.range=fallback", "--check", "rule:is affordable=reject"];
    host.deploy(&[&["checked"][..], &checks[..]].concat()).ok();
    let reply = predict(&host, &[but(json!({ "amount": -1.0 }))]).status(200);
    assert_eq!(reply.header("scry-degraded"), Some("invalid-input"));
    predict(&host, &[but(json!({ "income": 1.0 }))]).status(422);
    // A restart keeps the decision; what was found begins anew.
    let host = host.restart(|_| {});
    predict(&host, &[but(json!({ "income": 1.0 }))]).status(422);
    predict(&host, &[loan(), loan()]).status(200);
    let report = host.admin_get("/v1/models/checked/validation").status(200).json();
    let version = &report["versions"][0];
    assert_eq!(version["checks"]["fields"]["amount"]["policies"]["range"], "fallback");
    assert_eq!((&version["found"]["rows"], &version["found"]["requests"]["accept"]), (&json!(3), &json!(1)));
    let found = &version["found"]["inputs"][0];
    assert_eq!(
        (&found["field"], &found["policy"], &found["findings"]),
        (&json!("is affordable"), &json!("reject"), &json!(1))
    );
    let page = host.admin_get("/v1/models/checked/validation?format=text").status(200).text;
    assert!(page.contains("checked@1: 3 rows checked") && page.contains("is affordable"), "{page}");
    host.deploy(&["checked", "--check", "size.range=warn"]).code(1).says(&["`size` is no field and no rule"]);
    host.deploy(&["checked", "--check", "missing=warn"]).code(1).says(&["missing", "reject or fallback"]);
}

#[test]
fn what_is_no_request_with_records_is_a_problem_that_says_so() {
    let host = host("", &[]);
    for (body, says) in [
        (json!({}), "instances"),
        (json!({ "instances": [loan(), 3] }), "`instances[1]`: expected an object with a member for each field"),
        (json!({ "instances": [loan()], "parameters": { "invalid_rows": "skip" } }), "refuse-row"),
    ] {
        let reply = host.post("/v1/models/checked:predict", &body).status(400);
        assert!(reply.json()["detail"].as_str().unwrap().contains(says), "{reply:?}");
    }
    assert_eq!(predict(&host, &[]).status(200).json(), json!({ "predictions": [] }));
    for path in ["/v1/models/checked", "/v1/models/checked:classify", "/v1/models/nobody:predict"] {
        let reply = host.post(path, &json!({ "instances": [loan()] })).status(404);
        assert_eq!(reply.header("content-type"), Some("application/json"), "{path}");
    }
}

#[test]
fn many_records_are_put_in_order_by_the_compute_threads() {
    let host = host("", &[]);
    let mut rows = vec![loan(); 4000];
    rows[3999] = but(json!({ "amount": 1000.0 }));
    let json = predict(&host, &rows).status(200).json();
    let predictions = json["predictions"].as_array().unwrap();
    assert_eq!(
        (predictions.len(), &predictions[0], &predictions[3999]),
        (4000, &json!({ "risk": 0.25 }), &json!({ "risk": 0.5 }))
    );
    rows[3998] = but(json!({ "amount": -1.0 }));
    assert_eq!(errors(&predict(&host, &rows).status(422).json()), [error(3998, "amount", "range")]);
}
