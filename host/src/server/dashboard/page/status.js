// How a model stands, in one word and in sentences: what an operator who is woken reads first.

import { ago, count, percent, short, time } from "./dom.js";

const ORDER = ["bad", "warn", "ok", "idle", "off"];
// From these shares on of what was asked in the last five minutes.
const FAILED_BAD = 0.01;
const DEGRADED_BAD = 0.5;
const REFUSED_WARN = 0.2;
// A p99 beyond this share of the deadline has little room left.
const NEAR_DEADLINE = 0.8;

const worse = (a, b) => (ORDER.indexOf(a) < ORDER.indexOf(b) ? a : b);

const named = (version) => `@${version.version}${version.role ? ` (${version.role})` : ""}`;

function* ofVersion(version, now) {
  const isLive = version.role === "live";
  if (version.unavailable) yield [isLive ? "bad" : "warn", `${named(version)} is not available: ${version.unavailable}`];
  const circuit = version.circuit;
  if (circuit && circuit.state !== "closed") {
    const since = circuit.since_ms ? `, for ${ago(circuit.since_ms, now)}` : "";
    const by = circuit.forced ? "held open by an operator" : circuit.state;
    yield [isLive && circuit.state === "open" ? "bad" : "warn", `circuit of ${named(version)}: ${by}${since}`];
  } else if (circuit?.forced) {
    yield ["warn", `circuit of ${named(version)}: held closed by an operator`];
  }
  if (version.stale) {
    yield ["warn", `data of ${named(version)} is ${short(version.data_age_days)} days old, of at most ${version.max_age}`];
  }
  if (version.drifting.length > 0) yield ["warn", `drift in ${version.drifting.join(" and ")} of ${named(version)}`];
}

function* ofRequests(model) {
  const lately = model.hour?.lately;
  if (!lately) return;
  const asked = lately.ok + lately.degraded + lately.failed;
  const why = (kind) => {
    const reasons = model.hour.reasons.filter((reason) => reason.kind === kind);
    return reasons.length > 0 ? ` (${reasons.map((reason) => `${reason.reason} ${count(reason.count)}`).join(", ")})` : "";
  };
  if (lately.failed > 0) {
    const share = lately.failed / asked;
    yield [share >= FAILED_BAD ? "bad" : "warn", `${percent(share)} of requests without an answer${why("error")}`];
  }
  if (lately.degraded > 0) {
    const share = lately.degraded / asked;
    yield [share >= DEGRADED_BAD ? "bad" : "warn", `${percent(share)} answered by the fallback${why("fallback")}`];
  }
  if (lately.refused / (asked + lately.refused) >= REFUSED_WARN) {
    yield ["warn", `${percent(lately.refused / (asked + lately.refused))} of requests were wrong${why("refused")}`];
  }
  const { p99_us: p99 } = model.hour;
  if (p99 && model.deadline_ms && p99 >= NEAR_DEADLINE * 1000 * model.deadline_ms) {
    yield ["warn", `p99 ${time(p99)} of a deadline of ${time(1000 * model.deadline_ms)}`];
  }
}

/** The level of a model, and its problems, the worst first. */
export const judge = (model, now) => {
  if (model.live === null) return { level: "off", problems: [] };
  const found = [...ofRequests(model), ...model.versions.flatMap((version) => [...ofVersion(version, now)])];
  const status = model.canary?.status;
  if (status?.startsWith("goes back")) found.push(["warn", `canary @${model.canary.to} ${status}`]);
  found.sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const asked = (model.hour?.requests ?? []).some((requests) => requests > 0);
  const level = found.reduce((level, [other]) => worse(level, other), asked ? "ok" : "idle");
  return { level, problems: found.map(([level, text]) => ({ level, text })) };
};

/** The worst first, then by name: the order changes only when a level does. */
export const compare = (a, b) =>
  ORDER.indexOf(a.level) - ORDER.indexOf(b.level) || (a.model.model < b.model.model ? -1 : 1);

export const isTrouble = (level) => level === "bad" || level === "warn";
