//! A journal: whatever the bytes, its records are lines of them, in order, and
//! an append that is cut short takes none away. `.ci/fuzz 60 journal`
#![no_main]

use libfuzzer_sys::fuzz_target;
use scry_store::read_lines;

fuzz_target!(|bytes: &[u8]| {
    let lines = read_lines(bytes);
    let (sound, _) = bytes.split_at(lines.tail_at);
    assert!(sound.is_empty() || sound.ends_with(b"\n"));
    let is_in = |record: &[u8]| record.is_empty() || sound.windows(record.len()).any(|bytes| bytes == record);
    assert!(lines.records.iter().all(|record| is_in(record)));
    assert!(
        lines.damage.is_sorted_by(|one, next| one.offset < next.offset && one.numbers.end() < next.numbers.start())
    );

    let torn = [sound, b"torn"].concat();
    assert_eq!(read_lines(&torn), lines);
});
