use super::*;
use crate::config::AccessFormat;
use crate::telemetry::context::Given;
use crate::telemetry::trace_parent::TraceParent;
use crate::telemetry::{Prediction, Scrape, TextForm};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::tempdir;

const CALLER: &[u8] = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn context() -> Arc<Context> {
    let given = Given { request_id: Some("order-7"), span: TraceParent::parse(CALLER) };
    Arc::new(Context::new(given, true, || 7))
}

fn head() -> Head<'static> {
    Head {
        listener: "prediction",
        remote: IpAddr::from([127, 0, 0, 1]),
        method: "POST",
        path: "/v2/models/churn/infer",
        protocol: "HTTP/1.1",
        referer: None,
        user_agent: Some(b"curl/8.5.0"),
    }
}

/// A prediction that a fallback answered.
fn line() -> Line {
    let context = context();
    context.note_token(|| "shop".into());
    context.note(|| Prediction {
        model: "churn-linear".into(),
        version: "4".into(),
        digest: Some("sha256:ab".into()),
        outcome: "degraded",
        degraded: Some("timeout"),
    });
    Line {
        received: "2026-11-30T10:20:30.5Z".parse().unwrap(),
        listener: "prediction",
        remote: IpAddr::from([127, 0, 0, 1]),
        method: "POST".into(),
        path: "/v2/models/churn/infer".into(),
        protocol: "HTTP/1.1",
        referer: None,
        user_agent: Some("curl/8.5.0".into()),
        status: 200,
        grpc_status: None,
        bytes: 345,
        took: Duration::from_micros(1234),
        reason: None,
        context,
    }
}

fn written(format: AccessFormat, line: &Line) -> String {
    let mut text = String::new();
    format::write(format, line, &mut text);
    text
}

#[test]
fn a_line_says_who_asked_what_and_what_became_of_it() {
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    assert_eq!(
        written(AccessFormat::Text, &line()),
        format!(
            "2026-11-30T10:20:30.5Z access listener=prediction remote=127.0.0.1 method=POST \
             path=/v2/models/churn/infer protocol=HTTP/1.1 status=200 bytes=345 duration_ms=1.234 model=churn-linear \
             version=4 digest=sha256:ab outcome=degraded reason=timeout request_id=order-7 trace_id={trace_id} \
             token=shop user_agent=curl/8.5.0\n"
        )
    );
    let read: Value = serde_json::from_str(&written(AccessFormat::Json, &line())).unwrap();
    let expected = json!({
        "timestamp": "2026-11-30T10:20:30.5Z", "listener": "prediction", "remote": "127.0.0.1", "method": "POST",
        "path": "/v2/models/churn/infer", "protocol": "HTTP/1.1", "status": 200, "bytes": 345, "duration_ms": 1.234,
        "model": "churn-linear", "version": "4", "digest": "sha256:ab", "outcome": "degraded", "reason": "timeout",
        "request_id": "order-7", "trace_id": trace_id, "token": "shop", "user_agent": "curl/8.5.0",
    });
    assert_eq!(read, expected);
    assert_eq!(
        written(AccessFormat::Combined, &line()),
        "127.0.0.1 - shop [30/Nov/2026:10:20:30 +0000] \"POST /v2/models/churn/infer HTTP/1.1\" 200 345 \"-\" \
         \"curl/8.5.0\"\n"
    );
    let nothing = Line { bytes: 0, context: Arc::new(Context::new(Given::default(), true, || 7)), ..line() };
    assert!(written(AccessFormat::Combined, &nothing).contains("127.0.0.1 - - ["));
    assert!(written(AccessFormat::Combined, &nothing).contains("\" 200 - \"-\""));
}

#[test]
fn what_clients_write_stays_within_its_field() {
    let forged = "a\" 200 1 \"-\"\n127.0.0.1 \\ \u{1b}[2J\u{202e}ä";
    let line = || Line { path: forged.into(), user_agent: Some(forged.into()), ..line() };
    assert!(
        written(AccessFormat::Combined, &line())
            .ends_with("\"-\" \"a\\\" 200 1 \\\"-\\\"\\x0a127.0.0.1 \\\\ \\x1b[2J\\xe2\\x80\\xae\\xc3\\xa4\"\n")
    );
    let read: Value = serde_json::from_str(&written(AccessFormat::Json, &line())).unwrap();
    assert_eq!(read["path"], "a\" 200 1 \"-\"\\n127.0.0.1 \\ \\u{1b}[2J\\u{202e}ä");
}

