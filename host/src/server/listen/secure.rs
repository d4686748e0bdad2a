//! What makes the listeners safe, read from its files before they serve and followed while they do.

use crate::access::{Access, Hosts, TokenFile, Tokens};
use crate::config::{self, Config};
use crate::registry::Looks;
use crate::server::bound::ServeError;
use crate::server::guard::{Guard, LogPace};
use crate::server::reread::Reread;
use crate::server::tls::Tls;
use crate::telemetry::Metrics;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;

/// Who may do what on both listeners, and their certificates.
pub(super) struct Secure {
    pub(super) guard: Arc<Guard>,
    pub(super) prediction: Option<Arc<Tls>>,
    pub(super) admin: Option<Arc<Tls>>,
    tokens: Option<Reread<Tokens>>,
    certificates: Vec<(Arc<Tls>, Reread<ServerConfig>)>,
}

impl Secure {
    /// Reads what the configuration names. Nothing is served where that cannot be used.
    pub(super) fn open(
        config: &Config,
        admin_token: &str,
        admin: SocketAddr,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let others = config.admin.tokens.iter().map(|(name, token)| (name.as_str(), token.as_str()));
        let admins = Tokens::admins(admin_token, others);
        let mut tokens = config.access.token_file.clone().map(|file| Reread {
            name: "tokens",
            files: vec![file.clone()],
            metrics: metrics.clone(),
            parse: Box::new({
                let admins = admins.clone();
                move |texts| match texts {
                    [text] => read_tokens(&admins, text).map_err(|error| format!("{}: {error}", file.display())),
                    _ => Err("expected one file".into()),
                }
            }),
            looks: Looks::default(),
        });
        let known = match &mut tokens {
            Some(reread) => reread.read().map_err(ServeError::Secure)?,
            None => admins,
        };
        let hosts = Hosts::new(admin, &config.admin.hosts);
        let access = Arc::new(Access::new(known, tokens.is_some(), hosts));
        let guard = Guard { access, audit: Arc::default(), metrics: metrics.clone(), log: LogPace::default() };
        let mut certificates = Vec::new();
        let mut open = |name, settings: &Option<config::Tls>| -> Result<_, ServeError> {
            let Some(settings) = settings else { return Ok(None) };
            let (tls, reread) = Tls::open(name, settings, metrics.clone()).map_err(ServeError::Secure)?;
            certificates.push((tls.clone(), reread));
            Ok(Some(tls))
        };
        let prediction = open("prediction-tls", &config.prediction.tls)?;
        let admin = open("admin-tls", &config.admin.tls)?;
        Ok(Self { guard: Arc::new(guard), prediction, admin, tokens, certificates })
    }

    /// Follows the files until the host ends.
    pub(super) async fn follow(self) {
        let access = self.guard.access.clone();
        let mut following = tokio::task::JoinSet::new();
        if let Some(tokens) = self.tokens {
            following.spawn(tokens.follow(move |tokens| access.replace(tokens)));
        }
        for (tls, reread) in self.certificates {
            following.spawn(reread.follow(move |config| tls.replace(config)));
        }
        following.join_all().await;
    }
}

fn read_tokens(admins: &Tokens, text: &str) -> Result<Tokens, String> {
    let file = TokenFile::parse(text).map_err(|error| error.to_string())?;
    match admins.same_name(&file) {
        None => Ok(admins.and_file(&file)),
        Some(name) => Err(format!("`tokens`: expected names that `[admin]` does not have, found `{name}`")),
    }
}
