//! A real registry, and one that lies.

use super::{ensure_installed, eventually};
use scry_names::OciReference;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tempfile::TempDir;

/// Debian's `docker-registry` on a port and in a folder of its own; ends with the test.
pub(crate) struct Registry {
    child: Child,
    host: String,
    dir: TempDir,
}

impl Registry {
    /// One that knows nobody and lets everybody in.
    pub(crate) fn start() -> Self {
        Self::run(None)
    }

    /// One that lets in who is in this htpasswd file.
    pub(crate) fn with_users(htpasswd: &str) -> Self {
        Self::run(Some(htpasswd))
    }

    fn run(htpasswd: Option<&str>) -> Self {
        ensure_installed("docker-registry", || Command::new("docker-registry").arg("--version").output().is_ok());
        // A free port may be taken again before the registry has it.
        (0..5).find_map(|_| Self::try_run(htpasswd)).expect("docker-registry starts")
    }

    fn try_run(htpasswd: Option<&str>) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nhttp: {{addr: \"{host}\"}}\n\
             storage: {{filesystem: {{rootdirectory: {}}}}}\n",
            path("data")
        );
        if let Some(users) = htpasswd {
            std::fs::write(path("htpasswd"), users).unwrap();
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", path("htpasswd"));
        }
        std::fs::write(path("registry.yml"), config).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path("registry.yml")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap_or_else(|e| panic!("docker-registry does not start: {e}"));
        let mut registry = Self { child, host, dir };
        let mut ended = false;
        eventually("the registry", || {
            ended = registry.child.try_wait().unwrap().is_some();
            ended || TcpStream::connect(&registry.host).is_ok()
        });
        (!ended).then_some(registry)
    }

    /// `host:port`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// `oci://` of a repository and tag.
    pub(crate) fn reference(&self, repository_and_tag: &str) -> OciReference {
        format!("oci://{}/{repository_and_tag}", self.host).parse().unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the registry's log:\n{}", std::fs::read_to_string(self.dir.path().join("log")).unwrap());
        }
    }
}

/// What a registry does instead of what it should.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lie {
    /// Nothing: an honest registry.
    None,
    /// Another manifest than the one that was named.
    OtherManifest,
    /// A manifest without end.
    EndlessManifest,
    /// A manifest that is this text.
    Manifest(String),
    /// `Docker-Content-Digest` of something else.
    DigestHeader,
    /// Other bytes, as many.
    SwappedLayer,
    /// A layer that goes on after its end.
    EndlessLayer,
    /// Half of the layer.
    ShortLayer,
    /// Half of the layer, and then silence.
    StalledLayer,
    /// A descriptor of so many bytes.
    Size(u64),
    /// The layer is at this URL.
    Redirect(String),
    /// Access only with this token, which anybody gets.
    Token(String),
    /// None; and it has the component's signature, which is this.
    Signed(Vec<u8>),
    /// Every answer has this status.
    Status(u16),
}

/// A registry that serves one component, as `model:1`, and tells one lie.
pub(crate) struct LyingRegistry {
    address: SocketAddr,
    pinned: String,
    sent: Arc<AtomicU64>,
    asked: Arc<Mutex<Vec<String>>>,
    ending: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// What its threads share.
struct Story {
    lie: Lie,
    host: String,
    manifest: String,
    layer: Vec<u8>,
    sent: Arc<AtomicU64>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl LyingRegistry {
    pub(crate) fn start(lie: Lie, component: &[u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let manifest = manifest_of(component, &lie);
        let pinned = format!("oci://{address}/model@{}", sha256(manifest.as_bytes()));
        let (sent, asked, ending) = (Arc::<AtomicU64>::default(), Arc::default(), Arc::<AtomicBool>::default());
        let (layer, host) = (component.to_owned(), address.to_string());
        let story = Arc::new(Story { lie, host, manifest, layer, sent: sent.clone(), asked: Arc::clone(&asked) });
        let stop = ending.clone();
        let accepting = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let story = story.clone();
                // An exchange that the client breaks off has served its purpose.
                std::thread::spawn(move || drop(story.tell(stream)));
            }
        });
        Self { address, pinned, sent, asked, ending, accepting: Some(accepting) }
    }

    /// The component by its tag.
    pub(crate) fn tagged(&self) -> OciReference {
        format!("oci://{}/model:1", self.address).parse().unwrap()
    }

    /// The component by its manifest's digest.
    pub(crate) fn pinned(&self) -> OciReference {
        self.pinned.parse().unwrap()
    }

    /// Bytes of bodies that clients have taken.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Paths that clients have asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for LyingRegistry {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; one that has ended needs no waking.
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().unwrap().join();
    }
}

