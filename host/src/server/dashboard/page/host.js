// The host: the operator's token, requests with it, and the stream of what changes.

const KEY = "scry-token";
// Samples come every 5 s: after this the host has stopped answering.
const SILENCE_MAX_MS = 12_000;
const RETRY_MS = [1000, 2000, 4000, 8000];

/** What the host says when it refuses. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Kept for this tab, until it is closed or forgotten; never anywhere else. */
export const token = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

const send = async (method, path, body, signal) => {
  const headers = { authorization: `Bearer ${token.get()}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, {
    method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store",
    credentials: "omit",
  });
  if (answer.ok) return answer;
  const text = await answer.text();
  let message = text;
  try {
    message = JSON.parse(text).error ?? text;
  } catch {
    // Whoever answers in the host's place has its own words.
  }
  throw new Refused(answer.status, message || `the host answered ${answer.status}`);
};

const model = (name) => `v1/models/${encodeURIComponent(name)}`;

const LOOK_MAX_MS = 10_000;
export const look = async (path) => (await send("GET", path, undefined, AbortSignal.timeout(LOOK_MAX_MS))).json();
export const lookAt = (name, what) => look(model(name) + what);
// A change waits for its gates, however long they take.
export const change = async (name, what, body) => (await send("POST", `${model(name)}/${what}`, body)).json();

/** The events of a stream, one after the other; fails when it is silent for too long. */
async function* events(signal) {
  const silent = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(new Error("silent")), SILENCE_MAX_MS);
  };
  heard();
  try {
    const answer = await send("GET", "v1/events", undefined, AbortSignal.any([signal, silent.signal]));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const data = part.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
        if (data.length > 0) yield JSON.parse(data.join("\n"));
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
});

/**
 * Follows the host until told to stop. `told` gets each event; `lost` gets the host's reason, if it gave one, and when
 * it is tried again; `refused` gets a refusal of the token, which ends it.
 */
export const follow = async ({ told, lost, refused, signal }) => {
  let failures = 0;
  while (!signal.aborted) {
    try {
      for await (const event of events(signal)) {
        failures = 0;
        told(event);
      }
      // It ended as streams do, after a while.
      await pause(200, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refused && [401, 403].includes(error.status)) return refused(error);
      const wait = RETRY_MS[Math.min(failures, RETRY_MS.length - 1)];
      failures += 1;
      lost(error instanceof Refused ? error.message : null, wait);
      await pause(wait, signal);
    }
  }
};
