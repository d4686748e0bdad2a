// Every model in a list, the worst first. Rows have a fixed height and a place of their own, so nothing on the page moves
// when they change places, and only those in sight are there, however many models there are.

import { bullet, spark } from "./charts.js";
import { LEVEL_NAMES, count, el, mark, percent, plural, say, short, symbol, time } from "./dom.js";
import { compare, isTrouble, judge } from "./status.js";

// Rows beyond the edges of the window that are there, too.
const AHEAD = 12;

const COLUMNS = ["Model", "Traffic", "Requests/s, hour", "p50 and p99 to deadline", "Fallbacks and errors, 5 min", "Circuit", "Data"];

/** Requests of the last minute, by the second. */
export const rate = (hour) => {
  if (!hour || hour.minute_s < 1) return 0;
  const { ok, degraded, refused, failed } = hour.minute;
  return (ok + degraded + refused + failed) / hour.minute_s;
};

const tile = (name, extra) => {
  const value = el("b", { class: "num" }, "–");
  return { node: el("div", { class: "tile" }, el("span", {}, name), value, extra), value };
};

/** The list's head: how many need a look, and what they amount to. */
const summary = () => {
  const title = el("h1", {}, el("span", { class: "mark" }), el("span", {}, ""));
  const chart = spark();
  const tiles = {
    rate: tile("requests/s", chart.node), failed: tile("no answer, 5 min"), degraded: tile("by fallback, 5 min"),
    circuits: tile("circuits open"), drift: tile("drift"), stale: tile("data too old"),
  };
  const node = el("section", { class: "summary", "aria-label": "Summary" }, title,
    el("div", { class: "tiles" }, Object.values(tiles).map((one) => one.node)));
  const draw = (all) => {
    const trouble = all.filter((one) => isTrouble(one.level)).length;
    const level = all.some((one) => one.level === "bad") ? "bad" : trouble > 0 ? "warn" : "ok";
    const text = trouble === 0
      ? `${plural(all.length, "model", "models")}, all well`
      : `${count(trouble)} of ${plural(all.length, "model needs", "models need")} a look`;
    if (title.dataset.level !== level) title.firstChild.replaceChildren(symbol(level));
    title.dataset.level = level;
    say(title.lastChild, all.length === 0 ? "No model yet" : text);
    const hours = all.map((one) => one.model.hour).filter(Boolean);
    const sum = (of) => hours.reduce((total, hour) => total + of(hour), 0);
    const asked = sum((hour) => hour.lately.ok + hour.lately.degraded + hour.lately.failed);
    const share = (part) => (asked > 0 ? percent(part / asked) : "0 %");
    const [failed, degraded] = [sum((hour) => hour.lately.failed), sum((hour) => hour.lately.degraded)];
    const having = (is) => all.filter((one) => one.model.versions.some(is)).length;
    const values = {
      rate: [short(hours.reduce((total, hour) => total + rate(hour), 0))],
      failed: [share(failed), failed > 0 && "bad"], degraded: [share(degraded), degraded > 0 && "warn"],
      circuits: [having((version) => version.circuit && version.circuit.state !== "closed"), "bad"],
      drift: [having((version) => version.drifting.length > 0), "warn"], stale: [having((version) => version.stale), "warn"],
    };
    for (const [name, [value, level]] of Object.entries(values)) {
      say(tiles[name].value, typeof value === "number" ? count(value) : value);
      mark(tiles[name].node, "data-level", value !== 0 && level);
    }
    const minutes = (of) => Array.from({ length: 60 }, (_, i) => sum((hour) => hour[of][i]));
    chart.draw(minutes("requests"), minutes("troubled"));
  };
  return { node, draw };
};

const circuitOf = (model) => {
  const states = model.versions.filter((version) => version.circuit && (version.circuit.state !== "closed" || version.circuit.forced));
  if (states.length === 0) return [model.live === null ? "" : "closed", null];
  const { version, circuit } = states.find((one) => one.role === "live") ?? states[0];
  const level = circuit.state === "open" ? "bad" : "warn";
  return [`${circuit.state}${circuit.forced ? ", held" : ""} @${version}`, level];
};

