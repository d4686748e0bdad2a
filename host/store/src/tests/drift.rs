//! Counts of live rows.

use super::*;

#[test]
fn counts_are_kept_by_model_and_component_until_they_are_removed() {
    let (_dir, store) = open();
    let [one, two] = [b"one", b"two"].map(|bytes| Digest::of(bytes));
    assert_eq!(store.drift("m", &one).unwrap(), None);
    for (model, digest) in [("m", one), ("a-model_2", one), ("m", two)] {
        store.put_drift(model, &digest, b"old").unwrap();
        store.put_drift(model, &digest, model.as_bytes()).unwrap();
    }
    assert_eq!(store.drift("a-model_2", &one).unwrap().as_deref(), Some(b"a-model_2".as_slice()));
    // What is none is set aside, and no component for that.
    let aside = store.set_drift_aside("a-model_2", &one).unwrap();
    assert!(std::fs::read(aside).unwrap().ends_with(b" a-model_2\n"));
    assert_eq!(store.drift("a-model_2", &one).unwrap(), None);
    assert!(store.list_quarantined().unwrap().iter().all(|file| file.digest.is_none()));
    let listed = store.list_drift().unwrap();
    let mut digests: Vec<_> = listed.iter().map(|file| file.digest).collect();
    digests.sort();
    let mut expected = vec![one, two];
    expected.sort();
    assert_eq!(digests, expected);
    listed.iter().for_each(|file| store.remove_drift(file).unwrap());
    assert!(store.list_drift().unwrap().is_empty());
}

#[test]
fn counts_with_any_bit_flipped_are_none() {
    let (dir, store) = open();
    let digest = Digest::of(b"one");
    store.put_drift("m", &digest, br#"{"rows":100}"#).unwrap();
    let path = dir.path().join(format!("drift/{}-m.json", digest.hex()));
    let sound = std::fs::read(&path).unwrap();
    for bit in 0..sound.len() * 8 {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, flipped).unwrap();
        assert!(matches!(store.drift("m", &digest), Err(StoreError::Unreadable { .. })), "bit {bit}");
    }
    // As the version before wrote them.
    std::fs::write(&path, br#"{"rows":7}"#).unwrap();
    assert_eq!(store.drift("m", &digest).unwrap().as_deref(), Some(br#"{"rows":7}"#.as_slice()));
}

#[test]
fn a_crash_leaves_nothing_unfinished_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    std::fs::create_dir_all(dir.path().join("drift")).unwrap();
    std::fs::write(dir.path().join("drift/.0123456789abcdef.tmp"), b"half").unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(std::fs::read_dir(dir.path().join("drift")).unwrap().count(), 0);
}
