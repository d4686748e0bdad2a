//! Talking to a host: the admin interface, and through it the predictions.

use super::failure::{Refused, Unreachable};
use super::tls::{Tls, plain_agent};
use super::{CliError, list, suggest, text};
use crate::config::Config;
use scry_signatures::Envelope;
use scry_store::admin_token_path;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::Response;
use ureq::typestate::WithBody;
use ureq::{Agent, RequestBuilder, SendBody};

/// Where a host's admin listener is by default.
const ADMIN_URL: &str = "http://127.0.0.1:8081";
/// Where its data folder is by default.
const DATA: &str = "scry-data";

/// Which host, and the right to change it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Host {
    /// The host's admin listener.
    #[arg(long, value_name = "URL", env = "SCRY_ADMIN", default_value = ADMIN_URL)]
    admin: String,
    /// The admin token [default: the one that a host here keeps in its data folder].
    #[arg(long, value_name = "TOKEN", env = "SCRY_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// The data folder of a host on this machine, for its token.
    #[arg(long, value_name = "DIR", default_value = DATA)]
    data: PathBuf,
    #[command(flatten)]
    tls: Tls,
}

/// A host's admin interface.
pub(super) struct Client {
    agent: Agent,
    url: String,
    token: String,
}

impl Host {
    /// Whether an admin listener is named, not assumed.
    pub(super) fn is_named(&self) -> bool {
        self.admin != ADMIN_URL
    }

    /// The host of a configuration, on this machine, where the command line names no other.
    pub(super) fn described_by(&self, config: &Config) -> Self {
        let mut host = self.clone();
        if host.data == Path::new(DATA) {
            host.data.clone_from(&config.data_dir);
        }
        let (listen, is_tls) = (config.admin.listen, config.admin.tls.is_some());
        if !host.is_named() && listen.port() != 0 {
            let ip = match listen.ip() {
                ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            };
            host.admin = format!("{}://{ip}:{}", if is_tls { "https" } else { "http" }, listen.port());
        }
        host.admin_token = host.admin_token.or_else(|| config.admin.token.clone());
        host
    }

    /// The data folder of a host on this machine.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// A client, where the right to be one is at hand.
    pub(super) fn client_if_any(&self) -> Option<Client> {
        self.client().ok()
    }

    /// What sends requests to either listener.
    pub(super) fn agent(&self) -> Result<Agent, CliError> {
        self.tls.agent()
    }

    pub(super) fn client(&self) -> Result<Client, CliError> {
        let token = match &self.admin_token {
            Some(token) => token.clone(),
            None => read_token(&self.data)?,
        };
        Ok(Client { agent: self.tls.agent()?, url: base(&self.admin), token })
    }
}

fn read_token(data: &Path) -> Result<String, CliError> {
    let path = admin_token_path(data);
    let token = std::fs::read_to_string(&path).map_err(|_| {
        format!(
            "no admin token ({} is not there): start a host here with `scry serve`, give a host's data folder with \
             `--data`, or set SCRY_ADMIN_TOKEN",
            path.display()
        )
    })?;
    Ok(token.trim().to_owned())
}

