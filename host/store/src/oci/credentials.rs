//! Credentials from the usual Docker configuration: `auths` and helpers. Reads
//! only; what it finds goes to the registry that it is for and into no text.

use super::OciError;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

/// Where Docker keeps its configuration.
pub(super) fn docker_config() -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".docker"));
    std::env::var_os("DOCKER_CONFIG").map(PathBuf::from).or_else(home)
}

/// The credentials that a folder's configuration has for a registry, if any.
/// Blocks: a helper is a program of its own.
pub(super) fn read(dir: &Path, registry: &str) -> Result<RegistryAuth, OciError> {
    let fail = |message: String| OciError::Credentials { registry: registry.to_owned(), message };
    let path = dir.join("config.json");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        Err(error) => return Err(fail(format!("{}: {error}", path.display()))),
    };
    match docker_credential::get_credential_from_reader(BufReader::new(file), registry) {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(RegistryAuth::Basic(name, password)),
        Ok(DockerCredential::IdentityToken(_)) => {
            Err(fail("an identity token, which is not supported: sign in with a name and a password".into()))
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        // What a helper prints may be a secret: it is looked at, never shown.
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, stderr }) => {
            match [stdout, stderr].iter().any(|said| said.contains("credentials not found")) {
                true => Ok(RegistryAuth::Anonymous),
                false => Err(fail(format!("`{helper}` failed"))),
            }
        }
        Err(CredentialRetrievalError::ConfigReadError) => Err(fail(format!("{} is not readable", path.display()))),
        Err(error) => Err(fail(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn from(config: &str) -> Result<RegistryAuth, String> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), config).unwrap();
        read(dir.path(), "registry.example:5000").map_err(|e| e.to_string())
    }

    #[test]
    fn credentials_are_those_of_the_registry_or_none() {
        let of = |registry: &str| json!({ "auths": { registry: { "auth": "bWU6c2VjcmV0" } } }).to_string();
        let me = RegistryAuth::Basic("me".into(), "secret".into());
        assert_eq!(from(&of("registry.example:5000")).unwrap(), me);
        assert_eq!(from(&of("https://registry.example:5000")).unwrap(), me);
        assert_eq!(from(&of("registry.example")).unwrap(), RegistryAuth::Anonymous);
        assert_eq!(from("{}").unwrap(), RegistryAuth::Anonymous);
        let nowhere = read(Path::new("/nowhere"), "registry.example").unwrap();
        assert_eq!(nowhere, RegistryAuth::Anonymous);
    }

    #[test]
    fn what_cannot_be_read_is_said_without_the_secret() {
        for config in [
            "secret",
            r#"{"auths":{"registry.example:5000":{"auth":"secret"}}}"#,
            r#"{"auths":{"registry.example:5000":{"identitytoken":"secret"}}}"#,
            r#"{"credsStore":"nowhere-to-be-found"}"#,
        ] {
            let error = from(config).unwrap_err();
            assert!(error.starts_with("the credentials for registry.example:5000 cannot be read"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
