//! `[traces]`: whether predictions are traced, which, and where their spans go; and what OpenTelemetry's variables say on top
//! of it. Opens no connection.

use super::{ConfigError, check};
use serde::Deserialize;
use std::time::Duration;

/// Where a collector takes spans over HTTP.
const PATH: &str = "/v1/traces";
/// The longest time that a variable may set.
const TIME_MAX_MS: u64 = 600_000;
/// The most spans that a variable may have wait.
const SPANS_MAX: u64 = 1_000_000;

/// `[traces]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Traces {
    /// The collector, as `http://HOST:PORT`. Default none: nothing is traced.
    pub endpoint: Option<String>,
    /// `http/protobuf` or `grpc`. Default `http/protobuf`.
    pub protocol: TraceProtocol,
    /// Share of the requests that are traced where their callers do not say it, in percent. Default 100.
    pub sample_percent: f64,
    /// What only the environment says.
    #[serde(skip)]
    pub environment: TraceEnvironment,
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TraceProtocol {
    /// OTLP in requests of HTTP.
    #[serde(rename = "http/protobuf")]
    Http,
    /// OTLP in calls of gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

/// What only the environment says of traces.
#[derive(Debug, Clone)]
pub struct TraceEnvironment {
    /// It turns them off, whatever the file says.
    pub is_off: bool,
    /// The collector's whole address.
    pub endpoint: Option<String>,
    /// Whether a caller's flag decides where there is one.
    pub follows_callers: bool,
    /// How long one attempt to send a batch may take.
    pub attempt_max: Duration,
    /// How long all attempts to send it may take together.
    pub export_max: Duration,
    /// Spans that may wait; more are dropped.
    pub waiting_max: usize,
    /// Spans that are sent together.
    pub batch_max: usize,
    /// How long the first span of a batch waits for others.
    pub batch_delay: Duration,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: TraceProtocol::Http,
            sample_percent: 100.0,
            environment: TraceEnvironment::default(),
        }
    }
}

/// As OpenTelemetry has it.
impl Default for TraceEnvironment {
    fn default() -> Self {
        Self {
            is_off: false,
            endpoint: None,
            follows_callers: true,
            attempt_max: Duration::from_secs(10),
            export_max: Duration::from_secs(30),
            waiting_max: 2048,
            batch_max: 512,
            batch_delay: Duration::from_secs(5),
        }
    }
}

