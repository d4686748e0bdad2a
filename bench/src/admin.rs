//! The admin listener: publishing, deploying, metrics.

use crate::client::{Answer, Connection, render};
use crate::error::Error;
use crate::servers::Server;
use serde_json::Value;
use std::io;
use std::net::SocketAddr;

/// A client with the token; every request has a connection of its own.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
    bearer: String,
}

impl Admin {
    pub(crate) fn of(server: &Server) -> Result<Self, Error> {
        let bearer = format!("authorization: Bearer {}\r\n", server.token()?);
        Ok(Self { address: server.admin()?, bearer })
    }

    /// A request as bytes.
    pub(crate) fn render(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        render(method, path, &self.bearer, body)
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        Connection::new(self.address).exchange(&self.render(method, path, body))
    }

    /// The same where anything but success is an error.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Result<Answer, Error> {
        let succeeded = self.send("POST", path, body)?.succeeded();
        Ok(succeeded.map_err(|error| format!("{path}: {error}"))?)
    }

    /// Publishes a component under a name; gives the version's number.
    pub(crate) fn publish(&self, name: &str, component: &[u8]) -> Result<u64, Error> {
        let answer = self.post(&format!("/v1/models?name={name}"), component)?;
        let said: Value = serde_json::from_slice(&answer.body)?;
        said.get("version").and_then(Value::as_u64).ok_or_else(|| format!("no version in {said}").into())
    }

    pub(crate) fn deploy(&self, name: &str, deployment: &Value) -> Result<(), Error> {
        self.post(&format!("/v1/models/{name}/deploy"), deployment.to_string().as_bytes())?;
        Ok(())
    }

    /// Holds the circuit of a model's first version closed, so that its guest
    /// runs however often it fails. False on a host that has no circuits.
    pub(crate) fn hold_closed(&self, name: &str) -> Result<bool, Error> {
        let path = format!("/v1/models/{name}/circuit");
        let answer = self.send("POST", &path, br#"{"version":1,"state":"closed"}"#)?;
        match answer.kind.status {
            200 => Ok(true),
            404 | 405 => Ok(false),
            status => Err(format!("{path}: {status}: {}", answer.text()).into()),
        }
    }

    /// A series of `/metrics`; none while nothing has counted in it.
    pub(crate) fn metric(&self, connection: &mut Connection, series: &str) -> io::Result<Option<f64>> {
        let answer = connection.exchange(&self.render("GET", "/metrics", b""))?;
        let text = String::from_utf8_lossy(&answer.body);
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok());
        Ok(line)
    }
}
