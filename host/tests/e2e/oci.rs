//! Registries: a real one, and one that lies.

use crate::support::{Lie, LyingRegistry, Ran, Registry, features, guest, layout, root, scry, sha256};
use scry::config::Config;
use scry_names::OciReference;
use scry_store::{OciError, Pulled, Registries};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// `U*U`, as bcrypt's own test vectors have it.
const USERS: &str = "scry:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n";

/// What a lying registry would sell as a component: pulling does not look inside.
const LAYER: &[u8] = &[b'x'; 300_000];

fn registries(change: impl FnOnce(&mut Config)) -> Registries {
    let mut config = Config::default();
    change(&mut config);
    Registries::new(config.registry_settings()).with_docker_config(Path::new("/nowhere"))
}

fn pull_with(registries: &Registries, reference: &OciReference) -> Result<Pulled, OciError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(registries.pull(reference))
}

fn pull(reference: &OciReference) -> Result<Pulled, OciError> {
    pull_with(&registries(|_| {}), reference)
}

/// `scry publish`, as somebody whose Docker configuration is in this folder.
fn publish(docker_config: &Path, file: &Path, args: &[&str]) -> Ran {
    Ran::of(scry().arg("publish").arg(file).args(args).env("DOCKER_CONFIG", docker_config))
}

/// Pushes a guest; the pinned reference.
fn push(file: &Path, to: &OciReference) -> OciReference {
    let ran = publish(Path::new("/nowhere"), file, &[&to.to_string(), "--json"]).ok();
    ran.json()["reference"].as_str().unwrap().parse().unwrap()
}

/// A folder with a Docker configuration that knows one registry.
fn docker_config(registry: &str, auth_in_base64: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let config = json!({ "auths": { registry: { "auth": auth_in_base64 } } });
    std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    dir
}

/// What pulling from a liar fails with, by digest unless the lie needs a tag;
/// quickly, and without taking more than there should be.
#[track_caller]
fn caught(lie: Lie) -> OciError {
    let liar = LyingRegistry::start(lie.clone(), LAYER);
    let begun = Instant::now();
    let error = pull(&liar.pinned()).unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(20), "{lie:?} took {:?}", begun.elapsed());
    // What the sockets hold counts too.
    assert!(liar.sent_bytes() < 16 << 20, "{lie:?} sent {} bytes", liar.sent_bytes());
    assert!(error.to_string().contains("127.0.0.1"), "{error} does not say who");
    error
}

#[test]
fn a_component_comes_back_byte_for_byte_and_its_reference_is_the_same_each_time() {
    let (registry, steady) = (Registry::start(), guest("steady"));
    let to = registry.reference("team/steady:1");
    let said = publish(Path::new("/nowhere"), &steady.path, &[&to.to_string(), "--json"]).ok();
    assert_eq!(said.stdout.lines().count(), 1);
    let said = said.json();
    assert_eq!((&said["digest"], &said["size_bytes"]), (&json!(steady.digest), &json!(steady.bytes().len())));
    let pinned: OciReference = said["reference"].as_str().unwrap().parse().unwrap();
    assert!(pinned.is_pinned() && pinned.tag().is_none());

    let again = publish(Path::new("/nowhere"), &steady.path, &[&to.to_string()]).ok();
    assert_eq!(again.stdout.trim(), pinned.to_string());
    assert_eq!(push(&steady.path, &registry.reference("team/steady:2")), pinned);

    for reference in [&to, &pinned, &registry.reference(&format!("team/steady:1@{}", pinned.digest().unwrap()))] {
        let pulled = pull(reference).unwrap();
        assert_eq!(pulled.digest.to_string(), steady.digest);
        assert!(pulled.bytes == steady.bytes());
        assert_eq!(pulled.pinned, pinned);
    }
}

#[test]
fn a_moved_tag_has_the_new_bytes_and_the_pin_the_old() {
    let registry = Registry::start();
    let (old, new) = (guest("steady"), features("steady", "triple"));
    let tag = registry.reference("steady:live");
    let pinned = push(&old.path, &tag);
    assert_ne!(push(&new.path, &tag), pinned);
    assert_eq!(pull(&tag).unwrap().digest.to_string(), new.digest);
    assert_eq!(pull(&pinned).unwrap().digest.to_string(), old.digest);
}

