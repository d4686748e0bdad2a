//! What the tests need of the system's packages.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// Installs a package of Debian where what it brings is not there, and fails where that cannot be.
pub(crate) fn ensure_installed(package: &str, is_there: impl Fn() -> bool) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    if is_there() {
        return;
    }
    let install = format!("apt-get update && apt-get install -y --no-install-recommends {package}");
    let as_root = format!("if [ $(id -u) = 0 ]; then {install}; else sudo -n sh -c '{install}'; fi");
    let ran = Command::new("sh").args(["-c", &as_root]).output().unwrap();
    assert!(
        is_there(),
        "these tests need {package}, and it could not be installed: apt-get install {package}\n{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}
