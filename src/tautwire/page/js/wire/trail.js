// What belongs to a message: the frames and calls that have its ts, and what apps that got it did then in its channel.

const SECONDS = 10; // so long after an app got the message what it does in the channel counts as caused by it
const MOST_ANSWERS = 50;
const READS = /\.(history|replies|mark|info|list|getPermalink|members|get)$/;
const LOOK_BACK = 500; // the frames of a message come before the end of the call that made it

export class Trail {
  /** In order of arrival. */
  entries = [];
  #numbers = new Set();
  #known;
  #envelopes = new Set();
  #reached = new Map(); // by holder: when it got the message
  #recent = [];
  #began = null;

  constructor(channel, ts) {
    this.channel = channel;
    this.ts = ts;
    this.#known = new Set([ts]);
  }

  has(entry) {
    return this.#numbers.has(entry.number);
  }

  /** The milliseconds from the first to the last. */
  get took() {
    return this.entries.length ? this.entries.at(-1).time - this.#began : 0;
  }

  /** Take the next entry; return whether the trail has grown. */
  add(entry) {
    const before = this.entries.length;
    this.#recent.push(entry);
    if (this.#recent.length > LOOK_BACK * 2) this.#recent.splice(0, LOOK_BACK);
    if (this.#belongs(entry) || this.#isCaused(entry)) this.#put(entry);
    return this.entries.length > before;
  }

  #belongs(entry) {
    if (entry.kind === "call" || entry.isControl) {
      // The answers of these have many messages, and are caused by none of them.
      return !READS.test(entry.method) && (this.#known.has(entry.ts) || this.#known.has(entry.thread));
    }
    if (entry.kind === "ack") return this.#envelopes.has(entry.envelope);
    for (const ts of this.#known) if (entry.text.includes(ts)) return true;
    return false;
  }

  /** Whether an entry is something that an app did after it got the message. */
  #isCaused(entry) {
    const reached = this.#reached.get(entry.holder);
    const isAct = entry.kind === "call" || (entry.way === "up" && entry.kind === "frame");
    return isAct && reached !== undefined && entry.channel === this.channel && entry.time >= reached && entry.time - reached < SECONDS * 1000
      && !READS.test(entry.method);
  }

  #put(entry) {
    if (this.#numbers.has(entry.number)) return;
    this.#numbers.add(entry.number);
    const place = this.entries.findLastIndex((each) => each.number < entry.number) + 1;
    this.entries.splice(place, 0, entry);
    this.#began = this.entries[0].time;
    if (entry.kind === "envelope") this.#envelopes.add(entry.envelope);
    const isSent = entry.way === "down" || entry.kind === "delivery";
    if (isSent && entry.app && !this.#reached.has(entry.holder)) this.#reached.set(entry.holder, entry.time);
    if (entry.way === "down" && entry.replyTo !== null) this.#asked(entry);
    this.#acted(entry);
  }

  /** Put the frame that an acknowledgement answers. */
  #asked(reply) {
    const asked = this.#recent.findLast((each) => each.connection === reply.connection && each.frameId === reply.replyTo && each.number < reply.number);
    if (asked) this.#put(asked);
  }

  /** Go on with a message that an app made because of this one. */
  #acted(entry) {
    if (!entry.ts || this.#known.has(entry.ts) || this.#known.size > MOST_ANSWERS) return;
    this.#known.add(entry.ts);
    for (const each of this.#recent.slice(-LOOK_BACK)) if (each.number !== entry.number && each.text.includes(entry.ts)) this.#put(each);
  }
}