const dataOf = (model) => {
  const live = model.versions.find((version) => version.role === "live");
  if (live?.data_age_days === undefined) return ["", null];
  return [live.data_age_days < 1 ? "< 1 day" : `${count(live.data_age_days)} days`, live.stale && "warn"];
};

/** Why versions did not answer in the last five minutes, whoever answered then. */
const reasonsOf = (model) => {
  const sums = new Map();
  for (const { kind, reason, count: times } of model.hour?.reasons ?? []) {
    if (kind !== "refused") sums.set(reason, (sums.get(reason) ?? 0) + times);
  }
  return [...sums].sort(([, a], [, b]) => b - a);
};

/** One row; `draw` changes what differs. */
const row = (name) => {
  const cell = (kind, ...children) => el("div", { role: "cell", class: kind }, children);
  const mood = el("span", { class: "mark" });
  const moodName = el("span", { class: "unseen" }, "");
  const versions = el("small", { class: "num" }, "");
  const traffic = { live: el("i", { class: "live" }), canary: el("i", { class: "canary" }), text: el("small", { class: "num" }, "") };
  const [chart, late, perSecond, times] = [spark(), bullet(), el("span", { class: "num" }, ""), el("small", { class: "num" }, "")];
  const [why, circuit, data] = [el("span", {}, ""), el("span", {}, ""), el("span", { class: "num" }, "")];
  const node = el("div", { role: "row", class: "row" },
    cell("name", mood, moodName, el("div", {}, el("a", { href: `#/model/${encodeURIComponent(name)}` }, name), versions)),
    cell("traffic", el("span", { class: "split", "aria-hidden": "true" }, traffic.live, traffic.canary), traffic.text),
    cell("rate", perSecond, chart.node), cell("latency", late.node, times), cell("why", why), cell("circuit", circuit),
    cell("data", data));
  const draw = ({ model, level, problems }, index) => {
    node.style.setProperty("--i", index);
    mark(node, "aria-rowindex", index + 2);
    if (node.dataset.level !== level) {
      mood.replaceChildren(symbol(level));
      say(moodName, `${LEVEL_NAMES[level]}: `);
      node.dataset.level = level;
    }
    const [canary, shadow] = [model.canary, model.shadow];
    const parts = [model.live === null ? "withdrawn" : `@${model.live}`, canary && `canary @${canary.to}`, shadow && `shadow @${shadow.to}`];
    say(versions, parts.filter(Boolean).join(" · "));
    const share = canary?.percent ?? 0;
    traffic.live.style.setProperty("--share", model.live === null ? 0 : 100 - share);
    traffic.canary.style.setProperty("--share", share);
    const split = canary ? `@${model.live} ${short(100 - share)} % · @${canary.to} ${short(share)} %` : model.live === null ? "" : "100 %";
    say(traffic.text, shadow ? `${split} (+${short(shadow.percent)} % shadow)` : split);
    say(perSecond, model.hour ? short(rate(model.hour)) : "");
    chart.draw(model.hour?.requests, model.hour?.troubled);
    late.draw(model.hour?.p50_us, model.hour?.p99_us, model.deadline_ms);
    const limit = model.deadline_ms ? ` of ${time(1000 * model.deadline_ms)}` : "";
    say(times, model.hour?.p99_us ? `${time(model.hour.p50_us)} · ${time(model.hour.p99_us)}${limit}` : `–${limit}`);
    const reasons = reasonsOf(model);
    const [said, more] = [problems[0]?.text ?? "", problems.length - 1];
    say(why, reasons.length > 0 ? reasons.map(([reason, times]) => `${reason} ${count(times)}`).join(", ") : more > 0 ? `${said} +${more}` : said);
    mark(why, "title", problems.map((problem) => problem.text).join("\n"));
    for (const [at, [text, bad]] of [[circuit, circuitOf(model)], [data, dataOf(model)]]) {
      say(at, text);
      mark(at, "data-level", bad);
    }
  };
  return { node, draw };
};