impl Traces {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let percent = self.sample_percent;
        check((0.0..=100.0).contains(&percent), "traces.sample_percent", "0 to 100", percent.to_string())?;
        let endpoint = self.endpoint.as_deref().unwrap_or("http://HOST:PORT");
        let host = ["http://", "https://"].iter().find_map(|scheme| endpoint.strip_prefix(scheme));
        let is_address = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/'));
        check(is_address, "traces.endpoint", "`http://HOST:PORT` or `https://HOST:PORT`", format!("`{endpoint}`"))
    }

    /// The collector's whole address; none where nothing is traced.
    pub fn collector(&self) -> Option<String> {
        if self.environment.is_off {
            return None;
        }
        let base = || self.endpoint.as_deref().map(|base| self.on(base));
        self.environment.endpoint.clone().or_else(base)
    }

    /// The address of a collector whose base this is.
    fn on(&self, base: &str) -> String {
        let base = base.trim_end_matches('/');
        match self.protocol {
            TraceProtocol::Http if !base.ends_with(PATH) => format!("{base}{PATH}"),
            TraceProtocol::Http | TraceProtocol::Grpc => base.to_owned(),
        }
    }

    /// Puts OpenTelemetry's variables on top of the file. What does not read changes nothing, as OpenTelemetry asks; the
    /// result is a warning for each.
    pub fn take_environment(&mut self, variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut environment = Variables { variable, warnings: Vec::new() };
        self.take_exporter(&mut environment);
        self.take_sampler(&mut environment);
        let found = &mut self.environment;
        let timeouts = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
        environment.milliseconds(&timeouts, &mut found.attempt_max);
        environment.milliseconds(&["OTEL_BSP_EXPORT_TIMEOUT"], &mut found.export_max);
        environment.milliseconds(&["OTEL_BSP_SCHEDULE_DELAY"], &mut found.batch_delay);
        environment.spans("OTEL_BSP_MAX_QUEUE_SIZE", &mut found.waiting_max);
        environment.spans("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &mut found.batch_max);
        found.batch_max = found.batch_max.min(found.waiting_max);
        environment.warnings
    }

    /// Whether and where spans are sent, and how.
    fn take_exporter<V: Fn(&str) -> Option<String>>(&mut self, environment: &mut Variables<V>) {
        let is_disabled =
            environment.first(&["OTEL_SDK_DISABLED"]).is_some_and(|(_, text)| text.eq_ignore_ascii_case("true"));
        let exporter = environment.first(&["OTEL_TRACES_EXPORTER"]);
        let exporter = exporter.as_ref().map(|(name, text)| (*name, text.as_str()));
        self.environment.is_off = is_disabled || matches!(exporter, Some((_, "none")));
        let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
        match environment.first(&protocols).as_ref().map(|(name, text)| (*name, text.as_str())) {
            None => {}
            Some((_, "grpc")) => self.protocol = TraceProtocol::Grpc,
            Some((_, "http/protobuf")) => self.protocol = TraceProtocol::Http,
            Some((name, found)) => environment.warn(name, "`grpc` or `http/protobuf`", found),
        }
        let whole = environment.first(&["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]).map(|(_, whole)| whole);
        let base = environment.first(&["OTEL_EXPORTER_OTLP_ENDPOINT"]).map(|(_, base)| self.on(&base));
        self.environment.endpoint = whole.or(base);
        match exporter {
            None | Some((_, "none")) => {}
            Some((_, "otlp")) if self.collector().is_none() => {
                let port = if self.protocol == TraceProtocol::Grpc { 4317 } else { 4318 };
                self.environment.endpoint = Some(self.on(&format!("http://localhost:{port}")));
            }
            Some((_, "otlp")) => {}
            Some((name, found)) => environment.warn(name, "`otlp` or `none`", found),
        }
    }

    /// Which requests are traced.
    fn take_sampler<V: Fn(&str) -> Option<String>>(&mut self, environment: &mut Variables<V>) {
        let Some((name, sampler)) = environment.first(&["OTEL_TRACES_SAMPLER"]) else { return };
        let (follows_callers, root) = match sampler.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, sampler.as_str()),
        };
        let percent = match root {
            "always_on" => 100.0,
            "always_off" => 0.0,
            "traceidratio" => environment.ratio("OTEL_TRACES_SAMPLER_ARG") * 100.0,
            _ => {
                let expected = "`always_on`, `always_off` or `traceidratio`, perhaps with `parentbased_` before it";
                return environment.warn(name, expected, &sampler);
            }
        };
        (self.environment.follows_callers, self.sample_percent) = (follows_callers, percent);
    }
}

