//! The page in Chromium, headless, driven by Playwright: each view, each action, a host that stops answering, and many
//! models. `SCRY_GUIDE=update` writes the pictures of the guide.

use crate::access::guarded::Guarded;
use crate::clients::{clients, environment_of};
use crate::support::{Host, PATIENT, Ran, ensure_installed, example, guest, root};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Models of a list that is long.
const MANY: usize = 200;
/// How long the traffic is that the guide's pictures show.
const PICTURED: Duration = Duration::from_secs(240);
/// A picture of the guide is not larger.
const IMAGE_MAX_BYTES: u64 = 100_000;

/// Has a browser go through a scenario of `dashboard.py`.
fn browse(scenario: &str, host: &Host, more: &[&str]) {
    ensure_installed("chromium fontconfig fonts-inter", is_installed);
    let mut command = Command::new(environment_of("dashboard"));
    command.arg(clients().join("dashboard.py")).args([scenario, &host.admin, &host.token()]).args(more);
    assert!(Ran::of(&mut command).ok().stdout.contains("well"), "{scenario}");
}

/// The browser, and the font that the pictures have on every machine.
fn is_installed() -> bool {
    let listed = Command::new("fc-list").arg("Inter").output();
    Path::new("/usr/bin/chromium").exists() && listed.is_ok_and(|listed| !listed.stdout.is_empty())
}

/// Whether the pictures of the guide are made.
fn is_update() -> bool {
    std::env::var("SCRY_GUIDE").is_ok_and(|mode| mode == "update")
}

/// Where pictures go: into the guide where it is written, else into a folder that is thrown away.
fn images(dir: &Path) -> PathBuf {
    if is_update() { root().join("docs/guide/images") } else { dir.to_owned() }
}

/// Between 0 and 1, the same in every run.
fn spread(row: usize, by: f64) -> f64 {
    (row as f64 * by).fract()
}

/// Hours of a summer that is warmer than those of the training data.
fn hours(count: usize) -> Vec<Value> {
    let hour = |at: usize| {
        let (weather, warm) = (spread(at, 0.754_877), spread(at, 0.618_034));
        json!({
            "hour": at % 24, "weekday": at / 24 % 7, "month": 6 + at % 3, "holiday": false, "working_day": at / 24 % 7 < 5,
            "weather": if weather < 0.66 { "clear" } else if weather < 0.92 { "cloudy/misty" } else { "light rain/snow" },
            "temperature": 0.5 + 0.45 * warm, "felt_temperature": 0.5 + 0.35 * warm,
            "humidity": 0.3 + 0.65 * spread(at, 0.569_84), "wind_speed": 0.02 + 0.4 * spread(at, 0.819_173).powi(2),
        })
    };
    (0..count).map(hour).collect()
}

fn ride(host: &Host, rows: usize, each: usize) {
    for rows in hours(rows).chunks(each) {
        host.post("/v1/models/bikeshare:predict", &json!({ "instances": rows })).status(200);
    }
}

fn publish_as(host: &Host, path: &Path, name: &str) {
    host.scry(&["publish", path.to_str().unwrap(), "--name", name]).ok();
}

/// A model whose inputs drift, beside its canary; one with a fallback that traps; one without; and two without trouble.
fn town() -> Host {
    let host = Host::with("[limits]\ndeadline_ms = 10000\nin_flight_max = 2\nfuel = 0\ncircuit_pause_ms = 60000\n");
    host.publish(&example("bikeshare"));
    publish_as(&host, &example("bikeshare-linear").path, "bikeshare");
    for (guest_of, name) in [("hostile", "fraud"), ("hostile", "prices"), ("steady", "churn"), ("steady", "returns")] {
        publish_as(&host, &guest(guest_of).path, name);
    }
    host.deploy(&["fraud", "--fallback", "churn"]).ok();
    host.deploy(&["bikeshare", "--to", "2", "--canary", "20", "--requests-min", "1000000"]).ok();
    // The guide's pictures show some minutes.
    let until = Instant::now() + if is_update() { PICTURED } else { Duration::ZERO };
    loop {
        ride(&host, 100, 1);
        (0..60).for_each(|_| drop(host.predict("churn", "", 1.0).status(200)));
        (0..40).for_each(|_| drop(host.predict("fraud", "well", 1.0).status(200)));
        (0..50).for_each(|_| drop(host.predict("prices", "well", 1.0).status(200)));
        if Instant::now() >= until {
            break;
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    ride(&host, 1_500, 50);
    (0..3).for_each(|_| drop(host.predict("prices", "trap", 1.0).status(500)));
    (0..25).for_each(|_| drop(host.predict("fraud", "trap", 1.0).status(200)));
    host
}

#[test]
fn each_view_is_whole_in_light_and_dark_and_on_a_phone() {
    let (host, dir) = (town(), tempfile::tempdir().unwrap());
    browse("views", &host, &["fraud", "bikeshare", images(dir.path()).to_str().unwrap()]);
}

#[test]
fn each_action_does_what_its_command_does() {
    let (host, dir) = (Host::start(), tempfile::tempdir().unwrap());
    host.publish(&example("bikeshare"));
    publish_as(&host, &example("bikeshare-linear").path, "bikeshare");
    // It takes other inputs, so callers would be broken.
    publish_as(&host, &guest("steady").path, "bikeshare");
    ride(&host, 100, 10);
    browse("actions", &host, &["bikeshare", images(dir.path()).to_str().unwrap()]);
}

#[test]
fn a_token_is_asked_for_kept_in_its_tab_and_never_more_than_it_may_do() {
    let guarded = Guarded::with("", &[("reader", &["--scope", "read"])]);
    browse("tokens", &guarded.host, &[&guarded.token("reader")]);
}

#[test]
fn a_host_that_stops_answering_is_said_to_with_the_time_of_what_is_shown() {
    let host = Host::start();
    host.publish(&guest("steady"));
    browse("broken", &host, &[&host.id().to_string()]);
}

#[test]
fn two_hundred_models_scroll_and_change_without_a_stutter() {
    let host = Host::with(PATIENT);
    let component = guest("steady").bytes();
    for number in 0..MANY {
        host.admin_post(&format!("/v1/models?name=tenant-{number:03}"), &component).status(200);
    }
    // Each has requests, so that each event has all of them.
    for number in 0..MANY {
        host.predict(&format!("tenant-{number:03}"), "", 1.0).status(200);
    }
    browse("many", &host, &[&MANY.to_string()]);
}

#[test]
fn the_guide_has_its_pictures_and_none_is_large() {
    let folder = root().join("docs/guide/images");
    let page = std::fs::read_to_string(root().join("docs/guide/dashboard.md")).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let (entry, bytes) = entry.map(|entry| (entry.file_name(), entry.metadata().unwrap().len())).unwrap();
        assert!(bytes < IMAGE_MAX_BYTES, "{}: {bytes} bytes", entry.display());
        assert!(page.contains(&format!("images/{}", entry.display())), "{}", entry.display());
        count += 1;
    }
    assert_eq!(count, page.matches("](images/").count());
}
