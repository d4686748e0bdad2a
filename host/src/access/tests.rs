use super::*;
use proptest::prelude::*;
use std::time::Duration;

const ADMIN_TOKEN: &str = "a long random text";

/// A token of each kind, whose text is its name with `-token`.
fn tokens() -> Tokens {
    let entry = |name: &str, more: &str| {
        format!("[tokens.{name}]\nsha256 = \"{}\"\n{more}\n", TokenDigest::of(&format!("{name}-token")))
    };
    let text = [
        entry("one", "scopes = [\"predict:fraud\"]"),
        entry("some", "scopes = [\"predict:fraud-*\"]"),
        entry("each", "scopes = [\"predict\"]"),
        entry("reader", "scopes = [\"read\"]"),
        entry("scraper", "scopes = [\"metrics\"]"),
        entry("publisher", "scopes = [\"publish\"]"),
        entry("deployer", "scopes = [\"deploy\"]"),
        entry("chief", "scopes = [\"admin\"]"),
        entry("slow", "scopes = [\"predict\"]\nrequests_per_second = 1\nburst = 3"),
    ];
    Tokens::admins(ADMIN_TOKEN, []).and_file(&TokenFile::parse(&text.concat()).unwrap())
}

fn access(tokens: Tokens, has_file: bool) -> Access {
    Access::new(tokens, has_file, Hosts::new("127.0.0.1:8081".parse().unwrap(), &["scry.example".into()]))
}

fn head<'a>(method: &'a str, path: &'a str, authorization: Option<&'a str>) -> Head<'a> {
    Head { method, path, authorization, host: Some("127.0.0.1:8081"), origin: None }
}

/// `200` or why not, for each of the tokens in the order of their scopes: nobody, a wrong token, one, some, each,
/// reader, scraper, publisher, deployer, chief, the main token.
fn outcomes(surface: Surface, method: &str, path: &str) -> String {
    let access = access(tokens(), true);
    let names = ["", "stranger", "one", "some", "each", "reader", "scraper", "publisher", "deployer", "chief", "admin"];
    let outcome = |name: &str| {
        let token = if name == "admin" { ADMIN_TOKEN.to_owned() } else { format!("{name}-token") };
        let bearer = format!("Bearer {token}");
        let head = head(method, path, (!name.is_empty()).then_some(bearer.as_str()));
        match access.admit(surface, head) {
            Ok(_) => "+",
            Err(Refusal::Unauthenticated(_)) => "?",
            Err(Refusal::Scope { .. }) => "-",
            Err(other) => panic!("{other}"),
        }
    };
    names.map(outcome).concat()
}

#[test]
fn each_token_may_what_its_scopes_say_on_each_path_of_predictions() {
    for (method, path, expected) in [
        ("GET", "/v2/health/live", "+++++++++++"),
        ("HEAD", "/v2/health/ready", "+++++++++++"),
        ("GET", "/ping", "+++++++++++"),
        ("OPTIONS", "/v2/models/fraud/infer", "+++++++++++"),
        ("POST", "/grpc.health.v1.Health/Check", "+++++++++++"),
        ("GET", "/v2", "??+++++++++"),
        ("GET", "/v2/models/fraud", "??+-++---++"),
        ("GET", "/v2/models/fraud/versions/3/ready", "??+-++---++"),
        ("GET", "/v2/models/fraud-eu/ready", "??-+++---++"),
        ("GET", "/v2/models/other", "??--++---++"),
        ("POST", "/v2/models/fraud/infer", "??+-+----++"),
        ("POST", "/v2/models/fr%61ud/infer", "??+-+----++"),
        ("POST", "/v2/models/fraud/versions/3/infer", "??+-+----++"),
        ("POST", "/v2/models/fraud-eu/infer", "??-++----++"),
        ("POST", "/v2/models/other/infer", "??--+----++"),
        ("POST", "/v1/models/fraud:predict", "??+-+----++"),
        ("POST", "/v1/models/fraud%3Apredict", "??+-+----++"),
        ("POST", "/v1/models/fraud/versions/3:predict", "??+-+----++"),
        // Names that lead nowhere, and paths that no table knows, are for those who may ask all models.
        ("POST", "/v2/models/fraud%2F..%2Fother/infer", "??--+----++"),
        ("POST", "/v2/models/%ff/infer", "??--+----++"),
        ("POST", "/v2/models//infer", "??--+----++"),
        ("POST", "//v2/models/fraud/infer", "??--+----++"),
        ("POST", "/invocations", "??--+----++"),
        ("POST", "/inference.GRPCInferenceService/ServerReady", "+++++++++++"),
        ("POST", "/inference.GRPCInferenceService/RepositoryIndex", "??---+---++"),
        ("POST", "/inference.GRPCInferenceService/RepositoryModelLoad", "??--+----++"),
        // The message is asked about, too.
        ("POST", "/inference.GRPCInferenceService/ModelInfer", "??+++++++++"),
        ("POST", "/inference.GRPCInferenceService/ModelMetadata", "??+++++++++"),
        ("DELETE", "/nothing", "??--+----++"),
        // What names no model tells of all.
        ("GET", "/v2/models/stats", "??---+---++"),
        ("GET", "/v2/models", "??---+---++"),
        ("POST", "/v2/repository/index", "??---+---++"),
        ("GET", "/openapi.json", "??---+---++"),
        ("GET", "/nothing", "??---+---++"),
    ] {
        assert_eq!(outcomes(Surface::Prediction, method, path), expected, "{method} {path}");
    }
}

