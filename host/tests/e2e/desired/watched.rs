//! A file is watched, and the host is what it says.

use super::{Document, changes, is_served, number};
use crate::registries::push;
use crate::support::{Host, PATIENT, Registry, eventually, features, guest};
use serde_json::{Value, json};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A configuration that watches a file.
pub(super) fn watching(file: &Path) -> String {
    format!("{PATIENT}[desired_state]\nfile = {:?}\npoll_ms = 50\n", file.to_str().unwrap())
}

fn file_status(host: &Host) -> Value {
    host.admin_get("/v1/state").json()["desired_state"].clone()
}

pub(super) fn file_error(host: &Host) -> Option<String> {
    file_status(host)["error"].as_str().map(str::to_owned)
}

pub(super) fn answers_eventually(host: &Host, y: f64) {
    eventually(&format!("{y}"), || {
        let reply = host.predict("steady", "", 10.0);
        reply.status == 200 && reply.y() == y
    });
}

/// A registry with two versions of `steady`, and documents that name them.
struct Fleet {
    registry: Registry,
    pinned: [String; 2],
}

impl Fleet {
    fn start() -> Self {
        let registry = Registry::start();
        let pinned = [guest("steady"), features("steady", "triple")]
            .map(|guest| push(&guest, &registry.reference(&format!("steady:{}", &guest.digest[7..17]))));
        Self { registry, pinned }
    }

    fn document(&self, live: u32) -> String {
        let [one, two] = &self.pinned;
        format!("[models.steady]\nlive = {live}\nversions = {{ 1 = {{ from = {one:?} }}, 2 = {{ from = {two:?} }} }}\n")
    }
}

