//! What a host says of itself and of its models, in the forms in which clients of other servers ask for it.

use crate::clients::{clients, environment, environment_of};
use crate::support::{Host, PATIENT, Ran, example, guest, root};
use serde_json::{Value, json};
use std::process::Command;

fn bikeshare(config: &str) -> Host {
    let host = Host::with(config);
    host.publish(&example("bikeshare"));
    host
}

#[test]
fn clients_of_other_servers_find_what_they_ask_for() {
    let host = bikeshare(PATIENT);
    let golden = root().join("examples/bikeshare/golden.json");
    let mut clients_ask = Command::new(environment());
    clients_ask.arg(clients().join("described.py")).args([&host.prediction, &host.admin, &host.token()]).arg(golden);
    assert!(Ran::of(&mut clients_ask).ok().stdout.contains("were answered"));
}

#[test]
fn the_documents_are_openapi_and_hosts_answer_as_they_declare() {
    let host = bikeshare(PATIENT);
    host.publish(&guest("steady"));
    let bearer = format!("Authorization: Bearer {}", host.token());
    let documents = [(&host.prediction, host.get("/openapi.json")), (&host.admin, host.admin_get("/openapi.json"))];
    let dir = tempfile::tempdir().unwrap();
    let interpreter = environment_of("openapi");
    let program = |name: &str| Command::new(interpreter.with_file_name(name));
    for (url, document) in documents {
        let file = dir.path().join("openapi.json");
        std::fs::write(&file, document.status(200).text).unwrap();
        Ran::of(program("openapi-spec-validator").arg(&file)).ok();
        let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
        let mut trial = program("schemathesis");
        trial
            .current_dir(&dir)
            .arg("--config-file")
            .arg(clients().join("schemathesis.toml"))
            .arg("run")
            .arg(&file)
            .args(["--url", url, "--checks", checks, "-H", &bearer]);
        trial.args(["--max-examples", "15", "--seed", "24", "--phases", "examples,coverage,fuzzing", "--no-color"]);
        // It cannot write TOML.
        trial.args(["--exclude-operation-id", "apply"]);
        // It ends minutes later.
        trial.args(["--exclude-operation-id", "events"]);
        Ran::of(trial.env("PYTHONUTF8", "1")).ok();
    }
}

#[test]
fn a_models_document_has_its_types_and_golden_examples() {
    let host = bikeshare(PATIENT);
    let document = host.get("/openapi.json?model=bikeshare").status(200).json();
    let row = &document["components"]["schemas"]["bikeshare.Input"]["properties"];
    assert_eq!(row["hour"]["type"], "integer");
    assert!(row["weather"]["enum"].as_array().unwrap().contains(&json!("clear")));
    let examples =
        |path: &str| document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"].clone();
    for path in ["/v2/models/bikeshare/infer", "/v1/models/bikeshare:predict"] {
        for (name, example) in examples(path).as_object().unwrap() {
            host.post(path, &example["value"]).status(200);
            assert!(!name.is_empty());
        }
    }
    host.get("/openapi.json?model=nobody").error(404, &["nobody"]);
    host.get("/openapi.json?models=bikeshare").error(400, &["models"]);
    let whole = host.get("/openapi.json").status(200).json();
    assert_eq!(whole["paths"]["/v2/models/bikeshare/infer"], document["paths"]["/v2/models/bikeshare/infer"]);
    host.scry(&["withdraw", "bikeshare"]).ok();
    assert_eq!(host.get("/openapi.json").json()["paths"]["/v2/models/bikeshare/infer"], Value::Null);
}

#[test]
fn the_page_of_the_document_asks_no_other_host() {
    let host = Host::start();
    for url in [&host.prediction, &host.admin] {
        page_asks_no_other_host(&host, url);
    }
    // Whoever uses the page of the admin listener types a token there.
    let document = host.send("GET", &format!("{}/openapi.json", host.admin), &[], b"").status(200).json();
    assert_eq!(document["components"]["securitySchemes"]["token"], json!({ "type": "http", "scheme": "bearer" }));
    assert_eq!(document["security"], json!([{ "token": [] }]));
    assert_eq!(document["paths"]["/docs"]["get"]["security"], json!([]));
    host.send("GET", &format!("{}/docs/other.js", host.admin), &[], b"").error(404, &["/docs"]);
    host.get("/docs/other.js").error(404, &["/docs"]);
}

fn page_asks_no_other_host(host: &Host, url: &str) {
    let page = host.send("GET", &format!("{url}/docs"), &[], b"").status(200);
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self';"), "{page:?}");
    assert!(!page.text.contains("http:") && !page.text.contains("https:"), "{page:?}");
    for (file, media_type, has) in [
        ("swagger-ui-bundle.js", "text/javascript; charset=utf-8", "SwaggerUIBundle"),
        ("swagger-ui.css", "text/css; charset=utf-8", ".swagger-ui"),
        ("start.js", "text/javascript; charset=utf-8", "openapi.json"),
    ] {
        assert!(page.text.contains(&format!("docs/{file}")), "{file}");
        // Unpacked by a client that is not ours, which checks length and checksum.
        let url = format!("{url}/docs/{file}");
        let got = Ran::of(Command::new("curl").args(["-sSf", "--compressed", "-w", "%{content_type}", &url])).ok();
        assert!(got.stdout.ends_with(media_type) && got.stdout.contains(has), "{file}");
    }
}