#[test]
fn each_token_may_what_its_scopes_say_on_each_admin_path() {
    for (method, path, expected) in [
        ("GET", "/metrics", "??----+--++"),
        ("HEAD", "/metrics", "??----+--++"),
        ("GET", "/openapi.json", "+++++++++++"),
        ("GET", "/docs", "+++++++++++"),
        ("GET", "/docs/start.js", "+++++++++++"),
        ("GET", "/docs/start.js/", "??-------++"),
        ("GET", "/", "+++++++++++"),
        ("POST", "/", "??-------++"),
        ("GET", "/dashboard", "+++++++++++"),
        ("GET", "/dashboard/app.js", "+++++++++++"),
        ("GET", "/dashboard/page/app.js", "??-------++"),
        ("GET", "/v1/overview", "??---+---++"),
        ("GET", "/v1/events", "??---+---++"),
        ("GET", "/v1/models/fraud/hour", "??---+---++"),
        ("GET", "/v1/models/fraud/drift/histograms", "??---+---++"),
        ("POST", "/docs", "??-------++"),
        ("GET", "/v1/models", "??---+---++"),
        ("GET", "/v1/models/fraud", "??---+---++"),
        ("GET", "/v1/models/fraud/circuit", "??---+---++"),
        ("GET", "/v1/models/fraud/validation", "??---+---++"),
        ("GET", "/v1/models/fraud/drift", "??---+---++"),
        ("GET", "/v1/models/fraud/drift/counts", "??---+---++"),
        ("GET", "/v1/history", "??---+---++"),
        ("GET", "/v1/errors", "??---+---++"),
        ("GET", "/v1/errors/019385e8-7c1a-7b52-9d0e-3f6f1a2b4c5d", "??---+---++"),
        ("GET", "/v1/desired", "??---+---++"),
        ("GET", "/v1/state", "??---+---++"),
        ("POST", "/v2/repository/index", "??---+---++"),
        ("POST", "/v1/models", "??-----+-++"),
        ("POST", "/v1/models/fraud/deploy", "??------+++"),
        ("POST", "/v1/models/fraud/rollback", "??------+++"),
        ("POST", "/v1/models/fraud/withdraw", "??------+++"),
        ("POST", "/v1/models/fraud/circuit", "??------+++"),
        ("POST", "/v2/repository/models/fraud/load", "??------+++"),
        ("POST", "/v1/rollback", "??------+++"),
        ("PUT", "/v1/desired", "??------+++"),
        ("POST", "/v1/gc", "??-------++"),
        ("GET", "/v1/refusals", "??-------++"),
        ("GET", "/v1/backup", "??-------++"),
        // Whatever no line of the table has.
        ("OPTIONS", "/v1/models", "??-------++"),
        ("DELETE", "/v1/models/fraud", "??-------++"),
        ("POST", "/v1/models/fraud/deploy/", "??-------++"),
        ("GET", "//v1/models", "??-------++"),
        ("GET", "/v1/nothing", "??-------++"),
        ("GET", "//", "??-------++"),
        ("GET", "*", "??-------++"),
    ] {
        assert_eq!(outcomes(Surface::Admin, method, path), expected, "{method} {path}");
    }
}

