// The entries that the page keeps, whether they are shown or not: bounded in number and in characters.

import { Topics } from "../frames.js";
import { Entry } from "./entry.js";
import { Stream } from "./stream.js";

export const MOST = 50_000;
const MOST_CHARACTERS = 48 * 1024 * 1024;
const AT_ONCE = 1_000; // so many more may be there before the oldest are cut off
const RATE_OVER = 5_000;

class Kept {
  /** "added" (entries), "cut" (number of the oldest that is left), "links" (there are others), "state". */
  topics = new Topics();
  entries = [];
  /** Entries that the server dropped because they came faster than the page reads. */
  dropped = 0;
  state = "connecting";
  #characters = 0;
  #envelopes = new Map();
  #arrivals = [];
  #links = new Set();
  #stream = null;

  start() {
    if (this.#stream) return;
    this.#stream = new Stream({
      take: (lines) => this.#take(lines),
      dropped: (count) => {
        this.dropped += count;
        this.topics.emit("state");
      },
      changed: (state) => {
        this.state = state;
        this.topics.emit("state");
      },
    });
    this.#stream.open();
  }

  retryNow() {
    this.#stream.retryNow();
  }

  /** Entries in a second, over the last seconds. */
  get rate() {
    const since = performance.now() - RATE_OVER;
    this.#arrivals = this.#arrivals.filter((each) => each.at > since);
    return this.#arrivals.reduce((sum, each) => sum + each.count, 0) / (RATE_OVER / 1000);
  }

  #take(lines) {
    const added = lines.map((line) => new Entry(line));
    for (const entry of added) this.#time(entry);
    this.entries.push(...added);
    this.#characters += lines.reduce((sum, line) => sum + line.length, 0);
    this.#arrivals.push({ at: performance.now(), count: added.length });
    this.topics.emit("added", added);
    this.#find(added);
    if (this.entries.length > MOST + AT_ONCE || this.#characters > MOST_CHARACTERS) this.#cut();
  }

  /** Note connections, apps and people that had no entry yet. */
  #find(added) {
    const before = this.#links.size;
    for (const entry of added) this.#links.add(entry.link);
    if (this.#links.size > before) this.topics.emit("links");
    if (this.#links.size > AT_ONCE) this.#links.clear();
  }

  /** Note how long after its envelope an acknowledgement came. */
  #time(entry) {
    if (!entry.envelope) return;
    if (entry.kind === "envelope") {
      this.#envelopes.set(entry.envelope, entry.time);
      if (this.#envelopes.size > AT_ONCE) this.#envelopes.delete(this.#envelopes.keys().next().value);
    } else if (entry.kind === "ack" && this.#envelopes.has(entry.envelope)) entry.after = entry.time - this.#envelopes.get(entry.envelope);
  }

  #cut() {
    let count = Math.max(AT_ONCE, this.entries.length - MOST);
    let left = this.#characters;
    for (let at = 0; at < this.entries.length; at++) {
      if (at >= count && left <= MOST_CHARACTERS) {
        count = at;
        break;
      }
      left -= this.entries[at].text.length;
    }
    this.#characters = left;
    this.entries.splice(0, count);
    this.topics.emit("cut", this.entries[0]?.number ?? Infinity);
  }
}

export const kept = new Kept();
