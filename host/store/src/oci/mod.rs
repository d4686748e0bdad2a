//! Components in OCI registries.
//!
//! Never trusts a registry: what it sends is hashed against what was named, and
//! bounded in bytes and in time. A tag is looked up once; from then on everything
//! goes by digest.
//!
//! The registry client signs in and pushes. Pulling is `fetch.rs`, because the
//! client bounds no manifest and follows every redirect.

mod credentials;
mod error;
mod fetch;
mod layout;
mod referrers;

pub use error::OciError;

use fetch::{Fetched, Repository, USER_AGENT};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use scry_component::Description;
use scry_names::{Digest, OciReference, is_loopback, split_port};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MANIFEST_MAX_BYTES: u64 = 1 << 20;

/// How registries are asked.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// For a whole pull or push.
    pub timeout_ms: u64,
    /// Hosts that are asked without TLS, besides this machine.
    pub plain_http: Vec<String>,
    /// A larger component is not pulled.
    pub component_max_bytes: u64,
}

/// The way to registries.
#[derive(Debug, Clone)]
pub struct Registries {
    settings: RegistrySettings,
    docker_config: Option<PathBuf>,
}

/// A component from a registry, proved to be what its reference says.
#[derive(Debug)]
pub struct Pulled {
    /// The component.
    pub bytes: Vec<u8>,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// The same component by its manifest's digest.
    pub pinned: OciReference,
}

/// A client that has shown its credentials, if there are any.
struct SignedIn {
    client: Client,
    repository: Reference,
    auth: RegistryAuth,
}

impl Registries {
    /// With the credentials of Docker.
    pub fn new(settings: RegistrySettings) -> Self {
        // Fails when there is one already, which will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { settings, docker_config: credentials::docker_config() }
    }

    /// Takes credentials from another folder than Docker's own.
    pub fn with_docker_config(self, dir: &Path) -> Self {
        Self { docker_config: Some(dir.to_owned()), ..self }
    }

    /// Fetches a component.
    pub async fn pull(&self, reference: &OciReference) -> Result<Pulled, OciError> {
        self.in_time(reference, self.fetch(reference)).await
    }

    /// Uploads a component under a tag and answers with its pinned reference,
    /// the same each time that the same component is pushed.
    pub async fn push(
        &self,
        to: &OciReference,
        component: &Description,
        bytes: Vec<u8>,
    ) -> Result<OciReference, OciError> {
        self.in_time(to, self.upload(to, component, bytes)).await
    }

    async fn fetch(&self, reference: &OciReference) -> Result<Pulled, OciError> {
        let repository = self.repository(reference, self.sign_in(reference, RegistryOperation::Pull).await?)?;
        let named = reference.digest().map(|digest| digest.to_string());
        let named = named.as_deref().or(reference.tag()).unwrap_or_default();
        let manifest = repository.get(&format!("manifests/{named}"), layout::MANIFEST, MANIFEST_MAX_BYTES).await?;
        check_manifest(reference, &manifest)?;
        let layer = layout::layer(&manifest.bytes).map_err(|mismatch| OciError::Manifest {
            reference: reference.to_string(),
            expected: mismatch.expected,
            found: mismatch.found,
        })?;
        let (size_bytes, max_bytes) = (layer.size, self.settings.component_max_bytes);
        if size_bytes > max_bytes {
            let hint = " (`admin.component_max_bytes`)";
            return Err(too_large(reference, "component", size_bytes, max_bytes, hint));
        }
        let component = repository.get(&format!("blobs/{}", layer.digest), "*/*", layer.size).await?;
        let found = component.bytes.len() as u64;
        if found != layer.size {
            return Err(OciError::Size { reference: reference.to_string(), expected: layer.size, found });
        }
        same(reference, "component", layer.digest, component.digest)?;
        Ok(Pulled { bytes: component.bytes, digest: component.digest, pinned: reference.pinned(manifest.digest) })
    }

