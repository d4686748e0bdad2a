// A part of a page with a title, which is drawn anew only where its data has changed.

import { el } from "./dom.js";

/** A section; drawn anew, what has `data-keep` keeps the focus, a wide table its place, and a list stays open. */
export const section = (title, kind, note) => {
  const [head, body] = [el("h2", {}, title), el("div", { class: "body" })];
  const node = el("section", { class: `card ${kind}`, "aria-label": title },
    el("header", {}, head, note && el("p", {}, note)), body);
  let before;
  const draw = (data, make) => {
    const now = JSON.stringify(data);
    if (now === before) return;
    before = now;
    const held = body.contains(document.activeElement) ? document.activeElement.dataset.keep : null;
    const places = [...body.querySelectorAll(".scroll")].map((node) => node.scrollLeft);
    const isOpen = body.querySelector("details")?.open;
    body.replaceChildren(...[make(data)].flat(Infinity).filter(Boolean));
    body.querySelectorAll(".scroll").forEach((node, i) => { node.scrollLeft = places[i] ?? 0; });
    if (isOpen) body.querySelector("details")?.setAttribute("open", "");
    if (held) body.querySelector(`[data-keep="${CSS.escape(held)}"]`)?.focus({ preventScroll: true });
  };
  return { node, draw };
};
