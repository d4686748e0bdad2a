//! The two texts that scrapers read: Prometheus' own, and OpenMetrics where a scraper prefers it. Pure.
//!
//! Exemplars are behind the buckets of OpenMetrics; the other text has no place for them.

use super::exemplars::{Exemplar, ShownExemplars};
use super::families::REQUEST_SECONDS;
use prometheus::TextEncoder;
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};
use std::fmt::Write;

/// The form of a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// Text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl TextForm {
    const OPEN_METRICS: &str = "application/openmetrics-text";

    /// What a scraper prefers, by its header `accept`.
    pub fn preferred(accept: &str) -> Self {
        let weight = |media_type: &str| {
            let ranges = accept.split(',').filter_map(|range| range.trim().strip_prefix(media_type));
            let ends = |rest: &&str| rest.is_empty() || rest.starts_with([';', ' ']);
            ranges.filter(ends).map(quality).fold(0.0, f32::max)
        };
        let open_metrics = weight(Self::OPEN_METRICS);
        match open_metrics > 0.0 && open_metrics >= weight("text/plain") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// The media type of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus::TEXT_FORMAT,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    pub(super) fn encode(
        self,
        families: &[MetricFamily],
        exemplars: &ShownExemplars,
    ) -> Result<String, prometheus::Error> {
        match self {
            Self::Prometheus => TextEncoder::new().encode_to_string(families),
            Self::OpenMetrics => {
                let mut text = String::new();
                families.iter().for_each(|family| write_family(&mut text, family, exemplars));
                text.push_str("# EOF\n");
                Ok(text)
            }
        }
    }
}

/// The `q` of a media range's parameters.
fn quality(parameters: &str) -> f32 {
    let mut parameters = parameters.split(';').map(str::trim);
    let q = parameters.find_map(|parameter| parameter.strip_prefix("q=")?.trim().parse().ok());
    q.unwrap_or(1.0)
}

fn write_family(text: &mut String, family: &MetricFamily, exemplars: &ShownExemplars) {
    let kind = family.get_field_type();
    // The family of a counter is named without what its sample ends in.
    let name = match kind {
        MetricType::COUNTER => family.name().strip_suffix("_total").unwrap_or(family.name()),
        _ => family.name(),
    };
    let word = match kind {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY | MetricType::UNTYPED => return,
    };
    line(text, format_args!("# HELP {name} {}", escaped(family.help())));
    line(text, format_args!("# TYPE {name} {word}"));
    for metric in family.get_metric() {
        match kind {
            MetricType::COUNTER => sample(text, (name, "_total"), metric, None, metric.get_counter().get_value(), None),
            MetricType::HISTOGRAM => {
                let exemplars = if name == REQUEST_SECONDS { exemplars.of(metric) } else { &[] };
                write_histogram(text, name, metric, exemplars);
            }
            _ => sample(text, (name, ""), metric, None, metric.get_gauge().get_value(), None),
        }
    }
}

fn write_histogram(text: &mut String, name: &str, metric: &Metric, exemplars: &[Exemplar]) {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count() as f64;
    let mut lower = f64::NEG_INFINITY;
    let mut bucket = |upper: f64, shown: &str, count: f64| {
        let exemplar = exemplars.iter().find(|exemplar| lower < exemplar.seconds && exemplar.seconds <= upper);
        lower = upper;
        sample(text, (name, "_bucket"), metric, Some(shown), count, exemplar);
    };
    for of in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite()) {
        let bound = of.upper_bound();
        // Bounds are floating-point numbers, which whole ones show, too.
        let shown = if bound.fract() == 0.0 { format!("{bound}.0") } else { bound.to_string() };
        bucket(bound, &shown, of.cumulative_count() as f64);
    }
    bucket(f64::INFINITY, "+Inf", count);
    sample(text, (name, "_sum"), metric, None, histogram.get_sample_sum(), None);
    sample(text, (name, "_count"), metric, None, count, None);
}

fn sample(
    text: &mut String,
    (name, suffix): (&str, &str),
    metric: &Metric,
    bound: Option<&str>,
    value: f64,
    exemplar: Option<&Exemplar>,
) {
    text.push_str(name);
    text.push_str(suffix);
    let pair = |pair: &LabelPair| format!("{}=\"{}\"", pair.name(), escaped(pair.value()));
    let bound = bound.map(|bound| format!("le=\"{bound}\""));
    let labels: Vec<_> = metric.get_label().iter().map(pair).chain(bound).collect();
    if !labels.is_empty() {
        part(text, format_args!("{{{}}}", labels.join(",")));
    }
    match value {
        f64::INFINITY => part(text, format_args!(" +Inf")),
        f64::NEG_INFINITY => part(text, format_args!(" -Inf")),
        value => part(text, format_args!(" {value}")),
    }
    if let Some(Exemplar { trace_id, seconds, at_ms }) = exemplar {
        let (at_s, ms) = (at_ms / 1000, at_ms % 1000);
        part(text, format_args!(" # {{trace_id=\"{trace_id:032x}\"}} {seconds} {at_s}.{ms:03}"));
    }
    text.push('\n');
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    part(text, content);
    text.push('\n');
}

