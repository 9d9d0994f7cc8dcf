// An RTM connection of one person: it reconnects by itself, and says what it does.

import { call } from "./api.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
const PING_EVERY = 20_000;
const ANSWER_WITHIN = 10_000;

export class Socket {
  #token;
  #heard;
  #socket = null;
  #next = 1;
  #waiting = new Map();
  #wait = FIRST_WAIT;
  #timer = null;
  #pinging = null;
  #lastHeard = 0;
  #isClosed = false;

  /** `heard(event)` gets each event; `changed(state)` "connecting", "open" or {waitsUntil}. */
  constructor(token, { heard, changed }) {
    this.#token = token;
    this.#heard = heard;
    this.changed = changed;
  }

  async open() {
    if (this.#isClosed) return;
    this.changed("connecting");
    try {
      const { url } = await call(this.#token, "rtm.connect", { batch_presence_aware: 1 });
      if (!this.#isClosed) this.#dial(url);
    } catch (error) {
      this.#later(error);
    }
  }

  #dial(url) {
    const given = new URL(url);
    // The same place by the name under which the page was loaded: the policy of the page allows no other.
    const here = new URL(given.pathname + given.search, location.href);
    here.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = (this.#socket = new WebSocket(here));
    socket.addEventListener("message", ({ data }) => this.#message(JSON.parse(data)));
    socket.addEventListener("close", () => {
      if (this.#socket === socket) this.#lost();
    });
  }

  #message(frame) {
    this.#lastHeard = performance.now();
    if (frame.reply_to !== undefined && this.#waiting.has(frame.reply_to)) {
      const { resolve } = this.#waiting.get(frame.reply_to);
      this.#waiting.delete(frame.reply_to);
      resolve(frame);
      return;
    }
    if (frame.type === "pong") return;
    if (frame.type === "hello") {
      this.#wait = FIRST_WAIT;
      clearInterval(this.#pinging);
      this.#pinging = setInterval(() => this.#ping(), PING_EVERY);
      this.changed("open");
    }
    this.#heard(frame);
  }

  #ping() {
    if (performance.now() - this.#lastHeard > 3 * PING_EVERY) this.#socket?.close();
    else this.post({ type: "ping" });
  }

  #lost() {
    this.#socket = null;
    clearInterval(this.#pinging);
    for (const { reject } of this.#waiting.values()) reject(new Error("connection_lost"));
    this.#waiting.clear();
    if (!this.#isClosed) this.#later();
  }

  #later(error) {
    if (this.#isClosed) return;
    const wait = error?.status === 429 ? Math.max(this.#wait, 5_000) : this.#wait;
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
    this.changed({ waitsUntil: Date.now() + wait, error });
    this.#timer = setTimeout(() => this.open(), wait);
  }

  /** Send a frame without waiting for an answer; return whether there is a connection. */
  post(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ id: this.#next++, ...frame }));
    return true;
  }

  /** Send a frame and return its answer. */
  ask(frame) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject(new Error("not_connected"));
        return;
      }
      const id = this.#next++;
      this.#waiting.set(id, { resolve, reject });
      setTimeout(() => {
        if (this.#waiting.delete(id)) reject(new Error("no_answer"));
      }, ANSWER_WITHIN);
      this.#socket.send(JSON.stringify({ id, ...frame }));
    });
  }

  retryNow() {
    clearTimeout(this.#timer);
    if (!this.#socket) this.open();
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pinging);
    this.#socket?.close(1000);
  }
}
