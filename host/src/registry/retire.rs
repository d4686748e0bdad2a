//! What ends with a picture: every record of a version or model that the next
//! picture has no use for.
//!
//! Never ends what a call that still runs holds.

use super::picture::Scope;
use super::workbench::Workbench;
use crate::config::Config;
use crate::serving::Circuit;
use scry_catalog::Catalog;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl Workbench {
    /// Failures end with the routes that led to them: without requests nothing
    /// would ever close the circuit. One that an operator holds stays held.
    pub(super) fn reroute(&mut self, scope: &Scope, config: &Config) {
        let metrics = self.metrics.clone();
        for name in &scope.names {
            let Some(records) = self.models.get_mut(name) else { continue };
            let routed = scope.routed.get(name).cloned().unwrap_or_default();
            for number in records.routed.difference(&routed) {
                if let Some(version) = records.versions.get_mut(number)
                    && !version.circuit.state().forced
                {
                    version.circuit = Arc::new(Circuit::new(name, *number, circuit_pause(config), metrics.clone()));
                }
            }
            records.routed = routed;
        }
    }

    /// Lets go of code that is not kept ready any more; calls that still run keep it.
    pub(super) fn keep(&mut self, scope: &Scope, catalog: &Catalog, config: &Config) {
        let none = BTreeSet::new();
        for name in &scope.names {
            if let (Some(records), Some(model)) = (self.models.get_mut(name), catalog.models.get(name)) {
                records.keep_code(model, scope.warm.get(name).unwrap_or(&none), config);
            }
        }
    }

    /// Drops every record that has no use any more; calls that still run keep theirs.
    pub(super) fn let_go(&mut self, scope: &Scope, catalog: &Catalog, config: &Config) {
        let none = BTreeSet::new();
        for name in &scope.names {
            let (Some(records), Some(model)) = (self.models.get_mut(name), catalog.models.get(name)) else { continue };
            // One that is withdrawn is called where others fall back to it.
            let called = if model.serving.is_some() { &scope.warm } else { &scope.routed };
            records.keep_versions(model, called.get(name).unwrap_or(&none), config);
            if records.is_empty() {
                self.models.remove(name);
            }
        }
    }
}

/// How long a circuit is open at first.
pub(super) fn circuit_pause(config: &Config) -> Duration {
    Duration::from_millis(config.limits.circuit_pause_ms)
}