fn part(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = text.write_fmt(content);
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::core::Collector;
    use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts};

    #[test]
    fn a_scraper_gets_the_form_that_it_prefers() {
        for (accept, form) in [
            // Prometheus 2.42 and 3.5.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                TextForm::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                TextForm::OpenMetrics,
            ),
            ("text/plain; version=0.0.4, application/openmetrics-text; q=0.2", TextForm::Prometheus),
            ("application/openmetrics-text; q=0", TextForm::Prometheus),
            ("application/openmetrics-textual", TextForm::Prometheus),
            ("*/*", TextForm::Prometheus),
            ("", TextForm::Prometheus),
        ] {
            assert_eq!(TextForm::preferred(accept), form, "{accept}");
        }
    }

    /// The expected text is from the OpenMetrics 1.0.0 specification's rules.
    #[test]
    fn open_metrics_names_counters_and_bounds_its_own_way() {
        let counter = IntCounterVec::new(Opts::new("a_total", "Says \"a\"."), &["by"]).unwrap();
        counter.with_label_values(&["x\"\\\ny"]).inc_by(3);
        let gauge = GaugeVec::new(Opts::new("b", "B."), &[]).unwrap();
        gauge.with_label_values::<&str>(&[]).set(f64::INFINITY);
        let opts = HistogramOpts::new("c_seconds", "C.").buckets(vec![0.5, 2.0]);
        let histogram = HistogramVec::new(opts, &["model"]).unwrap();
        [0.25, 1.5, 7.0].iter().for_each(|&value| histogram.with_label_values(&["m"]).observe(value));
        let collectors: [&dyn Collector; 3] = [&counter, &gauge, &histogram];
        let families: Vec<_> = collectors.iter().flat_map(|collector| collector.collect()).collect();
        let expected = r#"# HELP a Says \"a\".
# TYPE a counter
a_total{by="x\"\\\ny"} 3
# HELP b B.
# TYPE b gauge
b +Inf
# HELP c_seconds C.
# TYPE c_seconds histogram
c_seconds_bucket{model="m",le="0.5"} 1
c_seconds_bucket{model="m",le="2.0"} 2
c_seconds_bucket{model="m",le="+Inf"} 3
c_seconds_sum{model="m"} 8.75
c_seconds_count{model="m"} 3
# EOF
"#;
        assert_eq!(TextForm::OpenMetrics.encode(&families, &ShownExemplars::default()).unwrap(), expected);
    }
    #[test]
    fn a_bucket_has_the_exemplar_that_it_counts() {
        let labels = ["model", "version", "outcome"];
        let opts = HistogramOpts::new(REQUEST_SECONDS, "C.").buckets(vec![0.5, 2.0]);
        let histogram = HistogramVec::new(opts, &labels).unwrap();
        [0.5, 7.0].iter().for_each(|&value| histogram.with_label_values(&["m", "1", "ok"]).observe(value));
        histogram.with_label_values(&["m", "2", "ok"]).observe(0.5);
        let exemplar = |trace_id, seconds, at_ms| Exemplar { trace_id, seconds, at_ms };
        let (one, two) = (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 2);
        let [one, two] = [one, two].map(|id| std::num::NonZeroU128::new(id).unwrap());
        let mut exemplars = ShownExemplars::default();
        exemplars.add(
            ["m", "ok", "1"].map(str::to_owned).to_vec(),
            vec![exemplar(one, 0.5, 1_520_879_607_078), exemplar(two, 7.0, 1_000)],
        );
        // In the order in which a host shows them.
        let registry = prometheus::Registry::new();
        registry.register(Box::new(histogram)).unwrap();
        let text = TextForm::OpenMetrics.encode(&registry.gather(), &exemplars).unwrap();
        let expected = r#"# HELP scry_request_seconds C.
# TYPE scry_request_seconds histogram
scry_request_seconds_bucket{model="m",outcome="ok",version="1",le="0.5"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.5 1520879607.078
scry_request_seconds_bucket{model="m",outcome="ok",version="1",le="2.0"} 1
scry_request_seconds_bucket{model="m",outcome="ok",version="1",le="+Inf"} 2 # {trace_id="00000000000000000000000000000002"} 7 1.000
scry_request_seconds_sum{model="m",outcome="ok",version="1"} 7.5
scry_request_seconds_count{model="m",outcome="ok",version="1"} 2
scry_request_seconds_bucket{model="m",outcome="ok",version="2",le="0.5"} 1
scry_request_seconds_bucket{model="m",outcome="ok",version="2",le="2.0"} 1
scry_request_seconds_bucket{model="m",outcome="ok",version="2",le="+Inf"} 1
scry_request_seconds_sum{model="m",outcome="ok",version="2"} 0.5
scry_request_seconds_count{model="m",outcome="ok",version="2"} 1
# EOF
"#;
        assert_eq!(text, expected);
        let plain = TextForm::Prometheus.encode(&registry.gather(), &exemplars).unwrap();
        assert!(!plain.contains("trace_id"), "{plain}");
    }
}
