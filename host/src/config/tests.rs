use super::*;

fn parse(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    Config::read(Some(file.path())).map_err(|e| e.to_string())
}

#[test]
fn every_key_is_optional_and_an_unknown_one_is_refused() {
    assert_eq!(parse("").unwrap().limits.deadline_ms, 300);
    assert_eq!(parse("[limits]\ndeadline_ms = 50").unwrap().limits.deadline_ms, 50);
    assert!(parse("[limits]\ndeadline = 50").unwrap_err().contains("unknown field `deadline`"));
    // In the order of its keys, as a reader of TOML would take it.
    let error = parse("log = [\"json\", \"info\"]").unwrap_err();
    assert!(error.contains("`log`: expected an object, found a list"), "{error}");
    assert!(
        parse("[limits]\ndeadline_ms = 0")
            .unwrap_err()
            .contains("`limits.deadline_ms`: expected 1 to 86400000, found 0")
    );
    for key in ["connections_max", "header_timeout_ms", "idle_timeout_ms", "write_timeout_ms"] {
        for listener in ["prediction", "admin"] {
            let refused = parse(&format!("[{listener}]\n{key} = 0")).unwrap_err();
            assert!(refused.contains(&format!("`{listener}.{key}`: expected 1 to ")), "{refused}");
        }
    }
    assert!(parse("[validation]\ndrift_alpha = 0").unwrap_err().contains("`validation.drift_alpha`: expected 1e-9 to"));
    assert!(parse("[validation]\nskew_sample_percent = -1").unwrap_err().contains("expected 0 to 100, found -1"));
    let refused = parse("[log]\naccess_sample_percent = 101").unwrap_err();
    assert!(refused.contains("`log.access_sample_percent`: expected 0 to 100, found 101"), "{refused}");
    assert!(
        parse("[log]\naccess = \"some\"").unwrap_err().contains("expected one of `off`, `errors`, `sampled`, `all`")
    );
    assert!(
        parse("[registries]\nplain_http = [\"http://lan\"]")
            .unwrap_err()
            .contains("`registries.plain_http`: expected `host` or `host:port`, found `http://lan`")
    );
    assert!(parse("[prediction]\nlisten = \"nowhere\"").is_err());
    assert!(parse("[prediction.tls]\ncertificate = \"c\"").unwrap_err().contains("missing field `key`"));
    assert!(
        parse("[admin]\nhosts = [\"scry.example\", \"http://x\"]")
            .unwrap_err()
            .contains("`admin.hosts`: expected at most 100 names without a port, found `http://x`")
    );
    let refused = parse("[shutdown]\ngrace_ms = 86400001").unwrap_err();
    assert!(refused.contains("`shutdown.grace_ms`: expected 0 to 86400000"), "{refused}");
}

#[test]
fn a_listener_may_be_named() {
    let named = parse("[admin]\nlisten = \"localhost:8085\"").unwrap().admin.listen;
    assert!(named.ip().is_loopback() && named.port() == 8085, "{named}");
    assert_eq!(parse("[admin]\nlisten = \"[::1]:1\"").unwrap().admin.listen.to_string(), "[::1]:1");
    for wrong in ["localhost", "127.0.0.1", "127.0.0.1:99999", "http://127.0.0.1:1", ""] {
        let refused = parse(&format!("[admin]\nlisten = \"{wrong}\"")).unwrap_err();
        assert!(refused.contains(&format!("`{wrong}` is not an address such as")), "{refused}");
    }
}

/// The documentation shows every key with its default.
#[test]
fn the_documented_configuration_is_the_default_one() {
    let page = include_str!("../../../docs/reference/configuration.md");
    let toml = page.split("```toml").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let mut documented: Config = toml::from_str(toml).unwrap();
    documented.admin.token = None;
    documented.admin.tokens.clear();
    documented.desired_state.file = None;
    documented.prediction.default_model = None;
    documented.prediction.predict_path = None;
    documented.prediction.health_path = None;
    documented.access.token_file = None;
    documented.trust.keys.clear();
    documented.metrics.listen = None;
    documented.prediction.tls = None;
    documented.admin.tls = None;
    documented.log.access_file = None;
    documented.traces.endpoint = None;
    assert_eq!(format!("{documented:?}"), format!("{:?}", Config::default()));
}

const GONE: Retired = Retired { key: "limits.deadline", refused_from: "0.2.0", instead: "set `limits.deadline_ms`" };
const GONE_TABLE: Retired = Retired { key: "engine", refused_from: "0.2.0", instead: "leave it out" };

#[test]
fn a_retired_key_is_accepted_with_a_warning_and_has_no_meaning() {
    let retired = [GONE, GONE_TABLE];
    let text = "[limits]\ndeadline = 5\nfuel = 7\n[engine]\nname = \"old\"\n";
    let config = Config::parse(text, &retired).unwrap();
    assert_eq!((config.limits.deadline_ms, config.limits.fuel), (300, 7));
    let [key, table] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert_eq!(
        key,
        "configuration key `limits.deadline` is retired and not read; version 0.2.0 will refuse it: set `limits.deadline_ms`"
    );
    assert!(table.contains("`engine` is retired"), "{table}");
    // Beside one, everything else is as strict as ever.
    let error = Config::parse("[limits]\ndeadline = 5\nfule = 7\n", &retired).unwrap_err();
    assert!(error.contains("unknown field `fule`") && error.contains("limits"), "{error}");
    assert!(Config::parse("[limits]\ndeadline = 5\n", &[]).unwrap_err().contains("unknown field `deadline`"));
    assert_eq!(Config::parse("[limits]\nfuel = 7\n", &retired).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn a_retired_key_is_accepted_for_one_version() {
    let parts = |version: &str| version.split('.').map(|part| part.parse::<u64>().unwrap()).collect::<Vec<_>>();
    for Retired { key, refused_from, .. } in RETIRED {
        assert!(parts(refused_from) > parts(env!("CARGO_PKG_VERSION")), "{key}: its entry goes with this version");
        assert!(
            !include_str!("../../../docs/reference/configuration.md").contains(&format!("\n{key} =")),
            "{key} is documented"
        );
    }
}
