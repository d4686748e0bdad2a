//! The certificates of a listener. Never looks at what a connection carries.

use crate::config;
use crate::registry::Looks;
use crate::server::reread::Reread;
use crate::server::stream::{Counted, Stream};
use crate::telemetry::Metrics;
use arc_swap::ArcSwap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// HTTP/2 by its name of ALPN.
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
/// What a client may speak, by the names of ALPN; the first that it has.
const PROTOCOLS: [&[u8]; 2] = [ALPN_HTTP2, b"http/1.1"];
/// Of an answer that waits to be sent, encrypted: what the client has not taken shows in time.
const BUFFER_MAX_BYTES: usize = 64 << 10;

/// A listener's certificates, as they are now. Connections keep those with which they began.
#[derive(Debug)]
pub(super) struct Tls(ArcSwap<ServerConfig>);

impl Tls {
    /// Reads the files of `[prediction.tls]` or `[admin.tls]`, and what to follow them with.
    pub(super) fn open(
        name: &'static str,
        settings: &config::Tls,
        metrics: Arc<Metrics>,
    ) -> Result<(Arc<Self>, Reread<ServerConfig>), String> {
        let config::Tls { certificate, key, client_ca } = settings.clone();
        let files: Vec<PathBuf> = [certificate, key].into_iter().chain(client_ca).collect();
        let named = files.clone();
        let parse = Box::new(move |texts: &[String]| server_config(&named, texts));
        let mut reread = Reread { name, files, metrics, parse, looks: Looks::default() };
        let tls = Arc::new(Self(ArcSwap::from_pointee(reread.read()?)));
        Ok((tls, reread))
    }

    /// From now on, connections begin with this.
    pub(super) fn replace(&self, config: ServerConfig) {
        self.0.store(Arc::new(config));
    }

    /// Shakes hands; takes as long as the client does.
    pub(super) async fn accept(&self, tcp: TcpStream) -> io::Result<Stream> {
        let acceptor = TlsAcceptor::from(self.0.load_full());
        let limited = |tls: &mut tokio_rustls::rustls::ServerConnection| tls.set_buffer_limit(Some(BUFFER_MAX_BYTES));
        let tls = acceptor.accept_with(Counted::new(tcp), limited).await?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

/// What the files make together: certificate, key, and perhaps the clients' authorities.
fn server_config(files: &[PathBuf], texts: &[String]) -> Result<ServerConfig, String> {
    let at = |place: usize, what: String| match files.get(place) {
        Some(file) => format!("{}: {what}", file.display()),
        None => what,
    };
    let text = |place: usize| texts.get(place).map(String::as_str).unwrap_or_default();
    let chain = certificates(text(0)).map_err(|what| at(0, what))?;
    let key = PrivateKeyDer::from_pem_slice(text(1).as_bytes());
    let key = key.map_err(|error| at(1, format!("expected a private key in PEM: {error}")))?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match texts.get(2) {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities).map_err(|what| at(2, what))? {
                roots.add(authority).map_err(|error| at(2, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| at(2, error.to_string()))?)
        }
    };
    let wrong = |error| at(0, format!("expected the certificate of the key: {error}"));
    let mut config = builder.with_single_cert(chain, key).map_err(wrong)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(config)
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match all {
        Ok(all) if all.is_empty() => Err("expected certificates in PEM, found none".into()),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("expected certificates in PEM: {error}")),
    }
}
