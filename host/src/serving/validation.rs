//! What a version's checks find in a request, and what follows: what answers
//! which of its rows, and what the answer says of them.
//!
//! Never carries it out, and never sees a request's bytes.

use super::findings::Findings;
use super::health::Health;
use crate::telemetry::Metrics;
use scry_card::{
    Batch, Card, CheckKind, Checker, Checks, ChecksPatch, Decision, Detail, Field, Finding, Interrupt, Interrupted,
    Invalid, Policy, Tally, Unfit, Verdict, check_until,
};
use scry_protocol::{Answer, Remarks, Rows};
use scry_sandbox::CallError;
use std::mem::take;
use std::sync::Arc;

/// A version's checks, as its operator wants them.
#[derive(Debug)]
pub struct Validation {
    /// The author's checks, with the operator's on top.
    pub checks: Checks,
    /// What was found so far.
    pub found: Arc<Findings>,
    /// What is wrong with the version as a whole.
    pub health: Health,
    inputs: Checker,
    outputs: Checker,
    detail: Detail,
}

/// Why a request, or some rows of one, are refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, the gravest first.
    pub findings: Vec<Finding>,
    /// Findings that are not among them.
    pub unlisted: usize,
}

/// A request that may be answered, all of it or a part.
#[derive(Debug)]
pub(super) struct Checked {
    /// The rows to answer.
    pub(super) batch: Arc<Batch>,
    /// Why the version is not asked, where it is not.
    pub(super) bypass: Option<Bypass>,
    /// Which rows they are of how many, where some are refused.
    part: Option<(Vec<usize>, usize)>,
    found: Refusal,
    /// What is wrong with the version as a whole.
    of_version: Vec<Finding>,
}

/// Why nothing answers a request that its version must not answer.
#[derive(Debug)]
pub(super) enum Refused {
    /// Its rows.
    Rows(Refusal),
    /// The version as it stands.
    Version(CheckKind, Refusal),
    /// The version does not load.
    Unavailable(String),
}

/// How requests count that were at fault themselves, and why a fallback answers
/// one that the model itself must not see.
pub(super) const INVALID_INPUT: &str = "invalid-input";

/// Why a version is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bypass {
    /// It must not see one of the rows: they are the fallback's.
    Rows,
    /// It is not to be trusted as it stands: any row is the fallback's.
    Fallback(CheckKind),
    /// Rejected, and no fallback may answer.
    Reject(CheckKind),
    /// It does not load, for this reason.
    Unavailable(String),
}

impl Bypass {
    /// As answers and metrics say it.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Rows => INVALID_INPUT,
            Self::Unavailable(_) => "unavailable",
            Self::Fallback(check) | Self::Reject(check) => check.name(),
        }
    }
}

impl Validation {
    /// The checks of a card with an operator's patch. Fails where a rule cannot
    /// be run.
    pub fn new(card: &Card, patch: &ChecksPatch, detail: Detail, found: Arc<Findings>) -> Result<Self, Invalid> {
        let checks = card.checks.overridden(patch);
        let inputs = Checker::new(&card.schema.inputs, &checks)?;
        let outputs = Checker::outputs(&card.schema.outputs, &checks);
        Ok(Self { checks, found, health: Health::default(), inputs, outputs, detail })
    }

