//! A fault at every single step, in this process and in one that is killed.

use super::*;
use crate::lines::seal;
use scry_files::{arm, reached};
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const RECORDS: [&[u8]; 4] = [b"zero", b"one", b"two", b"three"];

/// A folder in which everything is damaged that can be: the first two records
/// are sound, the third was never finished.
fn ruin(root: &Path) {
    let torn = seal(RECORDS[2]).unwrap();
    let log = [&seal(RECORDS[0]).unwrap()[..], b"damage\n", &seal(RECORDS[1]).unwrap(), &torn[..20]].concat();
    std::fs::write(root.join("history.log"), log).unwrap();
    std::fs::write(root.join("checkpoint.json"), b"damage\n").unwrap();
    std::fs::write(root.join("admin.token"), b"\xff").unwrap();
    std::fs::write(root.join(".0123456789abcdef.tmp"), b"half").unwrap();
    std::fs::create_dir(root.join("components")).unwrap();
    std::fs::write(root.join("components").join(format!("{}.wasm", Digest::of(b"model").hex())), b"medal").unwrap();
}

/// A host's life, as far as it writes; `acked` hears how many records there are.
fn live(root: &Path, mut acked: impl FnMut(usize)) -> Result<(), StoreError> {
    let store = Store::open(root)?;
    store.admin_token()?;
    store.cache_key()?;
    let (mut journal, replay) = opened(&store)?;
    acked(replay.lines.len());
    if replay.journal_damaged {
        journal.rewrite(&replay.lines)?;
    }
    for (n, record) in RECORDS.iter().enumerate().skip(replay.lines.len()) {
        journal.append(record)?;
        acked(n + 1);
        journal.checkpoint_file().write(record)?;
    }
    let digest = store.put(b"model")?;
    write_atomically(FileKind::Cache, &store.cache_dir().join(format!("00aa/{}.cwasm", digest.hex())), b"code")?;
    store.list_cached()?.iter().try_for_each(|code| store.remove_cached(code))?;
    store.list_quarantined()?.iter().try_for_each(|file| store.remove_quarantined(file))?;
    store.remove_component(&Digest::of(b"model"))
}

/// What must be true of a folder in whatever state a fault left it.
fn check(root: &Path, acked: usize) -> usize {
    let store = Store::open(root).unwrap();
    assert_eq!(unfinished(root), Vec::<PathBuf>::new());
    let (_, replay) = opened(&store).unwrap();
    assert!(replay.lines.len() >= acked, "{acked} were acknowledged, {} are left", replay.lines.len());
    assert_eq!(replay.lines, RECORDS[..replay.lines.len()]);
    assert!(!matches!(store.get(&Digest::of(b"model")), Err(StoreError::File(FileError::Io { .. }))));
    assert_eq!(store.admin_token().unwrap().len(), 64);
    store.cache_key().unwrap();
    replay.lines.len()
}

/// A life in a ruined folder, with a fault.
fn live_with(fault: &str) -> (tempfile::TempDir, usize, Result<(), StoreError>) {
    let dir = tempfile::tempdir().unwrap();
    ruin(dir.path());
    let mut acked = 0;
    arm(fault);
    let ended = live(dir.path(), |count| acked = count);
    (dir, acked, ended)
}

/// How many steps a life has.
fn steps() -> usize {
    let (_dir, _, ended) = live_with("");
    ended.unwrap();
    reached().len()
}

#[test]
fn a_life_takes_every_step_that_there_is() {
    steps();
    let taken: BTreeSet<_> = reached().into_iter().collect();
    assert_eq!(taken, write_steps().into_iter().collect());
}

#[test]
fn an_io_error_at_any_step_leaves_a_folder_that_opens() {
    for n in 1..=steps() {
        let (dir, acked, ended) = live_with(&format!("error:{n}"));
        arm("");
        let left = check(dir.path(), acked.max(2));
        assert!(left == acked.max(2) || matches!(ended, Err(StoreError::Poisoned { .. })), "step {n}: {ended:?}");
        live(dir.path(), |_| {}).unwrap();
        assert_eq!(check(dir.path(), 4), 4);
    }
}

#[test]
fn a_full_disk_at_any_step_is_named_and_changes_nothing() {
    for fault in ["full:N", "full:N+"] {
        for n in 1..=steps() {
            let (dir, acked, ended) = live_with(&fault.replace('N', &n.to_string()));
            arm("");
            if let Err(error) = ended {
                let text = error.to_string();
                // A journal whose damaged original could not be kept is not rewritten.
                let kept_out = matches!(error, StoreError::Poisoned { .. }) && text.contains("quarantine");
                assert!(matches!(error, StoreError::File(FileError::Full { .. })) || kept_out, "step {n}: {text}");
                assert!(text.contains("full"), "{text}");
            }
            assert_eq!(check(dir.path(), acked.max(2)), acked.max(2), "step {n}");
            live(dir.path(), |_| {}).unwrap();
        }
    }
}

