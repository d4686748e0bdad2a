// Charts as SVG: a sparkline, a chart over the last hour, a histogram. Colors come from the style sheet.

import { clockShort, el, mark, percent, say, svg, tick } from "./dom.js";

const line = (values, x, y) => {
  let path = "";
  let isOpen = false;
  values.forEach((value, i) => {
    if (value === null) { isOpen = false; return; }
    // A point alone is a dot.
    path += `${isOpen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}${isOpen ? "" : "h0"}`;
    isOpen = true;
  });
  return path;
};

const area = (values, x, y) =>
  values.length === 0 ? "" : `${line(values, x, y)}L${x(values.length - 1).toFixed(1)} ${y(0)}L${x(0)} ${y(0)}Z`;

const [SPARK_W, SPARK_H] = [120, 24];

/** Requests of an hour, with those in trouble on top of them; `draw` replaces what it shows. */
export const spark = () => {
  const all = svg("path", { class: "spark-all" });
  const troubled = svg("path", { class: "spark-bad" });
  const box = { class: "spark", viewBox: `0 0 ${SPARK_W} ${SPARK_H}`, preserveAspectRatio: "none", "aria-hidden": "true" };
  const node = svg("svg", box, all, troubled);
  const draw = (requests = [], bad = []) => {
    const top = Math.max(1, ...requests);
    const x = (i) => (i * SPARK_W) / Math.max(1, requests.length - 1);
    const y = (value) => SPARK_H - 1 - ((SPARK_H - 2) * value) / top;
    mark(all, "d", area(requests, x, y));
    mark(troubled, "d", bad.some((value) => value > 0) ? area(bad, x, y) : "");
  };
  return { node, draw };
};

/** A round number that is not below, to be the top of an axis. */
const roundUp = (value) => {
  const power = 10 ** Math.floor(Math.log10(value || 1));
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
};

const [H, LEFT, RIGHT, TOP, BOTTOM] = [190, 52, 10, 12, 24];
// Text in a drawing shrinks with it: on a phone the drawing is narrower instead.
const width = () => (innerWidth < 640 ? 340 : 560);

/**
 * A chart over the last hour. `series`: name, class, values by slot (null where there is none), whether it is stacked on
 * those before. `limit`: a line that values should stay below. `marks`: changes, with their time and text.
 */
