//! Traces: what a collector that others wrote gets of predictions, and what happens where there is none.

mod collector;

use crate::support::{Certificates, Host, PATIENT, Ran, Reply, eventually, guest, rows};
use collector::{Collector, PROTOCOLS, wiretap};
use prost::Message;
use scry_grpc::model_infer_request::InferInputTensor;
use scry_grpc::{InferTensorContents, ModelInferRequest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// So that tests do not wait for the time of a batch.
const SOON: (&str, &str) = ("OTEL_BSP_SCHEDULE_DELAY", "20");
/// A deadline that a loop misses soon.
const SHORT: &str = "[limits]\ndeadline_ms = 1000\nin_flight_max = 2\nfuel = 100000000000\ncircuit_pause_ms = 60000\n";
const CALLER: &str = "b7ad6b7169203331";

/// A host with `steady` and `hostile` whose spans go to this address.
fn host(endpoint: &str, protocol: &str, more: &str, environment: &[(&str, &str)]) -> Host {
    let traces = format!("[traces]\nendpoint = \"{endpoint}\"\nprotocol = \"{protocol}\"\n");
    let host = Host::with_environment(&format!("{traces}{more}"), &[&[SOON], environment].concat());
    host.publish(&guest("steady"));
    host.publish(&guest("hostile"));
    host
}

/// A trace of its own, by its number, and the header that says so.
fn caller(number: u8, flags: &str) -> (String, String) {
    let trace_id = format!("0af7651916cd43dd8448eb211c8031{number:02x}");
    let header = format!("00-{trace_id}-{CALLER}-{flags}");
    (trace_id, header)
}

fn infer(host: &Host, model: &str, body: &str, traceparent: Option<&str>) -> Reply {
    let mut headers = vec![("x-request-id", "order-7")];
    headers.extend(traceparent.map(|value| ("traceparent", value)));
    host.send("POST", &format!("{}/v2/models/{model}/infer", host.prediction), &headers, body.as_bytes())
}

/// What became of a prediction that its caller has traced: the answer, and the spans, its own first.
fn traced(host: &Host, collector: &Collector, number: u8, model: &str, body: &str) -> (Reply, Vec<Value>) {
    let (trace_id, header) = caller(number, "01");
    let reply = infer(host, model, body, Some(&header));
    let spans = collector.trace(&trace_id);
    let told = reply.header("traceparent").unwrap();
    assert_eq!(told, format!("00-{trace_id}-{}-01", spans[0]["span_id"].as_str().unwrap()));
    (reply, spans)
}

/// What every trace has to be: ids, parents, times; the result is each step's name with its parent's.
fn check(spans: &[Value]) -> Vec<(String, String)> {
    let text = |span: &Value, key: &str| span[key].as_str().unwrap().to_owned();
    let names: BTreeMap<_, _> = spans.iter().map(|span| (text(span, "span_id"), text(span, "name"))).collect();
    assert_eq!(names.len(), spans.len(), "an id comes twice: {spans:#?}");
    let number = |span: &Value, key: &str| span[key].as_u64().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let server = &spans[0];
    assert_eq!((server["parent_id"].as_str(), server["kind"].as_str()), (Some(CALLER), Some("server")));
    let hour_ns = 3_600_000_000_000;
    assert!(number(server, "began_ns") > now - hour_ns && number(server, "ended_ns") <= now, "{server:#?}");
    let of_step = |span: &Value| {
        assert_eq!((span["kind"].as_str(), span["scope"].as_str()), (Some("internal"), Some("scry")));
        let parent = spans.iter().find(|other| other["span_id"] == span["parent_id"]).unwrap();
        assert!(number(span, "began_ns") <= number(span, "ended_ns"), "{span:#?}");
        // The clock is read for each apart; a microsecond is lost by neither.
        assert!(number(span, "began_ns") + 1000 >= number(parent, "began_ns"), "{spans:#?}");
        assert!(number(span, "ended_ns") <= number(parent, "ended_ns") + 1000, "{spans:#?}");
        (text(span, "name"), names[&text(span, "parent_id")].clone())
    };
    spans.iter().skip(1).map(of_step).collect()
}

/// The only span of this name, in a place of the tree.
fn span<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    let mut found = spans.iter().filter(|span| span["name"] == name);
    let one = found.next().unwrap_or_else(|| panic!("no `{name}` in {spans:#?}"));
    assert!(found.next().is_none(), "two `{name}` in {spans:#?}");
    one
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
    &span["attributes"][name]
}

