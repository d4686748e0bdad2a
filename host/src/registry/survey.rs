//! What the files of a data folder lead to, for people. Changes nothing.

use super::ChangeError;
use super::recovery::follow;
use scry_catalog::Told;
use scry_names::Digest;
use scry_store::Replay;
use std::collections::BTreeSet;

/// What history and checkpoint tell.
#[derive(Debug)]
pub struct Survey {
    /// The number of the state.
    pub state: u64,
    /// Models that are served or were.
    pub models: usize,
    /// Components that a host needs to serve it, and to go back.
    pub needed: BTreeSet<Digest>,
    /// The last changes, newest first.
    pub changes: Vec<Told>,
}

/// Follows what was read to its state.
pub fn survey(replay: &Replay, changes_max: usize) -> Result<Survey, ChangeError> {
    let followed = follow(replay)?;
    let mut needed = followed.history.referenced();
    needed.extend(followed.catalog.referenced());
    let (state, changes) = (followed.history.last(), followed.history.told(None, changes_max));
    Ok(Survey { state, models: followed.catalog.models.len(), needed, changes })
}