#[test]
fn a_watched_file_is_followed_and_a_bad_one_is_not() {
    let fleet = Fleet::start();
    let file = Document::of(&fleet.document(1));
    let host = Host::with(&watching(&file.path()));
    answers_eventually(&host, 20.0);
    eventually("readiness", || host.get("/v2/health/ready").status == 200);
    eventually("the metric", || host.metric("scry_desired_state_applied") == 1.0);
    assert_eq!(file_status(&host)["file"], file.path().to_str().unwrap());
    assert_eq!(file_error(&host), None);
    let told = changes(&host);
    assert_eq!((&told[0]["by"], told.len()), (&json!("file"), 1));

    file.replace(&fleet.document(2));
    answers_eventually(&host, 30.0);
    assert_eq!(changes(&host).len(), 2);

    file.replace("[models.steady]\nlvie = 2\n");
    eventually("the error", || file_error(&host).is_some_and(|error| error.contains("lvie")));
    assert_eq!(host.metric("scry_desired_state_applied"), 0.0);
    // Some looks later, another try among them.
    let looking = Instant::now();
    while looking.elapsed() < Duration::from_millis(2500) {
        assert_eq!(host.predict("steady", "", 10.0).status(200).y(), 30.0);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(file_error(&host).is_some());
    let log = host.log();
    assert_eq!(log.matches("the desired state is not applied").count(), 1, "{log}");
    host.get("/v2/health/ready").status(200);
    assert_eq!(changes(&host).len(), 2);

    file.replace(&fleet.document(1));
    answers_eventually(&host, 20.0);
    eventually("no error", || file_error(&host).is_none());
    assert_eq!(host.metric("scry_desired_state_applied"), 1.0);

    // A file that is gone changes nothing; when it is back, all is well.
    std::fs::remove_file(file.path()).unwrap();
    eventually("the error", || file_error(&host).is_some_and(|error| error.contains("desired.toml")));
    is_served(&host, "1", 20.0);
    file.replace(&fleet.document(1));
    let back = Instant::now();
    eventually("no error", || file_error(&host).is_none());
    assert!(back.elapsed() < Duration::from_millis(1000), "a file that is back is noticed by the next look");
    assert_eq!(changes(&host).len(), 3);
    drop(fleet.registry);
}

#[test]
fn a_mounted_file_is_followed_as_kubernetes_replaces_it() {
    let fleet = Fleet::start();
    let mount = tempfile::tempdir().unwrap();
    let path = |name: &str| mount.path().join(name);
    let mounted = |generation: &str, text: &str| {
        std::fs::create_dir(path(generation)).unwrap();
        std::fs::write(path(generation).join("desired.toml"), text).unwrap();
        symlink(generation, path("..data_tmp")).unwrap();
        std::fs::rename(path("..data_tmp"), path("..data")).unwrap();
    };
    mounted("..2026_1", &fleet.document(1));
    symlink("..data/desired.toml", path("desired.toml")).unwrap();
    let host = Host::with(&watching(&path("desired.toml")));
    answers_eventually(&host, 20.0);
    mounted("..2026_2", &fleet.document(2));
    std::fs::remove_dir_all(path("..2026_1")).unwrap();
    answers_eventually(&host, 30.0);
    mounted("..2026_3", "not TOML");
    eventually("the error", || file_error(&host).is_some_and(|error| error.contains("line 1")));
    is_served(&host, "2", 30.0);
    mounted("..2026_4", &fleet.document(1));
    answers_eventually(&host, 20.0);
    eventually("no error", || file_error(&host).is_none());
}

#[test]
fn a_fresh_host_is_ready_when_its_first_file_is_applied() {
    let fleet = Fleet::start();
    // A registry that is not there.
    let file = Document::of("[models.steady]\nlive = 1\nversions = { 1 = { from = 'oci://127.0.0.1:1/steady:1' } }\n");
    let host = Host::with(&watching(&file.path()));
    host.get("/v2/health/ready").error(503, &["desired state"]);
    host.get("/v2/health/live").status(200);
    eventually("the error", || file_error(&host).is_some_and(|error| error.contains("cannot be reached")));
    host.get("/v2/health/ready").error(503, &["desired state"]);
    assert_eq!((host.metric("scry_desired_state_applied"), number(&host)), (0.0, 0));
    // A restart makes no difference.
    let host = host.restart(|_| {});
    host.get("/v2/health/ready").error(503, &["desired state"]);
    file.replace(&fleet.document(1));
    eventually("readiness", || host.get("/v2/health/ready").status == 200);
    is_served(&host, "1", 20.0);

    // Once it has a state, it serves that whatever becomes of the file.
    let host = host.restart(|_| file.replace("[models"));
    host.get("/v2/health/ready").status(200);
    is_served(&host, "1", 20.0);
    eventually("the error", || file_error(&host).is_some_and(|error| error.contains("line 1")));
    host.get("/v2/health/ready").status(200);
    is_served(&host, "1", 20.0);
    let host = host.restart(|_| std::fs::remove_file(file.path()).unwrap());
    host.get("/v2/health/ready").status(200);
    is_served(&host, "1", 20.0);
}

/// An address that leads nowhere until it leads to a registry; the threads end with the tests.
struct Road {
    host: String,
    to: Arc<OnceLock<String>>,
}

impl Road {
    fn closed() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (host, to) = (listener.local_addr().unwrap().to_string(), Arc::<OnceLock<String>>::default());
        let open = to.clone();
        std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                // A connection that is dropped here is one that the registry did not take.
                let Some(far) = open.get().map(|to| TcpStream::connect(to).unwrap()) else { continue };
                for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    std::thread::spawn(move || {
                        // However it ends, it ends on both sides.
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { host, to }
    }
}

#[test]
fn a_file_whose_registry_comes_back_is_applied_then() {
    let (fleet, road) = (Fleet::start(), Road::closed());
    let from = fleet.pinned[0].replace(fleet.registry.host(), &road.host);
    let file = Document::of(&format!("[models.steady]\nlive = 1\nversions = {{ 1 = {{ from = {from:?} }} }}\n"));
    let host = Host::with(&watching(&file.path()));
    eventually("the error", || file_error(&host).is_some_and(|error| error.contains(&road.host)));
    host.get("/v2/health/ready").error(503, &["desired state"]);
    road.to.set(fleet.registry.host().to_owned()).unwrap();
    eventually("readiness", || host.get("/v2/health/ready").status == 200);
    is_served(&host, "1", 20.0);
    eventually("no error", || file_error(&host).is_none());
    assert_eq!(host.metric("scry_desired_state_applied"), 1.0);
}

/// Starts a host again and waits until it has looked at its file.
fn again(host: Host) -> Host {
    let host = host.restart(|_| {});
    eventually("a look at the file", || file_status(&host).is_object());
    assert_eq!(file_error(&host), None);
    host
}

#[test]
fn what_operators_did_after_the_file_survives_restarts() {
    let fleet = Fleet::start();
    let file = Document::of(&fleet.document(1));
    let host = Host::with(&(watching(&file.path()) + "[history]\nchanges_max = 1\n"));
    answers_eventually(&host, 20.0);
    host.deploy(&["steady", "--to", "2"]).ok();
    let host = again(host);
    is_served(&host, "2", 30.0);

    // The same with a file that changed nothing when it came: a comment, say.
    file.replace(&format!("# as it is\n{}", fleet.document(2)));
    let seen = file_status(&host)["at_ms"].clone();
    eventually("a look at the new file", || file_status(&host)["at_ms"] != seen);
    host.deploy(&["steady", "--to", "1"]).ok();
    let host = again(host);
    is_served(&host, "1", 20.0);

    // The same when the history does not reach back to the file any more.
    for alias in ["a=1", "b=1", "c=1"] {
        host.deploy(&["steady", "--alias", alias]).ok();
    }
    host.scry(&["gc"]).ok();
    assert_eq!(changes(&host).len(), 1);
    let host = again(host);
    is_served(&host, "1", 20.0);

    // And another file counts again.
    file.replace(&fleet.document(2));
    answers_eventually(&host, 30.0);
}
