//! What other systems' clients need of the prediction listener: pages of other sites, and Vertex AI, which says by its
//! environment where it asks.
//!
//! Listens nowhere.

use super::{ConfigError, Listener, check};
use std::net::Ipv4Addr;

/// Sites whose pages may ask.
const ORIGINS_MAX: usize = 64;
/// Characters of a path.
const PATH_MAX_CHARS: usize = 256;

impl Listener {
    /// What Vertex AI says in a container's environment, which `variable` reads.
    pub fn take_vertex_ai(&mut self, variable: impl Fn(&str) -> Option<String>) -> Result<(), ConfigError> {
        if let Some(port) = variable("AIP_HTTP_PORT") {
            let number = port.parse().map_err(|_| ConfigError::Value {
                key: "AIP_HTTP_PORT",
                expected: "a port".to_owned(),
                found: format!("`{port}`"),
            })?;
            self.listen = (Ipv4Addr::UNSPECIFIED, number).into();
        }
        self.predict_path = variable("AIP_PREDICT_ROUTE").or(self.predict_path.take());
        self.health_path = variable("AIP_HEALTH_ROUTE").or(self.health_path.take());
        Ok(())
    }

    pub(super) fn check_clients(&self) -> Result<(), ConfigError> {
        let found = format!("{} origins", self.cors_origins.len());
        check(self.cors_origins.len() <= ORIGINS_MAX, "prediction.cors_origins", "at most 64", found)?;
        let wrong = self.cors_origins.iter().find(|origin| !is_origin(origin));
        let found = wrong.map(|origin| format!("`{origin}`")).unwrap_or_default();
        check(wrong.is_none(), "prediction.cors_origins", "`*`, or origins such as `https://example.com`", found)?;
        let paths = [("prediction.predict_path", &self.predict_path), ("prediction.health_path", &self.health_path)];
        paths.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?))).try_for_each(|(key, path)| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~:@!$&'()*+,;=".contains(&byte);
            let is_path = path.starts_with('/') && path.len() <= PATH_MAX_CHARS && path.bytes().all(is_plain);
            check(is_path, key, "a path such as `/predict`", format!("`{path}`"))
        })?;
        let is_name = self.default_model.as_ref().is_none_or(|name| scry_card::is_model_name(name));
        let found = format!("`{}`", self.default_model.clone().unwrap_or_default());
        check(is_name, "prediction.default_model", "a model's name", found)
    }
}

/// Stands for every site.
pub const ANY_ORIGIN: &str = "*";

/// Whether a text is an origin, as browsers send it, or stands for all of them.
fn is_origin(text: &str) -> bool {
    let is_host = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte);
    let of_scheme = ["http://", "https://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    text == ANY_ORIGIN
        || of_scheme.is_some_and(|host| !host.is_empty() && host.len() <= 256 && host.bytes().all(is_host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_nothing_else() {
        for origin in ["*", "http://localhost:3000", "https://a.example", "http://[::1]:80"] {
            assert!(is_origin(origin), "{origin}");
        }
        for other in
            ["", "a.example", "https://", "https://a.example/", "https://A.example", "ftp://a", "null", "https://u@a"]
        {
            assert!(!is_origin(other), "{other}");
        }
    }

    #[test]
    fn vertex_ai_says_where_it_asks() {
        let mut listener = Listener { health_path: Some("/mine".into()), ..Listener::default() };
        let said = |name: &str| match name {
            "AIP_HTTP_PORT" => Some("9090".to_owned()),
            "AIP_PREDICT_ROUTE" => Some("/v1/endpoints/7/deployedModels/8:predict".to_owned()),
            _ => None,
        };
        listener.take_vertex_ai(said).unwrap();
        assert_eq!(listener.listen.to_string(), "0.0.0.0:9090");
        assert_eq!(listener.predict_path.as_deref(), Some("/v1/endpoints/7/deployedModels/8:predict"));
        assert_eq!(listener.health_path.as_deref(), Some("/mine"));
        listener.check_clients().unwrap();
        let refused = listener.take_vertex_ai(|_| Some("x".to_owned())).unwrap_err().to_string();
        assert_eq!(refused, "configuration key `AIP_HTTP_PORT`: expected a port, found `x`");
    }

    #[test]
    fn paths_and_names_are_checked() {
        for path in ["", "predict", "/a b", "/a?b", "/a%20b"] {
            let listener = Listener { predict_path: Some(path.into()), ..Listener::default() };
            assert!(listener.check_clients().is_err(), "{path}");
        }
        let listener = Listener { default_model: Some("No Name".into()), ..Listener::default() };
        assert!(listener.check_clients().is_err());
    }
}
