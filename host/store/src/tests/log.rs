use super::*;

fn reopened(store: &Store) -> (Vec<String>, u64) {
    let (_, logged) = store.open_errors();
    let lines = logged.lines.into_iter().map(|line| String::from_utf8(line).unwrap());
    (lines.collect(), logged.lost)
}

fn lines(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

#[test]
fn a_log_has_what_was_added_and_is_replaced_as_a_whole() {
    let (_dir, store) = open();
    let (mut log, logged) = store.open_errors();
    assert_eq!((logged.lines.len(), logged.lost, log.len_bytes()), (0, 0, None));
    assert!(log.append(&lines(&["lost"])).is_err(), "one that is not there is replaced first");
    log.replace(&lines(&["a", "b"])).unwrap();
    log.append(&lines(&["c"])).unwrap();
    assert_eq!(reopened(&store), (vec!["a".into(), "b".into(), "c".into()], 0));
    let (mut log, _) = store.open_errors();
    log.append(&lines(&["d"])).unwrap();
    log.replace(&lines(&["e"])).unwrap();
    log.append(&lines(&["f"])).unwrap();
    assert_eq!(reopened(&store), (vec!["e".into(), "f".into()], 0));
}

#[test]
fn of_a_damaged_log_what_reads_is_kept_and_the_loss_is_counted() {
    let (dir, store) = open();
    let (mut log, _) = store.open_errors();
    log.replace(&lines(&["first", "second", "third"])).unwrap();
    let path = dir.path().join("errors.log");
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|window| window == b"second").unwrap();
    bytes[at] ^= 1;
    bytes.extend(b"half a line");
    std::fs::write(&path, &bytes).unwrap();
    let (mut log, logged) = store.open_errors();
    assert_eq!((logged.lines, logged.lost), (lines(&["first", "third"]), 2));
    assert_eq!(std::fs::read(logged.kept.unwrap()).unwrap(), bytes);
    assert_eq!(log.len_bytes(), None, "nothing is added to a damaged file");
    log.replace(&lines(&["first", "third"])).unwrap();
    assert_eq!(reopened(&store).1, 0);
}