export const overTime = ({ title, hour, series, limit, marks, format }) => {
  const [slots, W] = [hour.slots, width()];
  const stacked = series.filter((one) => one.stacked);
  const sums = Array.from({ length: slots }, (_, i) => stacked.reduce((sum, one) => sum + (one.values[i] ?? 0), 0));
  const values = [...sums, ...series.filter((one) => !one.stacked).flatMap((one) => one.values.filter((v) => v !== null))];
  const highest = Math.max(0, ...values);
  // A limit far above everything would flatten it; then it is named, not drawn.
  const showsLimit = limit && limit.value <= highest * 6;
  const top = roundUp(Math.max(highest, showsLimit ? limit.value : 0) || 1);
  const x = (i) => LEFT + ((W - LEFT - RIGHT) * (i + 0.5)) / slots;
  const y = (value) => H - BOTTOM - ((H - TOP - BOTTOM) * value) / top;
  const node = svg("svg", { class: "chart", viewBox: `0 0 ${W} ${H}`, role: "img", tabindex: "0",
    "aria-label": `${title}. Arrow keys move along the hour.`, "--w": W });
  for (const part of [0, 0.5, 1]) {
    node.append(svg("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: y(top * part), y2: y(top * part) }),
      svg("text", { class: "axis", x: LEFT - 6, y: y(top * part) + 4, "text-anchor": "end" }, format(top * part)));
  }
  for (let at = 0; at <= slots; at += slots / 4) {
    const anchor = at === 0 ? "start" : at === slots ? "end" : "middle";
    node.append(svg("text", { class: "axis", x: x(at - 0.5), y: H - 6, "text-anchor": anchor },
      clockShort(hour.from_ms + at * hour.slot_ms)));
  }
  let below = Array(slots).fill(0);
  for (const one of stacked) {
    const upper = below.map((sum, i) => sum + (one.values[i] ?? 0));
    const back = below.map((_, i) => `L${x(slots - 1 - i).toFixed(1)} ${y(below[slots - 1 - i]).toFixed(1)}`).join("");
    node.append(svg("path", { class: `area ${one.class}`, d: `${line(upper, x, y)}${back}Z` }));
    below = upper;
  }
  for (const one of series.filter((one) => !one.stacked)) {
    node.append(svg("path", { class: `line ${one.class}`, d: line(one.values, x, y) }));
  }
  if (showsLimit) {
    node.append(svg("line", { class: "limit", x1: LEFT, x2: W - RIGHT, y1: y(limit.value), y2: y(limit.value) }),
      svg("text", { class: "axis limit-name", x: W - RIGHT, y: y(limit.value) + 13, "text-anchor": "end" }, limit.name));
  }
  const until = hour.from_ms + slots * hour.slot_ms;
  for (const { at_ms: at, text } of marks.filter((change) => change.at_ms >= hour.from_ms && change.at_ms < until)) {
    const place = x((at - hour.from_ms) / hour.slot_ms - 0.5);
    node.append(svg("g", { class: "change" }, svg("title", {}, `${clockShort(at)} ${text}`),
      svg("line", { x1: place, x2: place, y1: TOP, y2: H - BOTTOM }),
      svg("path", { d: `M${place - 4} ${TOP - 6}h8l-4 7Z` })));
  }
  return withCursor(node, { title, hour, series, marks, format, x, W });
};

/** Shows the values at a place: under the pointer, or moved by the arrow keys. */
const withCursor = (node, { title, hour, series, marks, format, x, W }) => {
  const legend = series.map((one) =>
    el("span", { class: "key" }, el("i", { class: `swatch ${one.class}` }), one.name, " ", el("b", { class: "num" }, "")));
  const when = el("span", { class: "when num" }, "");
  const cursor = svg("line", { class: "cursor", y1: TOP, y2: H - BOTTOM, visibility: "hidden" });
  node.append(cursor);
  let at = hour.slots - 1;
  const show = (slot, isVisible) => {
    at = Math.max(0, Math.min(hour.slots - 1, slot));
    const from = hour.from_ms + at * hour.slot_ms;
    series.forEach((one, i) => say(legend[i].lastChild, one.values[at] === null ? "–" : format(one.values[at] ?? 0)));
    const change = marks.find((change) => change.at_ms >= from && change.at_ms < from + hour.slot_ms);
    say(when, isVisible ? `${clockShort(from)}${change ? ` ▾ ${change.text}` : ""}` : "now");
    [["x1", x(at)], ["x2", x(at)], ["visibility", isVisible ? "visible" : "hidden"]].forEach(([k, v]) => mark(cursor, k, v));
  };
  const rest = () => show(hour.slots - 1, false);
  node.addEventListener("pointermove", (event) => {
    const box = node.getBoundingClientRect();
    const inside = ((event.clientX - box.left) * W) / box.width - LEFT;
    show(Math.floor((inside * hour.slots) / (W - LEFT - RIGHT)), true);
  });
  node.addEventListener("pointerleave", rest);
  node.addEventListener("blur", rest);
  node.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -4, ArrowRight: 4 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(at + step, true);
  });
  rest();
  return el("figure", { class: "over-time" },
    el("figcaption", {}, el("h3", {}, title), el("p", { class: "legend", "aria-live": "polite" }, when, legend)), node);
};

const [BAR_W, BAR_H, BAR_TOP, BAR_BOTTOM] = [260, 116, 8, 22];
// Of a column with many categories; the others are one bar.
const CATEGORIES = 9;