#[test]
fn the_manifest_has_the_layout_that_others_read() {
    let (registry, steady) = (Registry::start(), guest("steady"));
    let pinned = push(&steady.path, &registry.reference("steady:1"));
    let get = |path: String| -> Value {
        let url = format!("http://{}/v2/steady/{path}", registry.host());
        let mut response =
            ureq::get(url).header("accept", "application/vnd.oci.image.manifest.v1+json").call().unwrap();
        serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap()
    };
    let manifest = get(format!("manifests/{}", pinned.digest().unwrap()));
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.title"], "steady");
    let layer = json!({ "mediaType": "application/wasm", "digest": steady.digest, "size": steady.bytes().len() });
    assert_eq!(manifest["layers"], json!([layer]));
    let config = get(format!("blobs/{}", manifest["config"]["digest"].as_str().unwrap()));
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["layerDigests"], json!([steady.digest]));
    assert_eq!(config["component"]["exports"], json!(["scry:model/predictor@0.1.0"]));
    assert!(config["created"].is_string());
}

#[test]
fn what_is_not_there_is_not_found() {
    let registry = Registry::start();
    let pinned = push(&guest("steady").path, &registry.reference("steady:1"));
    let elsewhere = registry.reference(&format!("nobody@{}", pinned.digest().unwrap()));
    for reference in [registry.reference("steady:2"), registry.reference("nobody"), elsewhere] {
        let error = pull(&reference).unwrap_err();
        assert!(matches!(&error, OciError::NotFound(found) if *found == reference.to_string()), "{error}");
    }
}

#[test]
fn credentials_come_from_dockers_configuration() {
    let (registry, steady) = (Registry::with_users(USERS), guest("steady"));
    let to = registry.reference("steady:1");
    let right = docker_config(registry.host(), "c2NyeTpVKlU=");
    let wrong = docker_config(registry.host(), "c2NyeTpub25zZW5zZQ==");
    for who in [wrong.path(), Path::new("/nowhere")] {
        let ran = publish(who, &steady.path, &[&to.to_string()]).code(1).says(&["refuses access", "docker login"]);
        assert!(!ran.stderr.contains("nonsense"), "{ran:?}");
    }
    let pinned = publish(right.path(), &steady.path, &[&to.to_string()]).ok().stdout;
    let pinned: OciReference = pinned.trim().parse().unwrap();
    let pulled = |who: &Path| pull_with(&registries(|_| {}).with_docker_config(who), &pinned);
    assert_eq!(pulled(right.path()).unwrap().digest.to_string(), steady.digest);
    for who in [wrong.path(), Path::new("/nowhere")] {
        let error = pulled(who).unwrap_err();
        assert!(matches!(error, OciError::Unauthorised { .. }), "{error}");
    }
}

#[test]
fn a_registry_that_gives_tokens_is_asked_for_one() {
    let liar = LyingRegistry::start(Lie::Token("t0ken".into()), LAYER);
    assert_eq!(pull(&liar.tagged()).unwrap().bytes, LAYER);
    assert!(liar.asked().iter().any(|path| path.starts_with("/token?scope=repository")), "{:?}", liar.asked());
    // One that is no header.
    let error = caught(Lie::Token("a\nb".into()));
    assert!(matches!(error, OciError::Answer { .. }), "{error}");
}

#[test]
fn only_a_model_is_pushed_and_only_to_a_tag() {
    let registry = Registry::start();
    let to = registry.reference("steady:1").to_string();
    let readme = root().join("README.md");
    publish(Path::new("/nowhere"), &readme, &[&to]).code(1).says(&["README.md", "not a WebAssembly component"]);
    assert!(matches!(pull(&registry.reference("steady:1")), Err(OciError::NotFound(_))));
    let steady = &guest("steady").path;
    let pinned = format!("{to}@{}", sha256(b""));
    publish(Path::new("/nowhere"), steady, &[&pinned]).code(1).says(&["cannot be pushed to", "name a tag"]);
    publish(Path::new("/nowhere"), steady, &["registry/steady"]).code(2).says(&["not an OCI reference"]);
    publish(Path::new("/nowhere"), steady, &[&to, "--name", "x"]).code(2);
    publish(Path::new("/nowhere"), steady, &["--plain-http", "lan"]).code(2);
    publish(Path::new("/nowhere"), steady, &[&to, "--plain-http", "http://lan"]).code(1).says(&["plain_http"]);
}

#[test]
fn plain_http_is_for_loopback_and_for_hosts_that_are_listed() {
    let (registry, steady) = (Registry::start(), &guest("steady").path);
    // Leads to this machine, but is not a loopback address.
    let host = registry.host().replace("127.0.0.1", "0.0.0.0");
    let to = format!("oci://{host}/steady:1");
    publish(Path::new("/nowhere"), steady, &[&to]).code(1).says(&["cannot be reached", "has no TLS", "--plain-http"]);
    publish(Path::new("/nowhere"), steady, &[&to, "--plain-http", &host]).ok();
    let to: OciReference = to.parse().unwrap();
    let error = pull(&to).unwrap_err();
    assert!(matches!(error, OciError::Unreachable { .. }), "{error}");
    pull_with(&registries(|config| config.registries.plain_http = vec!["0.0.0.0".into()]), &to).unwrap();
}

