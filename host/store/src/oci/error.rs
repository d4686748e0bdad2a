//! Why a registry failed us, in words that never hold a credential.

use oci_client::errors::OciDistributionError;
use scry_names::{Digest, OciReference, OciReferenceError};
use std::error::Error;

/// Text of a registry's that an error shows.
const SHOWN_CHARS: usize = 300;

/// Why a component was not pulled or pushed.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    /// A text that is no reference.
    #[error(transparent)]
    Reference(#[from] OciReferenceError),
    /// A push to a digest.
    #[error("{0} cannot be pushed to: name a tag, and the push answers with the digest")]
    NotATag(String),
    /// The registry does not know us, or not well enough.
    #[error(
        "{registry} refuses access: sign in with `docker login {registry}`; credentials are read from $DOCKER_CONFIG \
         or ~/.docker/config.json"
    )]
    Unauthorised {
        /// Which registry.
        registry: String,
    },
    /// The Docker configuration has credentials that cannot be used.
    #[error("the credentials for {registry} cannot be read: {message}")]
    Credentials {
        /// Which registry.
        registry: String,
        /// Why not.
        message: String,
    },
    /// No such repository, tag or digest.
    #[error("{0} is not in its registry: check the repository and the tag or digest")]
    NotFound(String),
    /// Something else than a Wasm component in the CNCF layout.
    #[error("{reference} is not a Wasm component: expected {expected}, found {found}; push it with `scry publish`")]
    Manifest {
        /// What was asked for.
        reference: String,
        /// What a component has.
        expected: String,
        /// What this has.
        found: String,
    },
    /// Bytes that are not those that were named.
    #[error("{reference}: the {what} hashes to {found}, expected {expected}; nothing was taken from it")]
    Digest {
        /// What was asked for.
        reference: String,
        /// Which part of it.
        what: &'static str,
        /// What it should hash to.
        expected: Digest,
        /// What it does.
        found: Digest,
    },
    /// More or fewer bytes than the manifest says.
    #[error(
        "{reference}: its manifest promises {expected} bytes, the registry sent {found}; nothing was taken from it"
    )]
    Size {
        /// What was asked for.
        reference: String,
        /// Bytes in the descriptor.
        expected: u64,
        /// Bytes announced, or received before we stopped.
        found: u64,
    },
    /// Larger than we take.
    #[error("{reference}: the {what} has {size_bytes} bytes or more, {max_bytes} are taken at most{hint}")]
    TooLarge {
        /// What was asked for.
        reference: String,
        /// Which part of it.
        what: &'static str,
        /// Bytes announced, or received before we stopped.
        size_bytes: u64,
        /// The limit.
        max_bytes: u64,
        /// Which setting it is, where it is one.
        hint: &'static str,
    },
    /// Not done in time.
    #[error("{registry} took longer than {timeout_ms} ms (`registries.timeout_ms`)")]
    Timeout {
        /// Which registry.
        registry: String,
        /// The limit.
        timeout_ms: u64,
    },
    /// No connection, or one that broke.
    #[error("{registry} cannot be reached: {message}")]
    Unreachable {
        /// Which registry.
        registry: String,
        /// What went wrong.
        message: String,
    },
    /// A way that leads off TLS.
    #[error("{registry} redirects to plain HTTP at {target}, which is not followed")]
    PlainHttp {
        /// Which registry.
        registry: String,
        /// Where it wanted us to go.
        target: String,
    },
    /// An answer that makes no sense to us.
    #[error("{registry} answers {message}")]
    Answer {
        /// Which registry.
        registry: String,
        /// What it said.
        message: String,
    },
}

/// A redirect that we do not follow.
#[derive(Debug, thiserror::Error)]
#[error("redirect to plain HTTP at {0}")]
pub(super) struct PlainRedirect(pub(super) String);

impl OciError {
    /// What an HTTP status other than success means.
    pub(super) fn of_status(reference: &OciReference, status: u16) -> Self {
        match status {
            401 | 403 => Self::Unauthorised { registry: reference.registry().to_owned() },
            404 => Self::NotFound(reference.to_string()),
            _ => Self::answer(reference, &format!("with HTTP status {status}")),
        }
    }

    /// An answer that makes no sense, in the registry's words.
    pub(super) fn answer(reference: &OciReference, message: &str) -> Self {
        Self::Answer { registry: reference.registry().to_owned(), message: excerpt(message) }
    }

    /// What a failed exchange means. The innermost cause says it; the outer ones
    /// add URLs, and a URL may hold a signature.
    pub(super) fn of_exchange(reference: &OciReference, error: &reqwest::Error) -> Self {
        let registry = reference.registry().to_owned();
        let mut innermost: &(dyn Error + 'static) = error;
        while let Some(cause) = cause(innermost) {
            innermost = cause;
        }
        if let Some(PlainRedirect(target)) = innermost.downcast_ref() {
            return Self::PlainHttp { registry, target: excerpt(target) };
        }
        let hint = if let Some(rustls::Error::InvalidMessage(_)) = innermost.downcast_ref() {
            "; if it has no TLS, list it in `registries.plain_http` (for a command: `--plain-http`)"
        } else {
            ""
        };
        Self::Unreachable { registry, message: excerpt(&innermost.to_string()) + hint }
    }

    /// What a failure of the registry client means.
    pub(super) fn of_client(reference: &OciReference, error: &OciDistributionError) -> Self {
        match error {
            // The body of a refusal may repeat what was sent.
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                Self::of_status(reference, 401)
            }
            OciDistributionError::ServerError { code, .. } => Self::of_status(reference, *code),
            OciDistributionError::RequestError(error) => Self::of_exchange(reference, error),
            OciDistributionError::RegistryError { envelope, .. } => Self::answer(reference, &envelope.to_string()),
            other => Self::answer(reference, &other.to_string()),
        }
    }
}

/// The cause of an error, also of an I/O error, which keeps the one that it wraps
/// from `source`.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// A stranger's text, short and on one line.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}