#[test]
fn metadata_says_what_the_card_says_of_each_tensor() {
    let host = Host::start();
    host.publish(&guest("checked"));
    let card: Value = host.admin_get("/v1/models/checked").status(200).json()["card"].clone();
    let metadata = host.get("/v2/models/checked").status(200).json();
    let inputs = card["schema"]["inputs"].as_array().unwrap();
    assert!(inputs.iter().any(|field| field["nullable"] == true) && card["checks"]["rules"][0]["name"].is_string());
    for (field, tensor) in inputs.iter().zip(metadata["inputs"].as_array().unwrap()) {
        for member in ["description", "nullable", "unit", "minimum", "maximum", "categories"] {
            assert_eq!(tensor["parameters"][member], field[member], "{member} of {field}");
        }
        // Clients of Triton know no tensors without dimensions.
        let row = field["shape"].as_array().filter(|shape| !shape.is_empty());
        let shape: Vec<_> = std::iter::once(json!(-1)).chain(row.cloned().unwrap_or(vec![json!(1)])).collect();
        assert_eq!(
            (&tensor["shape"], tensor["parameters"]["scalar"] == true),
            (&json!(shape), row.is_none()),
            "{tensor}"
        );
    }
    for (rule, told) in
        card["checks"]["rules"].as_array().unwrap().iter().zip(metadata["parameters"]["rules"].as_array().unwrap())
    {
        assert_eq!((&rule["name"], &rule["expression"]), (&told["name"], &told["expression"]));
        for field in told["fields"].as_array().unwrap() {
            let tensor = metadata["inputs"].as_array().unwrap().iter().find(|tensor| tensor["name"] == *field).unwrap();
            assert!(tensor["parameters"]["rules"].as_array().unwrap().contains(&rule["expression"]), "{tensor}");
        }
        assert!(!told["fields"].as_array().unwrap().is_empty());
    }
}

#[test]
fn names_and_states_are_those_of_what_is_served() {
    let host = bikeshare(PATIENT);
    host.publish(&guest("steady"));
    for path in ["/v2/models", "/v1/models"] {
        assert_eq!(host.get(path).status(200).json(), json!({ "models": ["bikeshare", "steady"] }));
    }
    let available =
        json!([{ "version": "1", "state": "AVAILABLE", "status": { "error_code": "OK", "error_message": "" } }]);
    let status = json!({ "name": "steady", "ready": true, "model_version_status": available });
    assert_eq!(host.get("/v1/models/steady").status(200).json(), status);
    assert_eq!(host.get("/v1/models/steady/versions/1").status(200).json(), status);
    host.get("/v1/models/nobody").error(404, &["nobody"]);
    host.get("/v1/models/steady/versions/7").error(404, &["7"]);
    assert_eq!(host.get("/v1/models/steady:predict").status, 405);
    host.get("/v2/models/nobody/stats").error(404, &["nobody"]);
    let all = host.get("/v2/models/stats").status(200).json();
    let names = all["model_stats"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["bikeshare", "steady"]);
    host.scry(&["withdraw", "steady"]).ok();
    assert_eq!(host.get("/v1/models").json(), json!({ "models": ["bikeshare"] }));
    let index = |body: Value| host.post("/v2/repository/index", &body).status(200).json();
    assert_eq!(index(json!({ "ready": true })).as_array().unwrap().len(), 1);
    assert_eq!(index(json!({}))[1]["reason"], "the model is withdrawn");
}

#[test]
fn a_path_without_a_model_means_the_default_one() {
    let rows = json!({ "instances": [{ "behaviour": "well", "x": 2.0 }] });
    let host = Host::start();
    let refused =
        |host: &Host| host.post("/invocations", &rows).status(400).json()["error"].as_str().unwrap().to_owned();
    assert!(refused(&host).ends_with("no model is served"));
    host.publish(&guest("steady"));
    let only = host.post("/invocations", &rows).status(200);
    assert_eq!(only.header("scry-model"), Some("steady"));
    host.publish(&guest("hostile"));
    assert!(refused(&host).ends_with("several are served: hostile, steady"));

    let config = "prediction.default_model = \"hostile\"\nprediction.predict_path = \"/p/1:predict\"\n\
                  prediction.health_path = \"/p/1\"\n";
    let host = Host::with(&format!("{config}{PATIENT}"));
    host.post("/invocations", &rows).status(404);
    host.publish(&guest("steady"));
    host.publish(&guest("hostile"));
    assert_eq!(host.post("/p/1:predict", &rows).status(200).header("scry-model"), Some("hostile"));
    assert_eq!(host.get("/p/1").status(200).json(), json!({ "ready": true }));
}

#[test]
fn pages_of_other_sites_may_ask_only_where_that_is_configured() {
    let ask = |host: &Host, method: &str, url: &str, origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "POST")];
        let reply = host.send(method, &format!("{url}/v2/models/steady/infer"), &headers, b"{}");
        (reply.status, reply.header("access-control-allow-origin").map(str::to_owned))
    };
    let closed = Host::start();
    assert_eq!(ask(&closed, "OPTIONS", &closed.prediction, "https://a.example"), (405, None));
    let open = Host::with(&format!("prediction.cors_origins = [\"https://a.example\"]\n{PATIENT}"));
    let permitted = Some("https://a.example".to_owned());
    assert_eq!(ask(&open, "OPTIONS", &open.prediction, "https://a.example"), (204, permitted.clone()));
    assert_eq!(ask(&open, "POST", &open.prediction, "https://a.example"), (404, permitted));
    assert_eq!(ask(&open, "OPTIONS", &open.prediction, "https://b.example"), (405, None));
    assert_eq!(ask(&open, "OPTIONS", &open.admin, "https://a.example").1, None);
}
