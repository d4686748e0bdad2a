//! Keys that are no keys any more: accepted with a warning for one version,
//! refused as unknown from then on.
//!
//! Never gives a retired key a meaning.

use toml::{Table, Value};

/// A key that was retired.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retired {
    /// The key with its tables: `limits.deadline`.
    pub(super) key: &'static str,
    /// The version that refuses it.
    pub(super) refused_from: &'static str,
    /// What to do instead.
    pub(super) instead: &'static str,
}

/// The keys that this version accepts and does not read. An entry goes when
/// its version is released.
pub(super) const RETIRED: &[Retired] = &[Retired {
    key: "compute.quiet_cores",
    refused_from: "0.2.0",
    instead: "slow work runs at a low priority on every processor",
}];

/// Takes retired keys out of a configuration; a warning for each.
pub(super) fn take_out(config: &mut Table, retired: &[Retired]) -> Vec<String> {
    let found = retired.iter().filter(|retired| remove(config, retired.key));
    let warning = |Retired { key, refused_from, instead }: &Retired| {
        format!("configuration key `{key}` is retired and not read; version {refused_from} will refuse it: {instead}")
    };
    found.map(warning).collect()
}

fn remove(table: &mut Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.remove(key).is_some(),
        Some((outer, inner)) => table.get_mut(outer).and_then(Value::as_table_mut).is_some_and(|t| remove(t, inner)),
    }
}
