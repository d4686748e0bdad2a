// The last errors of a model, each with the command that repeats it where the host has kept its input.

import { clock, copyable, count, el } from "./dom.js";
import { Refused, look } from "./host.js";
import { section } from "./section.js";

const ERRORS = 20;
let isThere = true;

/** Causes of failed predictions, the one with the newest error first; nothing where the host keeps none. */
export const keptErrors = async (name) => {
  if (!isThere) return null;
  try {
    const { groups } = await look(`v1/errors?model=${encodeURIComponent(name)}&limit=${ERRORS}`);
    return groups.map((group) => ({
      reason: group.is_degraded ? `${group.reason}, answered by the fallback` : group.reason, version: group.version,
      count: group.count, at_ms: group.last_ms, message: group.cause, id: group.records.at(-1)?.id,
    }));
  } catch (error) {
    // There is no such path, or it is switched off.
    if (error instanceof Refused && [404, 409].includes(error.status)) isThere = false;
    return null;
  }
};

/** Without kept errors: what each version remembers of its own. */
const remembered = (detail) => detail.versions
  .flatMap((version) => version.last_errors.map((error) => ({ ...error, version: version.version })))
  .sort((a, b) => b.at_ms - a.at_ms);

const line = (error) => el("li", {},
  el("p", {}, el("b", { class: "reason" }, error.reason), error.version && el("span", { class: "num" }, ` @${error.version}`),
    error.count > 1 && el("span", { class: "num" }, ` × ${count(error.count)}`), el("small", { class: "num" }, ` ${new Date(error.at_ms).toLocaleDateString("en-CA")} ${clock(error.at_ms)}`)),
  el("p", { class: "message" }, error.message),
  error.id && el("p", {}, el("span", { class: "unseen" }, "Repeat this: "), copyable(`scry replay ${error.id}`)));

export const errorsSection = () => {
  const part = section("Last errors", "errors");
  const show = (kept, detail) => {
    const errors = kept ?? remembered(detail);
    part.draw(errors, () => (errors.length === 0 ? el("p", { class: "none" }, "None.")
      : el("ol", { class: "error-list" }, errors.map(line))));
  };
  return { node: part.node, show };
};
