//! `scry deploy`

use super::client::{Client, Host, segment};
use super::failure::{Refused, Usage};
use super::predict::card;
use super::progress::Progress;
use super::served_models::ServedModels;
use super::{CliError, number, print_gates, print_json, suggest, text};
use crate::registry::Source;
use scry_card::{Card, CheckKind, ChecksPatch, Policy, strict};
use scry_catalog::{Bounds, Deployment, Fallback, LimitsPatch, Reference, ShadowRequest, Step, VersionRef};
use scry_names::text::whole_number;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Choose which version is live, its fallback, and its limits.
///
/// The change is made as a whole or not at all: the version must load and pass
/// its golden examples, and every fallback must answer in the model's form.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The model.
    model: String,
    /// The version to make live, or to try with `--canary`: a number, an alias,
    /// sha256:…, or oci://host/repository:tag to fetch it first.
    #[arg(long, value_name = "REF")]
    to: Option<Source>,
    /// Try it on a share of the requests, in percent, or on a schedule:
    /// `10`, or `1:10m,10:30m,50:1h,100` with a hold at each step.
    #[arg(long, value_name = "PERCENT[:HOLD],…", value_parser = steps)]
    canary: Option<std::vec::Vec<Step>>,
    /// Roll the canary back when it fails this many percentage points more often than the live version.
    #[arg(long, value_name = "POINTS")]
    error_points_max: Option<f64>,
    /// Roll the canary back when it is this many times slower than the live version.
    #[arg(long, value_name = "FACTOR")]
    slow_factor_max: Option<f64>,
    /// Requests that a canary answers before it goes on.
    #[arg(long, value_name = "COUNT", value_parser = number::<u64>)]
    requests_min: Option<u64>,
    /// The canary goes live.
    #[arg(long, conflicts_with_all = ["canary", "no_canary"])]
    promote: bool,
    /// The canary ends.
    #[arg(long, conflicts_with = "canary")]
    no_canary: bool,
    /// Run a version beside the live one without serving its answers, and report how it differs: `5`, or `5:10` for
    /// 10 % of the requests.
    #[arg(long, value_name = "REF[:PERCENT]")]
    shadow: Option<String>,
    /// The shadow ends.
    #[arg(long, conflicts_with = "shadow")]
    no_shadow: bool,
    /// Deploy although callers of the version before are broken.
    #[arg(long)]
    allow_breaking: bool,
    /// What answers when it can't, in order: `model`, `model@REF`, a version of
    /// this model, or `constant:{"output":value}` as the last.
    #[arg(long, value_name = "REF", num_args = 1..)]
    fallback: Vec<String>,
    /// Remove the fallback chain.
    #[arg(long, conflicts_with = "fallback")]
    no_fallback: bool,
    /// Set an alias: `champion` for the new live version, `champion=3` for another.
    #[arg(long, value_name = "NAME[=REF]")]
    alias: Vec<String>,
    /// Remove an alias.
    #[arg(long, value_name = "NAME")]
    no_alias: Vec<String>,
    /// From arrival to answer, in milliseconds.
    #[arg(long, value_parser = number::<u64>)]
    deadline_ms: Option<u64>,
    /// Instructions a call may use, roughly; 0 switches counting off.
    #[arg(long, value_parser = number::<u64>)]
    fuel: Option<u64>,
    /// Linear memory a call may use, in bytes.
    #[arg(long, value_parser = number::<u64>)]
    memory_max_bytes: Option<u64>,
    /// Bytes an answer may have.
    #[arg(long, value_parser = number::<u64>)]
    output_max_bytes: Option<u64>,
    /// Calls that may run at once.
    #[arg(long, value_parser = number::<usize>)]
    in_flight_max: Option<usize>,
    /// Calls that may wait.
    #[arg(long, value_parser = number::<usize>)]
    queue_max: Option<usize>,
    /// Milliseconds that one may wait.
    #[arg(long, value_name = "MS", value_parser = number::<u64>)]
    queue_time_max_ms: Option<u64>,
    /// Rows of waiting requests that one call may answer together; 0 joins none.
    #[arg(long, value_name = "ROWS", value_parser = number::<usize>)]
    batch_max_rows: Option<usize>,
    /// Milliseconds that a request is held back for others to join it.
    #[arg(long, value_name = "MS", value_parser = number::<u64>)]
    batch_delay_ms: Option<u64>,
    /// What follows where a check fails, whatever the card says: `range=warn`,
    /// `age.range=fallback` for one input, `rule:NAME=reject`, `outputs.range=warn`
    /// or `outputs.risk.range=warn`; `drift=fallback`, `outputs.drift=warn`,
    /// `skew=warn` or `stale=reject` for the version as a whole. Policies are
    /// reject, fallback and warn, and of the version report. All that are given
    /// replace those of before.
    #[arg(long = "check", value_name = "CHECK=POLICY")]
    checks: Vec<String>,
    /// Go back to the card's own policies.
    #[arg(long, conflicts_with = "checks")]
    no_checks: bool,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    host: Host,
}

