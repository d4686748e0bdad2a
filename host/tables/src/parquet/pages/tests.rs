use super::*;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

fn zigzag(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A struct of numbers in the protocol: each by how much its field's number is above the one before.
fn numbers(fields: &[(u8, i64)]) -> Vec<u8> {
    fields.iter().flat_map(|&(delta, value)| [vec![delta << 4 | kind::I32], zigzag(value)].concat()).collect()
}

/// A header of the format's form: type, size, packed size, checksum, then what is of its type.
fn header(page: i64, unpacked: i64, field: u8, inside: &[u8]) -> Vec<u8> {
    let start = numbers(&[(1, page), (1, unpacked), (1, 7), (1, -5)]);
    [&start, &[(field - 4) << 4 | kind::STRUCT][..], inside, &[0, 0]].concat()
}

fn pages(content: &[u8], is_gzip: bool) -> Pages {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Pages { file: Arc::new(file), is_gzip, header: Header::default() }
}

/// Reads a header as the crate does.
fn read(header: &[u8]) -> Result<usize, String> {
    let mut bytes = Vec::new();
    let read = pages(header, false).get_read(0).unwrap().read_to_end(&mut bytes);
    assert!(read.is_err() || bytes == header);
    read.map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn sizes_are_those_of_the_header(unpacked in 0..=i32::MAX, values in 0..=i32::MAX, levels in any::<[u16; 2]>(), text in "[a-z]{0,200}") {
        let statistics = [&[0x18][..], &[text.len() as u8 & 0x7f], &text.as_bytes()[..text.len() & 0x7f], &[0x26, 2, 0x11, 0]].concat();
        let data = [&numbers(&[(1, values.into()), (1, 0), (1, 3), (1, 3)]), &[0x1c][..], &statistics].concat();
        let (unpacked_bytes, values) = (unpacked as usize, values as usize);
        let checksum = Some(-5_i32 as u32);
        let size = Size { unpacked_bytes, values, encoding: Some(0), checksum, ..Size::default() };
        prop_assert_eq!(Size::of(header(0, unpacked.into(), 5, &data).as_slice()).unwrap(), size);
        let dictionary = numbers(&[(1, values as i64), (1, 0)]);
        let size = Size { unpacked_bytes, dictionary_values: values, checksum, ..Size::default() };
        prop_assert_eq!(Size::of(header(2, unpacked.into(), 7, &dictionary).as_slice()).unwrap(), size);
        let [def, rep] = levels.map(i64::from);
        let v2 = [&numbers(&[(1, values as i64), (1, 1), (1, 2), (1, 0), (1, def), (1, rep)]), &[0x12][..]].concat();
        let levels_bytes = (def + rep) as usize;
        let size = Size { unpacked_bytes, values, levels_bytes, encoding: Some(0), checksum, ..Size::default() };
        prop_assert_eq!(Size::of(header(3, unpacked.into(), 8, &v2).as_slice()).unwrap(), size);
    }

    #[test]
    fn anything_is_a_size_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Size::of(bytes.as_slice());
    }
}

#[test]
fn what_a_page_may_not_have_is_refused_before_it_is_read() {
    let data = |values| numbers(&[(1, values), (1, 0), (1, 3), (1, 3)]);
    let most = PAGE_MAX_BYTES as i64;
    assert!(read(&header(0, most, 5, &data(10))).is_ok());
    let refused = |header: &[u8]| read(header).unwrap_err();
    assert!(refused(&header(0, most + 1, 5, &data(10))).contains("a page of bytes beyond the limit"));
    assert!(refused(&header(0, 10, 5, &data(i32::MAX.into()))).contains("a page of values beyond"));
    assert!(refused(&header(2, 10, 7, &numbers(&[(1, i32::MAX.into())]))).contains("a dictionary of values beyond"));
    assert!(refused(&header(0, -1, 5, &data(10))).contains("below 0"));
    // The second of two sizes would be the crate's.
    let twice = [&numbers(&[(1, 0), (1, 10), (1, 7)]), &[kind::I32, 4][..], &zigzag(i32::MAX.into())].concat();
    assert!(refused(&twice).contains("out of order"));
    assert!(refused(&header(0, most, 5, &data(10))[..9]).contains("fill"));
}

#[test]
fn gzip_that_unpacks_to_more_than_it_says_is_refused() {
    let packed = |bytes: usize| {
        let mut to = GzEncoder::new(Vec::new(), Level::fast());
        copy(&mut io::repeat(0).take(bytes as u64), &mut to).unwrap();
        to.finish().unwrap()
    };
    let small = packed(1000);
    assert_eq!(pages(&small, true).get_bytes(0, small.len()).unwrap(), small);
    let bomb = packed(PAGE_MAX_BYTES + 1);
    let error = pages(&bomb, true).get_bytes(0, bomb.len()).unwrap_err();
    assert!(error.to_string().contains("beyond the limit"), "{error}");
    assert_eq!(pages(&bomb, false).get_bytes(0, bomb.len()).unwrap().len(), bomb.len());
    // Levels in front of it are not compressed.
    let shifted = [b"levels".as_slice(), &bomb].concat();
    let pages = pages(&shifted, true);
    pages.header.with(|shared| shared.size.levels_bytes = 6);
    assert!(pages.get_bytes(0, shifted.len()).is_err());
}

#[test]
fn lists_over_many_pages_and_texts_with_shared_starts_are_announced_or_refused() {
    let read = |header: &Header, values: usize, encoding: u64| {
        header.check(Size { values, encoding: Some(encoding), ..Size::default() }).map_err(|error| error.to_string())
    };
    let header = Header::default();
    assert_eq!(read(&header, PAGE_MAX_VALUES, 0), Ok(()));
    assert_eq!(read(&header, 1, 0), Ok(()), "as much as a page may have lies before it");
    assert!(read(&header, 1, 0).unwrap_err().contains("a batch of list elements beyond"));
    header.begin_batch();
    assert_eq!(read(&header, 1, 0), Ok(()));
    assert!(read(&header, 1, 7).unwrap_err().contains("does not name"));
    assert_eq!(read(&Header { shares_starts: true, ..Header::default() }, 1, 7), Ok(()));
}

#[test]
fn checksums_are_those_of_the_format() {
    // CRC-32 of the check string of its catalogs.
    assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
    let pages = pages(b"123456789", false);
    let check = |checksum| {
        pages.header.with(|shared| shared.size.checksum = checksum);
        pages.get_bytes(0, 9).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!((check(None), check(Some(0xcbf4_3926))), (Ok(()), Ok(())));
    assert!(check(Some(0xcbf4_3927)).unwrap_err().contains("do not fit its checksum"));
}
