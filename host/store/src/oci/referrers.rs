//! Signatures of a component in a registry: artifacts that refer to its manifest.
//!
//! Registries that know the referrers API are asked by it; for others the list of what refers to a manifest is under a
//! tag that is named after its digest, and kept by clients that push. Never says whether a signature is true.

use super::error::OciError;
use super::fetch::Repository;
use super::{MANIFEST_MAX_BYTES, Registries, check_manifest, layout, same, too_large};
use oci_client::RegistryOperation;
use scry_names::{Digest, OciReference};
use scry_signatures::ENVELOPE_MAX_BYTES;

/// Signatures of one component that are read, the last ones of a longer list.
const SIGNATURES_READ_MAX: usize = 16;
/// Pages of such a list that are read.
const PAGES_MAX: usize = 16;

impl Registries {
    /// The envelopes that refer to a pinned component.
    pub async fn signatures(&self, component: &OciReference) -> Result<Vec<Vec<u8>>, OciError> {
        self.in_time(component, self.read_signatures(component)).await
    }

    /// Pushes an envelope that refers to a pinned component, and answers with its own reference.
    pub async fn attach(&self, component: &OciReference, envelope: Vec<u8>) -> Result<OciReference, OciError> {
        self.in_time(component, self.push_signature(component, envelope)).await
    }

    async fn read_signatures(&self, component: &OciReference) -> Result<Vec<Vec<u8>>, OciError> {
        let subject = pinned(component)?;
        let to = self.sign_in(component, RegistryOperation::Pull).await?;
        let repository = self.repository(component, to)?;
        let listed = read_list(&repository, component, &subject).await?;
        let mut envelopes = Vec::new();
        for manifest in listed.into_iter().rev().take(SIGNATURES_READ_MAX) {
            match read_signature(&repository, component, &manifest).await {
                Ok(envelope) => envelopes.push(envelope),
                // Another one may do.
                Err(error) => tracing::warn!(%component, %manifest, %error, "a signature was not read"),
            }
        }
        Ok(envelopes)
    }

    async fn push_signature(&self, component: &OciReference, envelope: Vec<u8>) -> Result<OciReference, OciError> {
        let digest = pinned(component)?;
        let to = self.sign_in(component, RegistryOperation::Push).await?;
        let (client, place) = (to.client.clone(), to.repository.clone());
        let repository = self.repository(component, to)?;
        let subject = repository.get(&format!("manifests/{digest}"), layout::MANIFEST, MANIFEST_MAX_BYTES).await?;
        check_manifest(component, &subject)?;
        let fail = |e| OciError::of_client(component, &e);
        let manifest = layout::signature(&subject, &envelope);
        for blob in [envelope, layout::EMPTY_CONFIG.into()] {
            let digest = Digest::of(&blob).to_string();
            client.push_blob(&place, blob, &digest).await.map_err(fail)?;
        }
        let signature = Digest::of(manifest.as_bytes());
        let is_noted = repository.put_manifest(&signature.to_string(), layout::MANIFEST, manifest.clone()).await?;
        if !is_noted {
            let tag = tag_of(&digest);
            let known = there(repository.get(&format!("manifests/{tag}"), layout::INDEX, MANIFEST_MAX_BYTES).await)?;
            let known = known.map(|known| known.bytes);
            let list =
                layout::with_signature(known.as_deref(), &manifest).map_err(|found| unreadable(component, &found))?;
            repository.put_manifest(&tag, layout::INDEX, list).await?;
        }
        Ok(component.pinned(signature))
    }
}

/// The signatures that refer to a manifest, as the registry lists them.
async fn read_list(
    repository: &Repository<'_>,
    component: &OciReference,
    subject: &Digest,
) -> Result<Vec<Digest>, OciError> {
    let mut found = Vec::new();
    for path in [format!("referrers/{subject}"), format!("manifests/{}", tag_of(subject))] {
        let mut page = there(repository.get(&path, layout::INDEX, MANIFEST_MAX_BYTES).await)?;
        let is_listed = page.is_some();
        for _ in 0..PAGES_MAX {
            let Some(list) = page else { break };
            let size_bytes = list.bytes.len() as u64;
            if size_bytes > MANIFEST_MAX_BYTES {
                return Err(too_large(component, "list of what refers to it", size_bytes, MANIFEST_MAX_BYTES, ""));
            }
            found.extend(layout::signatures(&list.bytes).map_err(|found| unreadable(component, &found))?);
            page = match list.next {
                Some(next) => Some(repository.get_url(next, layout::INDEX, MANIFEST_MAX_BYTES).await?),
                None => None,
            };
        }
        if is_listed {
            break;
        }
    }
    Ok(found)
}

async fn read_signature(
    repository: &Repository<'_>,
    component: &OciReference,
    digest: &Digest,
) -> Result<Vec<u8>, OciError> {
    let manifest = repository.get(&format!("manifests/{digest}"), layout::MANIFEST, MANIFEST_MAX_BYTES).await?;
    same(component, "manifest of a signature", *digest, manifest.digest)?;
    let layer = layout::envelope(&manifest.bytes).ok_or_else(|| OciError::answer(component, "with no envelope"))?;
    let max_bytes = ENVELOPE_MAX_BYTES as u64;
    if layer.size > max_bytes {
        return Err(too_large(component, "envelope", layer.size, max_bytes, ""));
    }
    let envelope = repository.get(&format!("blobs/{}", layer.digest), "*/*", layer.size).await?;
    same(component, "envelope", layer.digest, envelope.digest)?;
    Ok(envelope.bytes)
}

fn pinned(component: &OciReference) -> Result<Digest, OciError> {
    component.digest().ok_or_else(|| OciError::NotFound(component.to_string()))
}

/// The tag of the list, as the specification of registries has it.
fn tag_of(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn there<T>(found: Result<T, OciError>) -> Result<Option<T>, OciError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(OciError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn unreadable(component: &OciReference, found: &layout::Mismatch) -> OciError {
    OciError::answer(component, &format!("no list of what refers to it: {}", found.found))
}
