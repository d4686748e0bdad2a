// One model: what is wrong with it, its hour, its versions, a canary beside the live version, drift, errors, changes.

import { actions, circuitActions } from "./actions.js";
import { overTime } from "./charts.js";
import { besideSection, driftSection } from "./drift.js";
import { LEVEL_NAMES, clock, count, el, mark, percent, say, short, symbol, time } from "./dom.js";
import { errorsSection, keptErrors } from "./errors.js";
import { look, lookAt } from "./host.js";
import { section } from "./section.js";
import { judge } from "./status.js";

// Histograms change slowly, and are the most to ask for: with every third event.
const DRIFT_EVERY = 3;
const VERSIONS = 8;
const CHANGES = 50;

// Of a host that is younger than an hour less is drawn, but not less than this.
const SLOTS_MIN = 40;

/** The hour from when the host began to count. */
const sinceBegun = (hour) => {
  if (!hour.began_ms) return hour;
  const left = Math.min(hour.slots - SLOTS_MIN, Math.floor((hour.began_ms - hour.from_ms) / hour.slot_ms));
  const cut = (version) => Object.fromEntries(Object.entries(version)
    .map(([name, values]) => [name, Array.isArray(values) ? values.slice(left) : values]));
  return { ...hour, slots: hour.slots - left, from_ms: hour.from_ms + left * hour.slot_ms, versions: hour.versions.map(cut) };
};

const perSlot = (hour, of) => Array.from({ length: hour.slots }, (_, i) =>
  (hour.began_ms && hour.from_ms + (i + 1) * hour.slot_ms <= hour.began_ms ? null : of(i)));

/** Requests by the second; the newest slot is not over. */
const requests = (hour, nowMs, marks) => {
  const seconds = (i) => Math.min(hour.slot_ms, Math.max(5000, nowMs - hour.from_ms - i * hour.slot_ms)) / 1000;
  const sum = (of) => perSlot(hour, (i) => hour.versions.reduce((all, version) => all + (version[of]?.[i] ?? 0), 0) / seconds(i));
  const series = [
    { name: "answered", class: "ok", values: sum("ok") }, { name: "by fallback", class: "degraded", values: sum("degraded") },
    { name: "wrong or left", class: "refused", values: sum("refused") }, { name: "no answer", class: "failed", values: sum("failed") },
  ];
  return overTime({ title: "Requests/s", hour, marks, format: short, series: series.map((one) => ({ ...one, stacked: true })) });
};

const of = (hour, number) => hour.versions.find((version) => version.version === number);

const latency = (hour, model, marks) => {
  const values = (version, which) => perSlot(hour, (i) => version?.[which]?.[i] || null);
  const [live, canary] = [of(hour, model.live), model.canary && of(hour, model.canary.to)];
  const series = [
    { name: `p50 @${model.live}`, class: "live-low", values: values(live, "p50_us") },
    { name: `p99 @${model.live}`, class: "live", values: values(live, "p99_us") },
  ];
  if (model.canary) series.push({ name: `p99 canary @${model.canary.to}`, class: "canary", values: values(canary, "p99_us") });
  const limit = model.deadline_ms && { name: `deadline ${time(1000 * model.deadline_ms)}`, value: 1000 * model.deadline_ms };
  return overTime({ title: "Time of a call", hour, marks, limit, format: time, series });
};

/** Shares of requests that a version did not answer, live and canary. */
const unanswered = (hour, model, marks) => {
  const share = (number) => perSlot(hour, (i) => {
    const version = of(hour, number);
    const get = (name) => version?.[name]?.[i] ?? 0;
    const bad = get("degraded") + get("failed");
    return bad + get("ok") > 0 ? bad / (bad + get("ok")) : null;
  });
  const series = [
    { name: `@${model.live}`, class: "live", values: share(model.live) },
    { name: `canary @${model.canary.to}`, class: "canary", values: share(model.canary.to) },
  ];
  return overTime({ title: "Not answered by the version", hour, marks, format: percent, series });
};

const versionRows = (detail, model, act) => {
  const roles = new Map(model.versions.map((version) => [version.version, version]));
  const all = [...detail.versions].sort((a, b) => Boolean(roles.get(b.version)?.role) - Boolean(roles.get(a.version)?.role) || b.version - a.version);
  const aliases = Object.entries(detail.aliases);
  const line = (version) => {
    const named = aliases.filter(([, number]) => number === version.version).map(([alias]) => alias);
    const role = roles.get(version.version)?.role ?? "";
    const circuit = version.circuit;
    const level = version.state === "ready" || version.state === "cold" ? null : "bad";
    return el("tr", {}, el("th", { scope: "row", class: "num" }, `@${version.version}`),
      el("td", {}, role && el("span", { class: `role ${role}` }, role), named.map((alias) => el("span", { class: "role" }, alias))),
      el("td", { "data-level": level, class: "state" }, version.state),
      el("td", { class: "num right" }, count(version.requests)), el("td", { class: "num right" }, count(version.errors)),
      el("td", { "data-level": circuit && circuit.state !== "closed" ? "bad" : null },
        circuit ? circuitActions(detail.model, version, act) : "–"),
      el("td", { class: "num" }, version.data_age_days === undefined ? "–" : `${count(version.data_age_days)} days`),
      el("td", {}, el("code", { title: version.digest }, version.digest.replace("sha256:", "").slice(0, 12))));
  };
  const table = (versions, keep) => el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Versions", "data-keep": keep },
    el("table", {}, el("thead", {}, el("tr", {},
      ["Version", "Serves as", "State", "Requests", "Errors", "Circuit", "Data", "Digest"].map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, versions.map(line))));
  const rest = all.slice(VERSIONS);
  return [table(all.slice(0, VERSIONS), "versions"),
    rest.length > 0 && el("details", {}, el("summary", {}, `${count(rest.length)} more`), table(rest, "more"))];
};

