//! perf_analyzer, unmodified: the load generator of Triton's users, over HTTP and gRPC.

use crate::clients::{environment_of, examples, is_all, publish};
use crate::support::{Host, PATIENT, Ran, ensure_installed, example, root};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What each run sends.
const REQUESTS: u32 = 200;

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "there is no perf_analyzer for this architecture")]
fn perf_analyzer_measures_each_model_over_http_and_grpc() {
    let host = Host::with(PATIENT);
    let dir = tempfile::tempdir().unwrap();
    let program = Program::installed();
    let batches: &[&str] = if is_all() { &["1", "4"] } else { &["1"] };
    for known in examples() {
        publish(&host, &known);
        let name = known["name"].as_str().unwrap();
        let metadata = host.get(&format!("/v2/models/{name}")).status(200).json();
        let expected = whole_numbers(&known, &metadata);
        for protocol in ["http", "grpc"] {
            for batch in batches {
                let mut rows = json!({ "data": steps(&known, &metadata) });
                // Over HTTP it compares all outputs or none, and of several rows only the first.
                if !expected.is_empty() && (protocol, *batch) == ("grpc", "1") {
                    rows["validation_data"] = expected.clone().into();
                }
                let (data, report) = (dir.path().join("data.json"), dir.path().join("report.csv"));
                std::fs::write(&data, rows.to_string()).unwrap();
                let answered =
                    || host.metric(&format!(r#"scry_requests_total{{model="{name}",outcome="ok",version="1"}}"#));
                let before = answered();
                let mut command = program.command();
                command.args(["-m", name, "-u", host.prediction.strip_prefix("http://").unwrap()]);
                command.args(["-i", protocol, "-b", batch, "--concurrency-range", "2"]);
                command.args(["--request-count", &REQUESTS.to_string(), "--input-data"]).arg(data);
                let ran = Ran::of(command.args(["--verbose-csv", "-f"]).arg(&report)).ok();
                assert_eq!(answered() - before, f64::from(REQUESTS), "{ran:?}");
                // With the host's own statistics of the same requests.
                let report = std::fs::read_to_string(report).unwrap();
                for name in ["Inferences/Second", "Network+Server Send/Recv", "p99 latency"] {
                    assert!(number(&report, name) > 0.0, "{name} of {report}");
                }
                assert!(number(&report, "Server Compute Infer") > 0.0, "{report}");
            }
        }
    }
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "there is no perf_analyzer for this architecture")]
fn the_page_about_clients_has_a_measurement_that_runs() {
    let host = Host::with(PATIENT);
    host.publish(&example("bikeshare"));
    let page = std::fs::read_to_string(root().join("docs/guide/clients.md")).unwrap();
    let block = |begin: &str| page.split_once(begin).unwrap().1.split_once("```").unwrap().0.to_owned();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rows.json"), block("```json rows.json\n")).unwrap();
    let words =
        block("```sh\nperf_analyzer ").replace("127.0.0.1:8080", host.prediction.strip_prefix("http://").unwrap());
    for words in [words.replace("-i grpc ", ""), words] {
        let mut command = Program::installed().command();
        let ran = Ran::of(command.current_dir(&dir).args(words.split_whitespace())).ok();
        assert!(ran.stdout.contains("Request count: 1000"), "{ran:?}");
        assert!(ran.stdout.contains("compute infer"), "{ran:?}");
    }
}

/// The first number of a column of CSV.
fn number(report: &str, column: &str) -> f64 {
    let mut lines = report.lines().map(|line| line.split(','));
    let at = lines.next().unwrap().position(|title| title == column);
    let at = at.unwrap_or_else(|| panic!("no column {column}: {report}"));
    lines.next().unwrap().nth(at).unwrap().parse().unwrap()
}

/// Whether a row has no gap: perf_analyzer knows no `null`.
fn is_whole(row: &Value) -> bool {
    row.as_object().unwrap().values().all(|value| !value.is_null())
}

/// The whole rows as perf_analyzer reads them: a step each, with a flat list for each input.
fn steps(known: &Value, metadata: &Value) -> Vec<Value> {
    let rows = known["rows"].as_array().unwrap().iter().filter(|row| is_whole(row));
    rows.map(|row| step(row, metadata["inputs"].as_array().unwrap())).collect()
}

/// The answers of the original model to the same rows; only whole numbers, since others are equal within a tolerance.
fn whole_numbers(known: &Value, metadata: &Value) -> Vec<Value> {
    let outputs = metadata["outputs"].as_array().unwrap().iter();
    let exact: Vec<_> = outputs.filter(|output| output["datatype"] == "INT64").cloned().collect();
    let pairs = known["rows"].as_array().unwrap().iter().zip(known["expected"].as_array().unwrap());
    let answers = pairs.filter(|(row, _)| is_whole(row) && !exact.is_empty());
    answers.map(|(_, answer)| step(answer, &exact)).collect()
}

fn step(row: &Value, tensors: &[Value]) -> Value {
    // An input that may be missing may be left out.
    let list = |tensor: &Value| {
        let is_float = tensor["datatype"].as_str().unwrap().starts_with("FP");
        let name = tensor["name"].as_str().unwrap();
        Some((name.to_owned(), Value::from(flat(row.get(name)?, is_float))))
    };
    tensors.iter().filter_map(list).collect::<Map<_, _>>().into()
}

/// All elements of nested lists, or the only one. It takes no whole number for a float.
fn flat(value: &Value, is_float: bool) -> Vec<Value> {
    match value {
        Value::Array(list) => list.iter().flat_map(|each| flat(each, is_float)).collect(),
        number if is_float => vec![json!(number.as_f64().unwrap())],
        other => vec![other.clone()],
    }
}

/// perf_analyzer, and where the library of CUDA is that it is linked against.
struct Program {
    perf_analyzer: PathBuf,
    libraries: PathBuf,
}

impl Program {
    fn installed() -> Self {
        let interpreter = environment_of("perf_analyzer");
        let find = "import nvidia.cuda_runtime as package; print(next(iter(package.__path__)))";
        let found = Ran::of(Command::new(&interpreter).args(["-c", find])).ok();
        let libraries = Path::new(found.stdout.trim()).join("lib");
        let program = Self { perf_analyzer: interpreter.with_file_name("perf_analyzer"), libraries };
        let runs = || program.command().arg("--version").output().is_ok_and(|output| output.status.success());
        ensure_installed("libb64-0d", runs);
        program
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.perf_analyzer);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command
    }
}
