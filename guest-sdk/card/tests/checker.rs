//! What each check says, what follows, and what rules may and may not do.

use scry_card::{
    Batch, CheckKind, Checker, Checks, ChecksPatch, Datatype, Decision, Detail, Echo, Field, Policy, Schema, Tensor,
    Values, Verdict, batch_from_records,
};
use serde_json::{Value, json};

fn field(value: Value) -> Field {
    serde_json::from_value(value).unwrap()
}

fn fields() -> Vec<Field> {
    vec![
        field(json!({"name": "start", "datatype": "INT64", "nullable": true})),
        field(json!({"name": "end", "datatype": "FP64", "minimum": 0, "maximum": 100, "nullable": true, "unit": "h"})),
        field(json!({"name": "state", "datatype": "BYTES", "categories": ["new", "old"], "nullable": true})),
        field(json!({"name": "note", "datatype": "BYTES", "nullable": true})),
        field(json!({"name": "ok", "datatype": "BOOL"})),
    ]
}

fn shaped() -> Field {
    field(json!({"name": "pair", "datatype": "FP32", "shape": [2]}))
}

fn checks(value: Value) -> Checks {
    let checks: Checks = serde_json::from_value(value).unwrap();
    let schema = Schema { inputs: fields(), features: fields(), outputs: fields() };
    checks.validate(&schema).unwrap();
    checks
}

fn batch(rows: Value) -> Batch {
    batch_from_records(&fields(), &serde_json::from_value::<Vec<_>>(rows).unwrap()).unwrap()
}

fn verdict(settings: Value, rows: Value) -> Verdict {
    Checker::new(&fields(), &checks(settings)).unwrap().check(&batch(rows), &Detail::default())
}