    /// Puts a request's columns in order and checks their values. With
    /// `by_row`, bad rows are refused alone.
    pub(super) fn check(
        &self,
        model: &str,
        card: &Card,
        rows: Rows<'_>,
        by_row: bool,
        metrics: &Metrics,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<Checked, Refusal>, Interrupted> {
        let batch = match rows.in_order(&card.schema.inputs, &self.detail, interrupt)? {
            Ok(batch) => batch,
            Err(unfit) => {
                let refusal = self.refusal(unfit, interrupt)?;
                self.count(model, 0, Decision::Reject, &tallies(&refusal.findings), &refusal.findings, metrics);
                return Ok(Err(refusal));
            }
        };
        let verdict = self.inputs.check_until(&batch, &self.detail, interrupt)?;
        Ok(self.decide(model, batch, verdict, by_row, metrics))
    }

    /// The decision that follows from the findings.
    fn decide(
        &self,
        model: &str,
        batch: Batch,
        verdict: Verdict,
        by_row: bool,
        metrics: &Metrics,
    ) -> Result<Checked, Refusal> {
        let decision = verdict.decision();
        let of_version = self.of_version();
        let gravest = of_version.first().map(|finding| (finding.policy, finding.invalid.check));
        let decided = decision.max(gravest.map_or(Decision::Accept, |(policy, _)| policy.into()));
        self.count(model, batch.rows, decided, &verdict.tallies, &verdict.findings, metrics);
        let parted = by_row && decision == Decision::Reject && verdict.batch_decision() < Decision::Reject;
        let rows = batch.rows;
        let keeps = |row: &usize| verdict.row_decision(*row) < Decision::Reject;
        let kept: Vec<usize> = if parted { (0..rows).filter(keeps).collect() } else { Vec::new() };
        if decision == Decision::Reject && kept.is_empty() {
            return Err(verdict.into());
        }
        let is_the_fallbacks = match parted {
            true => kept.iter().any(|&row| verdict.row_decision(row) == Decision::Fallback),
            false => decision == Decision::Fallback,
        };
        let batch = if parted { batch.select(&kept) } else { Some(batch) };
        let Some(batch) = batch else { return Err(verdict.into()) };
        let part = parted.then_some((kept, rows));
        self.count_of_version(model, &of_version, metrics);
        let bypass = match gravest {
            Some((Policy::Reject, check)) => Some(Bypass::Reject(check)),
            _ if is_the_fallbacks => Some(Bypass::Rows),
            Some((Policy::Fallback, check)) => Some(Bypass::Fallback(check)),
            _ => None,
        };
        Ok(Checked { batch: Arc::new(batch), bypass, part, found: verdict.into(), of_version })
    }

    /// What is wrong with the form of a request, and what the checks and rules find in the part
    /// of it that has one.
    fn refusal(&self, unfit: Unfit, interrupt: &mut Interrupt<'_>) -> Result<Refusal, Interrupted> {
        let Unfit { errors, unlisted, is_by_row, rest } = unfit;
        let mut refusal = Refusal::of_form(errors, unlisted);
        let Some(rest) = rest else { return Ok(refusal) };
        // What did not read is missing there, and said already.
        let is_unread = |field: &str, row: Option<usize>| {
            let unread = refusal.findings.iter().map(|finding| &finding.invalid);
            let mut unread = unread.filter(|unread| unread.field == field);
            unread.any(|unread| !is_by_row || row.is_none() || unread.row == row)
        };
        let verdict = self.inputs.check_read(&rest, &is_unread, &self.detail, interrupt)?;
        let room = self.detail.errors_max.max(1).saturating_sub(refusal.findings.len());
        refusal.unlisted = verdict.unlisted + verdict.findings.len().saturating_sub(room);
        refusal.findings.extend(verdict.findings.into_iter().take(room));
        Ok(refusal)
    }

    /// What is wrong with the version as a whole and more than reported; the
    /// gravest first.
    fn of_version(&self) -> Vec<Finding> {
        let mut findings = self.health.findings(&self.checks);
        findings.retain(|finding| finding.policy > Policy::Report);
        findings
    }

    fn count_of_version(&self, model: &str, findings: &[Finding], metrics: &Metrics) {
        for tally in tallies(findings) {
            metrics.found(model, &tally.field, std::slice::from_ref(&tally));
            self.found.of_version(&tally);
        }
    }

    /// Checks what the model answered; what must not be answered is an error
    /// that says the first thing that is wrong.
    pub(super) fn check_answer(
        &self,
        model: &str,
        answer: &Batch,
        metrics: &Metrics,
        interrupt: &mut Interrupt<'_>,
    ) -> Result<Result<(), String>, Interrupted> {
        let verdict = self.outputs.check_until(answer, &self.detail, interrupt)?;
        if verdict.tallies.is_empty() {
            return Ok(Ok(()));
        }
        metrics.found(model, "outputs", &verdict.tallies);
        self.found.answers(&verdict.tallies);
        Ok(match verdict.decision() {
            Decision::Accept | Decision::Warn => Ok(()),
            Decision::Fallback | Decision::Reject => {
                Err(verdict.findings.first().map(|finding| finding.invalid.to_string()).unwrap_or_default())
            }
        })
    }

    fn count(
        &self,
        model: &str,
        rows: usize,
        decision: Decision,
        tallies: &[Tally],
        findings: &[Finding],
        metrics: &Metrics,
    ) {
        self.found.request(rows, decision);
        if !tallies.is_empty() {
            metrics.found(model, "inputs", tallies);
            self.found.inputs(tallies, findings);
        }
    }
}

/// The checks of a model without checks of its own: what its schema says.
pub(super) fn by_schema(
    fields: &[Field],
    rows: Rows<'_>,
    interrupt: &mut Interrupt<'_>,
) -> Result<Result<Batch, Refusal>, Interrupted> {
    let detail = Detail::default();
    let refused = Refusal::of_form;
    let batch = match rows.in_order(fields, &detail, interrupt)? {
        Ok(batch) => batch,
        Err(unfit) => return Ok(Err(refused(unfit.errors, unfit.unlisted))),
    };
    let errors = check_until(fields, &batch, detail.errors_max, interrupt)?;
    Ok(if errors.is_empty() { Ok(batch) } else { Err(refused(errors, 0)) })
}

impl Checked {
    /// Rows for the fallbacks of a version that does not load.
    pub(super) fn of_unavailable(batch: Batch, why: String) -> Self {
        let (bypass, found) = (Some(Bypass::Unavailable(why)), Refusal::default());
        Self { batch: Arc::new(batch), bypass, part: None, found, of_version: Vec::new() }
    }