#[test]
fn a_kill_at_any_step_leaves_a_folder_that_opens() {
    let mut seen = BTreeSet::new();
    for n in 1.. {
        let dir = tempfile::tempdir().unwrap();
        ruin(dir.path());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "tests::faults::the_one_that_is_killed", "--ignored", "--nocapture"]);
        let child = child.env("SCRY_FAILPOINT", format!("kill:{n}")).env("SCRY_TEST_DATA", dir.path());
        let output = child.output().unwrap();
        let said = |bytes: &[u8], key: &str| -> Option<String> {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.lines().filter_map(|line| line.split_once(key)).map(|(_, rest)| rest.to_owned()).next_back()
        };
        let acked = said(&output.stdout, "acked ").map_or(0, |count| count.parse().unwrap());
        check(dir.path(), acked.max(2));
        live(dir.path(), |_| {}).unwrap();
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.signal(), Some(9), "{output:?}");
        seen.extend(said(&output.stderr, "failpoint: killed at "));
    }
    assert_eq!(seen, write_steps().into_iter().collect());
}

#[test]
#[ignore = "the kill test's child"]
fn the_one_that_is_killed() {
    let Ok(root) = std::env::var("SCRY_TEST_DATA") else { return };
    live(Path::new(&root), |count| println!("acked {count}")).unwrap();
}

#[test]
fn a_failed_write_leaves_the_old_file_and_none_beside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for n in 1..=6 {
        arm("");
        write_atomically(FileKind::Build, &path, b"old").unwrap();
        arm(&format!("error:{n}"));
        assert!(matches!(write_atomically(FileKind::Build, &path, b"new"), Err(FileError::Io { .. })));
        // Only the last step comes after the rename.
        let expected: &[u8] = if n == 6 { b"new" } else { b"old" };
        assert_eq!((std::fs::read(&path).unwrap().as_slice(), names(dir.path()).len()), (expected, 1), "step {n}");
    }
}

#[test]
fn an_append_that_fails_is_taken_back() {
    let (dir, store) = open();
    let (mut journal, _) = opened(&store).unwrap();
    journal.append(RECORDS[0]).unwrap();
    for (fault, is_full) in
        [("full:1", true), ("full:2", true), ("error:1", false), ("error:2", false), ("error:3", false)]
    {
        arm(fault);
        let error = journal.append(b"refused").unwrap_err();
        assert_eq!(matches!(error, StoreError::File(FileError::Full { .. })), is_full, "{error}");
        assert_eq!(std::fs::read(dir.path().join("history.log")).unwrap(), seal(RECORDS[0]).unwrap(), "{fault}");
    }
    arm("");
    journal.append(RECORDS[1]).unwrap();
    assert_eq!(opened(&store).unwrap().1.lines, RECORDS[..2]);
}

#[test]
fn an_append_that_cannot_be_taken_back_ends_all_changes() {
    let (_dir, store) = open();
    let (mut journal, _) = opened(&store).unwrap();
    journal.append(RECORDS[0]).unwrap();
    arm("error:2+");
    assert!(matches!(journal.append(b"torn"), Err(StoreError::Poisoned { .. })));
    arm("");
    let error = journal.append(RECORDS[1]).unwrap_err();
    assert!(error.to_string().contains("no change is taken until the host is started again"), "{error}");
    assert!(matches!(journal.rewrite(&RECORDS), Err(StoreError::Poisoned { .. })));
    let (mut journal, replay) = opened(&store).unwrap();
    assert_eq!(replay.lines, RECORDS[..1]);
    journal.append(RECORDS[1]).unwrap();
}

#[test]
fn a_damaged_journal_that_cannot_be_kept_is_read_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    ruin(dir.path());
    let before = std::fs::read(dir.path().join("history.log")).unwrap();
    let store = Store::open(dir.path()).unwrap();
    arm("full:1+");
    let (mut journal, replay) = opened(&store).unwrap();
    arm("");
    assert_eq!(replay.lines, RECORDS[..2]);
    assert!(replay.damage.iter().any(|damage| damage.contains("could not be copied")), "{:?}", replay.damage);
    assert!(matches!(journal.append(b"more"), Err(StoreError::Poisoned { .. })));
    assert!(matches!(journal.rewrite(&replay.lines), Err(StoreError::Poisoned { .. })));
    assert_eq!(std::fs::read(dir.path().join("history.log")).unwrap(), before);
}

#[test]
fn a_rewrite_whose_folder_was_not_synced_ends_all_changes() {
    let (_dir, store) = open();
    let (mut journal, _) = opened(&store).unwrap();
    journal.append(RECORDS[0]).unwrap();
    arm("error:5");
    assert!(
        matches!(journal.rewrite(&RECORDS), Err(StoreError::File(FileError::Io { .. }))),
        "before the rename nothing is lost"
    );
    arm("");
    journal.append(RECORDS[1]).unwrap();
    arm("error:6");
    assert!(matches!(journal.rewrite(&RECORDS), Err(StoreError::Poisoned { .. })));
    arm("");
    assert!(matches!(journal.append(RECORDS[2]), Err(StoreError::Poisoned { .. })));
}

#[test]
fn a_fault_that_does_not_read_fails_every_write() {
    let dir = tempfile::tempdir().unwrap();
    for fault in ["kil:1", "kill", "full:0", "error:x", "full:+"] {
        arm(fault);
        let written = write_atomically(FileKind::Build, &dir.path().join("file"), b"");
        assert!(written.unwrap_err().to_string().contains("SCRY_FAILPOINT"), "{fault}");
    }
}
