//! Whether the connections of both listeners fit into the system's limit of open
//! files. Decided once, when a host starts.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a host opens besides connections: its data, its components, registries,
/// connections that it refuses.
const OTHER_FILES_MAX: u64 = 512;

/// How many files a host with all its connections opens.
pub fn open_files_wanted(prediction_max: usize, admin_max: usize) -> u64 {
    prediction_max as u64 + admin_max as u64 + OTHER_FILES_MAX
}

/// How many connections the prediction listener can have, of those it may have.
/// Raises the process's own limit where that helps.
pub(super) fn prediction_connections(prediction_max: usize, admin_max: usize) -> usize {
    let wanted = open_files_wanted(prediction_max, admin_max);
    let open_files = raised(wanted);
    let fit = fit(prediction_max, admin_max, open_files);
    if fit < prediction_max {
        tracing::warn!(
            open_files,
            wanted,
            "the system allows too few open files: {fit} connections for predictions at once instead of \
             {prediction_max}; raise the limit (`ulimit -n`) or lower `connections_max`"
        );
    }
    fit
}

/// The limit, raised if it is lower than what is wanted and may be raised.
fn raised(wanted: u64) -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let now = limit.current.unwrap_or(u64::MAX);
    let most = limit.maximum.unwrap_or(wanted);
    if now >= wanted || now >= most {
        return now;
    }
    let raised = Rlimit { current: Some(most), ..limit };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files from {now} to {most}");
            now
        }
    }
}

/// Too few files leave some for predictions, whatever else goes without.
fn fit(prediction_max: usize, admin_max: usize, open_files: u64) -> usize {
    let left = open_files.saturating_sub(OTHER_FILES_MAX).saturating_sub(admin_max as u64);
    let left = left.max(open_files / 4).max(1);
    prediction_max.min(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn predictions_get_what_others_leave_and_never_nothing() {
        assert_eq!(fit(4096, 64, u64::MAX), 4096);
        assert_eq!(fit(4096, 64, 4672), 4096);
        assert_eq!(fit(4096, 64, 4671), 4095);
        assert_eq!(fit(4096, 64, 1024), 448);
        assert_eq!(fit(4096, 64, 256), 64);
        assert_eq!(fit(4096, 64, 2), 1);
        assert_eq!(fit(100, 64, 1024), 100);
    }
}
