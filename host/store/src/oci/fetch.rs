//! Reading from a registry, within bounds: as many bytes as asked for, hashed as
//! they arrive, and never over plain HTTP where a redirect leads to it. And writing
//! manifests, since the client does not say what a registry makes of one.

use super::error::{OciError, PlainRedirect};
use oci_client::secrets::RegistryAuth;
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, IntoUrl, RequestBuilder, Response, Url};
use scry_names::Digest;
use scry_names::Hasher;
use scry_names::{OciReference, OciReferenceError};

pub(super) const USER_AGENT: &str = concat!("scry/", env!("CARGO_PKG_VERSION"));

const REDIRECTS_MAX: usize = 5;

/// A repository that can be read from.
pub(super) struct Repository<'a> {
    client: Client,
    url: String,
    auth: RegistryAuth,
    reference: &'a OciReference,
}

/// What arrived.
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    /// What the registry says that it is.
    pub(super) claimed: Option<Digest>,
    /// Of a list that goes on: its next page, at the same registry.
    pub(super) next: Option<Url>,
}

impl<'a> Repository<'a> {
    /// `origin` is the registry's URL.
    pub(super) fn new(origin: &str, auth: RegistryAuth, reference: &'a OciReference) -> Result<Self, OciError> {
        let registry = Url::parse(origin).map_err(|_| OciError::from(OciReferenceError(reference.to_string())))?;
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::custom(move |attempt| redirect(attempt, &registry)))
            .build()
            .map_err(|e| OciError::of_exchange(reference, &e))?;
        let url = format!("{origin}/v2/{}", reference.repository());
        Ok(Self { client, url, auth, reference })
    }

    /// Reads until the end, or until there is more than `max_bytes`: then what
    /// was read is longer than that, and no more is.
    pub(super) async fn get(&self, path: &str, accept: &str, max_bytes: u64) -> Result<Fetched, OciError> {
        self.get_url(format!("{}/{path}", self.url), accept, max_bytes).await
    }

    /// The same, from a whole URL.
    pub(super) async fn get_url(&self, url: impl IntoUrl, accept: &str, max_bytes: u64) -> Result<Fetched, OciError> {
        let fail = |e| OciError::of_exchange(self.reference, &e);
        let request = self.client.get(url).header("accept", accept);
        let mut response = self.authorized(request).send().await.map_err(fail)?;
        if !response.status().is_success() {
            return Err(OciError::of_status(self.reference, response.status().as_u16()));
        }
        let (claimed, next) = (claimed(&response), next_page(&response));
        let (mut bytes, mut hasher) = (Vec::new(), Hasher::default());
        while let Some(chunk) = response.chunk().await.map_err(fail)? {
            hasher.update(&chunk);
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > max_bytes {
                break;
            }
        }
        Ok(Fetched { bytes, digest: hasher.finish(), claimed, next })
    }

    /// Uploads a manifest under a tag or its digest; whether the registry has noted what it refers to.
    pub(super) async fn put_manifest(&self, name: &str, media_type: &str, manifest: String) -> Result<bool, OciError> {
        let request = self.client.put(format!("{}/manifests/{name}", self.url)).header("content-type", media_type);
        let response = self.authorized(request.body(manifest)).send().await;
        let response = response.map_err(|e| OciError::of_exchange(self.reference, &e))?;
        if !response.status().is_success() {
            return Err(OciError::of_status(self.reference, response.status().as_u16()));
        }
        Ok(response.headers().contains_key("oci-subject"))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.auth {
            RegistryAuth::Anonymous => request,
            RegistryAuth::Basic(name, password) => request.basic_auth(name, Some(password)),
            RegistryAuth::Bearer(token) => request.bearer_auth(token),
        }
    }
}

fn claimed(response: &Response) -> Option<Digest> {
    response.headers().get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// Where a list goes on (RFC 8288), if that is at the same place: elsewhere its credentials have no business.
fn next_page(response: &Response) -> Option<Url> {
    let links = response.headers().get("link")?.to_str().ok()?;
    let is_next = |link: &&str| link.contains("rel=\"next\"") || link.contains("rel=next");
    let target = links.split(',').find(is_next)?.trim().strip_prefix('<')?.split_once('>')?.0;
    response.url().join(target).ok().filter(|next| next.origin() == response.url().origin())
}

/// To TLS anywhere, as registries keep blobs elsewhere; else only to where we are.
fn redirect(attempt: Attempt<'_>, registry: &Url) -> Action {
    let to = attempt.url();
    if to.scheme() != "https" && to.origin() != registry.origin() {
        let target = PlainRedirect(to.host_str().unwrap_or_default().to_owned());
        return attempt.error(target);
    }
    match attempt.previous().len() {
        0..=REDIRECTS_MAX => attempt.follow(),
        _ => attempt.error("too many redirects"),
    }
}
