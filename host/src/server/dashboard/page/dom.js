// Elements and texts. Text never becomes markup: everything goes through text nodes and attributes.

const SVG = "http://www.w3.org/2000/svg";

const fill = (node, props, children) => {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
};

/** An element with attributes, listeners (`onclick`), custom properties (`--share`) and children. */
export const el = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/** The same of SVG. */
export const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

/** Replaces a text where it differs, so that what stays the same is not drawn anew. */
export const say = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

/** Sets an attribute where it differs; without a value it goes. */
export const mark = (node, name, value) => {
  if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
};

/** A symbol with a shape of its own for each level, so that nothing depends on its color. */
export const symbol = (level) => {
  const shapes = {
    bad: "M8 1.2 14.8 8 8 14.8 1.2 8Z",
    warn: "M8 1.8 15 14H1Z",
    ok: "M8 2.6a5.4 5.4 0 1 0 0 10.8A5.4 5.4 0 0 0 8 2.6Z",
    idle: "M8 3.6a4.4 4.4 0 1 0 0 8.8 4.4 4.4 0 0 0 0-8.8Z",
    off: "M3 7.2h10v1.6H3Z",
  };
  return svg("svg", { class: `symbol ${level}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    svg("path", { d: shapes[level] }));
};

export const LEVEL_NAMES = { bad: "failing", warn: "needs a look", ok: "well", idle: "no requests", off: "withdrawn" };

const number = (digits) => new Intl.NumberFormat("en-US", { maximumFractionDigits: digits });
const [whole, one, two] = [0, 1, 2].map(number);

/** A count with thousands. */
export const count = (value) => whole.format(value);

/** A rate or a share with as many digits as mean something. */
export const short = (value) => {
  if (value >= 100) return whole.format(value);
  return value >= 10 ? one.format(value) : two.format(value);
};

export const percent = (share) => `${short(100 * share)} %`;

/** Microseconds as a time that is quickly read. */
export const time = (us) => {
  if (us === null || us === undefined) return "–";
  if (us < 1000) return `${whole.format(us)} µs`;
  return us < 1e6 ? `${short(us / 1e3)} ms` : `${short(us / 1e6)} s`;
};

export const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

export const clockShort = (ms) => clock(ms).slice(0, 5);

/** How long ago, in one word and a unit. */
export const ago = (ms, now) => {
  const s = Math.max(0, (now - ms) / 1000);
  if (s < 90) return `${whole.format(s)} s`;
  if (s < 5400) return `${whole.format(s / 60)} min`;
  return s < 172800 ? `${whole.format(s / 3600)} h` : `${whole.format(s / 86400)} days`;
};

export const plural = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;

/** A number of a feature, as short as can be told apart. */
export const tick = (value) => {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-3)) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
};

/** A button that copies a command. */
export const copyable = (command) => {
  const button = el("button", { class: "quiet copy", type: "button", "aria-label": `Copy: ${command}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command);
      say(button, "Copied");
    } catch {
      // Without a clipboard (no TLS, no permission) the text is there to be marked.
      getSelection().selectAllChildren(button.previousElementSibling);
      say(button, "Marked");
    }
    setTimeout(() => say(button, "Copy"), 1500);
  });
  return el("span", { class: "command" }, el("code", {}, command), button);
};
