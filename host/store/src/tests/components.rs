use super::*;
use std::time::Duration;

fn component(dir: &Path, digest: &Digest) -> PathBuf {
    dir.join("components").join(format!("{}.wasm", digest.hex()))
}

#[test]
fn a_component_comes_back_as_it_was_put() {
    let (_dir, store) = open();
    let digest = store.put(b"model").unwrap();
    assert_eq!(digest, Digest::of(b"model"));
    assert_eq!(store.get(&digest).unwrap(), b"model");
    assert!(matches!(store.get(&Digest::of(b"other")), Err(StoreError::Missing(_))));
}

#[test]
fn a_signature_is_beside_its_component_and_goes_with_it() {
    let (dir, store) = open();
    let (digest, other) = (store.put(b"model").unwrap(), store.put(b"other").unwrap());
    assert_eq!(store.signature(&digest).unwrap(), None);
    store.put_signature(&digest, b"first").unwrap();
    store.put_signature(&digest, b"second").unwrap();
    assert_eq!(store.signature(&digest).unwrap().unwrap(), b"second");
    assert_eq!(store.signature(&other).unwrap(), None);
    let listed: Vec<_> = store.list_components().unwrap().into_iter().map(|(digest, _)| digest).collect();
    assert_eq!(listed.len(), 2, "a signature is no component: {listed:?}");
    store.put_signature(&digest, &[b' '; 100_000]).unwrap();
    assert_eq!(store.signature(&digest).unwrap().unwrap().len(), scry_signatures::ENVELOPE_MAX_BYTES + 1);
    store.remove_component(&digest).unwrap();
    assert_eq!(names(&dir.path().join("components")), [format!("{}.wasm", other.hex())]);
}

#[test]
fn a_damaged_component_goes_to_quarantine_and_is_named_until_it_is_put_again() {
    let (dir, store) = open();
    let digest = store.put(b"model").unwrap();
    std::fs::write(component(dir.path(), &digest), b"medal").unwrap();
    let Err(StoreError::Damaged { kept, .. }) = store.get(&digest) else { panic!("damage unseen") };
    assert_eq!(kept.parent().unwrap(), dir.path().join("quarantine"));
    assert_eq!(std::fs::read(&kept).unwrap(), b"medal");
    assert!(!component(dir.path(), &digest).exists());
    drop(store);

    let store = Store::open(dir.path()).unwrap();
    let error = store.get(&digest).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StoreError::Damaged { .. }), "{text}");
    assert!(text.contains("damaged") && text.contains(&kept.display().to_string()), "{text}");

    let listed = store.list_quarantined().unwrap();
    assert_eq!((listed.len(), listed[0].digest, listed[0].size_bytes), (1, Some(digest), 5));
    assert!(listed[0].age < Duration::from_secs(600), "{listed:?}");

    assert_eq!(store.put(b"model").unwrap(), digest);
    assert_eq!(store.get(&digest).unwrap(), b"model");
    store.remove_quarantined(&listed[0]).unwrap();
    store.remove_component(&digest).unwrap();
    assert!(matches!(store.get(&digest), Err(StoreError::Missing(_))));
}

#[test]
fn the_quarantined_file_that_is_named_is_the_last() {
    let (dir, store) = open();
    let digest = Digest::of(b"model");
    let quarantine = dir.path().join("quarantine");
    std::fs::create_dir(&quarantine).unwrap();
    for unix_ms in [999, 1_700_000_000_000_u64, 5_000] {
        std::fs::write(quarantine.join(format!("{}-{unix_ms}.wasm", digest.hex())), b"").unwrap();
    }
    std::fs::write(quarantine.join("notes.txt"), b"ours").unwrap();
    let Err(StoreError::Damaged { kept, .. }) = store.get(&digest) else { panic!("not named") };
    assert!(kept.display().to_string().contains("-1700000000000.wasm"), "{kept:?}");
    assert_eq!(store.list_quarantined().unwrap().len(), 3);
}

#[test]
fn what_is_set_aside_takes_no_other_files_place() {
    let (dir, store) = open();
    let path = dir.path().join("checkpoint.json");
    let copies = (0..20u8).map(|n| {
        std::fs::write(&path, [n]).unwrap();
        store.quarantine(&path).unwrap()
    });
    let copies: Vec<_> = copies.collect();
    for (n, kept) in (0..).zip(&copies) {
        assert_eq!(std::fs::read(kept).unwrap(), [n]);
    }
    assert_eq!(store.list_quarantined().unwrap().len(), 20);
    // The same bytes of the same file are kept once, however often a start fails.
    let log = dir.path().join("history.log");
    let kept = store.quarantine_copy(&log, b"damaged").unwrap();
    assert_eq!(store.quarantine_copy(&log, b"damaged").unwrap(), kept);
    assert_ne!(store.quarantine_copy(&log, b"DAMAGED").unwrap(), kept);
    assert_eq!(store.list_quarantined().unwrap().len(), 22);
}

#[test]
fn what_is_there_is_listed_and_can_be_removed() {
    let (dir, store) = open();
    let (one, other) = (store.put(b"one").unwrap(), store.put(b"other").unwrap());
    std::fs::write(dir.path().join("components/README"), b"ours").unwrap();
    let mut expected = vec![(one, 3), (other, 5)];
    expected.sort_by_key(|(digest, _)| digest.hex());
    assert_eq!(store.list_components().unwrap(), expected);

    assert_eq!(store.list_cached().unwrap().len(), 0);
    for (engine, model) in [("00aa", ""), ("00bb", "-fare-model")] {
        let path = store.cache_dir().join(engine).join(format!("{}{model}.cwasm", one.hex()));
        write_atomically(FileKind::Cache, &path, b"code").unwrap();
    }
    let cached = store.list_cached().unwrap();
    let seen: Vec<_> = cached.iter().map(|code| (code.engine.as_str(), code.digest, code.size_bytes)).collect();
    assert_eq!(seen, [("00aa", one, 4), ("00bb", one, 4)]);

    store.remove_cached(&cached[0]).unwrap();
    assert_eq!(names(&store.cache_dir()), ["00bb"], "an engine's folder goes with the last of its files");
    store.remove_component(&other).unwrap();
    store.remove_component(&other).unwrap();
    assert_eq!(store.list_components().unwrap(), [(one, 3)]);
}

#[test]
fn opening_removes_what_a_crash_left_and_nothing_else() {
    let (dir, store) = open();
    store.put(b"model").unwrap();
    drop(store);
    for folder in ["", "components", "cache/00aa", "quarantine"] {
        let folder = dir.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(".0123456789abcdef.tmp"), b"half").unwrap();
        std::fs::write(folder.join(".mine.tmp"), b"whole").unwrap();
    }
    let store = Store::open(dir.path()).unwrap();
    let left = unfinished(dir.path());
    assert!(left.len() == 4 && left.iter().all(|path| path.ends_with(".mine.tmp")), "{left:?}");
    store.get(&Digest::of(b"model")).unwrap();
}
