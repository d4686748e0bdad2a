use super::*;
use proptest::prelude::*;
use std::cell::Cell;

fn headers(name: &'static str, lines: &[&'static str]) -> HeaderMap {
    lines.iter().map(|line| (header::HeaderName::from_static(name), HeaderValue::from_static(line))).collect()
}

#[test]
fn a_body_is_compressed_once_or_refused_by_name() {
    let of = |lines: &[&'static str]| Coding::of(&headers("content-encoding", lines)).map_err(|error| error.message);
    assert_eq!(of(&[]), Ok(None));
    assert_eq!(of(&["identity", "Identity"]), Ok(None));
    for (lines, coding) in
        [(&["gzip"][..], Coding::Gzip), (&["X-GZIP"], Coding::Gzip), (&["identity", "Deflate"], Coding::Deflate)]
    {
        assert_eq!(of(lines), Ok(Some(coding)), "{lines:?}");
    }
    for lines in [&["br"][..], &["gzip, gzip"], &[""], &["identity", "zstd"], &["gzip", "gzip"]] {
        let message = of(lines).unwrap_err();
        let found = format!("found `{}`", lines.last().unwrap());
        assert!(message.contains("one of `gzip`, `deflate`") && message.contains(&found), "{message}");
    }
}

#[test]
fn an_answer_is_compressed_as_its_client_likes_best() {
    for (lines, coding) in [
        (&[][..], None),
        (&["gzip"][..], Some(Coding::Gzip)),
        (&["deflate"], Some(Coding::Deflate)),
        // As curl, requests and browsers send it.
        (&["deflate, gzip, br, zstd"], Some(Coding::Gzip)),
        (&["gzip, deflate"], Some(Coding::Gzip)),
        (&["gzip;q=0.5, deflate;q=0.8"], Some(Coding::Deflate)),
        (&["gzip; q=0", "deflate ;q=0.001"], Some(Coding::Deflate)),
        (&["identity", "br"], None),
        (&["*"], Some(Coding::Gzip)),
        (&["*;q=0"], None),
        (&["gzip;q=0, *"], Some(Coding::Deflate)),
        (&["gzip;q=nan"], None),
        (&["gzip;q=0"], None),
    ] {
        assert_eq!(Coding::accepted(&headers("accept-encoding", lines)), coding, "{lines:?}");
    }
}

/// By Python's `gzip.compress(b"hello, hello", mtime=0)` and `zlib.compress(b"hello, hello")`.
const GZIP: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcbH\xcd\xc9\xc9\xd7Q\xc8\x00Q\x00\xff\xc5\xcc\xf3\x0c\x00\x00\x00";
const ZLIB: &[u8] = b"x\x9c\xcbH\xcd\xc9\xc9\xd7Q\xc8\x00Q\x00\x1c\xda\x04u";

fn inflated(coding: Coding, body: &[u8], max_bytes: usize) -> Result<Vec<u8>, Wrong> {
    coding.inflate(body, max_bytes, &mut Interrupt::never()).unwrap()
}

#[test]
fn what_others_compress_is_inflated_and_what_is_not_whole_is_damaged() {
    for (coding, body) in [(Coding::Gzip, GZIP), (Coding::Deflate, ZLIB)] {
        assert_eq!(inflated(coding, body, 12), Ok(b"hello, hello".to_vec()));
        assert_eq!(inflated(coding, body, 11), Err(Wrong::TooLong));
        for end in 0..body.len() {
            assert_eq!(inflated(coding, &body[..end], 100), Err(Wrong::Damaged), "{coding:?} {end}");
        }
        let mut wrong = body.to_vec();
        // Within the checksum.
        let at = if coding == Coding::Gzip { wrong.len() - 6 } else { wrong.len() - 2 };
        wrong[at] ^= 1;
        assert_eq!(inflated(coding, &wrong, 100), Err(Wrong::Damaged), "{coding:?}");
        assert_eq!(inflated(coding, &[body, b"x"].concat(), 100), Err(Wrong::Damaged), "{coding:?}");
    }
    assert_eq!(inflated(Coding::Gzip, &[GZIP, GZIP].concat(), 100), Ok(b"hello, hellohello, hello".to_vec()));
    assert_eq!(inflated(Coding::Gzip, ZLIB, 100), Err(Wrong::Damaged));
    assert_eq!(inflated(Coding::Deflate, GZIP, 100), Err(Wrong::Damaged));
}

#[test]
fn a_bomb_is_inflated_no_further_than_its_limit() {
    let zeros = vec![0; 64 << 20];
    for coding in [Coding::Gzip, Coding::Deflate] {
        let bomb = coding.compress(&zeros, &mut Interrupt::never()).unwrap().unwrap();
        assert!(bomb.len() < 1 << 20);
        let asked = Cell::new(0);
        let ask = || {
            asked.set(asked.get() + 1);
            false
        };
        let max_bytes = 1 << 20;
        assert_eq!(coding.inflate(&bomb, max_bytes, &mut Interrupt::when(&ask)).unwrap(), Err(Wrong::TooLong));
        assert!(asked.get() <= max_bytes / BLOCK_BYTES + 2, "{coding:?}: {} blocks", asked.get());
        // Of a stream that makes nothing no more is read than of one that does.
        assert!(coding.inflate(&bomb, usize::MAX >> 1, &mut Interrupt::when(&|| true)).is_err());
        assert!(coding.compress(&zeros, &mut Interrupt::when(&|| true)).is_err());
    }
}

proptest! {
    #[test]
    fn what_is_compressed_is_inflated(body in prop::collection::vec(any::<u8>(), 0..100), times in 1..2_000_usize) {
        let body = body.repeat(times);
        for coding in [Coding::Gzip, Coding::Deflate] {
            let compressed = coding.compress(&body, &mut Interrupt::never()).unwrap().unwrap();
            prop_assert_eq!(&inflated(coding, &compressed, body.len()), &Ok(body.clone()));
        }
    }

    #[test]
    fn any_bytes_are_inflated_or_refused(body in prop::collection::vec(any::<u8>(), 0..100), is_framed in any::<bool>()) {
        let gzip = [&GZIP[..10], &body].concat();
        let zlib = [&ZLIB[..2], &body].concat();
        let _ = inflated(Coding::Gzip, if is_framed { &gzip } else { &body }, 1000);
        let _ = inflated(Coding::Deflate, if is_framed { &zlib } else { &body }, 1000);
    }
}

#[test]
fn a_beginning_is_as_much_as_inflates_and_no_more_than_is_wanted() {
    for (coding, body) in [(Coding::Gzip, GZIP), (Coding::Deflate, ZLIB)] {
        assert_eq!(coding.beginning(body, 100), b"hello, hello");
        assert!(coding.beginning(b"hello, hello", 100).is_empty());
        let bomb = coding.compress(&vec![7; 1 << 20], &mut Interrupt::never()).unwrap().unwrap();
        assert_eq!(coding.beginning(&bomb, 100), [7; 100]);
        assert_eq!(coding.beginning(&bomb[..bomb.len() / 2], 100), [7; 100]);
    }
}