/** The page of all models. */
export const overview = (state) => {
  const head = summary();
  const search = el("input", { type: "search", id: "search", placeholder: "Filter by name  /", autocomplete: "off", spellcheck: "false" });
  const only = el("input", { type: "checkbox", id: "only" });
  const found = el("span", { class: "found num", role: "status" }, "");
  const names = el("div", { role: "rowgroup", class: "names" },
    el("div", { role: "row", class: "row" }, COLUMNS.map((name) => el("div", { role: "columnheader" }, name))));
  const body = el("div", { role: "rowgroup", class: "rows" });
  const list = el("div", { role: "table", class: "models", "aria-label": "Models" }, names, body);
  const node = el("div", { class: "page" }, head.node,
    el("div", { class: "tools", role: "search" }, el("label", { class: "unseen", for: "search" }, "Filter by name"), search,
      el("label", { class: "check" }, only, "Only what needs a look"), found), list);
  const made = new Map();
  let shown = [];
  let size = null;

  /** Reads what scrolling does not change, so that it costs no layout. */
  const measure = () => {
    const height = parseFloat(getComputedStyle(body).getPropertyValue("--row"));
    size = { height, begins: body.getBoundingClientRect().top + scrollY };
  };

  /** Puts the rows in sight where they belong, in the order in which they are read. */
  const place = () => {
    const { height, begins } = size;
    const top = begins - scrollY;
    const from = Math.max(0, Math.floor(-top / height) - AHEAD);
    const to = Math.min(shown.length, Math.ceil((innerHeight - top) / height) + AHEAD);
    const focused = document.activeElement;
    let next = body.firstChild;
    const kept = new Set();
    for (let i = from; i < to; i += 1) {
      const one = shown[i];
      const { model: name } = one.model;
      if (!made.has(name)) made.set(name, { ...row(name), seen: null });
      const mine = made.get(name);
      if (mine.seen !== one || mine.at !== i) mine.draw(one, i);
      [mine.seen, mine.at] = [one, i];
      kept.add(mine.node);
      if (mine.node === next) next = next.nextSibling;
      else body.insertBefore(mine.node, next);
    }
    for (const [name, mine] of made) {
      if (kept.has(mine.node)) continue;
      mine.node.remove();
      made.delete(name);
    }
    // A row that has changed its place in the document has lost the focus.
    if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
  };

  const draw = () => {
    const all = state.judged();
    head.draw(all);
    const text = search.value.trim().toLowerCase();
    shown = all.filter((one) => (!only.checked || isTrouble(one.level)) && one.model.model.toLowerCase().includes(text));
    shown.sort(compare);
    say(found, text || only.checked ? `${count(shown.length)} of ${count(all.length)}` : "");
    body.style.setProperty("--count", shown.length);
    mark(list, "aria-rowcount", shown.length + 1);
    measure();
    place();
  };

  search.addEventListener("input", draw);
  only.addEventListener("change", draw);
  let isPlacing = false;
  const onScroll = () => {
    if (isPlacing) return;
    isPlacing = true;
    requestAnimationFrame(() => { isPlacing = false; place(); });
  };
  const onKey = (event) => {
    if (event.key === "/" && event.target !== search) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      search.value = "";
      draw();
    }
  };
  addEventListener("scroll", onScroll, { passive: true });
  const onResize = () => { measure(); onScroll(); };
  addEventListener("resize", onResize);
  addEventListener("keydown", onKey);
  const close = () => {
    removeEventListener("scroll", onScroll);
    removeEventListener("resize", onResize);
    removeEventListener("keydown", onKey);
  };
  return { node, draw, close, title: "Scry" };
};

/** Every model with its level, judged at the time of the host. */
export const judged = (models, now) => [...models.values()].map((model) => ({ model, ...judge(model, now) }));
