//! The operator of a soak: a change every second, now and then a new version, a
//! rollback, a clean-up.

use crate::admin::Admin;
use crate::book::Book;
use crate::client::Kind;
use crate::models::Model;
use crate::pace::scramble;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CHANGE_EVERY: Duration = Duration::from_secs(1);
const PUBLISH_EVERY: u64 = 15;
const CLEAN_EVERY: u64 = 20;

/// Changes things until it is over.
pub(crate) fn operate(admin: &Admin, digits: &Model, seed: u64, book: &Book, over: &AtomicBool) {
    let mut serial = 0;
    for second in 1u64.. {
        thread::sleep(CHANGE_EVERY);
        if over.load(Ordering::Relaxed) {
            return;
        }
        let chance = scramble(seed ^ second);
        swap(admin, chance, book);
        if second.is_multiple_of(PUBLISH_EVERY) {
            serial += 1;
            send(admin, "publish", "/v1/models?name=digits", &digits.variant(serial), &[200], book);
            let newest = json!({ "to": serial + 1 }).to_string();
            send(admin, "deploy the newest", "/v1/models/digits/deploy", newest.as_bytes(), &[200], book);
        }
        if second.is_multiple_of(CLEAN_EVERY) {
            // A clean-up does not wait for changes that are being prepared.
            send(admin, "clean up", "/v1/gc", b"{}", &[200, 409], book);
        }
    }
}

/// One of the changes that move a model between its two versions.
fn swap(admin: &Admin, chance: u64, book: &Book) {
    let version = 1 + chance % 2;
    let deploy = "/v1/models/bikeshare/deploy";
    let change = |name, path, body: Value| send(admin, name, path, body.to_string().as_bytes(), &[200], book);
    match chance / 2 % 4 {
        0 => {
            change("deploy", deploy, json!({ "to": 3 - version }));
            change("deploy a canary", deploy, json!({ "to": version, "canary": [{ "percent": 20 }] }));
        }
        1 => change("deploy", deploy, json!({ "to": version, "aliases": { "champion": version } })),
        2 => change("deploy", deploy, json!({ "to": version })),
        _ => {
            // Rolled back is only what was just done: further back nobody had named a champion.
            change("deploy", deploy, json!({ "to": 3 - version }));
            change("deploy", deploy, json!({ "to": version }));
            change("roll back", "/v1/models/bikeshare/rollback", json!({}));
        }
    }
}

fn send(admin: &Admin, name: &'static str, path: &str, body: &[u8], expected: &[u16], book: &Book) {
    let sent = Instant::now();
    match admin.send("POST", path, body) {
        Ok(answer) => {
            let unexplained = (!expected.contains(&answer.kind.status)).then(|| answer.text());
            book.note(name, answer.kind, sent.elapsed(), unexplained);
        }
        Err(error) => book.note(name, Kind::default(), sent.elapsed(), Some(error.to_string())),
    }
}
