//! kill -9 in the middle of a backup and of a restore: no half file, no half folder, and a host that is unharmed.

use super::{backup_of, host_on, lived, picture, restore};
use crate::crash::files;
use crate::support::{Host, scry};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// More steps than a small backup or a small folder takes.
const STEPS_MAX: usize = 200;

/// A command that dies after one step; whether it did, or was done before.
fn killed(command: &mut Command, step: usize) -> bool {
    let Output { status, stderr, .. } = command.env("SCRY_FAILPOINT", format!("kill:{step}")).output().unwrap();
    let said = String::from_utf8_lossy(&stderr);
    assert!(status.success() || status.signal() == Some(9), "{said}");
    assert_eq!(said.contains("failpoint: killed at "), !status.success(), "{said}");
    !status.success()
}

fn backup(host: &Host, file: &Path) -> Command {
    let mut command = scry();
    command.arg("backup").arg(file).env("SCRY_ADMIN", &host.admin).env("SCRY_ADMIN_TOKEN", host.token());
    command
}

#[test]
fn a_backup_that_is_killed_leaves_the_file_of_before() {
    let host = lived();
    let before = picture(&host);
    let (first, old) = backup_of(&host);
    let old = std::fs::read(&old).unwrap();
    for is_there in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("scry.backup");
        let mut steps = 0;
        for step in 1..STEPS_MAX {
            if is_there {
                std::fs::write(&file, &old).unwrap();
            } else {
                // Best effort: it is there after the last kills.
                let _ = std::fs::remove_file(&file);
            }
            let was_killed = killed(&mut backup(&host, &file), step);
            match std::fs::read(&file) {
                Ok(bytes) if is_there && bytes == old => {}
                Err(_) if !is_there => {}
                // It was put in its place just before.
                Ok(_) => {
                    let data = dir.path().join(format!("data-{step}"));
                    restore(&file, &data).ok();
                }
                Err(error) => panic!("step {step}: {error}"),
            }
            steps = step;
            if !was_killed {
                break;
            }
        }
        assert!((5..STEPS_MAX - 1).contains(&steps), "{steps}");
        // What is left of those that were killed says so by its name.
        let left = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| !name.to_string_lossy().starts_with("data-")).collect();
        assert!(left.iter().all(|name| name == "scry.backup" || name.to_string_lossy().ends_with(".tmp")), "{left:?}");
    }
    assert_eq!(picture(&host), before);
    drop(first);
}

#[test]
fn a_host_that_is_killed_in_the_middle_leaves_no_backup_and_starts_again() {
    let host = lived();
    let before = picture(&host);
    let (whole, file) = backup_of(&host);
    let bytes = std::fs::read(&file).unwrap();
    // Stopped, it keeps its clients waiting; killed, it leaves them.
    let signal =
        |name: &str| assert!(Command::new("kill").args([name, &host.id().to_string()]).status().unwrap().success());
    let target = whole.path().join("another");
    signal("-STOP");
    let waiting = backup(&host, &target).stderr(Stdio::piped()).spawn().unwrap();
    signal("-KILL");
    let left = waiting.wait_with_output().unwrap();
    assert_eq!(left.status.code(), Some(1));
    let said = String::from_utf8_lossy(&left.stderr);
    assert!(said.contains("error: "), "{said}");
    let host = host.kill_and_restart();
    assert_eq!(picture(&host), before);

    // However far it has come: the answer has no end.
    for part in [0, 1, 512, bytes.len() / 2, bytes.len() - 1024, bytes.len() - 1] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = format!("http://{}", listener.local_addr().unwrap());
        let sent = bytes[..part].to_vec();
        let lying = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            assert!(client.read(&mut [0; 4096]).unwrap() > 0);
            client.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
            if !sent.is_empty() {
                client.write_all(format!("{:x}\r\n", sent.len()).as_bytes()).unwrap();
                client.write_all(&sent).unwrap();
                client.write_all(b"\r\n").unwrap();
            }
        });
        let mut command = scry();
        command.arg("backup").arg(&target).env("SCRY_ADMIN", &admin).env("SCRY_ADMIN_TOKEN", "any");
        let did = command.output().unwrap();
        lying.join().unwrap();
        assert_eq!(did.status.code(), Some(1), "{part}: {}", String::from_utf8_lossy(&did.stderr));
        assert_eq!(files(whole.path()).len(), 1, "{part}");
    }
}

#[test]
fn a_restore_that_is_killed_leaves_nothing_in_its_place_and_the_next_one_makes_it() {
    let host = lived();
    let (source, file) = backup_of(&host);
    let before = picture(&host);
    let mut steps = 0;
    for step in 1..STEPS_MAX {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut command = scry();
        let was_killed = killed(command.arg("restore").arg(&file).arg("--data").arg(&data), step);
        if data.exists() {
            // All of it, after the last step that counts.
            restore(&file, &data).code(1).says(&["is not empty"]);
        } else {
            assert!(was_killed);
            restore(&file, &data).ok();
        }
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["data"], "step {step}");
        if step % 8 == 1 || !was_killed {
            assert_eq!(picture(&host_on(dir)), before, "step {step}");
        }
        steps = step;
        if !was_killed {
            break;
        }
    }
    assert!((20..STEPS_MAX - 1).contains(&steps), "{steps}");
    assert_eq!(picture(&host), before);
    drop(source);
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing() {
    let host = lived();
    let (_source, file) = backup_of(&host);
    let dir = tempfile::tempdir().unwrap();
    let mut command = backup(&host, &dir.path().join("scry.backup"));
    let full = command.env("SCRY_FAILPOINT", "full:2").output().unwrap();
    let said = String::from_utf8_lossy(&full.stderr);
    assert!(full.status.code() == Some(1) && said.contains("scry.backup") && said.contains("full"), "{said}");
    assert!(files(dir.path()).is_empty());
    for step in [3, 9, 15] {
        let mut command = scry();
        command.arg("restore").arg(&file).arg("--data").arg(dir.path().join("data"));
        let full = command.env("SCRY_FAILPOINT", format!("full:{step}+")).output().unwrap();
        let said = String::from_utf8_lossy(&full.stderr);
        assert!(full.status.code() == Some(1) && said.contains("full"), "{step}: {said}");
        assert!(files(dir.path()).is_empty(), "{step}");
    }
}
