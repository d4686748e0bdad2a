//! What a key is that the file leaves out; `docs/reference/configuration.md` says the same.

use super::{
    Access, Admin, Catalog, Compile, Compute, Config, DesiredState, Errors, History, Limits, Listener, Log,
    MetricsListener, Registries, Shutdown, Traces, Trust, Validation,
};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("scry-data"),
            prediction: Listener::default(),
            admin: Admin::default(),
            access: Access::default(),
            trust: Trust::default(),
            metrics: MetricsListener::default(),
            registries: Registries::default(),
            catalog: Catalog::default(),
            history: History::default(),
            desired_state: DesiredState::default(),
            compute: Compute::default(),
            compile: Compile::default(),
            limits: Limits::default(),
            validation: Validation::default(),
            errors: Errors::default(),
            log: Log::default(),
            traces: Traces::default(),
            shutdown: Shutdown::default(),
            warnings: Vec::new(),
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8080).into(),
            body_max_bytes: 16 << 20,
            body_timeout_ms: 10_000,
            connections_max: 4096,
            header_timeout_ms: 5000,
            idle_timeout_ms: 60_000,
            write_timeout_ms: 10_000,
            default_model: None,
            predict_path: None,
            health_path: None,
            cors_origins: Vec::new(),
            tls: None,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8081).into(),
            token: None,
            tokens: BTreeMap::new(),
            component_max_bytes: 64 << 20,
            connections_max: 64,
            header_timeout_ms: 5000,
            idle_timeout_ms: 60_000,
            write_timeout_ms: 10_000,
            hosts: Vec::new(),
            tls: None,
        }
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self { models_max: 10_000, versions_warm: 2, golden_max_ms: 60_000 }
    }
}

impl Default for History {
    fn default() -> Self {
        Self { retention_days: 90, changes_max: 10_000 }
    }
}

impl Default for DesiredState {
    fn default() -> Self {
        Self { file: None, poll_ms: 1000 }
    }
}

impl Default for Registries {
    fn default() -> Self {
        Self { timeout_ms: 60_000, plain_http: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline_ms: 300,
            fallback_reserve_percent: 25,
            fallback_reserve_min_ms: 10,
            fuel: 2_000_000_000,
            memory_max_bytes: 256 << 20,
            output_max_bytes: 16 << 20,
            in_flight_max: 0,
            queue_max: 256,
            queue_time_max_ms: 0,
            batch_max_rows: 0,
            batch_delay_ms: 0,
            circuit_pause_ms: 1000,
        }
    }
}

impl Default for Validation {
    fn default() -> Self {
        Self {
            errors_max: 16,
            echo_max_chars: 40,
            drift_alpha: scry_card::stats::ALPHA,
            skew_sample_percent: 1.5,
            drift_save_ms: 10_000,
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { grace_ms: 5000, drain_ms: 10_000 }
    }
}
