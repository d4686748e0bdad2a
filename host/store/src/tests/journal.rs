use super::*;
use crate::lines::{LINE_MAX_BYTES, seal, unseal};
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs::{read, write};

/// JSON as far as this room knows: bytes without a line break.
fn record() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("a line", |&byte| byte != b'\n'), 0..24)
}

fn sealed(records: &[Vec<u8>]) -> Vec<u8> {
    records.iter().flat_map(|record| seal(record).unwrap()).collect()
}

fn fixed(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|n| format!(r#"{{"number":{n}}}"#).into_bytes()).collect()
}

/// Which of the sealed records a flipped bit at `at` costs: a line break that
/// is gone costs none, but for the last, without which its line is no line.
fn touched(records: &[Vec<u8>], at: usize) -> std::ops::Range<usize> {
    let mut end = 0;
    for (n, record) in records.iter().enumerate() {
        end += seal(record).unwrap().len();
        if at < end {
            return if at + 1 == end && n + 1 < records.len() { n..n } else { n..n + 1 };
        }
    }
    unreachable!("the bit is in the file")
}

fn without(records: &[Vec<u8>], range: &std::ops::Range<usize>) -> Vec<Vec<u8>> {
    records.iter().enumerate().filter(|(n, _)| !range.contains(n)).map(|(_, record)| record.clone()).collect()
}

proptest! {
    #[test]
    fn a_sealed_line_reads_back_and_a_changed_one_does_not(json in record()) {
        let line = seal(&json).unwrap();
        prop_assert_eq!(unseal(&line), Some(json.as_slice()));
        for len in 0..line.len() {
            prop_assert_eq!(unseal(&line[..len]), None);
        }
        for bit in 0..line.len() * 8 {
            let mut flipped = line.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(unseal(&flipped), None);
        }
    }

    #[test]
    fn any_bytes_read_as_lines_that_were_sealed(bytes in vec(any::<u8>(), 0..512)) {
        prop_assert_eq!(read_lines(&bytes).records.len(), 0);
    }

    #[test]
    fn an_append_that_is_cut_short_takes_no_line_away(parts in vec((record(), 0..3), 0..8)) {
        let part = |(bytes, form): (Vec<u8>, i32)| match form {
            0 => bytes,
            1 => [bytes.as_slice(), b"\n"].concat(),
            _ => seal(&bytes).unwrap(),
        };
        let bytes: Vec<u8> = parts.into_iter().flat_map(part).collect();
        let lines = read_lines(&bytes);
        let (sound, _) = bytes.split_at(lines.tail_at);
        prop_assert!(sound.is_empty() || sound.ends_with(b"\n"));
        let ends = |damage: &DamagedLines| (damage.offset, *damage.numbers.end());
        prop_assert!(lines.damage.is_sorted_by(|one, next| ends(one) < ends(next) && one.numbers.end() + 1 < *next.numbers.start()));
        let torn = [sound, b"torn"].concat();
        prop_assert_eq!(read_lines(&torn).records, lines.records);
        prop_assert_eq!(read_lines(&torn).damage, lines.damage);
    }

    #[test]
    fn whatever_is_cut_off_a_prefix_stays(records in vec(record(), 0..5)) {
        let bytes = sealed(&records);
        for len in 0..=bytes.len() {
            let lines = read_lines(&bytes[..len]);
            prop_assert_eq!(&lines.records, &records[..lines.records.len()]);
            prop_assert!(lines.damage.is_empty());
            prop_assert_eq!(lines.tail_at, sealed(&records[..lines.records.len()]).len());
            let next = records.get(lines.records.len()).map_or(1, |next| seal(next).unwrap().len());
            prop_assert!(len - lines.tail_at < next, "no whole record is lost");
        }
    }

    #[test]
    fn whatever_bit_flips_the_other_lines_stay(records in vec(record(), 1..5)) {
        let bytes = sealed(&records);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let range = touched(&records, bit / 8);
            let lines = read_lines(&flipped);
            prop_assert_eq!(lines.records, without(&records, &range));
            if bit / 8 + 1 < bytes.len() {
                prop_assert!(!lines.damage.is_empty() && lines.tail_at == bytes.len());
                prop_assert_eq!(lines.damage[0].offset, sealed(&records[..range.start]).len());
            } else {
                prop_assert!(lines.damage.is_empty() && lines.tail_at < bytes.len());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_data_folder_opens_with_any_bit_flipped(bit in any::<prop::sample::Index>(), of_checkpoint in any::<bool>()) {
        let (dir, store) = open();
        let records = fixed(4);
        let file = dir.path().join(if of_checkpoint { "checkpoint.json" } else { "history.log" });
        write(dir.path().join("history.log"), sealed(&records)).unwrap();
        write(dir.path().join("checkpoint.json"), seal(b"state").unwrap()).unwrap();
        let mut bytes = read(&file).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        write(&file, &bytes).unwrap();

        let (mut journal, replay) = opened(&store).unwrap();
        let range = if of_checkpoint { 0..0 } else { touched(&records, bit / 8) };
        let left = without(&records, &range);
        prop_assert_eq!(&replay.lines, &left);
        prop_assert_eq!(replay.checkpoint_damaged, of_checkpoint);
        prop_assert_eq!(replay.checkpoint.is_some(), !of_checkpoint);
        prop_assert_eq!(replay.damage.is_empty(), !of_checkpoint && !replay.journal_damaged);
        prop_assert!(replay.journal_damaged || bit / 8 + 1 == bytes.len() || of_checkpoint);
        let kept = store.list_quarantined().unwrap();
        prop_assert_eq!(kept.len(), usize::from(of_checkpoint || replay.journal_damaged));
        if let Some(kept) = kept.first() {
            prop_assert_eq!(read(dir.path().join("quarantine").join(&kept.name)).unwrap(), bytes);
        }

        // Repaired, it is whole again, and goes on.
        if replay.journal_damaged {
            journal.rewrite(&replay.lines).unwrap();
        }
        journal.append(b"more").unwrap();
        let (_, replay) = opened(&store).unwrap();
        prop_assert!(replay.damage.is_empty() && replay.cut_bytes == 0);
        prop_assert_eq!(replay.lines, [left, vec![b"more".to_vec()]].concat());
    }
}

#[test]
fn a_data_folder_opens_cut_off_anywhere() {
    let (dir, store) = open();
    let records = fixed(3);
    let (log, checkpoint) = (dir.path().join("history.log"), dir.path().join("checkpoint.json"));
    let (bytes, state) = (sealed(&records), seal(b"state").unwrap());
    for len in 0..=bytes.len() {
        write(&log, &bytes[..len]).unwrap();
        let (mut journal, replay) = opened(&store).unwrap();
        assert_eq!(replay.lines, records[..replay.lines.len()]);
        assert!(replay.damage.is_empty() && !replay.journal_damaged);
        let whole = sealed(&replay.lines);
        assert_eq!(replay.cut_bytes as usize, len - whole.len());
        assert_eq!(read(&log).unwrap(), whole);
        journal.append(b"more").unwrap();
        assert_eq!(read(&log).unwrap(), [whole, seal(b"more").unwrap()].concat());
    }
    for len in 0..state.len() {
        write(&checkpoint, &state[..len]).unwrap();
        let (_, replay) = opened(&store).unwrap();
        assert!(replay.checkpoint.is_none() && replay.checkpoint_damaged && !checkpoint.exists());
    }
}

#[test]
fn what_is_appended_and_checkpointed_is_there_after_a_restart() {
    let (dir, store) = open();
    let (mut journal, replay) = opened(&store).unwrap();
    assert!(replay.lines.is_empty() && replay.checkpoint.is_none() && replay.damage.is_empty());
    for record in fixed(3) {
        journal.append(&record).unwrap();
        journal.checkpoint_file().write(&record).unwrap();
    }
    drop((journal, store));
    let store = Store::open(dir.path()).unwrap();
    let (mut journal, replay) = opened(&store).unwrap();
    assert_eq!((replay.lines, replay.checkpoint), (fixed(3), fixed(3).pop()));
    journal.rewrite(&fixed(2)).unwrap();
    journal.append(b"after").unwrap();
    let (_, replay) = opened(&store).unwrap();
    assert_eq!(replay.lines, [fixed(2), vec![b"after".to_vec()]].concat());
    assert!(unfinished(dir.path()).is_empty());
}

#[test]
fn damage_is_told_by_line_and_byte() {
    let (dir, store) = open();
    let lines: Vec<_> = fixed(4).iter().map(|record| seal(record).unwrap()).collect();
    let bytes = [&lines[0], b"one\n".as_slice(), b"two\n", &lines[1]].concat();
    write(dir.path().join("history.log"), &bytes).unwrap();
    let (_, replay) = opened(&store).unwrap();
    assert_eq!(replay.lines, fixed(2));
    let said = format!("history.log: lines 2 to 3, from byte {} on", lines[0].len());
    assert!(replay.damage[0].contains(&said), "{:?}", replay.damage);
    assert!(replay.damage[1].contains("quarantine/history-"), "{:?}", replay.damage);
    assert_eq!(read(dir.path().join("history.log")).unwrap(), bytes, "the repair is not ours");
}

#[test]
fn a_journal_that_is_gone_is_damage_when_there_is_a_checkpoint() {
    let (dir, store) = open();
    write(dir.path().join("checkpoint.json"), seal(b"state").unwrap()).unwrap();
    let (_, replay) = opened(&store).unwrap();
    assert!(replay.journal_damaged && replay.damage[0].contains("missing"), "{:?}", replay.damage);
    assert_eq!(replay.checkpoint.unwrap(), b"state");
}

#[test]
fn a_record_is_one_line_of_bounded_length() {
    let (dir, store) = open();
    let (mut journal, _) = opened(&store).unwrap();
    let long = vec![b'x'; LINE_MAX_BYTES];
    for refused in [b"a\nb".as_slice(), &long] {
        assert!(matches!(journal.append(refused), Err(StoreError::Record { .. })));
        assert!(matches!(journal.rewrite(&[refused]), Err(StoreError::Record { .. })));
        assert!(matches!(journal.checkpoint_file().write(refused), Err(StoreError::Record { .. })));
    }
    journal.append(&long[..LINE_MAX_BYTES - 34]).unwrap();
    assert_eq!(opened(&store).unwrap().1.lines[0].len(), LINE_MAX_BYTES - 34);
    let mut names = names(dir.path());
    names.sort();
    assert_eq!(names, ["format", "history.log", "lock"]);
}

#[test]
fn a_journal_of_more_than_a_gibibyte_is_refused() {
    let (dir, store) = open();
    let (mut journal, _) = opened(&store).unwrap();
    journal.pretend_len_bytes((1 << 30) - 40);
    assert!(matches!(journal.append(b"somewhat too long"), Err(StoreError::Record { .. })));
    journal.append(b"short").unwrap();
    // Sparse: it takes no room.
    std::fs::File::create(dir.path().join("history.log")).unwrap().set_len((1 << 30) + 1).unwrap();
    let error = opened(&store).unwrap_err();
    assert!(error.to_string().contains("more than 1073741824 bytes"), "{error}");
}