/** The cells of a column as bars: names, and the shares of both sides. */
export const bars = (column) => {
  let { before, after } = { before: column.before.counts, after: column.after.counts };
  let names;
  if (column.kind === "numeric") {
    const edges = column.edges;
    names = before.map((_, i) => {
      if (edges.length === 0) return `${tick(column.minimum)} to ${tick(column.maximum)}`;
      if (i === 0) return `up to ${tick(edges[0])}`;
      return i === edges.length ? `above ${tick(edges[i - 1])}` : `${tick(edges[i - 1])} to ${tick(edges[i])}`;
    });
  } else {
    const kept = column.values.slice(0, CATEGORIES);
    const others = (counts) => [...counts.slice(0, kept.length), counts.slice(kept.length).reduce((a, b) => a + b, 0)];
    [before, after] = [others(before), others(after)];
    names = [...kept, "others"];
    if (before.at(-1) + after.at(-1) === 0) [before, after, names] = [before, after, names].map((list) => list.slice(0, -1));
  }
  const shares = (counts) => {
    const sum = counts.reduce((a, b) => a + b, 0);
    return counts.map((value) => (sum > 0 ? value / sum : 0));
  };
  return { names, before: shares(before), after: shares(after) };
};

/** Both sides of a column in one histogram: what was expected as an outline, what came as bars within it. */
export const histogram = (column, [before, after]) => {
  const shown = bars(column);
  const top = Math.max(0.01, ...shown.before, ...shown.after);
  const width = BAR_W / shown.names.length;
  const y = (share) => BAR_H - BAR_BOTTOM - ((BAR_H - BAR_TOP - BAR_BOTTOM) * share) / top;
  const told = shown.names.map((name, i) => `${name}: ${percent(shown.before[i])} ${before}, ${percent(shown.after[i])} ${after}`);
  const node = svg("svg", { class: "histogram", viewBox: `0 0 ${BAR_W} ${BAR_H}`, role: "img",
    "aria-label": `${column.column}. ${told.join("; ")}` });
  shown.names.forEach((name, i) => {
    const [left, base] = [i * width, BAR_H - BAR_BOTTOM];
    node.append(svg("g", {}, svg("title", {}, told[i]),
      svg("rect", { class: "hit", x: left, y: 0, width, height: base }),
      svg("rect", { class: "bar-before", x: left + 1, y: y(shown.before[i]), width: width - 2, height: base - y(shown.before[i]) }),
      svg("rect", { class: "bar-after", x: left + width * 0.3, y: y(shown.after[i]), width: width * 0.4, height: base - y(shown.after[i]) })));
  });
  node.append(svg("line", { class: "grid", x1: 0, x2: BAR_W, y1: BAR_H - BAR_BOTTOM, y2: BAR_H - BAR_BOTTOM }));
  const label = (text, x, anchor) => svg("text", { class: "axis", x, y: BAR_H - 6, "text-anchor": anchor }, text);
  if (column.kind === "numeric" && column.edges.length > 0) {
    const middle = Math.floor(column.edges.length / 2);
    node.append(label(tick(column.edges[0]), width, "middle"),
      label(tick(column.edges[middle]), (middle + 1) * width, "middle"),
      label(tick(column.edges.at(-1)), column.edges.length * width, "middle"));
  } else {
    const room = Math.max(2, Math.floor(width / 6.4));
    shown.names.forEach((name, i) => node.append(
      label(name.length > room ? `${name.slice(0, room - 1)}…` : name, (i + 0.5) * width, "middle")));
  }
  return node;
};

/** How far p50 and p99 are on the way to the deadline. */
export const bullet = () => {
  const p99 = svg("rect", { class: "p99", x: 0, y: 1, height: 6, width: 0 });
  const p50 = svg("rect", { class: "p50", x: 0, y: 0, height: 8, width: 1.6 });
  const node = svg("svg", { class: "bullet", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "deadline", x: 0, y: 1, width: 100, height: 6 }), p99, p50);
  const draw = (p50Us, p99Us, deadlineMs) => {
    const share = (us) => Math.min(100, us && deadlineMs ? us / (10 * deadlineMs) : 0);
    mark(p99, "width", share(p99Us).toFixed(1));
    mark(p99, "class", share(p99Us) >= 80 ? "p99 near" : "p99");
    mark(p50, "x", Math.min(98.4, share(p50Us)).toFixed(1));
    mark(p50, "visibility", p50Us ? "visible" : "hidden");
  };
  return { node, draw };
};