impl Story {
    fn tell(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? > 0 {
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        match &self.lie {
            Lie::Status(status) => self.answer(&mut stream, *status, "", b"no"),
            Lie::Token(token) if path.starts_with("/token") => {
                self.answer(&mut stream, 200, "", json!({ "token": token }).to_string().as_bytes())
            }
            Lie::Token(token) if !head.contains(&format!("authorization: bearer {token}\r\n")) => {
                let challenge = format!("www-authenticate: Bearer realm=\"http://{}/token\"\r\n", self.host);
                self.answer(&mut stream, 401, &challenge, b"")
            }
            // Its list has two pages, and the signature is on the second.
            Lie::Signed(_) if path.contains("/referrers/") && !path.contains('?') => {
                let link = format!("link: <{path}?page=2>; rel=\"next\"\r\n");
                self.answer(&mut stream, 200, &link, b"{\"manifests\": []}")
            }
            Lie::Signed(envelope) => match self.of_signature(envelope, &path) {
                Some(part) => self.answer(&mut stream, 200, "", &part),
                None if path.contains("/manifests/") => self.manifest(&mut stream),
                None => self.layer(&mut stream, &path),
            },
            _ if path.contains("/manifests/") => self.manifest(&mut stream),
            _ if path.contains("/blobs/") || path == "/elsewhere" => self.layer(&mut stream, &path),
            _ => self.answer(&mut stream, 200, "", b"{}"),
        }
    }

    /// What a path names of the signature: the list of what refers to the component, the manifest, the envelope.
    fn of_signature(&self, envelope: &[u8], path: &str) -> Option<Vec<u8>> {
        let kind = "application/vnd.dsse.envelope.v1+json";
        let manifest = layout("application/vnd.oci.empty.v1+json", kind, &[(sha256(envelope), envelope.len() as u64)]);
        let digest = sha256(manifest.as_bytes());
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let other = json!({ "artifactType": "application/other", "digest": sha256(b"other"), "mediaType": media_type, "size": 5 });
        let entry = json!({ "artifactType": kind, "digest": digest, "mediaType": media_type, "size": manifest.len() });
        match () {
            () if path.contains("/referrers/") => Some(json!({ "manifests": [other, entry] }).to_string().into_bytes()),
            () if path.ends_with(&digest) => Some(manifest.into_bytes()),
            () if path.ends_with(&sha256(envelope)) => Some(envelope.to_vec()),
            () => None,
        }
    }

    fn manifest(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let true_digest = sha256(self.manifest.as_bytes());
        match &self.lie {
            Lie::EndlessManifest => self.endless(stream),
            Lie::OtherManifest => {
                let header = format!("docker-content-digest: {true_digest}\r\n");
                self.answer(stream, 200, &header, manifest_of(b"other", &Lie::None).as_bytes())
            }
            Lie::DigestHeader => {
                let header = format!("docker-content-digest: {}\r\n", sha256(b"a lie"));
                self.answer(stream, 200, &header, self.manifest.as_bytes())
            }
            _ => self.answer(stream, 200, "", self.manifest.as_bytes()),
        }
    }

    fn layer(&self, stream: &mut TcpStream, path: &str) -> std::io::Result<()> {
        let (half, _) = self.layer.split_at(self.layer.len() / 2);
        match &self.lie {
            Lie::Redirect(to) if path != "/elsewhere" => self.answer(stream, 307, &format!("location: {to}\r\n"), b""),
            Lie::SwappedLayer => self.answer(stream, 200, "", &self.layer.iter().map(|b| !b).collect::<Vec<_>>()),
            Lie::ShortLayer => self.answer(stream, 200, "", half),
            Lie::EndlessLayer => self.endless(stream),
            Lie::StalledLayer => {
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", self.layer.len())?;
                self.send(stream, half)?;
                // Until the client gives up.
                stream.read_to_end(&mut Vec::new()).map(drop)
            }
            _ => self.answer(stream, 200, "", &self.layer),
        }
    }

    fn answer(&self, stream: &mut TcpStream, status: u16, headers: &str, body: &[u8]) -> std::io::Result<()> {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n")?;
        self.send(stream, body)
    }

    /// A body that ends when the client does.
    fn endless(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
        loop {
            self.send(stream, &[b' '; 1 << 16])?;
        }
    }

    fn send(&self, stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        stream.write_all(bytes)?;
        self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// A manifest in the CNCF layout, unless it is the lie.
fn manifest_of(component: &[u8], lie: &Lie) -> String {
    let size = match lie {
        Lie::Manifest(text) => return text.clone(),
        Lie::Size(size) => *size,
        _ => component.len() as u64,
    };
    layout("application/vnd.wasm.config.v0+json", "application/wasm", &[(sha256(component), size)])
}

/// A manifest with these media types of config and layers, and these layers.
pub(crate) fn layout(config: &str, layer: &str, layers: &[(String, u64)]) -> String {
    let layers: Vec<_> =
        layers.iter().map(|(digest, size)| json!({ "mediaType": layer, "digest": digest, "size": size })).collect();
    json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": layers,
        "config": { "mediaType": config, "digest": sha256(b"{}"), "size": 2 },
    })
    .to_string()
}

/// `sha256:` and hex digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
