//! An author's native checks and the host's say the same of the same rows.

use crate::support::{Host, guest, root};
use checked::Checked;
use scry_guest::card::{Decision, Detail, Verdict, batch_from_records};
use scry_guest::testing;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const CASES: usize = 10_000;
/// Rows of a request: enough for shares of missing values to be judged.
const ROWS: usize = 20;

/// The same rows in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    /// One of these, the first far more often than the others.
    fn pick(&mut self, values: &[Value]) -> Value {
        let odd = self.roll(12) == 0;
        values[if odd { self.roll(values.len()) } else { 0 }].clone()
    }

    fn loan(&mut self) -> Map<String, Value> {
        let loan = json!({
            "start": self.pick(&[json!(3), json!(-1), json!(9_000_000_000_i64)]),
            "end": self.pick(&[json!(9), json!(2), json!(-5)]),
            "amount": self.pick(&[json!(500.0), json!(-0.5), json!(0), json!(2e9)]),
            "income": self.pick(&[json!(100.0), json!(null), json!(1.5), json!(-3), json!(1000), json!(1000.5)]),
            "loans": self.pick(&[json!(2), json!(null), json!(-9)]),
            "region": self.pick(&[json!("north"), json!("south"), json!("west"), json!("")]),
            "note": self.pick(&[json!("first"), json!(null), json!("just 8 c"), json!("more than 8"), json!("ääääääää")]),
        });
        loan.as_object().unwrap().clone()
    }
}

/// What was found: row, field, check, policy.
type Findings = BTreeSet<(Option<u64>, String, String, String)>;

fn native(verdict: &Verdict) -> Findings {
    assert_eq!(verdict.unlisted, 0);
    verdict.findings.iter().map(|finding| of(&serde_json::to_value(finding).unwrap(), "check")).collect()
}

fn of(told: &Value, check: &str) -> (Option<u64>, String, String, String) {
    let text = |key: &str| told[key].as_str().unwrap().to_owned();
    (told["row"].as_u64(), text("field"), text(check), text("policy"))
}

#[test]
fn ten_thousand_rows_get_the_same_verdict_from_the_host_and_from_the_authors_tests() {
    let host = Host::with("[limits]\ndeadline_ms = 10000\n[validation]\nerrors_max = 1000\n");
    host.publish(&guest("checked"));
    host.deploy(&["checked", "--fallback", r#"constant:{"risk":0.5}"#, "--check", "outputs.range=warn"]).ok();
    let checker = testing::checker::<Checked>(&root().join("tests/guests/checked")).unwrap();
    let fields = host.admin_get("/v1/models/checked").status(200).json()["card"]["schema"]["inputs"].clone();
    let fields: Vec<_> = serde_json::from_value(fields).unwrap();
    let detail = Detail { errors_max: 1000, ..Detail::default() };
    let (mut dice, mut decisions) = (Dice(1), BTreeSet::new());
    for _ in 0..CASES / ROWS {
        let rows: Vec<_> = (0..ROWS).map(|_| dice.loan()).collect();
        let verdict = checker.check(&batch_from_records(&fields, &rows).unwrap(), &detail);
        let body = json!({ "instances": rows, "parameters": { "invalid_rows": "refuse-row" } });
        let reply = host.post("/v1/models/checked:predict", &body).status(200);
        let json = reply.json();
        let lists = ["errors", "warnings"].iter().filter_map(|list| json[list].as_array());
        let found: Findings = lists.flatten().map(|told| of(told, "type")).collect();
        assert_eq!(found, native(&verdict), "{body}");
        for row in 0..ROWS {
            let refused = verdict.row_decision(row) == Decision::Reject;
            assert_eq!(json["predictions"][row].is_null(), refused, "row {row} of {body}");
        }
        let fallback = (0..ROWS).any(|row| verdict.row_decision(row) == Decision::Fallback);
        assert_eq!(reply.header("scry-degraded"), fallback.then_some("invalid-input"), "{body}");
        decisions.extend((0..ROWS).map(|row| verdict.row_decision(row)));
    }
    assert_eq!(decisions.len(), 4, "every decision was there: {decisions:?}");
}
