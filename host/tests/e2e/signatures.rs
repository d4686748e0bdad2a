//! Components that somebody has signed, and hosts that take no others.

mod unsigned;

use crate::clients::{clients, environment_of};
use crate::registries::push;
use crate::support::{Guest, Host, Lie, LyingRegistry, PATIENT, Ran, Registry, Reply, features, guest, scry, sha256};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A folder with a component, keys and envelopes.
pub(crate) struct Desk {
    dir: TempDir,
    component: PathBuf,
}

impl Desk {
    /// With the keys `ops` and `other`.
    pub(crate) fn with(guest: &Guest) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let component = dir.path().join("steady.wasm");
        std::fs::write(&component, guest.bytes()).unwrap();
        let desk = Self { dir, component };
        for name in ["ops", "other"] {
            desk.scry(&["keygen", name]).ok();
        }
        desk
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn component(&self) -> &str {
        self.component.to_str().unwrap()
    }

    fn scry(&self, args: &[&str]) -> Ran {
        Ran::of(scry().current_dir(self.dir.path()).args(args).env("DOCKER_CONFIG", "/nowhere"))
    }

    pub(crate) fn sign(&self, what: &str, key: &str) -> Value {
        self.scry(&["sign", what, "--key", &format!("{key}.key.pem"), "--json"]).ok().json()
    }

    /// A configuration that trusts a key of this folder.
    pub(crate) fn trusting(&self, key: &str, more: &str) -> String {
        format!("{PATIENT}[trust]\nkeys = [{:?}]\n{more}", self.file(&format!("{key}.pub.pem")))
    }

    /// The SHA-256 of a key, as OpenSSL writes it in DER.
    fn keyid(&self, key: &str) -> String {
        let der = self.file("key.der");
        let input = self.file(&format!("{key}.pub.pem"));
        let args = ["pkey", "-pubin", "-outform", "DER", "-in", input.to_str().unwrap(), "-out", der.to_str().unwrap()];
        Ran::of(Command::new("openssl").args(args)).ok();
        sha256(&std::fs::read(der).unwrap()).replace("sha256:", "")
    }
}

/// Publishes as any client does.
fn publish(host: &Host, name: &str, component: &[u8], envelope: Option<&[u8]>) -> Reply {
    let bearer = format!("Bearer {}", host.token());
    let header = envelope.map(base64);
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend(header.as_deref().map(|envelope| ("scry-signature", envelope)));
    host.send("POST", &format!("{}/v1/models?name={name}", host.admin), &headers, component)
}

/// Base64 by another program than the one under test.
fn base64(bytes: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bytes");
    std::fs::write(&file, bytes).unwrap();
    Ran::of(Command::new("base64").arg("-w0").arg(file)).ok().stdout
}

/// What a host has, and what it was asked to do so far.
fn known(host: &Host) -> (Value, Value) {
    (host.admin_get("/v1/state").json()["models"].clone(), host.admin_get("/v1/history").json())
}

fn python(args: &[&str]) -> Ran {
    Ran::of(Command::new(environment_of("signatures")).arg(clients().join("signatures.py")).args(args))
}

fn version(host: &Host, model: &str) -> Value {
    host.scry(&["models", model, "--json"]).ok().json()["models"][0]["versions"][0].clone()
}

