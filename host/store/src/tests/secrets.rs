use super::*;
use std::os::unix::fs::PermissionsExt;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn secrets_stay_and_are_the_owners_alone() {
    let (dir, store) = open();
    let (key, token) = (store.cache_key().unwrap(), store.admin_token().unwrap());
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!((store.cache_key().unwrap(), store.admin_token().unwrap()), (key, token));
    assert_eq!((mode(&dir.path().join("cache.key")), mode(&dir.path().join("admin.token"))), (0o600, 0o600));
}

#[test]
fn a_cache_key_that_does_not_read_is_replaced() {
    let (dir, store) = open();
    let path = dir.path().join("cache.key");
    let old = store.cache_key().unwrap();
    let hex = std::fs::read(&path).unwrap();
    let sign = [b"+1".as_slice(), &hex[2..]].concat();
    let damages: [&[u8]; 7] = [b"", b" \n", &hex[..63], &hex[..62], &[&hex[..], b"00"].concat(), b"\xff\xfe", &sign];
    for damage in damages {
        std::fs::write(&path, damage).unwrap();
        let new = store.cache_key().unwrap();
        assert_ne!(new, old, "{damage:?}");
        assert_eq!(store.cache_key().unwrap(), new);
        assert_eq!(mode(&path), 0o600);
    }
    std::fs::write(&path, [&hex[..], b"\n"].concat()).unwrap();
    assert_eq!(store.cache_key().unwrap(), old, "an editor's line break is no damage");
}

#[test]
fn a_token_that_does_not_read_is_kept_and_replaced() {
    for damage in [b"".as_slice(), b" \n", b"\xff\xfe\xfd", b"to\0ken", b"two\nlines"] {
        let (dir, store) = open();
        let path = dir.path().join("admin.token");
        std::fs::write(&path, damage).unwrap();
        let token = store.admin_token().unwrap();
        assert_eq!((token.len(), mode(&path)), (64, 0o600), "{damage:?}");
        assert_eq!(store.admin_token().unwrap(), token);
        let kept = store.list_quarantined().unwrap();
        assert!(kept.len() == 1 && kept[0].name.starts_with("admin-"), "{kept:?}");
        assert_eq!(std::fs::read(dir.path().join("quarantine").join(&kept[0].name)).unwrap(), damage);
    }
}

#[test]
fn what_is_no_file_is_an_error_and_not_damage() {
    let (dir, store) = open();
    std::fs::create_dir(dir.path().join("cache.key")).unwrap();
    std::fs::create_dir(dir.path().join("admin.token")).unwrap();
    assert!(matches!(store.cache_key(), Err(StoreError::File(FileError::Io { .. }))));
    assert!(matches!(store.admin_token(), Err(StoreError::File(FileError::Io { .. }))));
}

#[test]
fn the_lock_is_held_by_one_host_and_its_content_does_not_matter() {
    let (dir, store) = open();
    assert!(matches!(Store::open(dir.path()), Err(StoreError::InUse(_))));
    drop(store);
    std::fs::write(dir.path().join("lock"), b"\xff anything").unwrap();
    Store::open(dir.path()).unwrap();
}
