//! Which requests are traced. Pure: a request's caller and its trace's id decide.

use crate::config::Traces as Settings;
use std::num::NonZeroU128;

/// Decides whether a request is traced. By default none is, and what a caller says is passed on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sampler(Option<Rule>);

#[derive(Debug, Clone, Copy)]
struct Rule {
    follows_callers: bool,
    /// Of the last 63 bits of a trace's id: below it, it is traced.
    below: u64,
}

impl Sampler {
    /// As it is configured.
    pub fn new(settings: &Settings) -> Self {
        let share = settings.sample_percent / 100.0;
        // What OpenTelemetry's own sampler does, so that every service of a trace decides the same.
        let below = (share * (1_u64 << 63) as f64) as u64;
        let rule = Rule { follows_callers: settings.environment.follows_callers, below };
        Self(settings.collector().map(|_| rule))
    }

    /// Whether a request is traced, by its caller's flag where there is a caller; where nothing is traced, what that says.
    pub fn takes(self, flag: Option<bool>, trace_id: NonZeroU128) -> bool {
        match (self.0, flag) {
            (None, flag) => flag == Some(true),
            (Some(Rule { follows_callers: true, .. }), Some(flag)) => flag,
            (Some(rule), _) => (trace_id.get() as u64) >> 1 < rule.below,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TraceEnvironment;
    use opentelemetry::trace::{SpanKind, TraceId};
    use opentelemetry_sdk::trace::{Sampler as Official, SamplingDecision, ShouldSample};
    use proptest::prelude::*;

    fn sampler(follows_callers: bool, sample_percent: f64) -> Sampler {
        let environment = TraceEnvironment { follows_callers, ..TraceEnvironment::default() };
        Sampler::new(&Settings {
            endpoint: Some("http://x".into()),
            sample_percent,
            environment,
            ..Settings::default()
        })
    }

    #[test]
    fn a_callers_flag_decides_and_else_the_share() {
        for (id, is_sampled) in [(1, true), (u128::MAX, false)].map(|(id, flag)| (NonZeroU128::new(id).unwrap(), flag))
        {
            assert_eq!(Sampler::default().takes(Some(is_sampled), id), is_sampled, "what it says is passed on");
            assert!(!Sampler::default().takes(None, id));
            for percent in [0.0, 100.0] {
                assert_eq!(sampler(true, percent).takes(Some(is_sampled), id), is_sampled);
                assert_eq!(sampler(true, percent).takes(None, id), percent > 0.0);
                assert_eq!(sampler(false, percent).takes(Some(!is_sampled), id), percent > 0.0);
            }
        }
    }

    proptest! {
        #[test]
        fn it_decides_as_opentelemetrys_own_sampler(id in 1..=u128::MAX, percent in 0.0..=100.0_f64) {
            let theirs = Official::TraceIdRatioBased(percent / 100.0);
            let theirs = theirs.should_sample(None, TraceId::from(id), "", &SpanKind::Server, &[], &[]).decision;
            let ours = sampler(true, percent).takes(None, NonZeroU128::new(id).unwrap());
            prop_assert_eq!(ours, theirs == SamplingDecision::RecordAndSample);
        }
    }
}