#[test]
fn a_refusal_names_the_scope_and_never_whether_a_model_is_there() {
    let access = access(tokens(), true);
    let refused = |path: &str| {
        let error = access.admit(Surface::Prediction, head("GET", path, Some("bearer one-token"))).unwrap_err();
        (error.reason(), error.by().map(str::to_owned), error.to_string())
    };
    let expected = "the token `one` lacks the scope `predict:other` or `read`";
    assert_eq!(refused("/v2/models/other"), ("missing-scope", Some("one".into()), expected.into()));
    let nobody = access.admit(Surface::Prediction, head("GET", "/v2/models/other", None)).unwrap_err();
    assert!(!nobody.to_string().contains("other"), "{nobody}");
}

#[test]
fn a_token_comes_as_a_bearer_and_as_nothing_else() {
    let access = access(tokens(), true);
    for (authorization, is_let_in) in [
        ("Bearer chief-token", true),
        ("bearer chief-token", true),
        ("BEARER  chief-token", true),
        ("chief-token", false),
        ("Basic chief-token", false),
        ("Bearer", false),
        ("Bearer ", false),
        ("Bearer chief-token x", false),
        ("Bearer chief", false),
        ("Bearer CHIEF-TOKEN", false),
    ] {
        let admitted = access.admit(Surface::Admin, head("GET", "/v1/state", Some(authorization)));
        assert_eq!(admitted.is_ok(), is_let_in, "{authorization}");
    }
}

#[test]
fn without_a_token_file_only_the_admin_listener_asks() {
    let access = access(Tokens::admins(ADMIN_TOKEN, [("alice", "another")]), false);
    assert!(!access.guards(Surface::Prediction) && access.guards(Surface::Admin));
    let by = |token: &str| {
        let bearer = format!("Bearer {token}");
        let caller =
            access.admit(Surface::Admin, head("POST", "/v1/gc", Some(&bearer))).ok().and_then(|admitted| admitted.0);
        caller.map(|caller| caller.name().to_owned())
    };
    assert_eq!(
        [by(ADMIN_TOKEN).as_deref(), by("another").as_deref(), by("").as_deref()],
        [Some("admin"), Some("alice"), None]
    );
}

#[test]
fn a_rate_is_held_and_a_file_that_is_read_again_does_not_renew_it() {
    let access = access(tokens(), true);
    let ask = || access.admit(Surface::Prediction, head("POST", "/v2/models/m/infer", Some("Bearer slow-token")));
    for _ in 0..3 {
        ask().unwrap();
    }
    access.replace(tokens());
    let Err(Refusal::Rate { name, wait }) = ask() else { panic!("a fourth request at once") };
    assert!(&*name == "slow" && wait <= Duration::from_secs(1), "{wait:?}");
    // What a token may not do counts as well: trying costs something.
    let other = head("POST", "/v1/gc", Some("Bearer slow-token"));
    assert!(matches!(access.admit(Surface::Admin, other), Err(Refusal::Rate { .. })));
    std::thread::sleep(wait + Duration::from_millis(5));
    ask().unwrap();
    access.replace(Tokens::admins(ADMIN_TOKEN, []));
    assert!(matches!(ask(), Err(Refusal::Unauthenticated(_))), "revoked");
}