    async fn upload(
        &self,
        to: &OciReference,
        component: &Description,
        bytes: Vec<u8>,
    ) -> Result<OciReference, OciError> {
        if to.is_pinned() {
            return Err(OciError::NotATag(to.to_string()));
        }
        let fail = |e| OciError::of_client(to, &e);
        let SignedIn { client, repository, .. } = self.sign_in(to, RegistryOperation::Push).await?;
        let (config, manifest) = layout::artifact(component);
        let digest = Digest::of(manifest.as_bytes());
        client.push_blob(&repository, bytes, &component.digest.to_string()).await.map_err(fail)?;
        let config_digest = Digest::of(config.as_bytes()).to_string();
        client.push_blob(&repository, config, &config_digest).await.map_err(fail)?;
        let media_type = reqwest::header::HeaderValue::from_static(layout::MANIFEST);
        client.push_manifest_raw(&repository, manifest, media_type).await.map_err(fail)?;
        Ok(to.pinned(digest))
    }

    fn repository<'a>(&self, reference: &'a OciReference, to: SignedIn) -> Result<Repository<'a>, OciError> {
        let scheme = if self.is_plain(reference) { "http" } else { "https" };
        let origin = format!("{scheme}://{}", to.repository.resolve_registry());
        Repository::new(&origin, to.auth, reference)
    }

    /// A client of its own for each push and pull: credentials may have changed.
    async fn sign_in(&self, reference: &OciReference, operation: RegistryOperation) -> Result<SignedIn, OciError> {
        let fail = |e| OciError::of_client(reference, &e);
        let mut auth = self.credentials(reference).await?;
        let protocol = if self.is_plain(reference) { ClientProtocol::Http } else { ClientProtocol::Https };
        let settings = ClientConfig { protocol, user_agent: USER_AGENT, ..ClientConfig::default() };
        let client = Client::try_from(settings).map_err(fail)?;
        let (registry, name) = (reference.registry().to_owned(), reference.repository().to_owned());
        let repository = Reference::with_tag(registry, name, reference.tag().unwrap_or("latest").to_owned());
        if let Some(token) = client.auth(&repository, &auth, operation).await.map_err(fail)? {
            // The client would panic on a token that is no header.
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(OciError::answer(reference, "with a token that cannot be sent back"));
            }
            auth = RegistryAuth::Bearer(token);
        }
        Ok(SignedIn { client, repository, auth })
    }

    async fn credentials(&self, reference: &OciReference) -> Result<RegistryAuth, OciError> {
        let Some(dir) = self.docker_config.clone() else { return Ok(RegistryAuth::Anonymous) };
        let registry = reference.registry().to_owned();
        let read = tokio::task::spawn_blocking(move || credentials::read(&dir, &registry)).await;
        read.map_err(|_| OciError::Credentials {
            registry: reference.registry().to_owned(),
            message: "reading them was cut short".into(),
        })?
    }

    /// Whether a registry is spoken to without TLS.
    fn is_plain(&self, reference: &OciReference) -> bool {
        let registry = reference.registry();
        let (host, _) = split_port(registry);
        is_loopback(registry) || self.settings.plain_http.iter().any(|plain| plain == registry || plain == host)
    }

    async fn in_time<T>(
        &self,
        reference: &OciReference,
        work: impl Future<Output = Result<T, OciError>>,
    ) -> Result<T, OciError> {
        let timeout_ms = self.settings.timeout_ms;
        let late = |_| OciError::Timeout { registry: reference.registry().to_owned(), timeout_ms };
        tokio::time::timeout(Duration::from_millis(timeout_ms), work).await.map_err(late)?
    }
}

/// A manifest is what was named, and what the registry itself says that it is.
fn check_manifest(reference: &OciReference, manifest: &Fetched) -> Result<(), OciError> {
    let size_bytes = manifest.bytes.len() as u64;
    if size_bytes > MANIFEST_MAX_BYTES {
        return Err(too_large(reference, "manifest", size_bytes, MANIFEST_MAX_BYTES, ""));
    }
    same(reference, "manifest", reference.digest().unwrap_or(manifest.digest), manifest.digest)?;
    let claimed = manifest.claimed.unwrap_or(manifest.digest);
    same(reference, "manifest, by the registry's own header,", claimed, manifest.digest)
}

fn same(reference: &OciReference, what: &'static str, expected: Digest, found: Digest) -> Result<(), OciError> {
    if found == expected {
        return Ok(());
    }
    Err(OciError::Digest { reference: reference.to_string(), what, expected, found })
}

fn too_large(
    reference: &OciReference,
    what: &'static str,
    size_bytes: u64,
    max_bytes: u64,
    hint: &'static str,
) -> OciError {
    OciError::TooLarge { reference: reference.to_string(), what, size_bytes, max_bytes, hint }
}