const EXAMPLES: &str = "\
Examples:
  scry deploy fraud --to 4 --canary 1:10m,10:30m,100
  scry deploy fraud --fallback fraud-simple 'constant:{\"score\":0.5}'";

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let client = args.host.client()?;
    let mut request = serde_json::to_value(args.deployment(&client)?)?;
    if let (Some(fields), Some(to)) = (request.as_object_mut(), &args.to) {
        fields.insert("to".into(), serde_json::to_value(to)?);
    }
    let path = format!("/v1/models/{}/deploy", segment(&args.model));
    let before = ServedModels::of(&client)?;
    let progress = Progress::waiting("the host proves the change before it makes it");
    let changed = client.post(&path, request.to_string().as_bytes());
    let changed: Value = changed.map_err(|error| args.explained(&client, error))?;
    drop(progress);
    if args.json {
        return print_json(&changed);
    }
    println!("{}@{} {}  {}", args.model, text(&changed, "version"), role(&changed), text(&changed, "digest"));
    let number = changed.get("number").and_then(Value::as_u64).unwrap_or_default();
    before.print_changes(&client, Some(&args.model), number)?;
    print_gates(&changed);
    match before.undoes(&args.model, number) {
        None => println!("nothing changed; state {number}"),
        Some(false) => println!("state {number}"),
        Some(true) => println!("state {number}; to undo: `scry rollback {}`", args.model),
    }
    Ok(())
}

/// What a version is after the change.
fn role(changed: &Value) -> String {
    let canary = changed.get("canary").filter(|canary| canary.is_object());
    let live = changed.get("live").and_then(Value::as_bool).unwrap_or_default();
    match canary {
        Some(canary) if canary.get("to") == changed.get("version") => {
            format!("gets {} % of the requests", text(canary, "percent").trim_end_matches(".0"))
        }
        Some(canary) if live => {
            let percent = text(canary, "percent");
            format!("is live, version {} gets {} %", text(canary, "to"), percent.trim_end_matches(".0"))
        }
        _ if live => "is live".into(),
        _ => "is not live".into(),
    }
}

/// `10`, or `1:10m,10:30m,50:1h,100`.
fn steps(text: &str) -> Result<Vec<Step>, String> {
    let step = |part: &str| {
        let (percent, hold) = match part.split_once(':') {
            Some((percent, hold)) => (percent, Some(seconds(hold)?)),
            None => (part, None),
        };
        let percent = percent.trim_end_matches('%').parse();
        Ok(Step { percent: percent.map_err(|_| format!("`{part}` is not a share in percent"))?, hold_s: hold })
    };
    text.split(',').map(step).collect()
}