/// The environment, and what is wrong with it.
struct Variables<V> {
    variable: V,
    warnings: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Variables<V> {
    /// The first of these variables that is set, and not to nothing.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| {
            let text = (self.variable)(name)?.trim().to_owned();
            (!text.is_empty()).then_some((*name, text))
        })
    }

    fn warn(&mut self, name: &str, expected: &str, found: &str) {
        let found: String = found.chars().take(80).collect();
        self.warnings
            .push(format!("environment variable `{name}`: expected {expected}, found `{found}`; it is not followed"));
    }

    fn number(&mut self, names: &[&'static str], max: u64) -> Option<u64> {
        let (name, text) = self.first(names)?;
        let number = text.parse().ok().filter(|number| (1..=max).contains(number));
        if number.is_none() {
            self.warn(name, &format!("1 to {max}"), &text);
        }
        number
    }

    fn milliseconds(&mut self, names: &[&'static str], time: &mut Duration) {
        if let Some(found) = self.number(names, TIME_MAX_MS) {
            *time = Duration::from_millis(found);
        }
    }

    fn spans(&mut self, name: &'static str, count: &mut usize) {
        if let Some(found) = self.number(&[name], SPANS_MAX) {
            *count = usize::try_from(found).unwrap_or(*count);
        }
    }

    /// 1 where it does not say.
    fn ratio(&mut self, name: &'static str) -> f64 {
        let Some((name, text)) = self.first(&[name]) else { return 1.0 };
        let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.unwrap_or_else(|| {
            self.warn(name, "0 to 1", &text);
            1.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(file: &Traces, set: &[(&str, &str)]) -> (Traces, Vec<String>) {
        let mut traces = file.clone();
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let warnings = traces.take_environment(variable);
        (traces, warnings)
    }

    fn collector(file: &Traces, set: &[(&str, &str)]) -> Option<String> {
        let (traces, warnings) = taken(file, set);
        assert_eq!(warnings, Vec::<String>::new());
        traces.collector()
    }

    #[test]
    fn nothing_is_traced_until_someone_says_where_to() {
        let (off, to) = (Traces::default(), |endpoint: &str| Some(endpoint.to_owned()));
        let file = Traces { endpoint: to("http://file:1/"), ..off.clone() };
        assert_eq!(collector(&off, &[]), None);
        assert_eq!(collector(&off, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), None);
        assert_eq!(collector(&file, &[]), to("http://file:1/v1/traces"));
        let whole = Traces { endpoint: to("http://file:1/v1/traces"), ..off.clone() };
        assert_eq!(collector(&whole, &[]), to("http://file:1/v1/traces"));
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        assert_eq!(collector(&file, &[grpc]), to("http://file:1"));
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:2");
        assert_eq!(collector(&file, &[base]), to("http://all:2/v1/traces"));
        assert_eq!(collector(&off, &[base, ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")]), to("http://all:2"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:3/x");
        assert_eq!(collector(&file, &[base, own]), to("http://own:3/x"));
        assert_eq!(collector(&off, &[("OTEL_TRACES_EXPORTER", "otlp")]), to("http://localhost:4318/v1/traces"));
        assert_eq!(collector(&off, &[("OTEL_TRACES_EXPORTER", "otlp"), grpc]), to("http://localhost:4317"));
        for none in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(collector(&file, &[base, own, none]), None);
        }
        assert_eq!(collector(&file, &[("OTEL_SDK_DISABLED", "false")]), to("http://file:1/v1/traces"));
    }

    #[test]
    fn the_sampler_is_the_environments_where_it_names_one() {
        let sampler = |name: &str, arg: &str| {
            let set = [("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", arg)];
            let (traces, warnings) = taken(&Traces { sample_percent: 5.0, ..Traces::default() }, &set);
            (traces.environment.follows_callers, traces.sample_percent, warnings.len())
        };
        assert_eq!(sampler("", "0.5"), (true, 5.0, 0));
        assert_eq!(sampler("always_on", ""), (false, 100.0, 0));
        assert_eq!(sampler("always_off", ""), (false, 0.0, 0));
        assert_eq!(sampler("traceidratio", "0.25"), (false, 25.0, 0));
        assert_eq!(sampler("parentbased_always_on", ""), (true, 100.0, 0));
        assert_eq!(sampler("parentbased_always_off", ""), (true, 0.0, 0));
        assert_eq!(sampler("parentbased_traceidratio", "0.25"), (true, 25.0, 0));
        assert_eq!(sampler("parentbased_traceidratio", ""), (true, 100.0, 0));
        for wrong in ["2", "-1", "NaN", "much"] {
            assert_eq!(sampler("traceidratio", wrong), (false, 100.0, 1), "{wrong}");
        }
        assert_eq!(sampler("parentbased_jaeger_remote", ""), (true, 5.0, 1));
    }

    #[test]
    fn limits_are_read_and_what_does_not_read_is_told_and_not_followed() {
        let (found, warnings) = taken(
            &Traces::default(),
            &[
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
                ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
                ("OTEL_BSP_SCHEDULE_DELAY", "100"),
                ("OTEL_BSP_EXPORT_TIMEOUT", "2000"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
            ],
        );
        let TraceEnvironment { attempt_max, export_max, batch_delay, waiting_max, batch_max, .. } = found.environment;
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!([attempt_max, export_max, batch_delay], [250, 2000, 100].map(Duration::from_millis));
        assert_eq!((waiting_max, batch_max), (64, 64), "a batch is no longer than what may wait");
        let (found, warnings) = taken(
            &Traces::default(),
            &[
                ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
                ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
                ("OTEL_TRACES_EXPORTER", "zipkin"),
            ],
        );
        assert_eq!(format!("{found:?}"), format!("{:?}", Traces::default()));
        assert!(warnings.iter().any(|warning| warning
            == "environment variable `OTEL_EXPORTER_OTLP_PROTOCOL`: expected `grpc` or `http/protobuf`, found `http/json`; \
                it is not followed"));
        assert_eq!(warnings.len(), 4, "{warnings:?}");
    }

    #[test]
    fn an_endpoint_is_a_whole_address() {
        let checked = |endpoint: &str| Traces { endpoint: Some(endpoint.into()), ..Traces::default() }.check();
        for right in ["http://localhost:4318", "https://x.example", "https://x.example/otlp"] {
            assert!(checked(right).is_ok(), "{right}");
        }
        for wrong in ["", "localhost:4318", "ftp://x", "http://", "http:///v1/traces"] {
            let error = checked(wrong).unwrap_err().to_string();
            assert!(error.contains("`traces.endpoint`: expected `http://HOST:PORT`"), "{error}");
        }
        assert!(Traces { sample_percent: f64::NAN, ..Traces::default() }.check().is_err());
    }
}