#[test]
fn other_bytes_than_those_named_are_refused() {
    let truth = LyingRegistry::start(Lie::None, LAYER);
    assert_eq!(pull(&truth.pinned()).unwrap().bytes, LAYER);
    assert_eq!(pull(&truth.tagged()).unwrap().pinned, truth.pinned());

    let error = caught(Lie::OtherManifest);
    assert!(matches!(&error, OciError::Digest { what: "manifest", .. }), "{error}");
    let error = caught(Lie::SwappedLayer);
    let OciError::Digest { what: "component", expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!(expected.to_string(), sha256(LAYER));
    assert!(error.to_string().contains(&expected.to_string()) && error.to_string().contains(&found.to_string()));
    let error = caught(Lie::DigestHeader);
    assert!(matches!(&error, OciError::Digest { .. }) && error.to_string().contains("own header"), "{error}");
}

#[test]
fn more_or_fewer_bytes_than_promised_are_refused() {
    let promised = LAYER.len() as u64;
    let error = caught(Lie::EndlessLayer);
    assert!(matches!(&error, OciError::Size { expected, found, .. } if *expected == promised && *found > promised));
    let error = caught(Lie::ShortLayer);
    assert!(matches!(&error, OciError::Size { found, .. } if *found == promised / 2), "{error}");
    let error = caught(Lie::EndlessManifest);
    assert!(matches!(&error, OciError::TooLarge { what: "manifest", .. }), "{error}");

    let liar = LyingRegistry::start(Lie::Size(u64::MAX), LAYER);
    let error = pull(&liar.pinned()).unwrap_err();
    assert!(matches!(&error, OciError::TooLarge { what: "component", size_bytes: u64::MAX, .. }), "{error}");
    assert!(error.to_string().contains("admin.component_max_bytes"));
    assert!(!liar.asked().iter().any(|path| path.contains("/blobs/")), "{:?}", liar.asked());
    let honest = LyingRegistry::start(Lie::None, LAYER);
    let few = registries(|config| config.admin.component_max_bytes = LAYER.len() - 1);
    assert!(matches!(pull_with(&few, &honest.pinned()), Err(OciError::TooLarge { .. })));
}

#[test]
fn another_layout_is_refused() {
    let (config, wasm) = ("application/vnd.wasm.config.v0+json", "application/wasm");
    let layer = (sha256(LAYER), LAYER.len() as u64);
    for (manifest, expected, found) in [
        ("garbage".to_owned(), "a manifest in JSON", "expected value"),
        ("{}".to_owned(), "a config and a layer", "config"),
        (layout(config, wasm, &[layer.clone(), layer.clone()]), "one layer", "2 layers"),
        (layout(config, "application/x-tar", std::slice::from_ref(&layer)), wasm, "application/x-tar"),
        (layout("application/json", wasm, &[layer]), config, "application/json"),
    ] {
        let error = caught(Lie::Manifest(manifest)).to_string();
        assert!(error.contains(expected) && error.contains(found), "{error}");
    }
}

#[test]
fn a_registry_that_stalls_fails_or_is_not_there_is_named() {
    let liar = LyingRegistry::start(Lie::StalledLayer, LAYER);
    let hasty = registries(|config| config.registries.timeout_ms = 300);
    let error = pull_with(&hasty, &liar.pinned()).unwrap_err();
    assert!(matches!(error, OciError::Timeout { timeout_ms: 300, .. }), "{error}");
    assert!(error.to_string().contains("registries.timeout_ms"));
    let error = caught(Lie::Status(503));
    assert!(matches!(error, OciError::Answer { .. }) && error.to_string().contains("503"), "{error}");
    // Port 1 has no registry.
    let error = pull(&"oci://127.0.0.1:1/model".parse().unwrap()).unwrap_err();
    assert!(matches!(error, OciError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[test]
fn a_redirect_is_followed_at_home_and_not_over_plain_http_elsewhere() {
    let home = LyingRegistry::start(Lie::Redirect("/elsewhere".into()), LAYER);
    assert_eq!(pull(&home.pinned()).unwrap().bytes, LAYER);

    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let error = caught(Lie::Redirect(format!("http://{}/", elsewhere.local_addr().unwrap())));
    assert!(matches!(error, OciError::PlainHttp { .. }), "{error}");
    assert!(elsewhere.accept().is_err(), "nobody came");
}