#[test]
fn the_admin_listener_answers_to_its_own_names_and_pages() {
    let hosts = |bound: &str| Hosts::new(bound.parse().unwrap(), &["scry.example".into()]);
    let on_loopback = hosts("127.0.0.1:8081");
    let is_let_in = |hosts: &Hosts, host, origin| hosts.check(host, origin).is_ok();
    for (host, expected) in [
        (None, true),
        (Some(""), true),
        (Some("localhost"), true),
        (Some("LocalHost:8081"), true),
        (Some("localhost."), true),
        (Some("127.0.0.1:8081"), true),
        (Some("127.9.9.9"), true),
        (Some("[::1]:8081"), true),
        (Some("scry.example"), true),
        (Some("SCRY.example.:443"), true),
        (Some("evil.example:8081"), false),
        (Some("localhost.evil.example"), false),
        (Some("scry.example.evil.example"), false),
        (Some("127.0.0.1.evil.example"), false),
        (Some("10.0.0.1:8081"), false),
        (Some("[2001:db8::1]"), false),
    ] {
        assert_eq!(is_let_in(&on_loopback, host, None), expected, "{host:?}");
    }
    // On all addresses any address is its own, and still no name is.
    let on_all = hosts("0.0.0.0:8081");
    assert!(is_let_in(&on_all, Some("10.0.0.1:8081"), None) && is_let_in(&on_all, Some("[2001:db8::1]:1"), None));
    assert!(!is_let_in(&on_all, Some("evil.example"), None));
    let on_one = hosts("10.0.0.1:8081");
    assert!(is_let_in(&on_one, Some("10.0.0.1"), None) && !is_let_in(&on_one, Some("10.0.0.2"), None));
    for (origin, expected) in [
        ("http://127.0.0.1:8081", true),
        ("https://127.0.0.1:8081", true),
        ("https://scry.example", true),
        ("http://localhost:3000", false),
        ("http://127.0.0.1:3000", false),
        ("http://evil.example", false),
        ("null", false),
        ("", false),
    ] {
        assert_eq!(is_let_in(&on_loopback, Some("127.0.0.1:8081"), Some(origin)), expected, "{origin}");
    }
}

#[test]
fn a_flood_without_a_token_pushes_out_nothing_that_had_one() {
    let audit = Audit::default();
    let known = Refusal::Scope { name: "one".into(), need: Need::Admin };
    audit.record(1, "POST", "/v1/gc", &known);
    audit.record(2, "POST", "/v1/gc", &known);
    for at_ms in 3..3000 {
        audit.record(at_ms, "GET", &format!("/{at_ms}"), &Refusal::Unauthenticated(Surface::Admin));
    }
    let kept = audit.newest(usize::MAX);
    assert_eq!(kept.len(), 501);
    assert_eq!((kept[0].at_ms, kept[0].path.as_str(), kept[0].reason), (2999, "/2999", "unauthenticated"));
    let last = kept.last().unwrap();
    assert_eq!((last.by.as_deref(), last.at_ms, last.count), (Some("one"), 2, 2));
    assert_eq!(audit.newest(7).len(), 7);
}

/// The hash of an empty text, as FIPS 180 and every other implementation has it.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_digest_is_what_sha256sum_says_and_shows_nothing() {
    assert_eq!(TokenDigest::of("").to_string(), EMPTY_SHA256);
    assert!(TokenDigest::from_hex(EMPTY_SHA256).is_some());
    for wrong in ["", "e3", &EMPTY_SHA256[1..], &format!("{EMPTY_SHA256}0"), &EMPTY_SHA256.replace('e', "+")] {
        assert!(TokenDigest::from_hex(wrong).is_none(), "{wrong}");
    }
    let shown = format!("{:?}", tokens());
    assert!(!shown.contains(&TokenDigest::of("one-token").to_string()) && !shown.contains("one-token"), "{shown}");
}

/// Does not compile once a digest can be compared in another way than in constant time.
#[test]
fn a_digest_has_no_other_comparison() {
    trait Ambiguous<A> {
        fn holds() -> bool {
            true
        }
    }
    struct Equal;
    impl<T: ?Sized> Ambiguous<()> for T {}
    impl<T: ?Sized + PartialEq> Ambiguous<Equal> for T {}
    assert!(<TokenDigest as Ambiguous<_>>::holds());
}

