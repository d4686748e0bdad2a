// Drift: each feature's live values within its training data, and a canary's or a shadow's beside the live version's.

import { histogram } from "./charts.js";
import { count, el, percent, say, short, time } from "./dom.js";
import { section } from "./section.js";

// Columns of a side that are asked for; a button asks for all.
const FEW = 12;
const ALL = 4096;

const VERDICTS = { ok: "as expected", drift: "drift", insufficient_data: "too few rows" };

const missing = (side) => {
  const sum = side.counts.reduce((a, b) => a + b, 0) + side.missing_count;
  return sum > 0 ? side.missing_count / sum : 0;
};

const effect = ({ effect }) => (effect ? `${effect.name} ${short(effect.observed_value)}, matters from ${short(effect.threshold)}` : "");

/** One column's histogram with its verdict. */
const figure = (column, names) => {
  const [before, after] = [missing(column.before), missing(column.after)];
  const lacking = before + after > 0 ? `missing ${percent(before)} → ${percent(after)}` : "";
  return el("figure", { class: "column", "data-verdict": column.verdict },
    el("figcaption", {}, el("b", { title: column.column }, column.column), el("span", { class: "verdict" }, VERDICTS[column.verdict])),
    histogram(column, names),
    el("p", { class: "num" }, el("span", {}, effect(column)), el("span", {}, lacking)));
};

const legend = ([before, after], kind) => el("p", { class: "legend" },
  el("span", { class: "key" }, el("i", { class: "swatch before" }), before),
  el("span", { class: "key" }, el("i", { class: `swatch ${kind}` }), after));

const side = (name, drawn, names, kind) => {
  const drifting = drawn.columns.filter((column) => column.verdict === "drift").length;
  const verdict = drifting > 0 ? `${count(drifting)} of ${count(drawn.column_count)} columns drift` : VERDICTS[drawn.verdict];
  return el("section", { class: `side ${kind}`, "aria-label": name },
    el("h3", {}, name, el("small", { class: "num" }, `${verdict} · ${count(drawn.after_rows)} rows beside ${count(drawn.before_rows)}`)),
    el("div", { class: "columns" }, drawn.columns.map((column) => figure(column, names))));
};

const NAMES = { inputs: "Inputs", features: "Features", outputs: "Outputs" };

/** Live values of the live version beside its training data. */
export const driftSection = () => {
  const part = section("Drift", "drift", "How live rows fall into the bins of the training data");
  let most = FEW;
  const show = (drift) => {
    const live = drift.versions.find((version) => version.role === "live");
    part.draw(live ?? null, () => {
      const sides = Object.entries(NAMES).filter(([key]) => live?.sides[key]);
      if (sides.length === 0) return el("p", { class: "none" }, "The live version has no reference statistics, or is not loaded: nothing to compare with.");
      const hidden = sides.some(([key]) => live.sides[key].column_count > live.sides[key].columns.length);
      const more = el("button", { class: "quiet", type: "button", "data-keep": "more" }, "Show all columns");
      more.addEventListener("click", () => { most = ALL; say(more, "They come with the next look"); });
      return [legend(["training", "live"], "live"),
        sides.map(([key, name]) => side(name, live.sides[key], ["of training", "of live rows"], "live")), hidden && more];
    });
  };
  return { node: part.node, show, most: () => most };
};

const last = (values) => values?.findLast((value) => value > 0);

/** Sums of the last five minutes of one version. */
const lately = (hour, number) => {
  const version = hour?.versions.find((one) => one.version === number) ?? {};
  const sum = (name) => (version[name] ?? []).slice(-20).reduce((a, b) => a + b, 0);
  const [ok, degraded, failed] = ["ok", "degraded", "failed"].map(sum);
  const asked = ok + degraded + failed;
  const share = (part) => (asked > 0 ? percent(part / asked) : "–");
  return [count(asked), share(failed), share(degraded), time(last(version.p50_us)), time(last(version.p99_us))];
};

/** A canary or a shadow beside the live version; hidden where there is neither. */
export const besideSection = () => {
  const part = section("Beside the live version", "beside");
  part.node.hidden = true;
  const show = (drift, model, hour) => {
    const other = model.canary ?? model.shadow;
    part.node.hidden = !other;
    if (!other) return;
    const role = model.canary ? "canary" : "shadow";
    const beside = drift.versions.find((version) => version.version === other.to)?.beside ?? {};
    const rows = model.canary ? [[`@${model.live} live`, lately(hour, model.live)], [`@${other.to} canary`, lately(hour, other.to)]] : [];
    part.draw([rows, beside, other.to], () => [
      rows.length > 0 && el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Canary beside live", "data-keep": "beside" },
        el("table", {}, el("thead", {}, el("tr", {}, ["5 min", "Requests", "No answer", "By fallback", "p50", "p99"].map((name) => el("th", { scope: "col" }, name)))),
          el("tbody", {}, rows.map(([name, cells]) => el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", { class: "num" }, cell))))))),
      Object.keys(beside).length > 0 && legend([`@${model.live} live`, `@${other.to} ${role}`], "canary"),
      Object.entries(NAMES).filter(([key]) => beside[key]).map(([key, name]) =>
        side(name, beside[key], [`of @${model.live}`, `of @${other.to}`], "canary")),
    ]);
  };
  return { node: part.node, show };
};