impl Client {
    /// Of a host without TLS.
    pub(super) fn new(admin: &str, token: String) -> Self {
        Self { agent: plain_agent(), url: base(admin), token }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn is_tls(&self) -> bool {
        self.url.starts_with("https:")
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let url = format!("{}{path}", self.url);
        let response = self.agent.get(&url).header("authorization", self.bearer()).call();
        read(response.map_err(|e| self.unreachable(&e))?).map_err(|error| self.explained(error))
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, CliError> {
        let url = format!("{}{path}", self.url);
        let request = asking_first(self.agent.post(&url), body);
        let response = request.header("authorization", self.bearer()).send(body);
        read(response.map_err(|e| self.unreachable(&e))?).map_err(|error| self.explained(error))
    }

    /// Sends a component, and its envelope if it has one: `sent` is called with every part of it.
    pub(super) fn publish<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
        envelope: Option<&[u8]>,
        sent: &dyn Fn(usize),
    ) -> Result<T, CliError> {
        let request = asking_first(self.agent.post(format!("{}{path}", self.url)), body);
        let mut request =
            request.header("authorization", self.bearer()).header("content-length", body.len().to_string());
        if let Some(envelope) = envelope {
            request = request.header("scry-signature", Envelope::to_header(envelope));
        }
        let response = request.send(SendBody::from_reader(&mut Watched { body, sent }));
        read(response.map_err(|e| self.unreachable(&e))?).map_err(|error| self.explained(error))
    }

    pub(super) fn put<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, CliError> {
        let url = format!("{}{path}", self.url);
        let request = asking_first(self.agent.put(&url), body);
        let response = request.header("authorization", self.bearer()).send(body);
        read(response.map_err(|e| self.unreachable(&e))?).map_err(|error| self.explained(error))
    }

    pub(super) fn get_text(&self, path: &str) -> Result<String, CliError> {
        let url = format!("{}{path}", self.url);
        let response = self.agent.get(&url).header("authorization", self.bearer()).call();
        let response = response.map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return read::<Value>(response).map(|value| value.to_string()).map_err(|error| self.explained(error));
        }
        Ok(response.into_body().read_to_string()?)
    }

    /// An answer that is read as it comes, however long it is.
    pub(super) fn stream(&self, path: &str) -> Result<impl Read + use<>, CliError> {
        /// Longer than a host makes one.
        const STREAM_MAX: Duration = Duration::from_secs(2 * 3600);
        let request = self.agent.get(format!("{}{path}", self.url)).header("authorization", self.bearer());
        let response = request.config().timeout_global(Some(STREAM_MAX)).build().call();
        let response = response.map_err(|e| self.unreachable(&e))?;
        match response.status().is_success() {
            true => Ok(response.into_body().into_reader()),
            false => Err(self.explained(refused(response)?)),
        }
    }

    /// Where the host answers predictions.
    pub(super) fn prediction_url(&self) -> Result<String, CliError> {
        let state: Value = self.get("/v1/state")?;
        let listens = state.get("prediction").and_then(Value::as_str).unwrap_or_default();
        // A host on all addresses is where its admin listener is.
        let port = listens.rsplit(':').next().unwrap_or_default();
        if listens.contains("//0.0.0.0:") || listens.contains("//[::]:") {
            let authority = self.url.rsplit_once(':').map_or(self.url.as_str(), |(before, _)| before);
            return Ok(format!("{authority}:{port}"));
        }
        Ok(listens.to_owned())
    }

    /// Sends a V2 request as it is.
    pub(super) fn infer(
        &self,
        prediction_url: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Response<ureq::Body>, CliError> {
        infer(&self.agent, prediction_url, None, path, body)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn unreachable(&self, error: &ureq::Error) -> CliError {
        let url = &self.url;
        let message = format!(
            "{url} does not answer: {error}; is a host running there? (`scry serve`, or name it with SCRY_ADMIN)"
        );
        Unreachable(message).into()
    }

    /// An error with the name that was probably meant, where it is about a model
    /// or an alias that the host does not know.
    pub(super) fn explained(&self, error: CliError) -> CliError {
        match error.downcast::<Refused>() {
            Ok(mut refused) => {
                if let Some(message) = self.suggestion(&refused.message) {
                    refused.message = message;
                }
                refused
            }
            Err(error) => error,
        }
    }

    fn suggestion(&self, message: &str) -> Option<String> {
        let (model, version) = unknown(message)?;
        let known = self.agent.get(format!("{}/v1/models", self.url)).header("authorization", self.bearer()).call();
        let known: Value = read(known.ok()?).ok()?;
        let models = list(&known, "models");
        let Some(version) = version else {
            let names: Vec<_> = models.iter().map(|model| text(model, "model")).collect();
            return Some(suggest::with(message, model, names.iter().map(String::as_str)));
        };
        let found = models.iter().find(|known| text(known, "model") == model)?;
        let aliases = found.get("aliases").and_then(Value::as_object)?;
        Some(suggest::with(message, version, aliases.keys().map(String::as_str)))
    }
}

/// A body, as far as it is not sent.
struct Watched<'a> {
    body: &'a [u8],
    sent: &'a dyn Fn(usize),
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.body.read(buffer)?;
        if count > 0 {
            (self.sent)(count);
        }
        Ok(count)
    }
}

