use super::tar::{BLOCK_BYTES, END as TAR_END, Header};
use super::*;
use crate::lines::seal;
use crate::{Store, StoreError};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// What a host may have.
#[derive(Debug, Clone)]
struct Host {
    records: Vec<Vec<u8>>,
    components: Vec<Vec<u8>>,
    drift: Vec<(String, Vec<u8>)>,
}

fn host() -> impl Strategy<Value = Host> {
    let json = || "[ -~]{0,40}".prop_map(String::into_bytes);
    let drift = vec(("[a-z0-9][a-z0-9_-]{0,63}", json()), 0..3);
    let components = proptest::collection::btree_set(vec(any::<u8>(), 0..1500), 0..4);
    (vec(json(), 0..5), components, drift).prop_map(|(records, components, drift)| Host {
        records,
        components: components.into_iter().collect(),
        drift: drift.into_iter().collect::<std::collections::BTreeMap<_, _>>().into_iter().collect(),
    })
}

fn small() -> Host {
    Host {
        records: vec![br#"{"number":1}"#.to_vec(), br#"{"number":2}"#.to_vec()],
        components: vec![b"one".to_vec(), vec![7; 700]],
        drift: vec![("m".repeat(64), b"{}".to_vec())],
    }
}

fn backed_up(host: &Host) -> (Vec<u8>, Contents) {
    let mut bytes = Vec::new();
    let mut backup = BackupWriter::begin(&mut bytes, About::new(host.records.len() as u64, 1_700_000_000_123)).unwrap();
    backup.add_history(host.records.len(), |at| Ok(host.records[at].clone())).unwrap();
    backup.add_checkpoint(b"{}").unwrap();
    for component in &host.components {
        backup.add(&Entry::Component(Digest::of(component)), component).unwrap();
        backup.add(&Entry::Signature(Digest::of(component)), b"envelope").unwrap();
    }
    for (model, counts) in &host.drift {
        backup.add(&Entry::Drift { model: model.clone(), digest: Digest::of(b"one") }, counts).unwrap();
    }
    backup.lacks(Digest::of(b"lacking"), "it is gone".into());
    let contents = backup.finish().unwrap();
    (bytes, contents)
}

fn read(bytes: &[u8]) -> Result<Contents, BackupError> {
    read_backup(bytes, |_, _| Ok(()))
}

/// A tar file of these entries, right as such.
fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (path, content) in entries {
        let header = Header { path: (*path).to_owned(), size_bytes: content.len() as u64, modified_s: 0 };
        bytes.extend(header.to_block().unwrap());
        bytes.extend(*content);
        bytes.extend(vec![0; header.padding()]);
    }
    bytes.extend(TAR_END);
    bytes
}

fn begin() -> Vec<u8> {
    seal(&serde_json::to_vec(&About::new(0, 0)).unwrap()).unwrap()
}

fn end(files: &[(&str, &[u8])]) -> Vec<u8> {
    let listed = |(path, bytes): &(&str, &[u8])| BackedUp {
        path: (*path).to_owned(),
        size_bytes: bytes.len() as u64,
        digest: Digest::of(bytes),
    };
    seal(&serde_json::to_vec(&Listing { files: files.iter().map(listed).collect(), missing: Vec::new() }).unwrap())
        .unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], says: &str) {
    let error = read(bytes).unwrap_err().to_string();
    assert!(error.contains(says), "expected `{says}` in: {error}");
}

