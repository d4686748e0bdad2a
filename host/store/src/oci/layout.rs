//! The CNCF layout of a Wasm artifact: a manifest, a config that describes the
//! component, and the component as the only layer. And the layout of its signature:
//! a manifest that refers to the first, with an envelope as the only layer. Pure: no I/O.

use super::error::excerpt;
use super::fetch::Fetched;
use scry_component::Description;
use scry_names::Digest;
use scry_signatures::MEDIA_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

/// Media type of the manifest.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// Where the component is, and how large.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Media type of a list of manifests.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// The config of an artifact that needs none.
pub(super) const EMPTY_CONFIG: &str = "{}";

#[derive(Deserialize)]
struct Manifest {
    config: Config,
    layers: Vec<Descriptor>,
}

/// The config itself is not fetched: the component says all of it, and better.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    media_type: String,
}

/// How a manifest is not one of a component.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) expected: String,
    pub(super) found: String,
}

/// The one layer of a manifest.
pub(super) fn layer(manifest: &[u8]) -> Result<Descriptor, Mismatch> {
    let manifest: Value = serde_json::from_slice(manifest).map_err(|e| mismatch("a manifest in JSON", &e))?;
    is("manifest", MANIFEST, manifest.get("mediaType").and_then(Value::as_str).unwrap_or(MANIFEST))?;
    let manifest: Manifest = serde_json::from_value(manifest).map_err(|e| mismatch("a config and a layer", &e))?;
    is("config", CONFIG, &manifest.config.media_type)?;
    let [layer] = <[Descriptor; 1]>::try_from(manifest.layers)
        .map_err(|layers| mismatch("one layer", &format_args!("{} layers", layers.len())))?;
    is("layer", LAYER, &layer.media_type)?;
    Ok(layer)
}

fn is(what: &str, expected: &str, found: &str) -> Result<(), Mismatch> {
    if found == expected {
        return Ok(());
    }
    Err(mismatch(&format!("a {what} of type `{expected}`"), &format_args!("`{found}`")))
}

fn mismatch(expected: &str, found: &dyn std::fmt::Display) -> Mismatch {
    Mismatch { expected: expected.to_owned(), found: excerpt(&found.to_string()) }
}

/// Config and manifest of a component. They hold nothing but what the component
/// says, so the same component always has the same manifest.
pub(super) fn artifact(component: &Description) -> (String, String) {
    let card = &component.card;
    // Keys in alphabetical order: what serde_json does with them is up to a feature of its own.
    let mut config = json!({
        "architecture": "wasm",
        "component": { "exports": component.exports, "imports": component.imports },
        // Readers want one; there is none that would be the same twice.
        "created": "1970-01-01T00:00:00Z",
        "layerDigests": [component.digest],
        "os": "wasip2",
    });
    if let (Some(owner), Some(config)) = (&card.owner, config.as_object_mut()) {
        config.insert("author".into(), owner.as_str().into());
    }
    let config = config.to_string();
    let mut annotations = serde_json::Map::new();
    annotations.insert("org.opencontainers.image.description".into(), card.description.as_str().into());
    if let Some(license) = &card.license {
        annotations.insert("org.opencontainers.image.licenses".into(), license.as_str().into());
    }
    annotations.insert("org.opencontainers.image.title".into(), card.name.as_str().into());
    let manifest = json!({
        "annotations": annotations,
        "config": { "digest": Digest::of(config.as_bytes()), "mediaType": CONFIG, "size": config.len() },
        "layers": [{ "digest": component.digest, "mediaType": LAYER, "size": component.size_bytes }],
        "mediaType": MANIFEST,
        "schemaVersion": 2,
    });
    (config, manifest.to_string())
}

/// The manifest of a signature, which refers to a component's manifest.
pub(super) fn signature(subject: &Fetched, envelope: &[u8]) -> String {
    let empty = Digest::of(EMPTY_CONFIG.as_bytes());
    let manifest = json!({
        "artifactType": MEDIA_TYPE,
        "config": { "digest": empty, "mediaType": EMPTY, "size": EMPTY_CONFIG.len() },
        "layers": [{ "digest": Digest::of(envelope), "mediaType": MEDIA_TYPE, "size": envelope.len() }],
        "mediaType": MANIFEST,
        "schemaVersion": 2,
        "subject": { "digest": subject.digest, "mediaType": MANIFEST, "size": subject.bytes.len() },
    });
    manifest.to_string()
}