/// `90`, `90s`, `10m`, `2h`, `1d`.
fn seconds(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, unit)) if unit.is_ascii_alphabetic() => (text.get(..at).unwrap_or_default(), unit),
        _ => (text, 's'),
    };
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(format!("`{text}` is not a time: use s, m, h or d")),
    };
    let number: u64 = whole_number(number).ok_or_else(|| format!("`{text}` is not a time such as `10m`"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too long"))
}

impl Args {
    fn deployment(&self, client: &Client) -> Result<Deployment, CliError> {
        let fallback = match (self.fallback.as_slice(), self.no_fallback) {
            ([], false) => None,
            ([], true) => Some(Vec::new()),
            (given, _) => Some(given.iter().map(|text| self.link(text, client)).collect::<Result<_, _>>()?),
        };
        let mut aliases = BTreeMap::new();
        for alias in &self.alias {
            let (name, version) = match alias.split_once('=') {
                Some((name, version)) => (name, version.parse()?),
                None => {
                    let Some(Source::Version(to)) = &self.to else {
                        let message = "`--alias NAME` needs `--to` with a version; or write `--alias NAME=REF`";
                        return Err(Usage(message.into()).into());
                    };
                    (alias.as_str(), to.clone())
                }
            };
            aliases.insert(name.to_owned(), version);
        }
        let limits = LimitsPatch {
            deadline_ms: self.deadline_ms,
            fuel: self.fuel,
            memory_max_bytes: self.memory_max_bytes,
            output_max_bytes: self.output_max_bytes,
            in_flight_max: self.in_flight_max,
            queue_max: self.queue_max,
            queue_time_max_ms: self.queue_time_max_ms,
            batch_max_rows: self.batch_max_rows,
            batch_delay_ms: self.batch_delay_ms,
        };
        Ok(Deployment {
            to: None,
            canary: self.canary.clone(),
            bounds: self.bounds(),
            promote: self.promote,
            no_canary: self.no_canary,
            shadow: self.shadow.as_deref().map(shadow).transpose()?,
            no_shadow: self.no_shadow,
            fallback,
            limits,
            checks: match (self.checks.as_slice(), self.no_checks) {
                ([], false) => None,
                (given, _) => Some(checks(given)?),
            },
            aliases,
            no_aliases: self.no_alias.clone(),
            allow_breaking: self.allow_breaking,
        })
    }

    /// A host's error with the field that was probably meant, where it finds none of that name.
    fn explained(&self, client: &Client, error: CliError) -> CliError {
        let message = error.to_string();
        let named = message.split_once("` is no field").and_then(|(before, _)| before.rsplit_once('`'));
        let card = named.and_then(|_| card(client, &self.model).ok());
        match (named, card, error.downcast::<Refused>()) {
            (Some((_, given)), Some(Card { schema, .. }), Ok(mut refused)) => {
                let fields = schema.inputs.iter().chain(&schema.outputs).map(|field| field.name.as_str());
                refused.message = suggest::with(&message, given, fields);
                refused
            }
            (.., Ok(refused)) => refused,
            (.., Err(error)) => error,
        }
    }

    /// None where none is given: a canary that runs keeps its own.
    fn bounds(&self) -> Option<Bounds> {
        let given = (self.error_points_max, self.slow_factor_max, self.requests_min);
        let usual = Bounds::default();
        (given != (None, None, None)).then(|| Bounds {
            error_points_max: self.error_points_max.unwrap_or(usual.error_points_max),
            slow_factor_max: self.slow_factor_max.unwrap_or(usual.slow_factor_max),
            requests_min: self.requests_min.unwrap_or(usual.requests_min),
        })
    }

    /// A model's name comes first; what is none may be a version of this model.
    fn link(&self, text: &str, client: &Client) -> Result<Fallback, CliError> {
        if let Some(json) = text.strip_prefix("constant:") {
            let row: Map<String, Value> = strict::from_slice(json.as_bytes())
                .map_err(|e| format!("`constant:`: a JSON object of outputs: {e}"))?;
            return Ok(Fallback::Constant(row));
        }
        let reference: Reference = text.parse()?;
        let known: Value = client.get("/v1/state")?;
        let is_model = known.get("models").and_then(|models| models.get(&reference.model)).is_some();
        match (is_model, &reference.version, text.parse::<VersionRef>()) {
            (false, None, Ok(version)) => {
                Ok(Fallback::Model(Reference { model: self.model.clone(), version: Some(version) }))
            }
            _ => Ok(Fallback::Model(reference)),
        }
    }
}

/// `range=warn`, `age.range=fallback`, `rule:NAME=reject`, `outputs.range=warn`.
fn checks(given: &[String]) -> Result<ChecksPatch, CliError> {
    let mut patch = ChecksPatch::default();
    for text in given {
        let wrong = |what: &str| CliError::from(format!("`--check {text}`: {what}"));
        let (check, policy) =
            text.rsplit_once('=').ok_or_else(|| wrong("expected CHECK=POLICY, such as range=warn"))?;
        const POLICIES: [&str; 4] = ["reject", "fallback", "warn", "report"];
        let policy: Policy = named(policy).ok_or_else(|| {
            wrong(&suggest::with("expected the policy reject, fallback, warn or report", policy, POLICIES))
        })?;
        if let Some(rule) = check.strip_prefix("rule:") {
            patch.rules.insert(rule.to_owned(), policy);
            continue;
        }
        let (policies, fields, check) = match check.strip_prefix("outputs.") {
            Some(check) => (&mut patch.outputs.policies, &mut patch.outputs.fields, check),
            None => (&mut patch.policies, &mut patch.fields, check),
        };
        let (field, kind) = check.rsplit_once('.').map_or((None, check), |(field, kind)| (Some(field), kind));
        let kind: CheckKind = named(kind).ok_or_else(|| {
            let known = CheckKind::ALL.iter().filter(|kind| !kind.is_form()).map(|kind| kind.name());
            let known: Vec<_> = known.collect();
            wrong(&suggest::with(&format!("expected one of the checks {}", known.join(", ")), kind, known))
        })?;
        let policies = match field {
            Some(field) => fields.entry(field.to_owned()).or_default(),
            None => policies,
        };
        policies.insert(kind, policy);
    }
    Ok(patch)
}

/// A check or a policy by its name.
fn named<T: serde::de::DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(Value::from(name)).ok()
}

