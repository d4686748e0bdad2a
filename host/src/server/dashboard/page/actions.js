// What an operator can do: each in a dialog that says what will happen and which command does the same.

import { copyable, count, el, say, short } from "./dom.js";
import { change } from "./host.js";

/** Asks, does, and shows what became of it. `plan` gives path, body and command of the form as it stands. */
const confirm = ({ title, about, fields, verb, danger, name, plan, act }) => {
  const command = el("p", { class: "same" });
  const outcome = el("div", { class: "outcome", role: "status" });
  const go = el("button", { class: danger ? "danger" : "strong", type: "submit" }, verb);
  const cancel = el("button", { class: "quiet", type: "button" }, "Cancel");
  const form = el("form", {}, el("h2", { id: "dialog-title" }, title), el("p", {}, about), fields, command, outcome,
    el("div", { class: "buttons" }, cancel, go));
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  const shown = () => command.replaceChildren("Same as ", copyable(plan().command));
  const close = () => { dialog.close(); dialog.remove(); };
  form.addEventListener("input", shown);
  cancel.addEventListener("click", close);
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.dataset.done) return close();
    const { path, body } = plan();
    go.disabled = true;
    say(outcome, "The host proves the change before it makes it …");
    try {
      const made = await change(name, path, body);
      const gates = (made.gates ?? []).map((gate) => el("li", {}, `${gate.gate} @${gate.version} `, el("small", { class: "num" }, `${short(gate.ms)} ms ${gate.note ?? ""}`)));
      outcome.replaceChildren(el("p", {}, made.number ? `Done: state ${made.number}.` : `Done: ${made.state}.`), gates.length > 0 ? el("ul", {}, gates) : "");
      go.dataset.done = "true";
      go.className = "strong";
      say(go, "Close");
      cancel.hidden = true;
      act.done();
    } catch (error) {
      outcome.replaceChildren(el("p", { class: "wrong", role: "alert" }, `Not done: ${error.message}`));
    }
    go.disabled = false;
    go.focus();
  });
  shown();
  document.body.append(dialog);
  dialog.showModal();
};

const field = (label, input) => el("label", { class: "field" }, el("span", {}, label), input);
const numeric = (value, min, max, step) => el("input", { type: "number", value, min, max, step, required: true });

/** A hold in seconds as the command writes it. */
const hold = (minutes) => (minutes > 0 ? `:${minutes}m` : "");

const deploy = (name, model, act) => {
  const versions = [...act.detail.versions].sort((a, b) => b.version - a.version);
  const first = versions.find((version) => version.version !== model.live) ?? versions[0];
  const version = el("select", {}, versions.map((one) => el("option", { value: one.version, selected: one === first },
    `@${one.version}${one.version === model.live ? " (live)" : ""}  ${one.digest.slice(7, 19)}`)));
  const how = (value, text, isFirst) => el("label", { class: "check" }, el("input", { type: "radio", name: "how", value, checked: isFirst }), text);
  const hows = el("fieldset", {}, el("legend", {}, "Serve it"), how("live", "live, for all requests", true),
    how("canary", "as a canary, on a share of them"), how("shadow", "as a shadow, without its answers"));
  const [share, minutes] = [numeric(10, 0.1, 100, "any"), numeric(10, 0, 10080, 1)];
  const shareField = field("Share, %", share);
  const minutesField = field("Hold before it goes live, min", minutes);
  const chosen = () => hows.querySelector(":checked").value;
  const plan = () => {
    const [to, percent, hold_s] = [Number(version.value), Number(share.value), 60 * Number(minutes.value)];
    shareField.hidden = chosen() === "live";
    minutesField.hidden = chosen() !== "canary";
    const body = {
      live: { to }, canary: { to, canary: [{ percent, hold_s }, { percent: 100 }] }, shadow: { shadow: { to, percent } },
    }[chosen()];
    const command = {
      live: `--to ${to}`, canary: `--to ${to} --canary ${percent}${hold(minutes.value)},100`, shadow: `--shadow ${to}:${percent}`,
    }[chosen()];
    return { path: "deploy", body, command: `scry deploy ${name} ${command}` };
  };
  confirm({ title: `Deploy ${name}`, verb: "Deploy", name, plan, act,
    about: "The version must load and pass its golden examples before it serves anything.",
    fields: [field("Version", version), hows, el("div", { class: "fields" }, shareField, minutesField)] });
};

const fixed = (title, verb, about, path, body, command, danger) => (name, model, act) =>
  confirm({ title: `${title} ${name}`, verb, about: about(model), danger, name, act, plan: () => ({ path, body, command: command(name) }) });

const promote = fixed("Promote the canary of", "Promote",
  (model) => `Version ${model.canary.to} goes live for all requests, before its schedule says so.`,
  "deploy", { promote: true }, (name) => `scry deploy ${name} --promote`);
const endCanary = fixed("End the canary of", "End the canary",
  (model) => `All requests go to version ${model.live} again.`,
  "deploy", { no_canary: true }, (name) => `scry deploy ${name} --no-canary`);
const endShadow = fixed("End the shadow of", "End the shadow",
  (model) => `Version ${model.shadow.to} gets no more copies of requests.`,
  "deploy", { no_shadow: true }, (name) => `scry deploy ${name} --no-shadow`);
const rollBack = fixed("Roll back", "Roll back", () => "It is served as it was before its last change. Doing it again goes back further.",
  "rollback", {}, (name) => `scry rollback ${name}`, true);

/** The buttons of a model. */
export const actions = (name, model, act) => {
  const button = (text, action, kind) => el("button", { type: "button", class: kind ?? "", onclick: () => action(name, act.state.models.get(name), act) }, text);
  return [
    button("Deploy…", deploy, "strong"), model.canary && button("Promote canary…", promote), model.canary && button("End canary…", endCanary),
    model.shadow && button("End shadow…", endShadow), button("Roll back…", rollBack),
  ].filter(Boolean);
};

const FORCES = {
  open: ["Open", "No calls of this version until it is told otherwise: requests go straight to the fallback, or get 503.", true],
  closed: ["Close", "Every request is a call of this version, however many fail.", true],
  auto: ["Release", "Failures and probes decide again.", false],
};

/** A version's circuit, and the buttons that hold it. */
export const circuitActions = (name, { version, circuit }, act) => {
  const force = (state) => {
    const [verb, about, danger] = FORCES[state];
    confirm({ title: `${verb} the circuit of ${name}@${version}`, verb, danger, name, act,
      about: `${about} An override belongs to this host, and a restart ends it.`,
      plan: () => ({ path: "circuit", body: { version, state }, command: `scry circuit ${name}@${version} --${state}` }) });
  };
  const states = circuit.forced ? ["auto"] : circuit.state === "closed" ? ["open"] : ["open", "closed"];
  const verbs = circuit.state === "closed" ? {} : { open: "Hold open", closed: "Close" };
  const held = circuit.forced ? ", held by an operator" : "";
  const probe = circuit.next_probe_ms ? `, probe in ${count(Math.ceil(circuit.next_probe_ms / 1000))} s` : "";
  return el("span", { class: "circuit" }, `${circuit.state}${held}${circuit.forced ? "" : probe} `, states.map((state) =>
    el("button", { type: "button", class: "quiet", "data-keep": `${version}-${state}`, "aria-label": `${FORCES[state][0]} the circuit of version ${version}`, onclick: () => force(state) },
      `${verbs[state] ?? FORCES[state][0]}…`)));
};
