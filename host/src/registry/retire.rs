//! What ends with a picture: every record of a version or model that the next
//! picture has not taken up.
//!
//! Never ends what a call that still runs holds.

use super::code::Key;
use super::workbench::{Used, Workbench};
use scry_catalog::Catalog;
use std::collections::BTreeSet;

impl Workbench {
    /// Failures end with the routes that led to them: without requests nothing
    /// would ever close the circuit. One that an operator holds stays held.
    pub(super) fn reroute(&mut self, catalog: &Catalog) {
        let all = catalog.warm(0).into_iter();
        let routed: BTreeSet<Key> =
            all.flat_map(|(name, numbers)| numbers.into_iter().map(move |number| (name.clone(), number))).collect();
        for key in self.routed.difference(&routed) {
            if self.circuits.get(key).is_some_and(|circuit| !circuit.state().forced) {
                self.circuits.remove(key);
            }
        }
        self.routed = routed;
    }

    /// Drops every record that the picture has not taken up; calls that still run keep theirs.
    pub(super) fn let_go(&mut self, catalog: &Catalog) {
        let Used { versions, lanes } = std::mem::take(&mut self.used);
        self.lanes.retain(|name, _| lanes.contains(name));
        self.series.retain(|name, _| lanes.contains(name));
        self.turns.retain(|name, _| lanes.contains(name));
        self.stats.retain(|key, _| versions.contains(key));
        self.found.retain(|key, _| versions.contains(key));
        self.circuits.retain(|key, _| versions.contains(key));
        self.watches.retain(|key, _| versions.contains(key));
        let is_served = |name: &String| catalog.models.get(name).is_some_and(|model| model.serving.is_some());
        self.pairs.retain(|(name, _), _| is_served(name));
        self.seen.retain(|name, _| is_served(name));
    }
}