fn names(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is written is what is read, whole and in its order, and a folder has it file by file.
    #[test]
    fn a_backup_brings_back_what_was_there(host in host()) {
        let (bytes, contents) = backed_up(&host);
        prop_assert_eq!(&read(&bytes).unwrap(), &contents);
        prop_assert_eq!(contents.components(), host.components.len());
        prop_assert_eq!(contents.missing.len(), 1);

        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        prop_assert_eq!(store.restore(bytes.as_slice()).unwrap(), contents);
        prop_assert_eq!(store.read_journal().unwrap().lines, host.records);
        prop_assert_eq!(store.read_journal().unwrap().checkpoint, Some(b"{}".to_vec()));
        for component in &host.components {
            let digest = Digest::of(component);
            prop_assert_eq!(&store.get(&digest).unwrap(), component);
            prop_assert_eq!(store.signature(&digest).unwrap(), Some(b"envelope".to_vec()));
        }
        for (model, counts) in &host.drift {
            let found = store.drift(model, &Digest::of(b"one")).unwrap();
            prop_assert_eq!(found.as_ref(), Some(counts));
        }
    }

    #[test]
    fn a_backup_with_any_bit_flipped_is_refused(at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let (mut bytes, _) = backed_up(&small());
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(read(&bytes).is_err(), "bit {bit} of byte {at}");
    }

    #[test]
    fn a_backup_that_is_cut_anywhere_or_longer_is_refused(at in any::<prop::sample::Index>(), more in vec(any::<u8>(), 1..600)) {
        let (bytes, _) = backed_up(&small());
        let (cut, _) = bytes.split_at(at.index(bytes.len()));
        prop_assert!(matches!(read(cut), Err(BackupError::Cut | BackupError::Other(_))));
        prop_assert!(matches!(read(&[bytes.as_slice(), &more].concat()), Err(BackupError::Longer)));
    }

    #[test]
    fn other_bytes_are_no_backup(bytes in vec(any::<u8>(), 0..3000)) {
        prop_assert!(matches!(read(&bytes), Err(BackupError::Other(_))));
    }
}

#[test]
fn only_the_files_of_a_backup_are_taken() {
    let begin = begin();
    for path in [
        "../history.log",
        "/history.log",
        "components/../../x.wasm",
        "components/abc.wasm",
        "drift/../x/0.json",
        "drift/Model/0.json",
        "admin.token",
        "lock",
        "backup",
    ] {
        let bytes = tar(&[("backup", &begin), (path, b"x")]);
        let mut taken = 0;
        let error = read_backup(bytes.as_slice(), |_, _| {
            taken += 1;
            Ok(())
        });
        assert!(matches!(error, Err(BackupError::Entry { .. })), "{path}: {error:?}");
        assert_eq!(taken, 0, "{path}");
    }
}

