use super::*;
use axum::body::{Body, Bytes};
use futures_util::stream::iter;
use proptest::collection::vec;
use proptest::prelude::*;
use std::convert::Infallible;

const MAX: usize = 100;

/// What is read of a body that comes in these parts.
fn read(parts: Vec<Vec<u8>>, coding: Option<Coding>) -> (Vec<Message>, Option<HttpError>) {
    let body = Body::from_stream(iter(parts.into_iter().map(|part| Ok::<_, Infallible>(Bytes::from(part)))));
    let mut messages = Messages::of(body, coding, MAX);
    let all = async {
        let mut read = Vec::new();
        loop {
            match messages.next().await {
                Ok(Some(message)) => read.push(message),
                Ok(None) => return (read, None),
                Err(error) => return (read, Some(error)),
            }
        }
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(all)
}

fn framed(flag: u8, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

proptest! {
    #[test]
    fn messages_are_read_wherever_they_are_cut(
        sent in vec((any::<bool>(), vec(any::<u8>(), 0..=MAX)), 0..5),
        cuts in vec(0_usize..40, 1..30),
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(|(flag, bytes)| framed(u8::from(*flag), bytes)).collect();
        let (mut rest, mut parts) = (&bytes[..], Vec::new());
        for cut in cuts {
            let (part, after) = rest.split_at(cut.min(rest.len()));
            parts.push(part.to_vec());
            rest = after;
        }
        parts.push(rest.to_vec());
        let (read, error) = read(parts, Some(Coding::Gzip));
        prop_assert!(error.is_none());
        let coding = |flag: bool| flag.then_some(Coding::Gzip);
        let sent = sent.into_iter().map(|(flag, bytes)| Message { bytes: bytes.into(), coding: coding(flag) });
        prop_assert_eq!(read, sent.collect::<Vec<_>>());
    }

    #[test]
    fn other_bytes_are_an_error_or_messages_of_their_length(bytes in vec(0_u8..3, 0..200)) {
        let length = bytes.len();
        let (read, error) = read(vec![bytes], None);
        let taken: usize = read.iter().map(|message| PREFIX_BYTES + message.bytes.len()).sum();
        prop_assert_eq!(error.is_none(), taken == length);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let error =
        |bytes: &[u8], coding| read(vec![bytes.to_vec()], coding).1.map(|error| (error.status.as_u16(), error.message));
    let unreadable = |status, why: &str| Some((status, format!("the message could not be read: {why}")));
    assert_eq!(error(&framed(0, &[7; MAX]), None), None);
    let too_long = "the message is longer than 100 bytes: it has 101".to_owned();
    // Before its bytes have come.
    assert_eq!(error(&framed(0, &[7; MAX + 1])[..PREFIX_BYTES], None), Some((413, too_long)));
    assert_eq!(error(&[0, 0, 0, 0], None), unreadable(400, "expected a whole message, found a part"));
    assert_eq!(error(&framed(0, b"abc")[..7], None), unreadable(400, "expected a whole message, found a part"));
    assert_eq!(error(&framed(2, b""), None), unreadable(400, "expected the flag 0 or 1 before a message, found 2"));
    let how = "it is compressed; metadata `grpc-encoding`: expected how, found nothing";
    assert_eq!(error(&framed(1, b""), None), unreadable(500, how));
}

#[tokio::test(start_paused = true)]
async fn a_call_has_one_message_in_time() {
    let only = async |bytes: Vec<u8>| Messages::of(Body::from(bytes), None, MAX).only(Duration::from_secs(1)).await;
    assert_eq!(only(framed(0, b"abc")).await.unwrap().bytes, "abc");
    let error = async |bytes| only(bytes).await.unwrap_err().message;
    assert!(error(vec![]).await.ends_with("expected one message, found none"));
    assert!(error(framed(0, b"a").repeat(2)).await.ends_with("expected one message, found several"));
    let silent = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
    let late = Messages::of(silent, None, MAX).only(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!((late.status.as_u16(), &*late.message), (408, "the message took longer than 1000 ms to arrive"));
}
