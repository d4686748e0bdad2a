use super::*;
use crate::lines::seal;
use std::fs::{read, write};

#[test]
fn a_new_folder_gets_the_format_and_an_older_one_too() {
    let (dir, store) = open();
    let path = dir.path().join("format");
    let written = read(&path).unwrap();
    assert_eq!(written, seal(br#"{"format":1}"#).unwrap());
    drop(store);
    std::fs::remove_file(&path).unwrap();
    Store::open(dir.path()).unwrap();
    assert_eq!(read(&path).unwrap(), written);
}

#[test]
fn a_later_format_is_refused_before_anything_is_touched() {
    for line in [r#"{"format":2}"#, r#"{"format":4294967295,"more":[1]}"#, r#"{"format":"1.5"}"#, "sealed otherwise"] {
        let dir = tempfile::tempdir().unwrap();
        let line = seal(line.as_bytes()).unwrap();
        write(dir.path().join("format"), &line).unwrap();
        write(dir.path().join(".0123456789abcdef.tmp"), b"half").unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::LaterFormat { .. }), "{error}");
        let mut names = names(dir.path());
        names.sort();
        assert_eq!(names, [".0123456789abcdef.tmp", "format"], "not even a lock");
        assert_eq!(read(dir.path().join("format")).unwrap(), line);
    }
}

#[test]
fn a_damaged_line_of_a_later_format_is_still_a_later_format() {
    let dir = tempfile::tempdir().unwrap();
    let sound = seal(br#"{"format":2}"#).unwrap();
    let tag_bits = 32 * 8;
    for bit in 0..tag_bits {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        write(dir.path().join("format"), &flipped).unwrap();
        let error = Store::open(dir.path()).unwrap_err();
        assert!(matches!(error, StoreError::LaterFormat { .. }), "{error}");
    }
}

#[test]
fn a_format_that_does_not_verify_is_set_aside_and_written_anew() {
    let (dir, store) = open();
    drop(store);
    let path = dir.path().join("format");
    let sound = read(&path).unwrap();
    let flips = (0..sound.len() * 8).map(|bit| {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    });
    for damaged in flips.chain([Vec::new(), vec![b'x'; 1 << 20]]) {
        write(&path, &damaged).unwrap();
        let text = String::from_utf8_lossy(&damaged);
        if [3, 5, 9].iter().any(|later| text.contains(&format!("{{\"format\":{later}}}"))) {
            assert!(matches!(Store::open(dir.path()).unwrap_err(), StoreError::LaterFormat { .. }));
            continue;
        }
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(read(&path).unwrap(), sound);
        let [kept] = store.list_quarantined().unwrap().try_into().unwrap();
        assert_eq!(read(dir.path().join("quarantine").join(&kept.name)).unwrap(), damaged);
        store.remove_quarantined(&kept).unwrap();
    }
}
