// An entry of the journal: what the list, the filter and the trail need of it at once; the rest stays text.

import { state } from "../state.js";

const DOORS = { rtm: "RTM", socket_mode: "Socket Mode", web_api: "HTTP", events_api: "HTTP", interactivity: "HTTP", control: "control API" };
const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

let next = 0;

export class Entry {
  /** Read one line of the journal. */
  constructor(text) {
    const line = JSON.parse(text);
    this.text = text;
    this.number = next++;
    this.time = Number(line.time) * 1000;
    this.kind = line.kind;
    this.door = line.door;
    this.connection = line.connection ?? null;
    this.app = line.app ?? null;
    this.user = line.user ?? null;
    this.method = line.method ?? null;
    const content = object(line.payload);
    /** "down" to the client, "up" to the server, "call" HTTP, "link" a connection that opened or ended. */
    this.way = line.kind === "connection" ? "link" : line.direction === "out" ? "down" : line.direction === "in" ? "up" : "call";
    this.isPing = line.kind === "frame" && ["ping", "pong"].includes(content.type);
    this.isControl = line.kind === "control";
    this.envelope = content.envelope_id ?? null;
    this.replyTo = content.reply_to ?? null;
    this.frameId = this.way === "up" ? (content.id ?? null) : null;
    const about = eventOf(content);
    const args = object(line.arguments);
    const answer = object(line.answer);
    this.channel = idOf(about.channel ?? about.channel_id ?? about.item?.channel ?? about.container?.channel_id ?? args.channel ?? answer.channel);
    /** The ts of the message that it is about, if it is about one. */
    this.ts = textOf(about.message?.ts ?? about.deleted_ts ?? about.item?.ts ?? about.container?.message_ts ?? about.ts ?? answer.ts ?? args.ts ?? args.timestamp);
    this.thread = textOf(about.thread_ts ?? args.thread_ts);
  }

  /** Everything that the journal has of it. */
  get line() {
    return JSON.parse(this.text);
  }

  /** What is shown as its JSON: of a frame what went over the wire, else the parts that there are. */
  get content() {
    const { payload, arguments: args, answer, ...rest } = this.line;
    if (this.way === "down" || this.way === "up") return payload;
    const parts = { payload, arguments: args, answer };
    const { id, time, kind, door, connection, app, user, bytes, ...facts } = rest;
    return Object.fromEntries(Object.entries({ ...facts, ...parts }).filter(([, value]) => value !== undefined));
  }

  /** Which connection, app or person it belongs to: a key, and the key of all that this holder has. */
  get holder() {
    return this.app ? `app ${this.app}` : this.user ? `user ${this.user}` : "control";
  }

  get link() {
    return this.connection === null ? `${this.holder} http` : `link ${this.connection}`;
  }

  get holderName() {
    if (this.app) return state.apps.find((each) => each.id === this.app)?.name ?? this.app;
    return this.user ? userName(this.user) : "operator";
  }

  get doorName() {
    return DOORS[this.door] ?? this.door;
  }

  get timeText() {
    return `${TIME.format(this.time)}.${String(Math.floor(this.time % 1000)).padStart(3, "0")}`;
  }

  /** What the row says: a chip, its tone, and a few words. */
  get summary() {
    return SUMMARIES[this.kind]?.(this.line, this) ?? { chip: this.kind, words: "" };
  }
}

const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
const idOf = (value) => textOf(object(value).id ?? value);
const textOf = (value) => (typeof value === "string" && value ? value : null);

/** What an event, an envelope or a delivery is about. */
function eventOf(content) {
  const inner = content.envelope_id ? object(content.payload) : content;
  return object(inner.event).type ? inner.event : inner;
}

const userName = (id) => state.first?.users.get(id)?.name ?? state.people.find((each) => each.id === id)?.name ?? id;

const channelName = (id) => {
  const found = state.first?.channels.get(id);
  return found?.name ? `#${found.name}` : (id ?? "");
};

const milliseconds = (value) => (value === undefined ? "" : `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} ms`);

function words(about) {
  const text = textOf(object(about.message).text ?? about.text);
  const who = idOf(about.user);
  const where = idOf(about.channel ?? object(about.item).channel);
  const place = where ? `in ${channelName(where)}` : "";
  if (text) return text;
  return [who ? userName(who) : "", textOf(about.presence) ?? (about.reaction ? `:${about.reaction}:` : ""), place].filter(Boolean).join(" ");
}

const SUMMARIES = {
  frame(line, entry) {
    const content = object(line.payload);
    if (!content.type && content.reply_to !== undefined) {
      return content.ok === false
        ? { chip: `reply_to ${content.reply_to}`, tone: "danger", words: textOf(object(content.error).msg) ?? "refused" }
        : { chip: `reply_to ${content.reply_to}`, words: content.ts ? `ok, ts ${content.ts}` : "ok" };
    }
    if (entry.isPing) return { chip: content.type, words: content.type === "pong" ? `reply_to ${content.reply_to}` : `id ${content.id}` };
    return { chip: textOf(content.type) ?? "not JSON", words: typeof line.payload === "string" ? line.payload : words(content) };
  },
  envelope(line) {
    const content = object(line.payload);
    const about = eventOf(content);
    const name = textOf(about.command ?? about.type ?? "") ?? "";
    return { chip: textOf(content.type) ?? "envelope", words: `${name} ${words(about)}`.trim() };
  },
  ack: (line, entry) => ({ chip: entry.envelope ? "envelope ack" : "frame", words: entry.after === undefined ? "" : `after ${milliseconds(entry.after)}` }),
  connection: (line, entry) => ({
    chip: line.state, tone: "link", words: line.ending ? `${entry.doorName}, ${line.ending}` : entry.doorName }),
  call(line) {
    const answer = object(line.answer);
    const isBad = line.status >= 400 || answer.ok === false;
    return { chip: line.method, tone: isBad ? "danger" : null,
      words: `${answer.ok === false && answer.error ? `${answer.error}, ` : ""}${line.status} in ${milliseconds(line.milliseconds)}` };
  },
  delivery(line) {
    const name = textOf(eventOf(object(line.payload)).type ?? object(line.payload).type) ?? "";
    const nth = line.attempt ? `, try ${line.attempt + 1}` : "";
    const result = line.failure && !line.status ? line.failure : line.status;
    return { chip: `POST ${name}`.trim(), tone: line.failure ? "danger" : null, words: `${result} in ${milliseconds(line.milliseconds)}${nth}` };
  },
  control: (line) => ({ chip: line.method, tone: line.status >= 400 ? "danger" : null, words: line.status >= 400 ? String(line.status) : "" }),
};