const changeRows = (changes) => (changes.length === 0 ? el("p", { class: "none" }, "None.")
  : el("ol", { class: "changes" }, changes.map((change) => el("li", {},
    el("time", { class: "num", datetime: new Date(change.at_ms).toISOString() },
      `${new Date(change.at_ms).toLocaleDateString("en-CA")} ${clock(change.at_ms)}`),
    el("b", { class: "num" }, String(change.number)), el("span", {}, change.what), el("small", {}, change.by)))));

/** The head: name, level, problems, and what can be done. */
const head = (name) => {
  const mood = el("span", { class: "mark" });
  const level = el("span", { class: "unseen" }, "");
  const serves = el("p", { class: "serves num" }, "");
  const list = el("ul", { class: "problems", "aria-label": "What is wrong" });
  const buttons = el("div", { class: "actions" });
  const node = el("section", { class: "head", "aria-label": "State" },
    el("nav", { "aria-label": "Back" }, el("a", { href: "#/" }, "← All models")),
    el("div", {}, el("h1", {}, mood, level, el("span", {}, name)), buttons), serves, list);
  let said;
  const draw = (model, now, isKnown) => {
    const judged = judge(model, now);
    if (node.dataset.level !== judged.level) mood.replaceChildren(symbol(judged.level));
    node.dataset.level = judged.level;
    say(level, `${LEVEL_NAMES[judged.level]}: `);
    const { canary, shadow } = model;
    const parts = [model.live === null ? "withdrawn" : `@${model.live} live`,
      canary && `@${canary.to} canary on ${short(canary.percent)} %, step ${canary.step + 1} of ${canary.steps}${canary.status ? `: ${canary.status}` : ""}`,
      shadow && `@${shadow.to} shadow of ${short(shadow.percent)} %`,
      model.live !== null && (model.fallbacks > 0 ? `fallback chain of ${model.fallbacks}` : "no fallback"),
      model.deadline_ms && `deadline ${time(1000 * model.deadline_ms)}`];
    say(serves, parts.filter(Boolean).join(" · "));
    const problems = isKnown && judged.problems.length === 0 ? [{ level: judged.level, text: LEVEL_NAMES[judged.level] }] : judged.problems;
    const now_said = JSON.stringify(problems);
    if (now_said === said) return;
    said = now_said;
    list.replaceChildren(...problems.map((problem) => el("li", {}, symbol(problem.level), problem.text)));
  };
  return { node, draw, buttons };
};

/** The page of one model. */
export const modelPage = (state, name) => {
  const top = head(name);
  const charts = el("div", { class: "charts" });
  const parts = {
    versions: section("Versions", "versions"), beside: besideSection(), drift: driftSection(name), errors: errorsSection(),
    changes: section("Changes", "history"),
  };
  const node = el("div", { class: "page model" }, top.node, el("section", { class: "card hour", "aria-label": "The last hour" }, el("header", {}, el("h2", {}, "The last hour")), charts),
    parts.versions.node, parts.beside.node, parts.drift.node,
    el("div", { class: "pair" }, parts.errors.node, parts.changes.node));
  let [isOpen, isLoading, times, drawn, buttons] = [true, false, 0, "", ""];

  const act = { done: async () => { await state.refresh(); times = 0; await load(); }, detail: null, state };

  const drawCharts = (hour, model, changes) => {
    const key = JSON.stringify([hour, model.live, model.canary?.to, model.deadline_ms, changes.length]);
    if (key === drawn || charts.contains(document.activeElement)) return;
    drawn = key;
    const marks = changes.map((change) => ({ at_ms: change.at_ms, text: change.what }));
    charts.replaceChildren(...[requests(hour, state.atMs, marks), latency(hour, model, marks),
      model.canary && unanswered(hour, model, marks)].filter(Boolean));
  };

  const load = async () => {
    if (isLoading) return;
    isLoading = true;
    const asks = [lookAt(name, ""), lookAt(name, "/hour"), look(`v1/history?model=${encodeURIComponent(name)}&limit=${CHANGES}`), keptErrors(name)];
    if (times % DRIFT_EVERY === 0) asks.push(lookAt(name, `/drift/histograms?limit=${parts.drift.most()}`));
    times += 1;
    const [detail, hour, history, kept, drift] = (await Promise.allSettled(asks)).map((one) => one.value);
    isLoading = false;
    const model = state.models.get(name);
    if (!isOpen || !model) return;
    const changes = history?.changes ?? [];
    if (hour) drawCharts(sinceBegun(hour), model, changes);
    if (detail) {
      act.detail = detail;
      parts.versions.draw([detail.versions, model.versions, detail.aliases], () => versionRows(detail, model, act));
      parts.errors.show(kept, detail);
      const key = JSON.stringify([model.canary?.to, model.shadow?.to, model.live]);
      if (key !== buttons) top.buttons.replaceChildren(...actions(name, model, act));
      buttons = key;
    }
    if (history) parts.changes.draw(changes, changeRows);
    if (drift) {
      parts.drift.show(drift);
      parts.beside.show(drift, model, hour);
    }
    mark(node, "data-loaded", true);
  };

  const draw = () => {
    const model = state.models.get(name);
    if (!model) {
      node.replaceChildren(el("p", { class: "none" }, `No model has the name ${name}. `, el("a", { href: "#/" }, "All models")));
      return;
    }
    top.draw(model, state.atMs, true);
    load();
  };
  return { node, draw, close: () => { isOpen = false; }, title: `${name} · Scry` };
};