/// `5`, or `5:10` for 10 % of the requests.
fn shadow(text: &str) -> Result<ShadowRequest, CliError> {
    // A digest has a colon of its own.
    let split = text.rsplit_once(':').filter(|(version, _)| *version != "sha256");
    let (to, percent) = match split {
        Some((to, percent)) => {
            (to, percent.trim_end_matches('%').parse().map_err(|_| format!("`{percent}` is not a share in percent"))?)
        }
        None => (text, 100.0),
    };
    Ok(ShadowRequest { to: to.parse()?, percent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_shares_and_holds() {
        let step = |percent, hold_s| Step { percent, hold_s };
        assert_eq!(steps("10"), Ok(vec![step(10.0, None)]));
        let schedule = vec![step(0.5, Some(90)), step(10.0, Some(1800)), step(50.0, Some(7200)), step(100.0, None)];
        assert_eq!(steps("0.5%:90,10:30m,50:2h,100"), Ok(schedule));
        for wrong in ["", "ten", "10:", "10:5x", "10:m", "10,,50", "10:99999999999999999999d", "10:é"] {
            assert!(steps(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn checks_are_of_the_model_a_field_a_rule_or_its_answers() {
        let read = |text: &str| checks(&[text.to_owned()]).map_err(|error| error.to_string());
        assert_eq!(read("range=warn").unwrap().policies, [(CheckKind::Range, Policy::Warn)].into());
        let field = read("a.b.category=fallback").unwrap().fields;
        assert_eq!(field, [("a.b".to_owned(), [(CheckKind::Category, Policy::Fallback)].into())].into());
        assert_eq!(read("rule:a=b=warn").unwrap().rules, [("a=b".to_owned(), Policy::Warn)].into());
        let outputs = read("outputs.risk.finite=reject").unwrap().outputs;
        assert_eq!(outputs.fields, [("risk".to_owned(), [(CheckKind::Finite, Policy::Reject)].into())].into());
        assert!(read("range").unwrap_err().contains("CHECK=POLICY"));
        assert!(read("range=ignore").unwrap_err().contains("reject, fallback, warn or report"));
        assert!(read("size=warn").unwrap_err().contains("missing, finite, range"));
    }

    #[test]
    fn a_shadow_is_a_version_and_perhaps_a_share() {
        let read = |text: &str| shadow(text).map(|s| (s.to.to_string(), s.percent)).map_err(|e| e.to_string());
        assert_eq!(read("5"), Ok(("5".into(), 100.0)));
        assert_eq!(read("champion:2.5%"), Ok(("champion".into(), 2.5)));
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(read(&digest), Ok((digest.clone(), 100.0)));
        assert_eq!(read(&format!("{digest}:10")), Ok((digest, 10.0)));
        assert!(read("5:x").is_err());
    }
}
