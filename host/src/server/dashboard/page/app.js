// Starts the page: the token first, then the stream, and what the address names: the list, or one model.

import { clock, el, mark, say } from "./dom.js";
import { follow, look, token } from "./host.js";
import { modelPage } from "./model.js";
import { judged, overview } from "./overview.js";

const at = (id) => document.getElementById(id);
const [main, link, lost] = [at("main"), at("link"), at("lost")];

const state = {
  models: new Map(),
  host: null,
  // Of the last data, by the host's clock, and by this one's.
  atMs: 0,
  heardMs: 0,
  judged: () => judged(state.models, state.atMs),
};
let view = null;
let stop = null;

const show = (next) => {
  view?.close?.();
  view = next;
  document.title = next.title;
  main.replaceChildren(next.node);
  next.draw();
};

const route = () => {
  if (!state.host) return;
  const name = location.hash.match(/^#\/model\/(.+)$/)?.[1];
  show(name ? modelPage(state, decodeURIComponent(name)) : overview(state));
  scrollTo(0, 0);
};

const told = (event) => {
  const isFirst = !state.host;
  if (event.whole) state.models.clear();
  for (const model of event.models) state.models.set(model.model, model);
  for (const name of event.gone ?? []) state.models.delete(name);
  state.host = event;
  [state.atMs, state.heardMs] = [event.at_ms, Date.now()];
  mark(document.body, "data-lost", null);
  lost.hidden = true;
  say(link, `live ${clock(event.at_ms)}`);
  say(at("host"), `${location.host} · scry ${event.version} · state ${event.number}`);
  if (isFirst) route();
  else view?.draw();
};

const isLost = (why, waitMs) => {
  const since = state.heardMs ? `The host has not answered since ${clock(state.heardMs)}` : "The host does not answer";
  const shown = state.heardMs ? " What is shown here is from then." : "";
  say(lost, `${why ? `The host refuses: ${why}` : since}.${shown} Trying again in ${waitMs / 1000} s.`);
  lost.hidden = false;
  mark(document.body, "data-lost", true);
  say(link, "no connection");
};

const ask = (why) => {
  stop?.abort();
  view?.close?.();
  [view, state.host, state.heardMs] = [null, null, 0];
  state.models.clear();
  at("leave").hidden = true;
  lost.hidden = true;
  mark(document.body, "data-lost", null);
  say(link, "");
  const input = el("input", { type: "password", id: "token", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "token-help token-wrong" });
  const wrong = el("p", { class: "wrong", id: "token-wrong", role: "alert" }, why ?? "");
  const form = el("form", { class: "token" }, el("h1", {}, "Scry"),
    el("label", { for: "token" }, "Admin token"), input, wrong, el("button", { class: "strong" }, "Open"),
    el("p", { class: "help", id: "token-help" }, "With the scope ", el("code", {}, "read"), " to look, and ", el("code", {}, "deploy"),
      " to act. The host's own is in ", el("code", {}, "admin.token"), " of its data folder. It stays in this tab until you close it."));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    token.set(input.value.trim());
    begin();
  });
  document.title = "Scry";
  main.replaceChildren(form);
  input.focus();
};

const begin = () => {
  stop?.abort();
  stop = new AbortController();
  at("leave").hidden = false;
  say(link, "connecting");
  follow({ told, lost: isLost, refused: (error) => { token.forget(); ask(error.message); }, signal: stop.signal });
};

/** After a change: what it led to, without waiting for the stream. */
state.refresh = async () => {
  try {
    told({ ...(await look("v1/overview")), whole: true });
  } catch {
    // The stream says what is wrong.
  }
};

const THEMES = ["system", "light", "dark"];
const theme = (name) => {
  mark(document.documentElement, "data-theme", name === "system" ? null : name);
  say(at("theme"), name);
  mark(at("theme"), "aria-label", `Theme: ${name}`);
};
const saved = () => localStorage.getItem("scry-theme") ?? "system";
at("theme").addEventListener("click", () => {
  localStorage.setItem("scry-theme", THEMES[(THEMES.indexOf(saved()) + 1) % THEMES.length]);
  theme(saved());
});
theme(saved());

at("leave").addEventListener("click", () => { token.forget(); ask(); });
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
addEventListener("hashchange", route);
if (token.get()) begin();
else ask();