fn lines(verdict: &Verdict) -> Vec<String> {
    verdict.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn every_check_says_expected_and_found() {
    let settings = json!({
        "policies": {"range": "warn", "category": "fallback"},
        "fields": {"note": {"length_max_chars": 3}},
        "rules": [{"name": "order", "expression": "end >= start"}],
    });
    let found = verdict(
        settings,
        json!([
            {"start": 3, "end": 2.5, "ok": true},
            {"start": 0, "end": 101, "state": "odd", "note": "äöüß", "ok": null},
            {"start": null, "end": 1, "ok": true},
            {"ok": false},
        ]),
    );
    assert_eq!(
        lines(&found),
        [
            "field `note`, row 1: expected at most 3 characters, found 4 characters (reject)",
            "field `ok`, row 1: expected a BOOL value, found null (reject)",
            "rule `order`, row 0: expected end >= start, found end = 2.5, start = 3 (reject)",
            "field `state`, row 1: expected one of \"new\", \"old\", found \"odd\" (fallback)",
            "field `end`, row 1: expected 0 to 100 h, found 101 (warn)",
        ]
    );
    assert_eq!((found.unlisted, found.decision()), (0, Decision::Reject));
    assert_eq!((found.refused_rows(), found.answered_rows()), (vec![0, 1], vec![2, 3]));
    let json = serde_json::to_value(&found.findings[2]).unwrap();
    assert_eq!(
        json,
        json!({"field": "order", "row": 0, "check": "rule", "expected": "end >= start",
               "found": "end = 2.5, start = 3", "policy": "reject"})
    );
}

#[test]
fn an_element_of_a_shape_is_named() {
    let pair = Tensor { shape: vec![2, 2], values: Values::Fp32(vec![0.0, 1.0, 2.0, f32::NAN]), validity: None };
    let fields = &[shaped()];
    let checker = Checker::new(fields, &Checks::default()).unwrap();
    let found = checker.check(&Batch { rows: 2, columns: vec![pair] }, &Detail::default());
    assert_eq!(lines(&found), ["field `pair`, row 1, element 1: expected a finite number, found NaN (reject)"]);
    assert_eq!(found.findings[0].invalid.element, Some(1));
}

#[test]
fn a_share_of_missing_values_concerns_the_batch() {
    let settings = json!({"fields": {"start": {"null_share_max": 0.25, "policies": {"null-share": "fallback"}}}});
    let rows =
        |starts: &[Option<i64>]| json!(starts.iter().map(|s| json!({"start": s, "ok": true})).collect::<Vec<_>>());
    let found = verdict(settings.clone(), rows(&[None, None, Some(1), Some(2)]));
    assert_eq!(lines(&found), ["field `start`: expected at most 0.25 of a batch missing, found 2 of 4 (fallback)"]);
    assert_eq!((found.batch_decision(), found.refused_rows()), (Decision::Fallback, vec![0, 1, 2, 3]));
    assert_eq!(verdict(settings.clone(), rows(&[None, Some(1), Some(2), Some(3)])).decision(), Decision::Accept);
    // Too few rows to say anything.
    assert_eq!(verdict(settings, rows(&[None])).decision(), Decision::Accept);
}

#[test]
fn rows_are_refused_beyond_what_is_described() {
    let rows: Vec<_> = (0..100).map(|i| json!({"end": if i % 2 == 0 { 1 } else { -1 }, "ok": true})).collect();
    let checker = Checker::new(&fields(), &Checks::default()).unwrap();
    let found = checker.check(&batch(json!(rows)), &Detail { errors_max: 2, echo: Echo::default() });
    assert_eq!((found.findings.len(), found.unlisted), (2, 48));
    assert_eq!(found.refused_rows(), (0..100).filter(|i| i % 2 == 1).collect::<Vec<_>>());
    assert_eq!((found.tallies.len(), found.tallies[0].count), (1, 50));
    assert_eq!(checker.check(&batch(json!(rows)), &Detail { errors_max: 0, echo: Echo::default() }).unlisted, 50);
}

#[test]
fn warnings_do_not_crowd_out_what_is_refused() {
    let mut rows: Vec<_> = (0..50).map(|_| json!({"end": -1, "ok": true})).collect();
    rows.push(json!({"state": "odd", "ok": true}));
    let checker = Checker::new(&fields(), &checks(json!({"policies": {"range": "warn"}}))).unwrap();
    let found = checker.check(&batch(json!(rows)), &Detail { errors_max: 3, echo: Echo::default() });
    assert_eq!(found.findings[0].policy, Policy::Reject);
    assert_eq!((found.refused_rows(), found.row_decision(0)), (vec![50], Decision::Warn));
}

#[test]
fn a_batch_of_another_form_is_refused() {
    let checker = Checker::new(&fields(), &Checks::default()).unwrap();
    let mut wrong = batch(json!([{"ok": true}]));
    wrong.columns[0].values = Values::Bool(vec![true]);
    assert_eq!(
        lines(&checker.check(&wrong, &Detail::default())),
        ["field `start`: expected INT64, found BOOL (reject)"]
    );
    wrong.columns.pop();
    let found = checker.check(&wrong, &Detail::default());
    assert_eq!(
        (lines(&found), found.refused_rows()),
        (vec!["field `*`: expected 5 columns, found 4 (reject)".into()], vec![0])
    );
}

#[test]
fn echo_bounds_what_is_repeated() {
    let settings = json!({"rules": [{"name": "r", "expression": "start + 1 > 5 && contains(note, \"x\")"}]});
    let checker = Checker::new(&fields(), &checks(settings)).unwrap();
    let rows = json!([
        {"end": 123456, "state": "secretive", "note": "secret", "start": i64::MAX, "ok": true},
        {"end": 1, "note": "secret", "start": 9, "ok": true},
    ]);
    let found = |max_chars| {
        let detail = Detail { errors_max: 16, echo: Echo { max_chars } };
        let verdict = checker.check(&batch(rows.clone()), &detail);
        verdict.findings.iter().map(|finding| finding.invalid.found.clone()).collect::<Vec<_>>()
    };
    let all = found(0);
    assert_eq!(
        all,
        [
            "a number",
            "a string",
            "start = a number, note = a string: `+` leaves the range of whole numbers",
            "start = a number, note = a string"
        ]
    );
    let some = found(3);
    assert_eq!(some[..2], ["123…", "\"sec\"…"]);
    assert!(some[2].starts_with("start = 922…, note = \"sec\"…: `+` leaves the range of whole numbers"), "{}", some[2]);
    assert_eq!(some[3], "start = 9, note = \"sec\"…");
}

#[test]
fn rules_know_numbers_text_and_truth() {
    let holds = |expression: &str, row: Value| {
        let settings = json!({"rules": [{"name": "r", "expression": expression}]});
        verdict(settings, json!([row])).decision() == Decision::Accept
    };
    let row = json!({"start": 3, "end": 4.5, "state": "new", "note": "a note", "ok": true});
    for expression in [
        "end >= start && start == 3.0",
        "state == \"new\" || ok",
        "!(state == \"old\" && end > 2)",
        "len(note) == 6 && starts_with(note, \"a \") && ends_with(note, \"e\") && contains(note, \"no\")",
        "abs(start - end) < 2.0 && max(start, 4) == 4",
        "sqrt(end) > 2.0 && ok",
        "start % 2 == 1",
        "(start / end) < 0.7",
        "1e-20 > 0 && 1e-20 > 0.0 && 0.1 + 0.2 != 0.3 && start < 1e400",
        "state <= note == false",
        "start in [1, 2, 3.0] && note in ['a note', \"b\"] && !(state in [])",
        "note.startsWith('a') && note.endsWith('e') && note.contains('no') && size(note) == 6 && note.size() == 6",
        "ok ? start == 3 : start == 4",
        "start in [1] ? false : double(start) / 2 == 1.5",
        "ok == start < end",
        "sqrt(start + 1) == 2",
    ] {
        assert!(holds(expression, row.clone()), "{expression}");
        assert!(!holds(&format!("!({expression})"), row.clone()), "not {expression}");
    }
    // As a CHECK in SQL.
    assert!(holds("end < start", json!({"start": 3, "ok": true})));
    assert!(!holds("start / (start - start) == 1", row));
}

#[test]
fn a_rule_that_cannot_be_run_is_refused() {
    let refused = |expression: &str| {
        let settings = json!({"rules": [{"name": "r", "expression": expression}]});
        let fields = [fields(), vec![shaped()]].concat();
        Checker::new(&fields, &checks(settings)).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(
        refused("endd >= start"),
        "rule `r`: expected an expression that is true or false, over one of start, end, state, note, ok, found an unknown `endd`"
    );
    for (expression, says) in [
        ("pair > 3", "`pair`, which has the shape [2]"),
        ("start + 1", "one that is a whole number"),
        ("end >=", "column 7: the end instead of a value"),
        ("state >= 3", "a comparison of a text with a whole number"),
        ("ok == 1", "a comparison of a truth value with a whole number"),
        ("start && ok", "`&&` of a whole number and a truth value"),
        ("nothing(start)", "an unknown function `nothing` of 1 values"),
        ("while true {}", "column 7: `true` instead of an operator or the end"),
        ("loop {}", "column 6: `{` instead of an operator"),
        ("let x = 3; true", "column 7: `=` is not known here"),
        ("start = 3", "column 7: `=` is not known here"),
        ("eval(\"true\")", "an unknown function `eval`"),
        ("print(start)", "an unknown function `print`"),
        ("import \"x\" as y", "column 8: a text instead of"),
        ("fn f() { true } f()", "column 4: `f` instead of"),
        ("|x| true", "column 1: `|` instead of a value"),
        ("start.len() == 1", "`len` of a whole number, which is of texts"),
        ("this == 1", "an unknown `this`"),
        ("timestamp() == 1", "an unknown function `timestamp`"),
        ("rand() == 1", "an unknown function `rand`"),
        ("has(start)", "a row in which one of its fields is missing does not violate a rule"),
        ("note.matches('a.*')", "there are no regular expressions"),
        ("[1, 2].all(x, x > start)", "there are no loops"),
        ("ok & start", "column 4: `&` of a truth value and a whole number"),
        ("note == `a", "column 9: a text without its closing `"),
        ("start in [end]", "a list of more than constants"),
        ("start in [\"a\"]", "a comparison of a whole number with a text"),
        ("[start] == [1]", "a list, which stands behind `in` only"),
        ("ok ? start : note", "a choice between a whole number and a text"),
        ("start ? ok : ok", "a choice by a whole number"),
        ("note + start == note", "`+` of a text and a whole number"),
        ("is_odd(end)", "`is_odd` of a real number, which is of whole numbers"),
        ("note == \"a", "a text without its closing \""),
        ("note == '\\q'", "`\\q`, which is no escape"),
        ("start == 1x", "`1x` is not a number"),
        ("start == 1 ok", "column 12: `ok` instead of an operator or the end"),
    ] {
        let error = refused(expression);
        assert!(error.contains(says), "{expression}: {error}");
    }
    assert!(refused(&"(".repeat(900)).contains("found"));
    assert!(refused(&format!("{} true", "!".repeat(900))).contains("found"));
}

#[test]
fn a_rule_is_bounded() {
    let settings = json!({"rules": [{"name": "r", "expression": "note + note + note != \"\""}]});
    let rows = json!([{"note": "x".repeat(2000), "ok": true}]);
    let found = verdict(settings, rows);
    assert!(
        found.findings[0].invalid.found.contains("`+` makes a text of more than 4096 bytes"),
        "{:?}",
        found.findings
    );
}

/// Steps that a rule of so many comparisons joined by `&&` takes: three each, and one a join.
fn long_rule(comparisons: usize) -> String {
    vec!["end>=0"; comparisons].join("&&")
}

#[test]
fn what_a_row_costs_is_bounded_before_there_is_one() {
    let made = |rules: Vec<Value>| Checker::bounded(&fields(), &checks(json!({ "rules": rules }))).map(|_| ());
    let rule = |name: usize, comparisons| json!({"name": format!("rule {name}"), "expression": long_rule(comparisons)});
    assert!(made(vec![rule(0, 111)]).is_ok());
    // Each item of a list is a step.
    let items = vec!["1"; 200].join(",");
    let after_them = |terms: usize| json!({"name": "r", "expression": format!("start in [{items}] || {} > 0", vec!["1"; terms].join("+"))});
    assert!(made(vec![after_them(150)]).is_ok());
    assert!(made(vec![after_them(160)]).is_err());
    let error = made(vec![json!({"name": "long", "expression": vec!["1"; 270].join("+") + ">0"})]).unwrap_err();
    assert_eq!(error.to_string(), "rule `long`: expected at most 512 steps a row, found 541");
    // 443 steps each: eighteen fit.
    assert!(made((0..18).map(|name| rule(name, 111)).collect()).is_ok());
    let error = made((0..64).map(|name| rule(name, 111)).collect()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "rule `rule 18`: expected at most 8192 steps a row in all rules together, found 8417 with this one, which takes 443"
    );
    // What was sealed before there was a limit is run as it was.
    let settings = checks(json!({ "rules": (0..64).map(|name| rule(name, 120)).collect::<Vec<_>>() }));
    assert!(Checker::bounded(&fields(), &settings).is_err());
    let checker = Checker::new(&fields(), &settings).unwrap();
    assert_eq!(checker.steps(2, 0, 0), 2 * 64 * 479);
}

#[test]
fn checks_stop_when_they_are_not_wanted_any_more() {
    use scry_card::{Interrupt, Interrupted};
    let rows = 20_000;
    let note = |settings: Value| (settings, json!({"note": "x".repeat(100), "ok": true, "end": -1}));
    for (settings, row) in [
        note(json!({"rules": [{"name": "r", "expression": "end < 0"}]})),
        note(json!({"rules": [{"name": "r", "expression": "end >= 0"}]})),
        note(json!({"fields": {"note": {"length_max_chars": 10}}})),
        note(json!({})),
    ] {
        let checker = Checker::new(&fields(), &checks(settings)).unwrap();
        let batch = batch(json!(vec![row; rows]));
        let asked = std::cell::Cell::new(0_usize);
        let count = || {
            asked.set(asked.get() + 1);
            false
        };
        let verdict = checker.check_until(&batch, &Detail::default(), &mut Interrupt::when(&count)).unwrap();
        assert_eq!(verdict, checker.check(&batch, &Detail::default()));
        // Every row has five values: none is many steps.
        assert!(asked.get() > rows * 5 / Interrupt::STEPS / 8, "{} of {rows} rows", asked.get());
        let interrupted = checker.check_until(&batch, &Detail::default(), &mut Interrupt::when(&|| true));
        assert_eq!(interrupted, Err(Interrupted));
    }
}

#[test]
fn outputs_have_checks_of_their_own() {
    let checks = checks(json!({
        "policies": {"range": "reject"},
        "rules": [{"name": "r", "expression": "end < start"}],
        "outputs": {"policies": {"range": "warn"}, "fields": {"end": {"null_share_max": 0.4}}},
    }));
    let checker = Checker::outputs(&fields(), &checks);
    let found = checker.check(&batch(json!([{"start": 1, "end": 101, "ok": true}])), &Detail::default());
    assert_eq!(lines(&found), ["field `end`, row 0: expected 0 to 100 h, found 101 (warn)"]);
    let rows = json!([{"ok": true}, {"ok": true}, {"ok": true}]);
    assert_eq!(checker.check(&batch(rows), &Detail::default()).batch_decision(), Decision::Reject);
}

#[test]
fn an_operator_decides_last() {
    let card = checks(json!({
        "policies": {"range": "reject", "category": "warn"},
        "fields": {"end": {"policies": {"range": "fallback"}}, "note": {"length_max_chars": 3}},
        "rules": [{"name": "a", "expression": "ok", "policy": "warn"}, {"name": "b", "expression": "ok"}],
    }));
    let patch = |value| card.overridden(&serde_json::from_value::<ChecksPatch>(value).unwrap());
    assert_eq!(card.overridden(&ChecksPatch::default()), card);
    let warned = patch(json!({"policies": {"range": "warn", "rule": "fallback"}, "rules": {"b": "reject"}}));
    assert_eq!(warned.policies[&CheckKind::Range], Policy::Warn);
    assert!(warned.fields["end"].policies.is_empty());
    assert_eq!((warned.rules[0].policy, warned.rules[1].policy), (None, Some(Policy::Reject)));
    assert_eq!(warned.fields["note"].length_max_chars, Some(3));
    let field = patch(json!({"fields": {"start": {"range": "warn"}, "end": {"range": "warn"}}}));
    assert_eq!(field.fields["start"].policies[&CheckKind::Range], Policy::Warn);
    assert_eq!(field.fields["end"].policies[&CheckKind::Range], Policy::Warn);
    let unknown: ChecksPatch = serde_json::from_value(json!({"fields": {"x": {}}, "rules": {"c": "warn"}})).unwrap();
    let schema = Schema { inputs: fields(), features: fields(), outputs: fields() };
    assert_eq!(unknown.unknown(&card, &schema), ["x", "c"]);
    let null: ChecksPatch = serde_json::from_value(json!({"policies": {"missing": "warn"}})).unwrap();
    assert!(null.validate().unwrap_err().to_string().contains("reject or fallback"));
    let rule: ChecksPatch = serde_json::from_value(json!({"rules": {"a": "report"}})).unwrap();
    assert!(rule.validate().unwrap_err().to_string().contains("reject, warn or fallback"));
}

#[test]
fn what_concerns_the_version_as_a_whole_is_reported_unless_a_policy_decides_otherwise() {
    let card =
        checks(json!({"policies": {"drift": "fallback", "skew": "warn"}, "outputs": {"policies": {"drift": "warn"}}}));
    let policies =
        |checks: &Checks| [CheckKind::Drift, CheckKind::Skew, CheckKind::Stale].map(|kind| checks.of_version(kind));
    assert_eq!(policies(&Checks::default()), [Policy::Report; 3]);
    assert_eq!(Checks::default().outputs.of_drift(), Policy::Report);
    assert_eq!(policies(&card), [Policy::Fallback, Policy::Warn, Policy::Report]);
    let patch =
        json!({"policies": {"drift": "report", "stale": "reject"}, "outputs": {"policies": {"drift": "report"}}});
    let patched = card.overridden(&serde_json::from_value(patch).unwrap());
    assert_eq!(policies(&patched), [Policy::Report, Policy::Warn, Policy::Reject]);
    assert_eq!((card.outputs.of_drift(), patched.outputs.of_drift()), (Policy::Warn, Policy::Report));
}

#[test]
fn settings_that_contradict_themselves_are_refused() {
    let schema = Schema { inputs: fields(), features: fields(), outputs: fields() };
    let long = "x".repeat(1_001);
    for (wrong, says) in [
        (json!({"policies": {"missing": "warn"}}), "expected reject or fallback"),
        (json!({"policies": {"shape": "fallback"}}), "expected reject, since"),
        (json!({"fields": {"x": {}}}), "field `x`: expected one of start, end"),
        (json!({"fields": {"end": {"length_max_chars": 3}}}), "length_max_chars on a BYTES field only"),
        (json!({"fields": {"ok": {"null_share_max": 0.1}}}), "null_share_max on a nullable field only"),
        (json!({"fields": {"end": {"null_share_max": 1.0}}}), "null_share_max between 0 and 1"),
        (json!({"fields": {"end": {"policies": {"rule": "warn"}}}}), "a policy of a check of one field"),
        (json!({"outputs": {"fields": {"end": {"policies": {"missing": "warn"}}}}}), "reject or fallback"),
        (json!({"policies": {"range": "report"}}), "expected reject, warn or fallback, for `range`"),
        (
            json!({"rules": [{"name": "a", "expression": "ok", "policy": "report"}]}),
            "expected reject, warn or fallback",
        ),
        (json!({"outputs": {"policies": {"drift": "fallback"}}}), "expected report or warn, since"),
        (json!({"outputs": {"policies": {"stale": "warn"}}}), "a policy of a check of the version"),
        (json!({"fields": {"end": {"policies": {"drift": "warn"}}}}), "a policy of a check of one field"),
        (json!({"fields": {"end": {"policies": {"skew": "warn"}}}}), "a policy of a check of the version"),
        (json!({"rules": [{"name": "", "expression": "ok"}]}), "names of 1 to 128"),
        (json!({"rules": [{"name": "a", "expression": long}]}), "an expression of 1 to 1000 characters"),
        (json!({"rules": [{"name": "a", "expression": "ok"}, {"name": "a", "expression": "ok"}]}), "different names"),
        (
            json!({"rules": (0..65).map(|i| json!({"name": i.to_string(), "expression": "ok"})).collect::<Vec<_>>()}),
            "at most 64 rules",
        ),
    ] {
        let checks: Checks = serde_json::from_value(wrong).unwrap();
        let error = checks.validate(&schema).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    for unreadable in
        [json!({"policy": {}}), json!({"policies": {"ranges": "warn"}}), json!({"policies": {"range": "ignore"}})]
    {
        assert!(serde_json::from_value::<Checks>(unreadable).is_err());
    }
}

#[test]
fn names_are_as_they_are_written() {
    for kind in CheckKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), json!(kind.name()));
    }
    let empty = serde_json::to_value(Checks::default()).unwrap();
    assert_eq!(empty, json!({}));
    fn shared<T: Send + Sync>() {}
    shared::<Checker>();
    assert_eq!(Datatype::Fp64.name(), "FP64");
}
