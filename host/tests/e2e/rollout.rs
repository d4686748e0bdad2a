//! The life of a version: its share of the requests, its trial beside the live
//! one, its gates, and the way back.

mod back;
mod canary;
mod gates;
mod shadow;

use crate::support::{Guest, Host, Reply, features, rows};
use serde_json::{Value, json};
use std::sync::Arc;

const LOADS: [&str; 2] =
    [r#"scry_component_loads_total{source="compiled"}"#, r#"scry_component_loads_total{source="cache"}"#];
/// What `fragile` and `slow` do not take well.
const LARGE: f64 = 2000.0;

/// A variant of `steady`; the plain one has no name.
fn variant(name: &str) -> Arc<Guest> {
    features("steady", name)
}

/// A host with these variants of `steady` as versions 1, 2, …; the first is live.
fn host_of(variants: &[&str]) -> Host {
    let host = Host::start();
    publish(&host, variants);
    host
}

fn publish(host: &Host, variants: &[&str]) {
    variants.iter().for_each(|name| drop(host.publish(&variant(name))));
}

/// Publishes a component as a version of `steady`, whatever its own name.
fn publish_as_steady(host: &Host, guest: &Guest) -> Value {
    host.scry(&["publish", guest.path.to_str().unwrap(), "--name", "steady", "--json"]).ok().json()
}

/// The model as `scry models --json` has it.
fn shown(host: &Host) -> Value {
    let listed = host.scry(&["models", "steady", "--json"]).ok().json();
    assert_eq!(listed["models"].as_array().unwrap().len(), 1, "{listed:#}");
    listed["models"][0].clone()
}

/// The changes of the model, newest first.
fn history(host: &Host) -> Vec<Value> {
    let told = host.scry(&["history", "steady", "--json"]).ok().json();
    told["changes"].as_array().unwrap().clone()
}

fn what(change: &Value) -> &str {
    change["what"].as_str().unwrap()
}

/// The number of the state that the model is in.
fn state(host: &Host) -> u64 {
    host.admin_get("/v1/state").json()["number"].as_u64().unwrap()
}

/// Components that the host has loaded so far.
fn loads(host: &Host) -> f64 {
    LOADS.iter().map(|source| host.metric(source)).sum()
}

/// The version that gave an answer, which has to be as it should.
#[track_caller]
fn version(reply: Reply) -> u32 {
    reply.status(200).header("scry-version").unwrap().parse().unwrap()
}

/// The version that answers a request with nothing special about it.
#[track_caller]
fn asked(host: &Host) -> u32 {
    version(host.predict("steady", "", 10.0))
}

/// How many of so many such requests a version answers.
#[track_caller]
fn answered_by(host: &Host, number: u32, requests: usize) -> usize {
    (0..requests).filter(|_| asked(host) == number).count()
}

/// Some path's answer to a request with a key, in the header.
fn keyed(host: &Host, path: &str, key: &str) -> Reply {
    let url = format!("{}/v2/models/{path}/infer", host.prediction);
    host.send("POST", &url, &[("scry-key", key)], rows("", &[10.0]).to_string().as_bytes())
}

/// The same with the key in the request.
fn keyed_inside(host: &Host, key: &Value) -> Reply {
    let mut request = rows("", &[10.0]);
    request["parameters"] = json!({ "key": key });
    host.post("/v2/models/steady/infer", &request)
}
