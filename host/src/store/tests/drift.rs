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
    assert_eq!(std::fs::read(aside).unwrap(), b"a-model_2");
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
fn a_crash_leaves_nothing_unfinished_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    std::fs::create_dir_all(dir.path().join("drift")).unwrap();
    std::fs::write(dir.path().join("drift/.0123456789abcdef.tmp"), b"half").unwrap();
    drop(Store::open(dir.path()).unwrap());
    assert_eq!(std::fs::read_dir(dir.path().join("drift")).unwrap().count(), 0);
}