/// The one layer of a signature's manifest, if it is one.
pub(super) fn envelope(manifest: &[u8]) -> Option<Descriptor> {
    let mut manifest: Value = serde_json::from_slice(manifest).ok()?;
    let layers = Vec::<Descriptor>::deserialize(manifest.get_mut("layers")?.take()).ok()?;
    let [layer] = <[Descriptor; 1]>::try_from(layers).ok()?;
    (layer.media_type == MEDIA_TYPE).then_some(layer)
}

/// The manifests of the signatures in a list of what refers to a component.
pub(super) fn signatures(index: &[u8]) -> Result<Vec<Digest>, Mismatch> {
    let index = list(index)?;
    let is_signature = |entry: &&Value| entry.get("artifactType").is_some_and(|kind| kind == MEDIA_TYPE);
    let found = index.manifests.iter().filter(is_signature);
    Ok(found.filter_map(|entry| entry.get("digest")?.as_str()?.parse().ok()).collect())
}

/// The list with one signature's manifest more.
pub(super) fn with_signature(index: Option<&[u8]>, manifest: &str) -> Result<String, Mismatch> {
    let mut manifests = index.map_or(Ok(Vec::new()), |index| list(index).map(|index| index.manifests))?;
    let digest = Digest::of(manifest.as_bytes());
    manifests.retain(|entry| entry.get("digest").and_then(Value::as_str) != Some(&digest.to_string()));
    manifests.push(json!({
        "artifactType": MEDIA_TYPE, "digest": digest, "mediaType": MANIFEST, "size": manifest.len(),
    }));
    Ok(json!({ "manifests": manifests, "mediaType": INDEX, "schemaVersion": 2 }).to_string())
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Value>,
}

fn list(index: &[u8]) -> Result<Index, Mismatch> {
    serde_json::from_slice(index).map_err(|e| mismatch("a list of manifests", &e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn manifest(config: &str, layer: &str, count: usize) -> Value {
        let digest = Digest::of(b"");
        json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "config": { "mediaType": config, "digest": digest, "size": 2 },
            "layers": vec![json!({ "mediaType": layer, "digest": digest, "size": 7 }); count],
        })
    }

    fn refused(manifest: &Value) -> Mismatch {
        layer(manifest.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn one_wasm_layer_is_a_component_and_nothing_else_is() {
        assert_eq!(layer(manifest(CONFIG, LAYER, 1).to_string().as_bytes()).unwrap().size, 7);
        assert_eq!(refused(&manifest(CONFIG, LAYER, 2)).found, "2 layers");
        assert_eq!(refused(&manifest(CONFIG, LAYER, 0)).found, "0 layers");
        assert!(refused(&manifest("application/vnd.oci.image.config.v1+json", LAYER, 1)).expected.contains(CONFIG));
        assert!(refused(&manifest(CONFIG, "application/tar", 1)).expected.contains(LAYER));
        let index = json!({ "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [] });
        assert_eq!(refused(&index).found, "`application/vnd.oci.image.index.v1+json`");
        let mut negative = manifest(CONFIG, LAYER, 1);
        negative["layers"][0]["size"] = json!(-1);
        assert!(refused(&negative).found.contains("-1"));
        let mut weak = manifest(CONFIG, LAYER, 1);
        weak["layers"][0]["digest"] = json!("md5:00");
        assert!(refused(&weak).found.contains("not a digest"));
    }

    proptest! {
        /// Any bytes: an error of bounded length, never a panic.
        #[test]
        fn any_bytes_are_refused(noise in prop::collection::vec(any::<u8>(), 0..300), text in r"\PC{0,2000}") {
            prop_assert!(layer(&noise).is_err());
            let found = refused(&json!({ "mediaType": text })).found;
            prop_assert!(found.len() < 1300);
        }
    }
}