/// The model that a host does not know, or one that it knows and the version that
/// it does not.
fn unknown(message: &str) -> Option<(&str, Option<&str>)> {
    let (_, rest) = message.split_once("model `")?;
    let (model, rest) = rest.split_once('`')?;
    if rest.starts_with(" is not known") {
        return Some((model, None));
    }
    let (version, _) = rest.strip_prefix(" has no version `")?.split_once('`')?;
    Some((model, Some(version)))
}

/// A host's prediction listener.
pub(super) struct Predictions {
    agent: Agent,
    url: String,
    /// For one that asks for it.
    token: Option<String>,
    /// Where its token is at hand: it knows which names there are.
    admin: Option<Client>,
}

impl Predictions {
    pub(super) fn new(agent: Agent, url: &str, token: Option<String>, admin: Option<Client>) -> Self {
        Self { agent, url: base(url), token, admin }
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = request.call();
        self.read(response.map_err(|error| no_answer(&self.url, &error))?)
    }

    /// Sends a V2 request as it is.
    pub(super) fn infer(&self, path: &str, body: &[u8]) -> Result<Response<ureq::Body>, CliError> {
        infer(&self.agent, &self.url, self.token.as_deref(), path, body)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, response: Response<ureq::Body>) -> Result<T, CliError> {
        read(response).map_err(|error| match &self.admin {
            Some(admin) => admin.explained(error),
            None => error,
        })
    }
}

fn infer(
    agent: &Agent,
    url: &str,
    token: Option<&str>,
    path: &str,
    body: &[u8],
) -> Result<Response<ureq::Body>, CliError> {
    let mut request = asking_first(agent.post(format!("{url}{path}")), body);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.header("content-type", "application/json").send(body).map_err(|error| no_answer(url, &error))
}

fn no_answer(url: &str, error: &ureq::Error) -> CliError {
    Unreachable(format!("{url} does not answer: {error}; name the host's prediction listener with `--url` or SCRY_URL"))
        .into()
}

/// A listener as people name it.
fn base(url: &str) -> String {
    let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    url.trim_end_matches('/').to_owned()
}

/// A host that refuses a large body says so before it is sent: while it is, the
/// connection would end first.
fn asking_first(request: RequestBuilder<WithBody>, body: &[u8]) -> RequestBuilder<WithBody> {
    const LARGE_MIN_BYTES: usize = 256 << 10;
    if body.len() < LARGE_MIN_BYTES { request } else { request.header("expect", "100-continue") }
}

/// A good answer's JSON, or the error that the host gave.
pub(super) fn read<T: DeserializeOwned>(response: Response<ureq::Body>) -> Result<T, CliError> {
    if !response.status().is_success() {
        return Err(refused(response)?);
    }
    let body = response.into_body().into_with_config().limit(ANSWER_MAX_BYTES).read_to_vec()?;
    Ok(serde_json::from_slice(&body)?)
}

/// The longest answer that is held as a whole.
const ANSWER_MAX_BYTES: u64 = 256 << 20;

/// The error that a host gave.
fn refused(response: Response<ureq::Body>) -> Result<CliError, CliError> {
    let status = response.status();
    let reason = response.headers().get("scry-reason").and_then(|reason| reason.to_str().ok()).map(str::to_owned);
    let body = response.into_body().into_with_config().limit(ANSWER_MAX_BYTES).read_to_vec()?;
    let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = match answer.get("error").and_then(Value::as_str) {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(&body).into_owned(),
    };
    let errors = list(&answer, "errors").to_vec();
    Ok(Refused { status: status.as_u16(), reason, message, errors }.into())
}

/// A model's name as part of a path.
pub(super) fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
