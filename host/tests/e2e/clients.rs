//! Clients that others wrote, unmodified: they call models whose answers are known.

use crate::support::data::read_json;
use crate::support::{Host, Ran, example, python, root};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder of the clients' programs and of what they need.
pub(crate) fn clients() -> PathBuf {
    root().join("host/tests/clients")
}

/// The interpreter of an environment with all clients.
pub(crate) fn environment() -> PathBuf {
    environment_of("requirements")
}

/// The interpreter of an environment with what a list names.
pub(crate) fn environment_of(list: &str) -> PathBuf {
    python(&clients().join(format!("{list}.txt")))
}

/// Whether every client calls every example model: `SCRY_CLIENTS=all`. Otherwise each calls those whose inputs differ most.
pub(crate) fn is_all() -> bool {
    std::env::var("SCRY_CLIENTS").is_ok_and(|clients| clients == "all")
}

/// Example models, with what is known of each: name, rows, what the original model answered to them, tolerances.
pub(crate) fn examples() -> Vec<Value> {
    let all = ["bikeshare", "digits", "bikeshare-linear", "bikeshare-faulty"];
    all.iter().take(if is_all() { all.len() } else { 2 }).map(|name| golden(name)).collect()
}

/// Has a host serve an example.
pub(crate) fn publish(host: &Host, known: &Value) {
    host.publish(&example(known["name"].as_str().unwrap()));
}

/// Rows and answers of an example's golden file.
fn golden(name: &str) -> Value {
    let golden = read_json(root().join("examples").join(name).join("golden.json"));
    let all = |side: &str| -> Vec<Value> {
        let examples = golden["examples"].as_array().unwrap().iter();
        let answered = examples.filter(|example| example[side].is_array() && example["outputs"].is_array());
        answered.flat_map(|example| example[side].as_array().unwrap().clone()).collect()
    };
    json!({
        "name": name, "rows": all("inputs"), "expected": all("outputs"),
        "rtol": golden["rtol"], "atol": golden["atol"],
    })
}

/// Rows of an imported model, and what scikit-learn answered to them.
fn imported(host: &Host, dir: &Path, name: &str) -> Value {
    let (file, output) = (root().join("tests/imports").join(name), dir.join(format!("{name}.wasm")));
    host.scry(&["import", file.with_extension("scry").to_str().unwrap(), "-o", output.to_str().unwrap()]).ok();
    host.scry(&["publish", output.to_str().unwrap()]).ok();
    let known = read_json(file.with_extension("json"));
    let outputs = known["expected"].as_object().unwrap();
    let row =
        |at: usize| -> Value { outputs.iter().map(|(name, values)| (name.clone(), values[at].clone())).collect() };
    let rows = known["rows"].as_array().unwrap();
    json!({
        "name": name, "rows": rows, "expected": (0..rows.len()).map(row).collect::<Vec<_>>(),
        "rtol": 1e-15, "atol": 1e-15,
    })
}

#[test]
fn tritonclient_kserve_and_mlserver_get_the_golden_answers() {
    let host = Host::with("[limits]\ndeadline_ms = 10000\n");
    let dir = tempfile::tempdir().unwrap();
    let mut models = examples();
    models.iter().for_each(|known| publish(&host, known));
    models.push(imported(&host, dir.path(), "titanic"));
    for (program, says) in [
        ("rows.py", "all clients were answered"),
        ("v2_http.py", "all clients were answered"),
        ("v2_grpc.py", "all clients were answered"),
        ("kserve_grpc.py", "all clients were answered"),
        ("descriptors.py", "descriptors agree"),
        ("mlserver_frames.py", "titanic: the golden"),
    ] {
        let ran = run(program, &host, models.clone());
        assert!(ran.stdout.contains(says), "{ran:?}");
    }
}

#[test]
fn mlflows_client_gets_the_golden_answers() {
    // Its path has no model's name: one model at a time.
    let host = Host::start();
    for known in examples() {
        publish(&host, &known);
        let name = known["name"].as_str().unwrap().to_owned();
        let ran = run("mlflow_frames.py", &host, vec![known]);
        assert!(ran.stdout.contains(&format!("{name}: the golden answers")), "{ran:?}");
        host.scry(&["withdraw", &name]).ok();
    }
}

/// A program of `clients()` against a host that serves these models.
fn run(program: &str, host: &Host, models: Vec<Value>) -> Ran {
    let known = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&known, Value::from(models).to_string()).unwrap();
    let mut command = Command::new(environment());
    Ran::of(command.arg(clients().join(program)).arg(&host.prediction).arg(known.path())).ok()
}

#[test]
fn the_page_about_clients_shows_what_its_program_prints() {
    let interpreter = environment();
    let host = Host::start();
    host.scry(&["publish", example("bikeshare").path.to_str().unwrap()]).ok();
    let page = std::fs::read_to_string(root().join("docs/guide/clients.md")).unwrap();
    let block = |language: &str| {
        let (_, after) = page.split_once(&format!("```{language}\n")).unwrap();
        after.split_once("```").unwrap().0.to_owned()
    };
    let program = block("python").replace("127.0.0.1:8080", host.prediction.strip_prefix("http://").unwrap());
    for program in [program.replace("tritonclient.http", "tritonclient.grpc"), program] {
        let ran = Ran::of(Command::new(&interpreter).args(["-c", &program])).ok();
        assert_eq!(ran.stdout, block("text"));
    }
}
