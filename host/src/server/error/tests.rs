use super::*;
use crate::access;
use crate::serving;
use scry_card::CheckKind;
use std::collections::BTreeSet;
use std::time::Duration;

/// Every kind of failed call. A new one does not compile here before it is listed.
fn calls() -> Vec<CallError> {
    use CallError::*;
    let listed = |error: &CallError| match error {
        Trap(_) | Timeout | ShortOfTime | Late { .. } | Overdue | Fuel | Memory | InvalidOutput(_) => (),
        Failed(_) | InvalidInput(_) | Overload | DeadlineTooShort(_) | Abandoned | CircuitOpen => (),
    };
    let (text, time) = (String::new, Duration::ZERO);
    let calls = vec![
        Trap(text()),
        Timeout,
        ShortOfTime,
        Late { deadline: time },
        Overdue,
        Fuel,
        Memory,
        InvalidOutput(text()),
        Failed(text()),
        InvalidInput(text()),
        Overload,
        DeadlineTooShort(time),
        Abandoned,
        CircuitOpen,
    ];
    calls.iter().for_each(listed);
    calls
}

/// Every way in which a component does not compile, in the same way.
fn compilations() -> Vec<CompileError> {
    use CompileError::*;
    let listed = |error: &CompileError| match error {
        Refused(_) | Memory { .. } | CpuTime { .. } | CodeSize { .. } | Crash(_) | Stalled { .. } | Start(_) => (),
    };
    let compilations = vec![
        Refused(String::new()),
        Memory { max_bytes: 1 },
        CpuTime { max_s: 1 },
        CodeSize { max_bytes: 1 },
        Crash(String::new()),
        Stalled { max_s: 1 },
        Start(std::io::Error::other("none")),
    ];
    compilations.iter().for_each(listed);
    compilations
}

/// Every request that is not read, in the same way.
fn unread() -> Vec<Refusal> {
    use Refusal::*;
    let listed = |refusal: &Refusal| match refusal {
        BodyTooLarge | BodyTimeout | BodyUnreadable | ContentEncoding | TransferEncoding | Host | Target => (),
    };
    let unread = vec![BodyTooLarge, BodyTimeout, BodyUnreadable, ContentEncoding, TransferEncoding, Host, Target];
    unread.iter().for_each(listed);
    unread
}

/// Every request that its client may not make, in the same way.
fn unwanted() -> Vec<access::Refusal> {
    use access::Refusal::*;
    let listed = |refusal: &access::Refusal| match refusal {
        Unauthenticated(_) | Scope { .. } | Rate { .. } | Host(_) | Origin(_) => (),
    };
    let (name, text) = ("a".into(), String::new);
    let unwanted = vec![
        Unauthenticated(access::Surface::Admin),
        Scope { name, need: access::Need::Read },
        Rate { name: "a".into(), wait: Duration::ZERO },
        Host(text()),
        Origin(text()),
    ];
    unwanted.iter().for_each(listed);
    unwanted
}

/// Name and status of an answer that is bytes.
fn written(answer: &str) -> (String, u16) {
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (answer.split("scry-reason: ").nth(1).unwrap().lines().next().unwrap().to_owned(), status)
}

#[test]
fn every_named_error_is_documented_with_its_status() {
    let refusal = || serving::Refusal { findings: Vec::new(), unlisted: 0 };
    let of_version = CheckKind::ALL.into_iter().filter(|check| check.is_of_version());
    let predicting = calls().into_iter().map(PredictError::NoAnswer);
    let predicting = predicting.chain(of_version.map(|check| PredictError::Untrusted(check, refusal())));
    let predicting =
        predicting.chain([PredictError::InvalidInput(refusal()), PredictError::Unavailable(String::new())]);
    let errors = predicting.map(HttpError::from);
    let errors = errors.chain(compilations().into_iter().map(HttpError::from));
    let errors = errors.chain(unread().into_iter().map(|refusal| HttpError::refused(refusal, "")));
    let errors = errors.chain(unwanted().into_iter().map(HttpError::from));
    let unsigned = ChangeError::Unsigned {
        model: String::new(),
        digest: scry_names::Digest::of(b""),
        why: scry_signatures::SignatureError::Missing,
    };
    let errors = errors.chain([HttpError::stopping(), unsigned.into()]);
    let known = errors.filter_map(|error| Some((error.reason?.to_owned(), error.status.as_u16())));
    let known: BTreeSet<_> = known.chain([written(&no_place())]).collect();

    // Tables of names begin with a name and a status.
    let page = include_str!("../../../../docs/reference/errors.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let documented: BTreeSet<_> = rows
        .filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
        .map(|(name, rest)| (name.to_owned(), rest.split([' ', ',']).next().unwrap().parse().unwrap()))
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    for (wait_ms, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (90_000, "90")] {
        let rate = access::Refusal::Rate { name: "a".into(), wait: Duration::from_millis(wait_ms) };
        let response = HttpError::from(rate).into_response();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (429, &seconds.parse().unwrap()));
    }
}