#[test]
fn keys_are_those_of_openssl_and_only_their_owner_reads_the_private_one() {
    let desk = Desk::with(&guest("steady"));
    let (private, public) = (desk.file("ops.key.pem"), desk.file("ops.pub.pem"));
    assert_eq!(std::fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
    let openssl = |args: &[&str]| Ran::of(Command::new("openssl").current_dir(desk.dir.path()).args(args)).ok();
    assert_eq!(openssl(&["pkey", "-in", "ops.key.pem"]).stdout, std::fs::read_to_string(&private).unwrap());
    let derived = openssl(&["pkey", "-in", "ops.key.pem", "-pubout"]).stdout;
    assert_eq!(derived, std::fs::read_to_string(&public).unwrap());
    desk.scry(&["keygen", "ops"]).code(1).says(&["ops.key.pem", "is there already"]);
    let named = desk.scry(&["keygen", "third", "--json"]).ok().json();
    assert_eq!(named["keyid"], desk.keyid("third"));

    // And the other way.
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs.key.pem"]);
    openssl(&["pkey", "-in", "theirs.key.pem", "-pubout", "-out", "theirs.pub.pem"]);
    let signed = desk.sign("steady.wasm", "theirs");
    assert_eq!(
        (&signed["keyid"], &signed["signature"]),
        (&json!(desk.keyid("theirs")), &json!("steady.wasm.dsse.json"))
    );
    openssl(&["genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x", "-out", "locked.key.pem"]);
    openssl(&["genpkey", "-algorithm", "x25519", "-out", "wrong.key.pem"]);
    for (key, says) in [
        ("locked.key.pem", "this one is encrypted"),
        ("wrong.key.pem", "expected an Ed25519 key"),
        ("ops.pub.pem", "this is a public key"),
        ("steady.wasm.dsse.json", "expected `-----BEGIN PRIVATE KEY-----`"),
        ("steady.wasm", "a key has at most 16384 bytes"),
    ] {
        desk.scry(&["sign", "steady.wasm", "--key", key]).code(1).says(&[key, says]);
    }
    desk.scry(&["sign", "ops.pub.pem", "--key", "ops.key.pem"]).code(1).says(&["not a WebAssembly component"]);
    desk.scry(&["sign", "steady.wasm", "--key", "ops.key.pem", "--plain-http", "lan"]).code(2).says(&["oci://"]);
    // A tag is what a registry says it is.
    let tag = "oci://127.0.0.1:1/steady:1";
    desk.scry(&["sign", tag, "--key", "ops.key.pem"]).code(2).says(&["expected a digest", "found a tag"]);
}

#[test]
fn others_verify_what_scry_signs() {
    let desk = Desk::with(&guest("steady"));
    desk.sign("steady.wasm", "ops");
    let (public, envelope) = (desk.file("ops.pub.pem"), desk.file("steady.wasm.dsse.json"));
    let args = |public: &Path| {
        ["verify", public.to_str().unwrap(), envelope.to_str().unwrap(), desk.component()].map(str::to_owned)
    };
    let verified = python(&args(&public).each_ref().map(String::as_str)).ok();
    assert_eq!(verified.stdout.trim(), desk.keyid("ops"));
    assert_ne!(python(&args(&desk.file("other.pub.pem")).each_ref().map(String::as_str)).code, Some(0));
    // And `scry` itself, without a host.
    let inspect = |more: &[&str]| desk.scry(&[&["inspect", "steady.wasm"], more].concat());
    assert!(inspect(&["--trust", "ops.pub.pem"]).ok().stdout.contains(&format!("by {}, verified", desk.keyid("ops"))));
    assert_eq!(inspect(&["--json"]).ok().json()["signature"]["keyids"], json!([desk.keyid("ops")]));
    inspect(&["--trust", "other.pub.pem"]).code(1).says(&["none of its 1 signatures is by a trusted key"]);
    // A component that was built again has a card all the same.
    std::fs::write(&desk.component, features("steady", "triple").bytes()).unwrap();
    let rebuilt = inspect(&[]).ok();
    assert!(rebuilt.stdout.contains("does not count: it was signed for"), "{rebuilt:?}");
    inspect(&["--trust", "ops.pub.pem"]).code(1).says(&["it was signed for"]);
}

#[test]
fn what_others_sign_counts_if_it_says_that_and_nothing_else_does() {
    let steady = guest("steady");
    let desk = Desk::with(&steady);
    python(&["sign", desk.component(), desk.dir.path().to_str().unwrap()]).ok();
    let host = Host::with(&desk.trusting("ours", ""));
    let bytes = steady.bytes();
    let envelopes = |kind: &str| {
        let all =
            std::fs::read_dir(desk.dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut named: Vec<_> = all.filter(|name| name.starts_with(kind)).collect();
        named.sort();
        named
    };
    let (good, bad) = (envelopes("good-"), envelopes("bad-"));
    assert_eq!((good.len(), bad.len()), (7, 21));
    let before = known(&host);
    let refused = |name: Option<&str>, says: &str| {
        let envelope = name.map(|name| std::fs::read(desk.file(name)).unwrap());
        let reply =
            publish(&host, "steady", &bytes, envelope.as_deref()).error(422, &[says, "scry sign", &steady.digest]);
        assert_eq!(reply.header("scry-reason"), Some("unsigned"), "{name:?}");
        assert_eq!(known(&host), before, "{name:?}");
    };
    refused(None, "it has no signature");
    bad.iter().for_each(|name| refused(Some(name), "is not signed by a trusted key"));
    let ours = desk.keyid("ours");
    for (at, name) in good.iter().enumerate() {
        let model = format!("steady-{at}");
        let envelope = std::fs::read(desk.file(name)).unwrap();
        publish(&host, &model, &bytes, Some(&envelope)).status(200);
        assert_eq!(version(&host, &model)["signed_by"], ours, "{name}");
    }
    // One bit of the component, and it is another.
    let envelope = std::fs::read(desk.file("good-plain.json")).unwrap();
    let other = features("steady", "triple");
    publish(&host, "steady", &other.bytes(), Some(&envelope)).error(422, &["it was signed for", &steady.digest]);
    // What is no envelope at all does not get that far.
    let bearer = format!("Bearer {}", host.token());
    let headers = [("authorization", bearer.as_str()), ("scry-signature", "no base64!")];
    host.send("POST", &format!("{}/v1/models", host.admin), &headers, &bytes).error(400, &["scry-signature"]);
}

/// One way to give a host a component.
type Way = fn(&Host, &Desk, &Pushed) -> Reply;

/// A component in two places of a registry.
struct Pushed {
    signed: String,
    unsigned: String,
}

fn deployed(host: &Host, from: &str) -> Reply {
    host.admin_post("/v1/models/steady/deploy", json!({ "to": from }).to_string().as_bytes())
}

fn applied(host: &Host, live: &str, version: &str) -> Reply {
    let document = format!("[models.steady]\n{live}versions = {{ 1 = {{ {version} }} }}\n");
    let bearer = format!("Bearer {}", host.token());
    host.send("PUT", &format!("{}/v1/desired", host.admin), &[("authorization", &bearer)], document.as_bytes())
}

fn envelope(desk: &Desk) -> Vec<u8> {
    std::fs::read(desk.file("steady.wasm.dsse.json")).unwrap()
}

fn bytes(desk: &Desk) -> Vec<u8> {
    std::fs::read(&desk.component).unwrap()
}

/// Who may publish what: `2` is 200, and `u` is 422 for want of a signature, to hosts that trust nobody in
/// particular, the key that has signed, another key, and the key that has signed and enforce it.
const WAYS: [(&str, Way, &str); 9] = [
    ("a body", |host, desk, _| publish(host, "steady", &bytes(desk), None), "2uuu"),
    ("a body and its envelope", |host, desk, _| publish(host, "steady", &bytes(desk), Some(&envelope(desk))), "22u2"),
    ("deploying from a registry", |host, _, pushed| deployed(host, &pushed.unsigned), "2uuu"),
    ("deploying from a registry that has a signature", |host, _, pushed| deployed(host, &pushed.signed), "22u2"),
    ("a document", |host, _, pushed| applied(host, "live = 1\n", &format!("from = {:?}", pushed.unsigned)), "2uuu"),
    (
        "a document, signed",
        |host, _, pushed| applied(host, "live = 1\n", &format!("from = {:?}", pushed.signed)),
        "22u2",
    ),
    (
        "a document that does not serve it",
        |host, _, pushed| applied(host, "", &format!("from = {:?}", pushed.unsigned)),
        "2uuu",
    ),
    (
        "a document that only binds its digest",
        |host, desk, pushed| {
            let digest = sha256(&bytes(desk));
            applied(host, "", &format!("digest = {digest:?}, from = {:?}", pushed.unsigned))
        },
        "2uuu",
    ),
    (
        "a document that only binds its digest, signed",
        |host, desk, pushed| {
            let digest = sha256(&bytes(desk));
            applied(host, "", &format!("digest = {digest:?}, from = {:?}", pushed.signed))
        },
        "22u2",
    ),
];

#[test]
fn each_way_to_publish_needs_a_signature_where_keys_are_trusted() {
    let (steady, registry) = (guest("steady"), Registry::start());
    let desk = Desk::with(&steady);
    let unsigned = push(&steady, &registry.reference("unsigned:1"));
    desk.sign("steady.wasm", "ops");
    let to = registry.reference("signed:1").to_string();
    let pushed = desk.scry(&["publish", "steady.wasm", &to, "--json"]).ok().json();
    assert!(pushed["signature"].as_str().unwrap().contains("/signed@sha256:"), "{pushed}");
    let pushed = Pushed { signed: pushed["reference"].as_str().unwrap().to_owned(), unsigned };
    let hosts = [
        PATIENT.to_owned(),
        desk.trusting("ops", ""),
        desk.trusting("other", ""),
        desk.trusting("ops", "enforce = true\n"),
    ];
    for (way, give, expected) in WAYS {
        let outcome = |config: &String| {
            let host = Host::with(config);
            let before = known(&host);
            let reply = give(&host, &desk, &pushed);
            match reply.status {
                200 => '2',
                422 => {
                    assert_eq!(reply.header("scry-reason"), Some("unsigned"), "{way}: {}", reply.text);
                    assert_eq!(known(&host), before, "{way}");
                    'u'
                }
                other => panic!("{way}: {other} {}", reply.text),
            }
        };
        assert_eq!(hosts.iter().map(outcome).collect::<String>(), expected, "{way}");
    }
}

#[test]
fn what_is_signed_says_so_in_the_answer_the_history_and_after_a_restart() {
    let steady = guest("steady");
    let desk = Desk::with(&steady);
    desk.sign("steady.wasm", "ops");
    let host = Host::with(&desk.trusting("ops", ""));
    host.scry(&["publish", desk.component()]).ok();
    let keyid = desk.keyid("ops");
    let history = host.scry(&["history", "steady"]).ok().stdout;
    assert!(history.contains(&format!("publish steady@1, signed by {keyid}")), "{history}");
    let host = host.restart(|_| {});
    assert_eq!(version(&host, "steady")["signed_by"], keyid);
    assert!(host.scry(&["models", "-o", "wide"]).ok().stdout.contains(&format!("signed by {keyid}")));
    let trust = host.admin_get("/v1/state").json()["trust"].clone();
    assert_eq!(trust, json!({ "keys": [keyid], "enforce": false, "unsigned_count": 0, "unsigned": [] }));
    assert_eq!(host.metric("scry_unsigned_versions"), 0.0);
    assert!(host.admin_get("/metrics").text.contains("\nscry_unsigned_versions 0\n"));
    // Again, by who has the bytes alone.
    publish(&host, "steady", &steady.bytes(), None).status(200);
    // A component that was built again is not what was signed.
    std::fs::write(&desk.component, features("steady", "triple").bytes()).unwrap();
    let host = Host::with(&desk.trusting("ops", ""));
    host.scry(&["publish", desk.component()]).code(1).says(&[
        "steady.wasm.dsse.json",
        "it was signed for",
        &steady.digest,
    ]);
}

#[test]
fn without_keys_nothing_is_asked_and_nothing_said() {
    let steady = guest("steady");
    let desk = Desk::with(&steady);
    let host = Host::start();
    host.publish(&steady);
    assert!(version(&host, "steady").get("signed_by").is_none());
    assert!(host.admin_get("/v1/state").json().get("trust").is_none());
    assert!(!host.admin_get("/metrics").text.contains("scry_unsigned_versions"));
    // A signature for another day is kept; what is none is refused all the same.
    desk.sign("steady.wasm", "ops");
    host.scry(&["publish", desk.component()]).ok();
    publish(&host, "steady", &steady.bytes(), Some(b"{}")).error(422, &["the envelope is not readable"]);
    // The first one stays: whoever may publish cannot take another's signature away.
    desk.sign("steady.wasm", "other");
    host.scry(&["publish", desk.component()]).ok();
    let host = host.restart(|data| {
        let config = data.parent().unwrap().join("scry.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(config, text + &desk.trusting("ops", "").replace(PATIENT, "")).unwrap();
    });
    assert_eq!(version(&host, "steady")["signed_by"], desk.keyid("ops"));
}

#[test]
fn keys_that_cannot_be_read_keep_a_host_from_starting() {
    let desk = Desk::with(&guest("steady"));
    let log = |config: &str| match Host::begin(tempfile::tempdir().unwrap(), config, "") {
        Ok(_) => panic!("ready with {config}"),
        Err(fallen) => fallen.log(),
    };
    for (config, says) in [
        ("trust.keys = [\"nowhere.pub.pem\"]\n".to_owned(), "nowhere.pub.pem: No such file"),
        (format!("trust.keys = [{:?}]\n", desk.file("ops.key.pem")), "this is a private key"),
        (format!("trust.keys = [{:?}]\n", desk.component()), "a key has at most 16384 bytes"),
        ("trust.keys = [\"scry.toml\"]\n".to_owned(), "expected `-----BEGIN PUBLIC KEY-----`"),
        ("trust.enforce = true\n".to_owned(), "`trust.enforce`: expected `trust.keys` beside it"),
        (format!("trust.keys = {:?}\n", vec!["a.pem"; 33]), "`trust.keys`: expected at most 32 files, found 33"),
    ] {
        let log = log(&config);
        assert!(log.contains(says), "no {says:?} in {log}");
    }
}

#[test]
fn a_signature_is_found_by_the_api_of_registries_that_have_it() {
    let steady = guest("steady");
    let desk = Desk::with(&steady);
    desk.sign("steady.wasm", "ops");
    let host = Host::with(&desk.trusting("ops", ""));
    let registry = LyingRegistry::start(Lie::Signed(envelope(&desk)), &steady.bytes());
    deployed(&host, &registry.pinned().to_string()).status(200);
    assert_eq!(version(&host, "steady")["signed_by"], desk.keyid("ops"));
    assert!(registry.asked().iter().any(|path| path.contains("/referrers/sha256:")), "{:?}", registry.asked());

    // Its signature of another component, one that is too long, and none.
    let other = features("steady", "triple");
    for (lie, status, says) in [
        (Lie::Signed(envelope(&desk)), 422, "it was signed for"),
        (Lie::Signed(vec![b' '; 8193]), 422, "it has no signature"),
        (Lie::Signed(b"{}".to_vec()), 422, "the envelope is not readable"),
        (Lie::None, 502, "no list of what refers to it"),
    ] {
        let registry = LyingRegistry::start(lie, &other.bytes());
        deployed(&host, &registry.pinned().to_string()).error(status, &[says]);
    }
}
