//! Backups: whatever the bytes, an error, or files that all have their digests and make the same backup again.
//! `.ci/fuzz 60 backup`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_names::Digest;
use scry_store::{BackupEntry, BackupWriter, read_backup};

fuzz_target!(|bytes: &[u8]| {
    let mut files = Vec::new();
    let read = read_backup(bytes, |entry, from| {
        let mut content = Vec::new();
        from.read_to_end(&mut content)?;
        assert!(content.len() <= bytes.len());
        files.push((entry.clone(), content));
        Ok(())
    });
    let Ok(contents) = read else { return };
    assert_eq!(contents.files.len(), files.len());
    let mut again = Vec::new();
    let mut backup = BackupWriter::begin(&mut again, contents.about.clone()).expect("it was read");
    for ((entry, content), listed) in files.iter().zip(&contents.files) {
        assert_eq!((entry.path(), Digest::of(content)), (listed.path.clone(), listed.digest));
        assert_eq!(BackupEntry::of(&listed.path).as_ref(), Some(entry));
        backup.add(entry, content).expect("it was read");
    }
    contents.missing.iter().for_each(|lacking| backup.lacks(lacking.digest, lacking.why.clone()));
    assert_eq!(backup.finish().expect("it was read"), contents);
    assert_eq!(read_backup(again.as_slice(), |_, _| Ok(())).expect("it was written"), contents);
});
