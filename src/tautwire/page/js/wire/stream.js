// The stream of the journal: it is read no faster than it can be shown, so what is too much is dropped by the server.

import { streamUrl } from "../api.js";

const PER_FRAME = 200;
const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const FOR_EVERYTHING = "0"; // an id of no run: `watch` begins with the oldest entry that is kept

export class Stream {
  #take;
  #dropped;
  #changed;
  #last = FOR_EVERYTHING;
  #abort = null;
  #wait = FIRST_WAIT;
  #timer = null;
  #onVisible = () => (document.hidden ? this.#stop() : this.#start());

  /**
   * `take(lines)` gets up to 200 entries as JSON, at most once in an animation frame; `dropped(count)` the number of
   * those that will never come; `changed(state)` "open", {waitsUntil, error} or {error}.
   */
  constructor({ take, dropped, changed }) {
    this.#take = take;
    this.#dropped = dropped;
    this.#changed = changed;
  }

  /** Read while the page can be seen: a browser has six connections to a server, for all its windows. */
  open() {
    document.addEventListener("visibilitychange", this.#onVisible);
    this.#onVisible();
  }

  retryNow() {
    this.#stop();
    this.#start();
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = null;
  }

  async #start() {
    if (this.#abort) return;
    const abort = (this.#abort = new AbortController());
    try {
      const response = await fetch(streamUrl("watch", { after: this.#last }), { signal: abort.signal });
      if (!response.ok) {
        const error = (await response.json().catch(() => null))?.error;
        throw Object.assign(new Error(), { code: error?.code ?? `http_${response.status}`, hint: error?.message ?? "", isFinal: response.status < 500 });
      }
      this.#changed("open");
      this.#wait = FIRST_WAIT;
      await this.#read(response.body.pipeThrough(new TextDecoderStream()).getReader(), abort.signal);
      this.#later(abort, null);
    } catch (error) {
      this.#later(abort, error);
    }
  }

  #later(abort, error) {
    if (this.#abort !== abort) return;
    this.#abort = null;
    if (error?.isFinal) {
      this.#changed({ error });
      return;
    }
    this.#changed({ waitsUntil: Date.now() + this.#wait, error });
    this.#timer = setTimeout(() => this.#start(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  async #read(reader, signal) {
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      const events = (rest + value).split("\n\n");
      rest = events.pop();
      for (let at = 0; at < events.length; at += PER_FRAME) {
        this.#pass(events.slice(at, at + PER_FRAME));
        await nextFrame();
        if (signal.aborted) return;
      }
    }
  }

  #pass(events) {
    const lines = [];
    for (const event of events) {
      const members = Object.fromEntries(event.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (!members.data) continue; // a comment
      if (members.event !== "dropped") {
        lines.push(members.data);
        this.#last = members.id;
      } else if (this.#last !== FOR_EVERYTHING) this.#dropped(JSON.parse(members.data).count);
    }
    if (lines.length) this.#take(lines);
  }
}

/** Resolve at the next paint; after a while also without one, as when a window is covered. */
const nextFrame = () =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, 250);
    requestAnimationFrame(() => {
      clearTimeout(timer);
      resolve();
    });
  });
