//! Authorities and their certificates, made by `openssl`.

use super::Ran;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const CONFIG: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = scry
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = DNS:localhost, IP:127.0.0.1
extendedKeyUsage = serverAuth
[client]
basicConstraints = critical, CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
extendedKeyUsage = clientAuth
";

/// A folder of certificates: `NAME.pem` with its key `NAME.key`.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    /// With an authority `ca`, and another `other`.
    pub(crate) fn new() -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        std::fs::write(made.file("openssl.cnf"), CONFIG).unwrap();
        for authority in ["ca", "other"] {
            made.openssl(authority, &["-extensions", "authority", "-set_serial", "1"]);
        }
        made
    }

    /// A certificate by an authority, for a `server` or a `client`.
    pub(crate) fn issue(&self, name: &str, by: &str, kind: &str, serial: u32) {
        let (ca, key, serial) = (format!("{by}.pem"), format!("{by}.key"), serial.to_string());
        self.openssl(name, &["-extensions", kind, "-CA", &ca, "-CAkey", &key, "-set_serial", &serial]);
    }

    fn openssl(&self, name: &str, more: &[&str]) {
        let (certificate, key, subject) = (format!("{name}.pem"), format!("{name}.key"), format!("/CN={name}"));
        let mut command = Command::new("openssl");
        command
            .current_dir(self.0.path())
            .args(["req", "-x509", "-config", "openssl.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", &subject, "-out", &certificate, "-keyout", &key])
            .args(more);
        Ran::of(&mut command).ok();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The path of a file, as text.
    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// Puts one certificate and its key in the place of another, each in one step.
    pub(crate) fn replace(&self, name: &str, by: &str) {
        for end in ["pem", "key"] {
            let beside = self.file(&format!("{name}.{end}.new"));
            std::fs::copy(self.file(&format!("{by}.{end}")), &beside).unwrap();
            std::fs::rename(&beside, self.file(&format!("{name}.{end}"))).unwrap();
        }
    }
}