#[test]
fn what_is_wrong_in_a_token_file_is_named() {
    let with = |more: &str| format!("[tokens.a]\nsha256 = \"{EMPTY_SHA256}\"\n{more}");
    for (text, says) in [
        (with(""), "missing field `scopes`"),
        (with("scopes = []"), "`tokens.a.scopes`: expected 1 to 100 scopes, found 0 scopes"),
        (with("scopes = [\"predict:\"]"), "found `predict:`"),
        (with("scopes = [\"predict:Fraud\"]"), "found `predict:Fraud`"),
        (with("scopes = [\"root\"]"), "scope: expected `predict`, `predict:MODEL`"),
        (with("scopes = [\"read\"]\nbust = 1"), "unknown field `bust`"),
        (with("scopes = [\"read\"]\nburst = 1"), "`tokens.a.requests_per_second`: expected a number beside `burst`"),
        (with("scopes = [\"read\"]\nrequests_per_second = 0"), "nonzero"),
        (with("scopes = [\"read\"]\nrequests_per_second = 1000001"), "expected 1 to 1000000, found 1000001"),
        (with("scopes = [\"read\"]").replace(EMPTY_SHA256, "secret"), "sha256: expected 64 hexadecimal digits"),
        (with("scopes = [\"read\"]").replace("tokens.a", "tokens.\"a b\""), "names of 1 to 64"),
        (
            with("scopes = [\"read\"]\n") + &with("scopes = [\"read\"]").replace("tokens.a", "tokens.b"),
            "`tokens.a.sha256`: expected a token of its own, found that of `b`",
        ),
    ] {
        let error = TokenFile::parse(&text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}\n{error}");
    }
    let many: String = (0..=TOKENS_MAX)
        .map(|at| format!("[tokens.t{at}]\nsha256 = \"{}\"\nscopes = [\"read\"]\n", TokenDigest::of(&at.to_string())))
        .collect();
    assert!(TokenFile::parse(&many).unwrap_err().to_string().contains("at most 1000 tokens, found 1001"));
    let file = TokenFile::parse(
        "[tokens.admin]\nsha256 = \"\"\nscopes = [\"read\"]".replace("\"\"", &format!("\"{EMPTY_SHA256}\"")).as_str(),
    )
    .unwrap();
    assert_eq!(Tokens::admins(ADMIN_TOKEN, []).same_name(&file), Some("admin"));
}

fn any_scope() -> impl Strategy<Value = Scope> {
    let texts = ["predict", "read", "metrics", "publish", "deploy", "admin"].map(str::to_owned);
    prop_oneof![prop::sample::select(texts.to_vec()), "predict:[a-z0-9][a-z0-9_-]{0,20}[*]?"]
        .prop_map(|text| text.parse().unwrap())
}

proptest! {
    #[test]
    fn a_token_file_is_read_as_it_was_written(
        tokens in prop::collection::btree_map("[A-Za-z0-9_.-]{1,64}", (prop::collection::vec(any_scope(), 1..5), 0..1000u32, 0..10u32), 0..20)
    ) {
        let entry = |(name, (scopes, rate, burst)): (String, (Vec<Scope>, u32, u32))| {
            let requests_per_second = std::num::NonZeroU32::new(rate);
            let burst = requests_per_second.and(std::num::NonZeroU32::new(burst));
            (name.clone(), Entry { sha256: TokenDigest::of(&name), scopes, requests_per_second, burst })
        };
        let file = TokenFile { tokens: tokens.into_iter().map(entry).collect() };
        let text = file.to_toml().unwrap();
        let read = TokenFile::parse(&text).unwrap();
        prop_assert_eq!(read.to_toml().unwrap(), text);
        for (name, entry) in &file.tokens {
            let again = &read.tokens[name];
            prop_assert_eq!(again.sha256.to_string(), entry.sha256.to_string());
            prop_assert_eq!((&again.scopes, again.rate()), (&entry.scopes, entry.rate()));
        }
    }

    #[test]
    fn a_scope_is_written_as_it_is_read(scope in any_scope()) {
        prop_assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
    }

    /// Whatever a path looks like, it asks a stranger for nothing only where that is listed.
    #[test]
    fn no_path_is_open_by_accident(method in "[A-Z]{3,7}", path in "(/[a-z0-9.%:]{0,8}){0,6}") {
        let need = Need::of(Surface::Admin, &method, &path);
        let is_file = path.starts_with("/docs/") || path.starts_with("/dashboard/");
        let is_page = is_file || ["/", "/openapi.json", "/docs", "/dashboard"].contains(&path.as_str());
        prop_assert!((need != Need::Nothing || method == "GET" && is_page) && need != Need::Token);
        let is_listed = method == "OPTIONS" || ["/ping", "/v2/health/live", "/v2/health/ready"].contains(&path.as_str());
        prop_assert!(is_listed || Need::of(Surface::Prediction, &method, &path) != Need::Nothing);
    }
}