fn names(of: &[(String, String)]) -> BTreeSet<&str> {
    of.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_collector_gets_each_prediction_with_its_steps_over_either_protocol() {
    let collector = Collector::start(&[]);
    for (number, protocol) in (0..).zip(PROTOCOLS) {
        let host = host(&collector.address(protocol), protocol, PATIENT, &[]);
        let (reply, spans) = traced(&host, &collector, number, "steady", &rows("well", &[4.0]).to_string());
        let reply = reply.status(200);
        let steps = check(&spans);
        assert!(
            names(&steps).is_superset(&["decode", "validate", "instantiate", "call", "encode"].into()),
            "{steps:?}"
        );
        assert!(steps.iter().all(|(_, parent)| parent == "predict steady"), "{steps:?}");
        let (server, call) = (&spans[0], span(&spans, "call"));
        assert_eq!((server["name"].as_str(), server["status"].as_str()), (Some("predict steady"), Some("unset")));
        let digest = reply.header("scry-digest").unwrap();
        for of in [server, call] {
            assert_eq!(attribute(of, "scry.model"), "steady");
            assert_eq!(attribute(of, "scry.version"), "1");
            assert_eq!(attribute(of, "scry.digest"), digest);
            assert_eq!(attribute(of, "scry.outcome"), "ok");
            assert!(attribute(of, "scry.fuel").as_u64().unwrap() > 100, "{of:#?}");
            assert!(attribute(of, "scry.memory_bytes").as_u64().unwrap() >= 65_536, "{of:#?}");
        }
        assert_eq!(attribute(server, "scry.request_id"), "order-7");
        assert_eq!(attribute(server, "http.response.body.size"), reply.text.len());
        assert_eq!(attribute(server, "error.type"), &Value::Null);
        let request =
            collector.taken().into_iter().rfind(|request| request["spans"].as_array().unwrap().contains(server));
        let request = request.unwrap();
        assert_eq!(request["transport"], protocol.split('/').next().unwrap());
        let resource = &request["resource"];
        assert_eq!((&resource["service.name"], &resource["telemetry.sdk.language"]), (&json!("scry"), &json!("rust")));
        assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(resource["service.instance.id"].as_str().unwrap().len(), 32);
        eventually("spans are counted", || host.metric("scry_spans_exported_total") >= spans.len() as f64);
        assert_eq!([lost(&host, "not-sent"), lost(&host, "queue-full")], [0.0, 0.0]);
    }
}

#[test]
fn a_trace_says_what_went_wrong_and_what_answered_instead() {
    let collector = Collector::start(&[]);
    let host = host(&collector.address("grpc"), "grpc", SHORT, &[]);
    let body = |behaviour: &str| rows(behaviour, &[4.0]).to_string();
    let failed = |number, body: &str, status| {
        let (reply, spans) = traced(&host, &collector, number, "hostile", body);
        let reason = reply.status(status).header("scry-reason").map(str::to_owned);
        check(&spans);
        (reason, spans)
    };
    for (number, behaviour, status) in [(1, "trap", 500), (2, "loop", 504)] {
        let (reason, spans) = failed(number, &body(behaviour), status);
        let (server, call, reason) = (&spans[0], span(&spans, "call"), reason.unwrap());
        for of in [server, call] {
            assert_eq!(
                (of["status"].as_str(), attribute(of, "error.type")),
                (Some("error"), &json!(reason)),
                "{of:#?}"
            );
            assert_eq!(attribute(of, "scry.outcome"), reason.as_str());
        }
        assert!(attribute(call, "scry.fuel").as_u64().unwrap() > 0);
        let took_ms = (call["ended_ns"].as_u64().unwrap() - call["began_ns"].as_u64().unwrap()) / 1_000_000;
        assert_eq!(took_ms >= 500, behaviour == "loop", "{took_ms} ms");
    }
    // What its caller can help is no error of the host's.
    for (number, body, last) in [(3, "{", "decode"), (4, r#"{"inputs":[]}"#, "validate")] {
        let (_, spans) = failed(number, body, 400);
        let (server, step) = (&spans[0], span(&spans, last));
        assert_eq!(
            (server["status"].as_str(), attribute(server, "scry.outcome")),
            (Some("unset"), &json!("invalid-input"))
        );
        assert_eq!(attribute(server, "error.type"), "invalid-input");
        assert_eq!((step["status"].as_str(), attribute(step, "error.type")), (Some("error"), &json!("invalid-input")));
        assert!(!spans.iter().any(|span| span["name"] == "call"), "{spans:#?}");
    }

    host.deploy(&["hostile", "--fallback", "steady"]).ok();
    let (reply, spans) = traced(&host, &collector, 5, "hostile", &body("trap"));
    assert_eq!(reply.status(200).header("scry-degraded"), Some("trap"));
    let steps = check(&spans);
    let (server, fallback) = (&spans[0], span(&spans, "fallback"));
    assert_eq!((server["name"].as_str(), server["status"].as_str()), (Some("predict hostile"), Some("unset")));
    assert_eq!(
        (attribute(server, "scry.outcome"), attribute(server, "scry.degraded")),
        (&json!("degraded"), &json!("trap"))
    );
    assert_eq!(
        (attribute(server, "scry.model"), attribute(fallback, "scry.reason")),
        (&json!("steady"), &json!("trap"))
    );
    let calls: Vec<_> = spans.iter().filter(|span| span["name"] == "call").collect();
    let called = |call: &Value| (attribute(call, "scry.model").clone(), attribute(call, "scry.outcome").clone());
    assert_eq!(
        [called(calls[0]), called(calls[1])],
        [("hostile", "trap"), ("steady", "ok")].map(|(m, o)| (json!(m), json!(o)))
    );
    assert_eq!([&calls[0]["parent_id"], &calls[1]["parent_id"]], [&server["span_id"], &fallback["span_id"]]);
    let in_fallback: Vec<_> = steps.iter().filter(|(_, parent)| parent == "fallback").map(|(name, _)| name).collect();
    assert_eq!(in_fallback, ["queue", "instantiate", "call"]);
    assert!(steps.contains(&("encode".to_owned(), "predict hostile".to_owned())), "{steps:?}");
}

/// Calls `ModelInfer` as curl does it; what it was told in headers and trailers.
fn call(host: &Host, message: &[u8], traceparent: &str) -> String {
    let file = host.data().join("call");
    std::fs::write(&file, [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat()).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--http2-prior-knowledge", "--dump-header", "-"]);
    curl.args(["--header", "content-type: application/grpc", "--header", "te: trailers", "--output"]).arg(&file);
    curl.args(["--header", &format!("traceparent: {traceparent}"), "--data-binary"])
        .arg(format!("@{}", file.display()));
    curl.arg(format!("{}/inference.GRPCInferenceService/ModelInfer", host.prediction));
    Ran::of(&mut curl).ok().stdout
}

#[test]
fn a_call_of_grpc_is_traced_like_a_request() {
    let collector = Collector::start(&[]);
    let host = host(&collector.address("http/protobuf"), "http/protobuf", PATIENT, &[]);
    let tensor = |name: &str, datatype: &str, contents| InferInputTensor {
        name: name.into(),
        datatype: datatype.into(),
        shape: vec![1],
        contents: Some(contents),
        ..InferInputTensor::default()
    };
    let behaviour = InferTensorContents { bytes_contents: vec![b"well".to_vec()], ..InferTensorContents::default() };
    let x = InferTensorContents { fp64_contents: vec![4.0], ..InferTensorContents::default() };
    let inputs = vec![tensor("behaviour", "BYTES", behaviour), tensor("x", "FP64", x)];
    let whole = ModelInferRequest { model_name: "steady".into(), inputs, ..ModelInferRequest::default() };
    let empty = ModelInferRequest { inputs: Vec::new(), ..whole.clone() };
    for (number, message, outcome) in [(1, whole, "ok"), (2, empty, "invalid-input")] {
        let (trace_id, header) = caller(number, "01");
        let told = call(&host, &message.encode_to_vec(), &header);
        let spans = collector.trace(&trace_id);
        let own = format!("traceparent: 00-{trace_id}-{}-01", spans[0]["span_id"].as_str().unwrap());
        assert!(told.contains(&own), "no {own} in {told}");
        let steps = check(&spans);
        let is_answered = outcome == "ok";
        assert_eq!(
            names(&steps).is_superset(&["decode", "validate", "call", "encode"].into()),
            is_answered,
            "{steps:?}"
        );
        assert_eq!(attribute(span(&spans, "decode"), "error.type") == outcome, !is_answered);
        assert_eq!(attribute(&spans[0], "scry.outcome"), outcome);
        assert_eq!(attribute(&spans[0], "rpc.system.name"), "grpc");
        assert_eq!(attribute(&spans[0], "http.request.method"), &Value::Null);
    }
}

#[test]
fn the_callers_flag_decides_and_without_one_the_share() {
    let collector = Collector::start(&[]);
    let body = rows("well", &[4.0]).to_string();
    let flag = |reply: &Reply| reply.header("traceparent").unwrap()[53..].to_owned();
    let sampler = |name| ("OTEL_TRACES_SAMPLER", name);
    for (number, percent, environment, expected) in [
        (0x10, "0", &[][..], ["00", "01", "00"]),
        (0x20, "100", &[], ["00", "01", "01"]),
        (0x30, "0", &[sampler("always_on")], ["01", "01", "01"]),
        (0x40, "100", &[sampler("parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")], ["00", "01", "00"]),
        (0x50, "100", &[("OTEL_SDK_DISABLED", "true")], ["00", "01", "00"]),
    ] {
        let share = format!("sample_percent = {percent}\n{PATIENT}");
        let mut host = host(&collector.address("grpc"), "grpc", &share, environment);
        let sent = [caller(number, "00"), caller(number + 1, "01")];
        let mut replies: Vec<_> =
            sent.iter().map(|(_, header)| infer(&host, "steady", &body, Some(header)).status(200)).collect();
        replies.push(infer(&host, "steady", &body, None).status(200));
        assert_eq!(replies.iter().map(flag).collect::<Vec<_>>(), expected, "{percent} {environment:?}");
        // An end sends everything.
        assert!(host.stop().success());
        let is_disabled = environment.contains(&("OTEL_SDK_DISABLED", "true"));
        for (reply, flag) in replies.iter().zip(expected) {
            let told = reply.header("traceparent").unwrap();
            let of_reply = |span: &Value| span["trace_id"] == told[3..35] && span["span_id"] == told[36..52];
            let is_traced = flag == "01" && !is_disabled;
            if is_traced {
                eventually("what was sent is read", || collector.spans().iter().any(of_reply));
            }
            assert_eq!(collector.spans().iter().any(of_reply), is_traced, "{percent} {environment:?} {told}");
        }
    }
}

#[test]
fn what_opentelemetrys_variables_say_is_followed() {
    let collector = Collector::start(&[]);
    for protocol in PROTOCOLS {
        let (port, heard) = wiretap(collector.port(protocol));
        let endpoint = format!("http://127.0.0.1:{port}");
        let environment = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=a%20secret,x-scope=tests"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_SERVICE_NAME", "risk"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=7"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "many"),
            SOON,
        ];
        // The file names nobody, and without the variables nothing would be sent.
        let host = Host::with_environment(PATIENT, &environment);
        host.publish(&guest("steady"));
        let reply = infer(&host, "steady", &rows("well", &[4.0]).to_string(), None).status(200);
        collector.trace(&reply.header("traceparent").unwrap()[3..35]);
        let request = collector.taken().pop().unwrap();
        assert_eq!(request["transport"], protocol.split('/').next().unwrap());
        let (headers, resource) = (&request["headers"], &request["resource"]);
        assert_eq!((&headers["x-api-key"], &headers["x-scope"]), (&json!("a secret"), &json!("tests")));
        assert_eq!((&resource["service.name"], &resource["service.version"]), (&json!("risk"), &json!("7")));
        assert_eq!(resource["deployment.environment.name"], "test");
        let heard = heard.lock().unwrap().clone();
        assert!(heard.windows(3).any(|bytes| bytes == [0x1f, 0x8b, 0x08]), "nothing was compressed");
        assert!(!heard.windows(14).any(|bytes| bytes == b"predict steady"), "something was not compressed");
        let log = host.log();
        let warning = "`OTEL_EXPORTER_OTLP_TIMEOUT`: expected 1 to 600000, found `many`";
        assert!(log.contains(warning), "{log}");
        assert!(!log.contains("secret"), "{log}");
    }
}

#[test]
fn spans_go_to_a_collector_that_speaks_tls_if_its_authority_is_trusted() {
    let certificates = Certificates::new();
    certificates.issue("collector", "ca", "server", 2);
    let collector =
        Collector::start(&["--tls", &certificates.path("collector.pem"), &certificates.path("collector.key")]);
    let body = rows("well", &[4.0]).to_string();
    for protocol in PROTOCOLS {
        let trusting = |authority: &str| {
            let environment = [("SSL_CERT_FILE", certificates.path(authority)), ("SSL_CERT_DIR", "/nowhere".into())];
            let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
            host(&collector.address(protocol), protocol, PATIENT, &environment)
        };
        let trusted = trusting("ca.pem");
        let reply = infer(&trusted, "steady", &body, None).status(200);
        collector.trace(&reply.header("traceparent").unwrap()[3..35]);
        let doubting = trusting("other.pem");
        infer(&doubting, "steady", &body, None).status(200);
        eventually("spans are lost", || lost(&doubting, "not-sent") > 0.0);
    }
}

fn lost(host: &Host, reason: &str) -> f64 {
    host.metric(&format!(r#"scry_spans_lost_total{{reason="{reason}"}}"#))
}

#[test]
fn predictions_go_on_without_a_collector_and_what_is_lost_is_counted_and_told_now_and_then() {
    let body = rows("well", &[4.0]).to_string();
    // Nobody listens there, nobody understands it there, nobody wants it there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refusing = Collector::start(&["--refuse"]);
    for protocol in PROTOCOLS {
        let wrong = PROTOCOLS.iter().find(|other| **other != protocol).unwrap();
        for endpoint in [format!("http://{free}"), refusing.address(wrong), refusing.address(protocol)] {
            let host = host(&endpoint, protocol, PATIENT, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "500")]);
            for _ in 0..20 {
                infer(&host, "steady", &body, None).status(200);
            }
            eventually("all spans are lost", || lost(&host, "not-sent") >= 20.0 * 6.0);
            assert_eq!(host.metric("scry_spans_exported_total"), 0.0);
            let log = host.log();
            let told = log.lines().filter(|line| line.contains("spans are lost") && line.contains("not-sent")).count();
            assert!((1..=10).contains(&told), "{told} lines:\n{log}");
            assert!(host.get("/v2/health/ready").status == 200);
        }
    }
}

#[test]
fn a_collector_that_hangs_delays_no_prediction_and_keeps_no_host_from_its_end() {
    let body = rows("well", &[4.0]).to_string();
    let hanging = Collector::start(&["--hang"]);
    for protocol in PROTOCOLS {
        let more = format!("{PATIENT}[shutdown]\ngrace_ms = 0\ndrain_ms = 1000\n");
        let limits = [("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"), ("OTEL_BSP_MAX_QUEUE_SIZE", "60")];
        let mut host = host(&hanging.address(protocol), protocol, &more, &limits);
        let began = Instant::now();
        for _ in 0..100 {
            infer(&host, "steady", &body, None).status(200);
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        // Some are on their way, some wait; for all others there is no room.
        let lost = lost(&host, "queue-full");
        assert!(lost >= 600.0 - 2.0 * 60.0 - 7.0, "{lost}");
        let began = Instant::now();
        assert!(host.stop().success());
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        assert!(host.log().contains("the drain time is over; spans that wait are lost"), "{}", host.log());
    }
}

#[test]
fn a_host_that_ends_sends_what_it_has_first() {
    let collector = Collector::start(&[]);
    for protocol in PROTOCOLS {
        let mut host = host(&collector.address(protocol), protocol, PATIENT, &[("OTEL_BSP_SCHEDULE_DELAY", "600000")]);
        let reply = infer(&host, "steady", &rows("well", &[4.0]).to_string(), None).status(200);
        let trace_id = &reply.header("traceparent").unwrap()[3..35];
        assert!(!collector.spans().iter().any(|span| span["trace_id"] == *trace_id), "it waits for others");
        assert!(host.stop().success());
        collector.trace(trace_id);
    }
}

#[test]
fn a_client_that_leaves_has_a_trace_too() {
    let collector = Collector::start(&[]);
    let host = host(&collector.address("grpc"), "grpc", "[limits]\ndeadline_ms = 60000\nfuel = 0\n", &[]);
    let (trace_id, header) = caller(1, "01");
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "1", "--header", &format!("traceparent: {header}"), "--data"]);
    curl.arg(rows("loop", &[1.0]).to_string()).arg(format!("{}/v2/models/hostile/infer", host.prediction));
    const TIMED_OUT: i32 = 28;
    Ran::of(&mut curl).code(TIMED_OUT);
    let spans = collector.trace(&trace_id);
    let server = &spans[0];
    assert_eq!((server["status"].as_str(), attribute(server, "scry.outcome")), (Some("unset"), &json!("abandoned")));
}

#[test]
fn nothing_is_sent_until_an_operator_says_where_and_a_wrong_address_is_refused() {
    let host = Host::start();
    host.publish(&guest("steady"));
    let (_, header) = caller(1, "01");
    let reply = infer(&host, "steady", &rows("well", &[4.0]).to_string(), Some(&header)).status(200);
    assert!(reply.header("traceparent").unwrap().ends_with("-01"), "what a caller says is passed on");
    assert_eq!(host.metric("scry_spans_exported_total"), 0.0);
    let threads = std::fs::read_dir(format!("/proc/{}/task", host.id())).unwrap();
    let names: Vec<_> =
        threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap()).collect();
    assert!(!names.iter().any(|name| name.trim() == "traces"), "{names:?}");
    for (config, says) in [
        ("[traces]\nendpoint = \"collector:4318\"", "`traces.endpoint`: expected `http://HOST:PORT`"),
        ("[traces]\nprotocol = \"zipkin\"", "expected `http/protobuf` or `grpc`"),
        ("[traces]\nsample_percent = 101", "`traces.sample_percent`: expected 0 to 100, found 101"),
        ("[traces]\nendpoint = \"http://a b\"", "traces cannot be sent with these settings"),
    ] {
        let fallen = Host::begin(tempfile::tempdir().unwrap(), config, "").err().unwrap();
        assert!(!fallen.status.success() && fallen.log().contains(says), "{}", fallen.log());
    }
}
