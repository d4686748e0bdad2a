//! What each surface says of what it cannot read: the whole message, word for word.
//!
//! JSON is read strictly, by the same rules everywhere: an object is an object, a member comes
//! once, `null` is absence, numbers are what they are written as.

use crate::support::{Host, PATIENT, Ran, example, guest, scry, with_section};
use scry_component::Description;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A host with `checked`, version 1 and live.
fn host() -> Host {
    let host = Host::start();
    host.publish(&guest("checked"));
    host.deploy(&["checked"]).ok();
    host
}

const ROW: &str = r#""start":1,"end":9,"amount":500.0,"income":100.0,"region":"north""#;

/// A loan as V2 tensors, with this of its amount, and members beside the inputs.
fn loan(amount: &str, more: &str) -> String {
    let tensor = |name: &str, datatype: &str, data: &str| {
        format!(r#"{{"name":"{name}","shape":[1],"datatype":"{datatype}","data":[{data}]}}"#)
    };
    let others = [tensor("start", "INT64", "1"), tensor("end", "INT64", "9"), tensor("region", "BYTES", "\"north\"")];
    format!(r#"{{"inputs":[{{"name":"amount",{amount}}},{}]{more}}}"#, others.join(","))
}

const AMOUNT: &str = r#""shape":[1],"datatype":"FP64","data":[500.0]"#;

#[test]
fn of_a_v2_request() {
    let host = host();
    let url = format!("{}/v2/models/checked/infer", host.prediction);
    let form = |what: &str| format!("the request is not V2 JSON: {what}");
    let amount = |data: &str| loan(&format!(r#""shape":[1],"datatype":"FP64","data":{data}"#), "");
    let with = |more: &str| loan(AMOUNT, more);
    let cases: Vec<(Vec<u8>, String)> = [
        ("".into(), form("expected a value, found the end (line 1, column 1)")),
        ("[]".into(), form("expected an object, found a list")),
        ("{}".into(), form("`inputs`: expected a list of tensors, found nothing")),
        (r#"{"inputs":null}"#.into(), form("`inputs`: expected a list of tensors, found nothing")),
        (r#"{"inputs":3}"#.into(), form("`inputs`: expected a list, found 3")),
        (r#"{"inputs":[[1]]}"#.into(), form("`inputs[0]`: expected an object, found a list")),
        (r#"{"inputs":[{}]}"#.into(), form("`inputs[0].name`: expected a string, found nothing")),
        (r#"{"inputs":[{"name":1}]}"#.into(), form("`inputs[0].name`: expected a string, found 1")),
        (
            r#"{"inputs":[{"name":"x"}]}"#.into(),
            form("`inputs[0].shape`: expected a list of whole numbers, found nothing"),
        ),
        (
            r#"{"inputs":[{"name":"x","shape":[1.0]}]}"#.into(),
            form("`inputs[0].shape[0]`: expected a whole number, found 1.0"),
        ),
        (r#"{"inputs":[],"inputs":[]}"#.into(), form("`inputs`: expected the member once, found it twice")),
        (
            loan(&format!(r#"{AMOUNT},"data":[1]"#), ""),
            form("`inputs[0].data`: expected the member once, found it twice"),
        ),
        (with(r#","more":{"a":1,"a":2}"#), form("`more.a`: expected the member once, found it twice")),
        (with(r#","id":7"#), form("`id`: expected a string, found 7")),
        (with(r#","parameters":[1]"#), form("`parameters`: expected an object, found a list")),
        (
            with(r#","parameters":{"timeout":"1s"}"#),
            form("`parameters.timeout`: expected microseconds as a whole number, found \"1s\""),
        ),
        (
            with(r#","parameters":{"timeout":1.0}"#),
            form("`parameters.timeout`: expected microseconds as a whole number, found 1.0"),
        ),
        (with(r#","parameters":{"key":5}"#), form("`parameters.key`: expected a string of at most 256 bytes, found 5")),
        (
            with(r#","parameters":{"invalid_rows":"drop"}"#),
            form("`parameters.invalid_rows`: expected refuse-request or refuse-row, found \"drop\""),
        ),
        (with(r#","outputs":["risk"]"#), form("`outputs[0]`: expected an object, found \"risk\"")),
        (with(r#","outputs":[{"name":"y"}]"#), "output `y`: expected one of risk, found an unknown output".into()),
        (amount("[NaN]"), form("`inputs[0].data[0]`: expected a value, found `NaN` (line 1, column 67)")),
        (amount("[1"), form("`inputs[0].data`: expected `,` or `]`, found `}` (line 1, column 68)")),
        (amount("500"), "field `amount`: expected a list of elements as `data`, found 500".into()),
        (amount("[1e400]"), "field `amount`, row 0: expected an FP64 value, found 1e400".into()),
        (amount("[true]"), "field `amount`, row 0: expected an FP64 value, found true".into()),
        (
            amount("[[500.0]]"),
            "field `amount`, row 0: expected data nested as shape [1], found a list in the place of an element".into(),
        ),
        (
            loan(r#""shape":[1],"datatype":"FP16","data":[1]"#, ""),
            "field `amount`: expected a datatype of BOOL, INT8-64, UINT8-64, FP32, FP64, BYTES, found FP16".into(),
        ),
        (
            loan(r#""shape":[1],"datatype":"BYTES","data":["1"]"#, ""),
            "field `amount`: expected FP64, found BYTES".into(),
        ),
        (
            loan(r#""shape":[1],"datatype":"INT64","data":[9007199254740993]"#, ""),
            "field `amount`, row 0: expected an FP64 value, found 9007199254740993".into(),
        ),
    ]
    .map(|(body, says): (String, String)| (body.into_bytes(), says))
    .into_iter()
    .chain([
        (b"{\"id\":\"\xff\"}".to_vec(), form("expected UTF-8, found the byte 0xff (line 1, column 8)")),
        (
            b"{\"id\":\"\0\"}".to_vec(),
            form("`id`: expected `\"`, found the control character U+0000 (line 1, column 8)"),
        ),
        (
            br#"{"id":"\ud800"}"#.to_vec(),
            form("`id`: expected a pair of surrogates, found `\\ud800` alone (line 1, column 8)"),
        ),
    ])
    .collect();
    for (body, says) in cases {
        let reply = host.send("POST", &url, &[], &body).status(400);
        assert_eq!(reply.json()["error"], says.as_str(), "{}", String::from_utf8_lossy(&body));
    }
    // Null is absence, -0 a whole number, and unknown members are skipped.
    let nulls = r#","id":null,"outputs":null,"parameters":{"timeout":null,"more":[1e400]},"more":{"a":null}"#;
    let body = loan(AMOUNT, nulls).replace(r#""data":[1]"#, r#""data":[-0]"#);
    host.send("POST", &url, &[], body.as_bytes()).status(200);
}

#[test]
fn of_data_that_is_nested_otherwise_than_its_shape_says() {
    let host = Host::start();
    host.publish(&example("digits"));
    host.deploy(&["digits"]).ok();
    let field = host.get("/v2/models/digits").json()["inputs"][0]["name"].as_str().unwrap().to_owned();
    let nested = |[a, b, c]: [usize; 3]| vec![vec![vec![0.0; c]; b]; a];
    let send = |data: Value| {
        let tensor = json!({ "name": field, "shape": [2, 8, 8], "datatype": "FP32", "data": data });
        host.post("/v2/models/digits/infer", &json!({ "inputs": [tensor] }))
    };
    let flat = send(json!(vec![0.0; 128])).status(200).json();
    assert_eq!(send(json!(nested([2, 8, 8]))).status(200).json()["outputs"], flat["outputs"]);
    let says =
        format!("field `{field}`, row 0: expected data nested as shape [2, 8, 8], found a list of 2 in the place of 8");
    assert_eq!(send(json!(nested([8, 8, 2]))).status(400).json()["error"], says);
    let mut ragged = nested([2, 8, 8]);
    let moved = ragged[1][7].pop().unwrap();
    ragged[1][6].push(moved);
    let says = format!(
        "field `{field}`, row 1: expected data nested as shape [2, 8, 8], found a list of more in the place of 8"
    );
    assert_eq!(send(json!(ragged)).status(400).json()["error"], says);
}

#[test]
fn of_a_request_with_records() {
    let host = host();
    let url = format!("{}/v1/models/checked:predict", host.prediction);
    let form = |what: &str| format!("the request is not JSON with rows: {what}");
    let row = |members: &str| format!(r#"{{"instances":[{{{members}}}]}}"#);
    for (body, status, says) in [
        ("[1]".into(), 400, form("expected an object, found a list")),
        ("{}".into(), 400, form("`instances`: expected a list of rows, found nothing")),
        (r#"{"instances":{}}"#.into(), 400, form("`instances`: expected a list, found an object")),
        (
            r#"{"instances":[{},7]}"#.into(),
            400,
            form("`instances[1]`: expected an object with a member for each field, like the rows before, found 7"),
        ),
        (
            r#"{"instances":[],"parameters":{"timeout":-1}}"#.into(),
            400,
            form("`parameters.timeout`: expected microseconds as a whole number, found -1"),
        ),
        (row(r#""amount":1,"amount":2"#), 400, form("`instances[0].amount`: expected the member once, found it twice")),
        (
            row(r#""amount":1e400"#),
            400,
            form("`instances[0].amount`: expected a number within the range of FP64, found 1e400"),
        ),
        (row(r#""amount":1,}"#), 400, form("`instances[0]`: expected a member's name, found `}` (line 1, column 27)")),
        (
            row(&ROW.replace(r#""start":1"#, r#""start":1.0"#)),
            422,
            "field `start`, row 0: expected an INT64 value, found 1.0".into(),
        ),
        (
            row(&ROW.replace(r#""start":1"#, r#""start":-0.0"#)),
            422,
            "field `start`, row 0: expected an INT64 value, found -0.0".into(),
        ),
        (
            row(&ROW.replace(r#""start":1"#, r#""start":18446744073709551616"#)),
            422,
            "field `start`, row 0: expected an INT64 value, found 1.8446744073709552e19".into(),
        ),
    ] {
        let reply = host.send("POST", &url, &[], body.as_bytes()).status(status);
        assert_eq!(reply.json()["detail"], says.as_str(), "{body}");
    }
    let nulls = r#","parameters":{"timeout":null,"invalid_rows":null},"signature_name":"more""#;
    for (row, more) in [(ROW, nulls), (ROW, r#","parameters":null"#), (&ROW.replace(":1,", ":-0,"), "")] {
        let body = format!(r#"{{"instances":[{{{row}}}]{more}}}"#);
        host.send("POST", &url, &[], body.as_bytes()).status(200);
    }
}

#[test]
fn of_every_class_of_errors_at_once() {
    let host = host();
    // What does not read, what a check refuses and what a rule refuses, each in another column or row.
    let says = "field `loans`, row 1: expected an INT64 value, found \"many\"; \
                field `amount`, row 0: expected at least 0, found -1; \
                field `note`, row 1: expected at most 8 characters, found 12 characters; \
                rule `ends after it starts`, row 0: expected end >= start, found end = 0, start = 1";
    let rows = [
        json!({ "start": 1, "end": 0, "amount": -1.0, "income": 50.0, "loans": 1, "region": "north", "note": "short" }),
        json!({ "start": 1, "end": 2, "amount": 1.0, "income": 50.0, "loans": "many", "region": "north", "note": "far too long" }),
    ];
    let reply = host.post("/v1/models/checked:predict", &json!({ "instances": rows })).status(422);
    assert_eq!(reply.json()["detail"], says);
    let tensor = |(name, datatype): (&str, &str)| {
        let data: Vec<_> = rows.iter().map(|row| row[name].clone()).collect();
        json!({ "name": name, "shape": [2], "datatype": datatype, "data": data })
    };
    let types = [("loans", "INT64"), ("start", "INT64"), ("end", "INT64"), ("amount", "FP64")];
    let inputs = types
        .into_iter()
        .chain([("region", "BYTES"), ("note", "BYTES"), ("income", "FP64")])
        .map(tensor)
        .collect::<Vec<_>>();
    // A pointer points in a large body as in a small one.
    for padding in [0, 1 << 17] {
        let body = json!({ "inputs": inputs, "padding": " ".repeat(padding) });
        let reply = host.post("/v2/models/checked/infer", &body).status(400);
        assert_eq!((reply.json()["error"].as_str(), reply.header("scry-reason")), (Some(says), Some("invalid-input")));
        let json = reply.json();
        let pointers = json["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap());
        assert_eq!(
            pointers.collect::<Vec<_>>(),
            ["/inputs/0/data/1", "/inputs/3/data/0", "/inputs/5/data/1", "/inputs"],
            "{padding}"
        );
    }
}

#[test]
fn of_an_element_by_its_place_in_the_data_as_it_was_sent() {
    let host = Host::start();
    host.publish(&example("digits"));
    host.deploy(&["digits"]).ok();
    let field = host.get("/v2/models/digits").json()["inputs"][0]["name"].as_str().unwrap().to_owned();
    // Row 1, element 11.
    let mut flat = vec![json!(0.0); 128];
    flat[64 + 11] = json!("much");
    let lists = |list: &[Value], of: usize| list.chunks(of).map(|part| json!(part)).collect::<Vec<_>>();
    let nested = lists(&lists(&flat, 8), 8);
    for (data, pointer) in [(json!(flat), "/inputs/0/data/75"), (json!(nested), "/inputs/0/data/1/1/3")] {
        for padding in [0, 1 << 17] {
            let tensor = json!({ "name": field, "shape": [2, 8, 8], "datatype": "FP32", "data": data });
            let body = json!({ "inputs": [tensor], "padding": " ".repeat(padding) });
            let errors = host.post("/v2/models/digits/infer", &body).status(400).json()["errors"].clone();
            assert_eq!(errors[0]["pointer"], pointer, "{errors}");
            assert_eq!(body.pointer(pointer), Some(&json!("much")));
        }
    }
}

#[test]
fn of_more_errors_than_are_listed_and_of_a_field_that_is_missing_in_another_row() {
    let host = host();
    let row = |amount: Value| json!({ "start": 1, "end": 9, "amount": amount, "income": 50.0, "loans": 1, "region": "north", "note": "short" });
    let refused = |rows: Vec<Value>| {
        let problem = host.post("/v1/models/checked:predict", &json!({ "instances": rows })).status(422).json();
        (problem["detail"].as_str().unwrap().to_owned(), problem["errors"].as_array().unwrap().len())
    };
    let (says, listed) = refused(vec![row(json!("much")), row(Value::Null), row(json!(1.0))]);
    let found = "field `amount`, row 0: expected an FP64 value, found \"much\"; \
                 field `amount`, row 1: expected an FP64 value, found null";
    assert_eq!((says.as_str(), listed), (found, 2));
    let (says, listed) = refused(vec![row(json!("much")); 100]);
    assert!(says.ends_with("; and 84 more"), "{says}");
    assert_eq!(listed, 16);
    let tensors: Vec<_> =
        (0..100).map(|at| json!({ "name": format!("x{at}"), "shape": [1], "datatype": "FP64", "data": [1] })).collect();
    let reply = host.post("/v2/models/checked/infer", &json!({ "inputs": tensors })).status(400).json();
    // Those, and the fields that may not be missing.
    let says = reply["error"].as_str().unwrap();
    assert!(says.ends_with("; and 88 more"), "{says}");
}

#[test]
fn of_what_an_operator_sends() {
    let host = host();
    let number = || host.admin_get("/v1/state").json()["number"].clone();
    let before = number();
    let deployment = "to, canary, bounds, promote, no_canary, shadow, no_shadow, fallback, limits, checks, aliases, \
                      no_aliases, allow_breaking";
    for (path, body, says) in [
        ("/v1/rollback", "[1]", "the rollback is not readable: expected an object, found a list"),
        ("/v1/rollback", "null", "the rollback is not readable: expected an object, found null"),
        (
            "/v1/rollback",
            "{\"to\":1,\"to\":2}",
            "the rollback is not readable: `to`: expected the member once, found it twice",
        ),
        (
            "/v1/rollback",
            "{\"to\":null}",
            "the rollback is not readable: `to`: expected the number of a state, as `scry history` lists them, found nothing",
        ),
        (
            "/v1/rollback",
            "{\"to\":1.0}",
            "the rollback is not readable: `to`: expected a whole number from 0 to 18446744073709551615, found 1.0",
        ),
        ("/v1/models/checked/rollback", "[]", "the rollback is not readable: expected an object, found a list"),
        (
            "/v1/models/checked/rollback",
            "{\"too\":1}",
            "the rollback is not readable: `too`: expected one of to, found an unknown member",
        ),
        ("/v1/models/checked/deploy", "[1]", "the deployment is not readable: expected an object, found a list"),
        (
            "/v1/models/checked/deploy",
            "{",
            "the deployment is not readable: expected a member's name, found the end (line 1, column 2)",
        ),
        (
            "/v1/models/checked/deploy",
            "{\"to\":[1]}",
            "the deployment is not readable: `to`: expected a number, an alias, `sha256:…` or `oci://…`, found a list",
        ),
        (
            "/v1/models/checked/deploy",
            "{\"canary\":[[1,2]]}",
            "the deployment is not readable: `canary[0]`: expected an object, found a list",
        ),
        (
            "/v1/models/checked/deploy",
            "{\"limits\":{\"deadline_ms\":\"5\"}}",
            "the deployment is not readable: `limits.deadline_ms`: expected a whole number from 0 to \
             18446744073709551615, found \"5\"",
        ),
        (
            "/v1/models/checked/deploy",
            "{\"fallback\":[{\"constant\":{\"risk\":1,\"risk\":2}}]}",
            "the deployment is not readable: `fallback[0].constant.risk`: expected the member once, found it twice",
        ),
        (
            "/v1/models/checked/deploy",
            "{\"colour\":1}",
            &format!("the deployment is not readable: `colour`: expected one of {deployment}, found an unknown member"),
        ),
        (
            "/v1/models/checked/withdraw",
            "{\"dry_run\":true}",
            "the withdrawal is not readable: `dry_run`: expected no members, found an unknown member",
        ),
        ("/v1/models/checked/withdraw", "[]", "the withdrawal is not readable: expected an object, found a list"),
        (
            "/v1/models/checked/circuit",
            "{}",
            "the circuit's state is not readable: `state`: expected a value, found nothing",
        ),
        (
            "/v1/models/checked/circuit",
            "{\"state\":\"ajar\"}",
            "the circuit's state is not readable: `state`: expected one of auto, open, closed, found \"ajar\"",
        ),
        ("/v1/gc", "[true]", "the clean-up is not readable: expected an object, found a list"),
        (
            "/v1/gc",
            "{\"dry_run\":\"yes\"}",
            "the clean-up is not readable: `dry_run`: expected true or false, found \"yes\"",
        ),
    ] {
        let reply = host.admin_post(path, body.as_bytes()).status(400);
        assert_eq!(reply.json()["error"], says, "{path} {body}");
    }
    let reply = host.admin_post("/v1/models", b"not wasm at all").status(422);
    let says = "not a WebAssembly component: expected a file that begins with `\\0asm`, found `not wasm at all`";
    assert_eq!(reply.json()["error"], says);
    assert_eq!(number(), before, "nothing of that was done");
    host.admin_post("/v1/models/checked/withdraw", b"{}").status(200);
}

#[test]
fn of_a_component_whose_sections_are_not_strict() {
    let host = Host::start();
    let checked = guest("checked").bytes();
    for (name, json, says) in [
        ("scry:golden", r#"{"examples":[],"examples":[]}"#, "`examples`: expected the member once, found it twice"),
        ("scry:properties", "[200,[]]", "expected an object, found a list"),
        ("scry:golden", "[]", "expected an object, found a list"),
        ("scry:card", r#"[1,"qa",null,"x"]"#, "expected an object, found a list"),
        ("scry:card", r#"{"name":"a","n\u0061me":"b"}"#, "`name`: expected the member once, found it twice"),
    ] {
        let reply = host.admin_post("/v1/models", &with_section(&checked, name, json)).status(422);
        assert_eq!(reply.json()["error"], format!("the component's `{name}`: {says}"));
    }
    // One that was sealed before goes on being served.
    let bytes = with_section(&checked, "scry:properties", "[200,[]]");
    assert!(Description::read(&bytes).is_ok() && Description::read_new(&bytes).is_err());
}

#[test]
fn of_a_file_at_the_command_line() {
    let host = host();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let shown = file.display();
    let predict = ["predict", "checked", "-i", file.to_str().unwrap()];
    for (content, says) in [
        (&b"{\"amount\":1,\"amount\":2}"[..], "`amount`: expected the member once, found it twice"),
        (b"[{\"amount\":1},7]", "`[1]`: expected an object with a member for each field, found 7"),
        (b"{\"instances\":7}", "`instances`: expected a list of rows, found 7"),
        (b"7", "expected a list of rows, each an object, found 7"),
        (b"amount,income\n", "expected a value, found `amount` (line 1, column 1)"),
        (b"[{\"amount\":\xff}]", "expected UTF-8, found the byte 0xff (line 1, column 12)"),
    ] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(host.scry(&predict).code(3).stderr, format!("error: {shown}: {says}\n"));
    }
    std::fs::write(&file, format!("[{{{}}}]", ROW.replace(r#""start":1"#, r#""start":1.0"#))).unwrap();
    let says = "error: field `start`, row 0: expected an INT64 value, found 1.0\n";
    assert_eq!(host.scry(&predict).code(3).stderr, says);

    std::fs::write(&file, "amount,income\n1,2\n").unwrap();
    let says = format!(
        "error: {shown}: not a WebAssembly component: expected a file that begins with `\\0asm`, found `amount,income\\n1,`\n"
    );
    for command in ["inspect", "test"] {
        assert_eq!(Ran::of(scry().args([command, file.to_str().unwrap()])).code(1).stderr, says, "{command}");
    }
    let says = "error: `constant:`: a JSON object of outputs: `risk`: expected the member once, found it twice\n";
    let constant = r#"constant:{"risk":1,"risk":2}"#;
    assert_eq!(host.deploy(&["checked", "--fallback", constant]).code(1).stderr, says);
}

#[test]
fn of_a_body_that_comes_after_its_deadline() {
    let host = Host::with(PATIENT);
    host.publish(&guest("checked"));
    host.deploy(&["checked"]).ok();
    let body = loan(AMOUNT, "");
    let mut stream = TcpStream::connect(host.prediction.trim_start_matches("http://")).unwrap();
    let head = format!(
        "POST /v2/models/checked/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-request-timeout-ms: 1\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The host has the head, and waits for the body: its deadline runs.
    let mut goes_on = [0; 25];
    stream.read_exact(&mut goes_on).unwrap();
    assert_eq!(&goes_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (begun, deadline) = (Instant::now(), Duration::from_millis(1));
    while begun.elapsed() <= deadline {
        std::thread::yield_now();
    }
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let says = "the request came too late: it was not there and read within its deadline of 1 ms";
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains(&format!("{{\"error\":\"{says}\",")), "{answer}");
}