proptest! {
    #[test]
    fn a_line_is_one_line(path: String, user_agent: String, method: String) {
        let line = Line { path, method, user_agent: Some(user_agent), ..line() };
        for format in [AccessFormat::Text, AccessFormat::Json, AccessFormat::Combined] {
            let text = written(format, &line);
            let ended = text.strip_suffix('\n').unwrap();
            prop_assert!(!ended.contains(|c: char| c.is_control() || c == '\u{2028}'), "{ended}");
        }
        let combined = written(AccessFormat::Combined, &line);
        let quotes = combined.replace("\\\\", "").replace("\\\"", "").matches('"').count();
        prop_assert_eq!(quotes, 6);
    }
}

/// A log into a file.
fn log(path: &Path, access: AccessLines, percent: f64) -> (Arc<AccessLog>, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new().unwrap());
    let settings = Log { access, access_file: Some(path.to_owned()), access_sample_percent: percent, ..Log::default() };
    (AccessLog::open(&settings, metrics.clone()).unwrap().unwrap(), metrics)
}

/// What is in the file once as many requests have ended so.
fn logged(access: AccessLines, percent: f64, requests: usize, end: impl Fn(&mut Entry, &Context)) -> usize {
    let dir = tempdir().unwrap();
    let path = dir.path().join("access.log");
    let (log, _) = log(&path, access, percent);
    for _ in 0..requests {
        let context = Arc::new(Context::new(Given::default(), true, crate::telemetry::random));
        end(&mut log.begin(head(), &context), &context);
    }
    log.close();
    std::fs::read_to_string(path).unwrap().lines().count()
}

#[test]
fn errors_alone_or_with_a_share_of_the_others_or_all() {
    let fine = |entry: &mut Entry, _: &Context| entry.answered(200, None);
    let prediction = |outcome| {
        move || Prediction { model: "churn".into(), version: "4".into(), digest: None, outcome, degraded: None }
    };
    assert_eq!(logged(AccessLines::All, 0.0, 3, fine), 3);
    assert_eq!(logged(AccessLines::Errors, 100.0, 3, fine), 0);
    for (percent, expected) in [(0.0, 0..=0), (10.0, 100..=300), (100.0, 2000..=2000)] {
        assert!(expected.contains(&logged(AccessLines::Sampled, percent, 2000, fine)), "{percent}");
    }
    for access in [AccessLines::Errors, AccessLines::Sampled, AccessLines::All] {
        let status = |status| move |entry: &mut Entry, _: &Context| entry.answered(status, None);
        assert_eq!(logged(access, 0.0, 1, status(404)), 1);
        assert_eq!(logged(access, 0.0, 1, status(503)), 1);
        assert_eq!(logged(access, 0.0, 1, |_, _| ()), 1, "its client left before an answer");
        let code = |code| {
            move |entry: &mut Entry, _: &Context| {
                entry.answered(200, None);
                entry.ended(code);
            }
        };
        assert_eq!(logged(access, 0.0, 1, code(4)), 1);
        let outcome = |outcome| {
            move |entry: &mut Entry, context: &Context| {
                entry.answered(200, None);
                context.note(prediction(outcome));
            }
        };
        assert_eq!(logged(access, 0.0, 1, outcome("degraded")), 1);
        let is_all = usize::from(access == AccessLines::All);
        assert_eq!(logged(access, 0.0, 1, code(0)), is_all);
        assert_eq!(logged(access, 0.0, 1, outcome("ok")), is_all);
    }
}

#[test]
fn what_is_long_is_cut() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("access.log");
    let (log, _) = log(&path, AccessLines::All, 0.0);
    let long = "ü".repeat(1 << 20);
    drop(
        log.begin(
            Head { path: &long, user_agent: Some(long.as_bytes()), referer: Some(b"\xff"), ..head() },
            &context(),
        ),
    );
    log.close();
    let text = std::fs::read_to_string(path).unwrap();
    assert!((PATH_MAX_BYTES + TEXT_MAX_BYTES..4096).contains(&text.len()), "{}", text.len());
    assert!(text.contains("referer=\u{fffd} "), "{text}");
}

#[test]
fn what_cannot_be_written_is_dropped_and_counted_and_nobody_waits() {
    let (log, metrics) = log(Path::new("/dev/full"), AccessLines::All, 0.0);
    for _ in 0..10 {
        drop(log.begin(head(), &context()));
    }
    log.close();
    let text = metrics.render(&Scrape::new(Path::new(".")).unwrap(), TextForm::Prometheus, |_, _| true).unwrap();
    assert!(text.contains("\nscry_access_log_dropped_total 10\n"), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error() {
    let dir = tempdir().unwrap();
    let settings =
        Log { access: AccessLines::All, access_file: Some(dir.path().join("no/access.log")), ..Log::default() };
    assert!(AccessLog::open(&settings, Arc::new(Metrics::new().unwrap())).is_err());
    let off = Log { access: AccessLines::Off, ..settings };
    assert!(AccessLog::open(&off, Arc::new(Metrics::new().unwrap())).unwrap().is_none(), "nothing is opened");
}