    /// Whether the version is not asked.
    pub(super) fn is_bypassed(&self) -> bool {
        self.bypass.is_some()
    }

    /// Whether the state of the version is why it is not asked.
    pub(super) fn is_kept_from_version(&self) -> bool {
        matches!(self.bypass, Some(Bypass::Fallback(_) | Bypass::Reject(_)))
    }

    /// Why the version is not asked.
    pub(super) fn why(&self) -> String {
        match &self.bypass {
            Some(Bypass::Unavailable(why)) => format!("the model is not available: {why}"),
            Some(Bypass::Fallback(_) | Bypass::Reject(_)) => {
                let wrong = Refusal { findings: self.of_version.clone(), unlisted: 0 };
                format!("the version is not to be trusted: {wrong}")
            }
            Some(Bypass::Rows) | None => self.found.to_string(),
        }
    }

    /// The answer to the whole request: refused rows are missing in it, and it
    /// says what was found.
    pub(super) fn complete(&mut self, answer: Answer) -> Result<Answer, CallError> {
        let missing = || CallError::InvalidOutput("rows are missing".into());
        let outputs = match &self.part {
            Some((kept, rows)) => answer.outputs.scatter(kept, *rows).ok_or_else(missing)?,
            None => answer.outputs,
        };
        let refused_rows = match &self.part {
            Some((kept, rows)) => (0..*rows).filter(|row| kept.binary_search(row).is_err()).collect(),
            None => Vec::new(),
        };
        let (refusals, warnings) = take(&mut self.found.findings)
            .into_iter()
            .chain(take(&mut self.of_version))
            .partition(|found| found.policy == Policy::Reject);
        let remarks = Remarks { refused_rows, refusals, warnings, unlisted: self.found.unlisted };
        Ok(Answer { outputs, remarks, ..answer })
    }

    /// No fallback answers for a version that must not answer this request, or any.
    pub(super) fn refused(&mut self) -> Refused {
        match self.bypass.take() {
            Some(Bypass::Unavailable(why)) => Refused::Unavailable(why),
            Some(Bypass::Fallback(check) | Bypass::Reject(check)) => {
                Refused::Version(check, Refusal { findings: take(&mut self.of_version), unlisted: 0 })
            }
            Some(Bypass::Rows) | None => Refused::Rows(take(&mut self.found)),
        }
    }
}

impl Refusal {
    fn of_form(errors: Vec<Invalid>, unlisted: usize) -> Self {
        let finding = |invalid| Finding { invalid, policy: Policy::Reject };
        Self { findings: errors.into_iter().map(finding).collect(), unlisted }
    }
}

fn tallies(findings: &[Finding]) -> Vec<Tally> {
    let tally = |finding: &Finding| Tally {
        field: finding.invalid.field.clone(),
        check: finding.invalid.check,
        policy: finding.policy,
        count: 1,
    };
    findings.iter().map(tally).collect()
}

impl From<Verdict> for Refusal {
    fn from(verdict: Verdict) -> Self {
        Self { findings: verdict.findings, unlisted: verdict.unlisted }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is only warned of is no reason, where a reason is listed.
        let is_reason = |finding: &Finding| finding.policy != Policy::Warn;
        let has_reason = self.findings.iter().any(is_reason);
        let shown = self.findings.iter().filter(|finding| !has_reason || is_reason(finding));
        for (i, finding) in shown.enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{}", finding.invalid)?;
        }
        match self.unlisted {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}