#[test]
fn what_is_wrong_with_a_backup_is_named() {
    let (begin, history) = (begin(), ("history.log", b"".as_slice()));
    let component = format!("components/{}.wasm", Digest::of(b"one").hex());
    let all = [("backup", begin.as_slice()), history];
    let with = |more: &[(&str, &[u8])]| tar(&[&all, more].concat());
    assert!(read(&with(&[("digests", &end(&[history]))])).is_ok());
    refused(&with(&[]), "cut short");
    refused(&with(&[history]), "`history.log` in the backup: expected it once, found it twice");
    refused(&with(&[(&component, b"two")]), "is damaged: its bytes do not have the digest");
    refused(&with(&[("digests", &end(&[]))]), "it is there and not listed");
    refused(&with(&[("digests", &end(&[history, (&component, b"one")]))]), "it is listed and not there");
    refused(&with(&[("digests", &end(&[("history.log", b"x")]))]), "`history.log` in the backup is damaged");
    refused(&with(&[("digests", b"{}\n")]), "`digests` in the backup is damaged");
    refused(&with(&[("digests", &end(&[history])), (&component, b"one")]), "expected nothing behind `digests`");
    refused(&tar(&[("backup", &begin), ("digests", &end(&[]))]), "`history.log` in the backup: it is not there");
    refused(&tar(&[]), "an empty tar file");
    refused(&tar(&[history]), "a tar file that begins with `history.log`");
    refused(b"", "fewer bytes than it begins with");
    let later = seal(br#"{"format":2,"scry":"9.9.9","more":true}"#).unwrap();
    refused(&tar(&[("backup", &later)]), "format 2, and scry");
    refused(&tar(&[("backup", &later)]), "scry 9.9.9");
    let none = seal(br#"{"format":"x"}"#).unwrap();
    refused(&tar(&[("backup", &none)]), "`backup` in the backup: invalid type");
}

#[test]
fn a_size_is_not_believed() {
    let claim = |path: &str, size_bytes: u64| {
        let header = Header { path: path.to_owned(), size_bytes, modified_s: 0 };
        let mut bytes = tar(&[("backup", &begin())]);
        bytes.truncate(bytes.len() - TAR_END.len());
        bytes.extend(header.to_block().unwrap());
        bytes.extend([0; BLOCK_BYTES]);
        bytes
    };
    let component = format!("components/{}.wasm", Digest::of(b"").hex());
    refused(&claim(&component, 4 << 30), "cut short");
    refused(&claim(&component, (4 << 30) + 1), "expected at most 4294967296 bytes, found 4294967297");
    refused(&claim("checkpoint.json", 1 << 32), "`checkpoint.json` in the backup: expected at most");
    refused(&claim("digests", 1 << 32), "`digests` in the backup: expected at most");
}

#[test]
fn what_changes_while_it_is_read_is_no_backup() {
    let times = std::cell::Cell::new(0);
    let mut backup = BackupWriter::begin(Vec::new(), About::new(0, 0)).unwrap();
    let shorter = |_| {
        times.set(times.get() + 1);
        Ok(vec![b'1'; 4 - times.get()])
    };
    let error = backup.add_history(1, shorter).unwrap_err().to_string();
    assert!(error.contains("`history.log` in the backup: expected"), "{error}");
}

#[test]
fn a_folder_takes_its_place_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (place, (bytes, _)) = (dir.path().join("data"), backed_up(&small()));
    for is_empty in [false, true] {
        if is_empty {
            fs::create_dir(&place).unwrap();
        }
        let staged = StagedFolder::for_place(&place).unwrap();
        staged.store().restore(bytes.as_slice()).unwrap();
        assert!(!place.join("history.log").exists());
        staged.put_in_place().unwrap();
        assert_eq!(names(dir.path()), ["data"]);
        assert_eq!(Store::open(&place).unwrap().get(&Digest::of(b"one")).unwrap(), b"one");
        fs::remove_dir_all(&place).unwrap();
    }
    // One that fails leaves nothing.
    let staged = StagedFolder::for_place(&place).unwrap();
    staged.store().restore(&bytes[..bytes.len() / 2]).unwrap_err();
    drop(staged);
    assert!(names(dir.path()).is_empty());
}

#[test]
fn nothing_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("data");
    let occupied = |place: &Path| match StagedFolder::for_place(place) {
        Err(BackupError::Occupied(found)) => assert_eq!(found, place),
        other => panic!("{other:?}"),
    };
    fs::write(&place, b"a file").unwrap();
    occupied(&place);
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    fs::write(place.join("a"), b"").unwrap();
    occupied(&place);
    fs::remove_file(place.join("a")).unwrap();
    // What comes in between stays, too.
    let staged = StagedFolder::for_place(&place).unwrap();
    fs::write(place.join("a"), b"").unwrap();
    staged.put_in_place().unwrap_err();
    assert_eq!((names(dir.path()), names(&place)), (vec!["data".to_owned()], vec!["a".to_owned()]));
    assert!(matches!(StagedFolder::for_place(Path::new("/")), Err(BackupError::Nameless(_))));
}

#[test]
fn what_a_killed_restore_has_left_is_removed_and_a_living_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("data");
    for (name, is_left) in
        [(".data.0123456789abcdef.tmp", true), (".other.0123456789abcdef.tmp", false), (".data.x.tmp", false)]
    {
        let path = dir.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join("lock"), b"").unwrap();
        fs::write(path.join("history.log"), b"").unwrap();
        let living = StagedFolder::for_place(&place).unwrap();
        assert_eq!(path.exists(), !is_left, "{name}");
        let other = StagedFolder::for_place(&place).unwrap();
        assert!(living.store().read_journal().is_ok() && names(dir.path()).len() >= 2);
        drop((living, other));
    }
    assert_eq!(names(dir.path()), [".data.x.tmp", ".other.0123456789abcdef.tmp"]);
}

#[test]
fn an_error_of_who_takes_ends_it() {
    let (bytes, _) = backed_up(&small());
    let failed = read_backup(bytes.as_slice(), |_, _| Err(StoreError::Missing(Digest::of(b"x")).into()));
    assert!(matches!(failed, Err(BackupError::Store(StoreError::Missing(_)))));
}
