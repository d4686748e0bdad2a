//! Talking to a host: the admin interface, and through it the predictions.

use super::CliError;
use crate::store::admin_token_path;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::Response;
use ureq::typestate::WithBody;
use ureq::{Agent, RequestBuilder};

/// Which host, and the right to change it.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Host {
    /// The host's admin listener.
    #[arg(long, value_name = "URL", env = "SCRY_ADMIN", default_value = "http://127.0.0.1:8081")]
    admin: String,
    /// The admin token [default: the one that a host here keeps in its data folder].
    #[arg(long, value_name = "TOKEN", env = "SCRY_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// The data folder of a host on this machine, for its token.
    #[arg(long, value_name = "DIR", default_value = "scry-data")]
    data: PathBuf,
}

/// A host's admin interface.
pub(super) struct Client {
    agent: Agent,
    url: String,
    token: String,
}

impl Host {
    pub(super) fn client(&self) -> Result<Client, CliError> {
        let token = match &self.admin_token {
            Some(token) => token.clone(),
            None => read_token(&self.data)?,
        };
        Ok(Client::new(&self.admin, token))
    }
}

fn read_token(data: &Path) -> Result<String, CliError> {
    let path = admin_token_path(data);
    let token = std::fs::read_to_string(&path).map_err(|_| {
        format!(
            "no admin token: set SCRY_ADMIN_TOKEN, or give the host's data folder with `--data` ({} is not there)",
            path.display()
        )
    })?;
    Ok(token.trim().to_owned())
}

impl Client {
    pub(super) fn new(admin: &str, token: String) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(600)));
        let url = if admin.contains("://") { admin.to_owned() } else { format!("http://{admin}") };
        Self { agent: config.build().new_agent(), url: url.trim_end_matches('/').to_owned(), token }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let url = format!("{}{path}", self.url);
        let response = self.agent.get(&url).header("authorization", self.bearer()).call();
        read(response.map_err(|e| self.unreachable(&e))?)
    }

    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, CliError> {
        let url = format!("{}{path}", self.url);
        let request = asking_first(self.agent.post(&url), body);
        let response = request.header("authorization", self.bearer()).send(body);
        read(response.map_err(|e| self.unreachable(&e))?)
    }

    pub(super) fn put<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, CliError> {
        let url = format!("{}{path}", self.url);
        let request = asking_first(self.agent.put(&url), body);
        let response = request.header("authorization", self.bearer()).send(body);
        read(response.map_err(|e| self.unreachable(&e))?)
    }

    pub(super) fn get_text(&self, path: &str) -> Result<String, CliError> {
        let url = format!("{}{path}", self.url);
        let response = self.agent.get(&url).header("authorization", self.bearer()).call();
        let response = response.map_err(|e| self.unreachable(&e))?;
        if !response.status().is_success() {
            return read::<Value>(response).map(|value| value.to_string());
        }
        Ok(response.into_body().read_to_string()?)
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
        let request = asking_first(self.agent.post(format!("{prediction_url}{path}")), body);
        request
            .header("content-type", "application/json")
            .send(body)
            .map_err(|e| format!("{prediction_url} does not answer: {e}").into())
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn unreachable(&self, error: &ureq::Error) -> CliError {
        format!(
            "{} does not answer: {error}; is a host running there? (`scry serve`, or name it with SCRY_ADMIN)",
            self.url
        )
        .into()
    }
}

/// A host that refuses a large body says so before it is sent: while it is, the
/// connection would end first.
fn asking_first(request: RequestBuilder<WithBody>, body: &[u8]) -> RequestBuilder<WithBody> {
    const LARGE_MIN_BYTES: usize = 256 << 10;
    if body.len() < LARGE_MIN_BYTES { request } else { request.header("expect", "100-continue") }
}

/// A good answer's JSON, or the error that the host gave.
pub(super) fn read<T: DeserializeOwned>(response: Response<ureq::Body>) -> Result<T, CliError> {
    const ANSWER_MAX_BYTES: u64 = 256 << 20;
    let status = response.status();
    let body = response.into_body().into_with_config().limit(ANSWER_MAX_BYTES).read_to_vec()?;
    if status.is_success() {
        return Ok(serde_json::from_slice(&body)?);
    }
    let error: Value = serde_json::from_slice(&body).unwrap_or_default();
    let message = error.get("error").and_then(Value::as_str).map(str::to_owned);
    Err(message.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()).into())
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
