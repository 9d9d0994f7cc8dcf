// A person as whom the page acts: a token, an RTM connection, and what this person sees.

import { ApiError, call, control } from "./api.js";
import { apply } from "./events.js";
import { Topics } from "./frames.js";
import { Socket } from "./socket.js";
import { Timeline } from "./timeline.js";

const TOKEN_LIFETIME = 24 * 3600;
const PAGE = 100;
const KINDS = "public_channel,private_channel,im,mpim";
const UNREAD_AT_START = 25;
const MOST_UNREAD = 100;
const MOST_HEARD = 1_000;
const MARK_EVERY = 1_000;
const FRESH_TS = "9999999999.999999";

/**
 * Topics of `person.topics`: "channels", "users", "presence", "typing" (channel), "messages" (channel, event),
 * "thread" (channel, ts), "link", "unread".
 */
export class Person {
  topics = new Topics();
  users = new Map();
  bots = new Map();
  channels = new Map();
  presence = new Map();
  /** By channel: a map from user to the time until which "is typing" is shown. */
  typing = new Map();
  timelines = new Map();
  threads = new Map();
  /** "connecting", "open" or {waitsUntil}. */
  link = "connecting";
  #token = null;
  #tokenId = null;
  #socket = null;
  #reads = new Set(); // for each read of messages that goes on: the events heard since it began
  #marked = new Map(); // by channel: the ts up to which it was said to be read, for a second
  #leave = () => this.#revoke({ keepalive: true });

  constructor({ id, name, real_name: realName }) {
    this.id = id;
    this.name = name;
    this.realName = realName;
  }

  /** Get a token, kept in memory only, and connect. */
  async start() {
    const issued = await control("token.issue", { user: this.id, lifetime: TOKEN_LIFETIME });
    this.#token = issued.token;
    this.#tokenId = issued.details.id;
    addEventListener("pagehide", this.#leave);
    await Promise.all([this.loadUsers(), this.loadChannels()]);
    this.#socket = new Socket(this.#token, {
      heard: (event) => this.#hear(event),
      changed: (link) => {
        this.link = link;
        this.topics.emit("link");
      },
    });
    this.#socket.open();
    this.#countUnread();
  }

  stop() {
    removeEventListener("pagehide", this.#leave);
    this.#socket?.close();
    this.#revoke();
  }

  #revoke(options) {
    if (this.#tokenId) control("token.revoke", { token: this.#tokenId }, options).catch(() => {}); // it expires anyway
    this.#tokenId = null;
  }

  /** Call a method of the Web API as this person. */
  call(method, args) {
    return call(this.#token, method, args);
  }

  /** Get bytes of a private file. */
  async fetchFile(url) {
    const here = new URL(new URL(url).pathname, location.href);
    const response = await fetch(here, { headers: { Authorization: `Bearer ${this.#token}` } });
    if (!response.ok) throw new ApiError(`http_${response.status}`);
    return response.blob();
  }

  retryNow() {
    this.#socket?.retryNow();
  }

  // --- the directory ---

  async loadUsers() {
    for await (const page of this.#pages("users.list", { limit: 500 })) {
      for (const user of page.members) this.users.set(user.id, user);
    }
    for (const user of this.users.values()) if (user.profile?.bot_id) this.bots.set(user.profile.bot_id, user);
    this.topics.emit("users");
  }

  async loadChannels() {
    const found = new Map();
    for await (const page of this.#pages("users.conversations", { types: KINDS, limit: 500, exclude_archived: true })) {
      for (const channel of page.channels) {
        found.set(channel.id, { news: new Set(), isLoud: false, ...this.channels.get(channel.id), ...channel, is_member: true });
      }
    }
    this.channels = found;
    this.topics.emit("channels");
  }

  /** Return the public channels of which this person is no member. */
  async otherChannels() {
    const found = [];
    for await (const page of this.#pages("conversations.list", { types: "public_channel", limit: 500, exclude_archived: true })) {
      found.push(...page.channels.filter((each) => !this.channels.has(each.id)));
    }
    return found;
  }

  async *#pages(method, args) {
    let cursor = "";
    do {
      const page = await this.call(method, { ...args, cursor });
      yield page;
      cursor = page.response_metadata?.next_cursor ?? "";
    } while (cursor);
  }

  /** Return a channel, also one that is not known yet. */
  async channel(id) {
    if (!this.channels.has(id)) {
      const { channel } = await this.call("conversations.info", { channel: id });
      this.channels.set(id, { news: new Set(), isLoud: false, ...channel });
      this.topics.emit("channels");
    }
    return this.channels.get(id);
  }

  /** Return how a conversation is called by this person. */
  nameOf(channel) {
    if (channel.is_im) return this.userName(channel.user);
    if (channel.is_mpim) {
      const others = (channel.members ?? []).filter((each) => each !== this.id).map((each) => this.userName(each));
      return others.length ? others.join(", ") : channel.name;
    }
    return channel.name;
  }

  userName(id) {
    const user = this.users.get(id);
    return user?.profile?.display_name || user?.name || id;
  }

  /** Return name, id and kind of the author of a message. */
  authorOf(message) {
    const user = this.users.get(message.user) ?? this.bots.get(message.bot_id);
    const name = message.username || (user && this.userName(user.id)) || message.bot_profile?.name || message.user || "unknown";
    return { id: user?.id ?? message.user ?? message.bot_id ?? name, name, isApp: Boolean(user?.is_bot || message.bot_id) };
  }

  // --- messages ---

  timeline(channel) {
    if (!this.timelines.has(channel)) this.timelines.set(channel, new Timeline());
    return this.timelines.get(channel);
  }

  thread(channel, ts) {
    const key = `${channel} ${ts}`;
    if (!this.threads.has(key)) this.threads.set(key, new Timeline());
    return this.threads.get(key);
  }

  /** Return a thread that was opened; of others nothing is kept. */
  openedThread(channel, ts) {
    return this.threads.get(`${channel} ${ts}`);
  }

  /** Load the newest messages of a channel, or those before the oldest that is there. */
  loadOlder(channel, limit = PAGE) {
    const timeline = this.timeline(channel);
    if (timeline.loading || (timeline.isLoaded && !timeline.hasOlder)) return timeline.loading;
    timeline.error = null;
    timeline.loading = this.#loadOlder(channel, timeline, limit)
      .catch((error) => (timeline.error = error))
      .finally(() => {
        timeline.loading = null;
        this.topics.emit("messages", channel, null);
      });
    return timeline.loading;
  }

  async #loadOlder(channel, timeline, limit) {
    const latest = timeline.isLoaded ? timeline.messages.find((each) => !each.is_ephemeral)?.ts : undefined;
    const page = await this.call("conversations.history", { channel, limit, latest });
    timeline.putOlder(page.messages);
    timeline.hasOlder = page.has_more;
    timeline.isLoaded = true;
  }

  async loadThread(channel, ts) {
    const thread = this.thread(channel, ts);
    thread.error = null;
    try {
      for await (const page of this.#pages("conversations.replies", { channel, ts, limit: 200 })) {
        for (const message of page.messages) thread.put(message);
      }
      thread.isLoaded = true;
    } catch (error) {
      thread.error = error;
    }
    this.topics.emit("thread", channel, ts);
  }

  async #countUnread() {
    const channels = [...this.channels.values()].slice(0, UNREAD_AT_START);
    for (const channel of channels) {
      try {
        const args = { channel: channel.id, oldest: channel.last_read, limit: PAGE };
        const { messages } = await this.call("conversations.history", args);
        for (const message of messages) this.noteUnread(channel, message);
      } catch {
        return; // rate limited: counts come with the messages
      }
      this.topics.emit("unread");
    }
  }

  /** Count a message as unread, once, however it is learnt of. */
  noteUnread(channel, message) {
    const isSaid = message.subtype?.startsWith("channel_") || message.hidden || message.is_ephemeral;
    if (message.user === this.id || isSaid || message.ts <= (channel.last_read ?? "") || channel.news.size >= MOST_UNREAD) return;
    channel.news.add(message.ts);
    channel.isLoud ||= channel.is_im || this.isAddressed(message);
  }

  /** Count the messages behind a ts as unread, and no others. */
  setRead(channel, ts) {
    channel.last_read = ts;
    channel.news = new Set([...channel.news].filter((each) => each > ts));
    if (!channel.news.size) channel.isLoud = false;
    for (const message of this.timeline(channel.id).behind(ts)) if (!message.isPending) this.noteUnread(channel, message);
    this.topics.emit("unread");
  }

  /** Learn up to where a channel is read, from an event; of what this page has said itself it may know more by now. */
  hearRead(channel, ts) {
    if (ts !== this.#marked.get(channel.id)) this.setRead(channel, ts);
  }

  isAddressed(message) {
    return new RegExp(`<@${this.id}(\\||>)|<!(here|channel|everyone)>`).test(message.text ?? "");
  }

  /** Say that a channel is read up to its newest message: here at once, to the server at most once a second. */
  async markRead(id) {
    const channel = this.channels.get(id);
    const newest = this.timeline(id).messages.findLast((each) => !each.is_ephemeral && !each.isPending)?.ts;
    if (!channel?.is_member || !newest || (channel.last_read ?? "") >= newest) return;
    this.setRead(channel, newest);
    if (this.#marked.has(id)) return; // it is said with the next one
    const lastRead = () => this.channels.get(id)?.last_read ?? ""; // the list of channels may be read anew meanwhile
    while (lastRead() > (this.#marked.get(id) ?? "")) {
      this.#marked.set(id, lastRead());
      await this.call("conversations.mark", { channel: id, ts: lastRead() }).catch(() => {}); // the next one says it again
      await new Promise((done) => setTimeout(done, MARK_EVERY));
    }
    this.#marked.delete(id);
  }

  /** Post a text; it stands in its place at once, and says so if it was not sent. */
  async post(channel, text, { thread, broadcast } = {}) {
    const ts = FRESH_TS.slice(0, -6) + String(Person.#pending++).padStart(6, "0");
    const pending = { ts, text, user: this.id, isPending: true, channel, thread_ts: thread };
    const timeline = thread ? this.thread(channel, thread) : this.timeline(channel);
    const tell = () => (thread ? this.topics.emit("thread", channel, thread) : this.topics.emit("messages", channel, pending));
    timeline.put(pending);
    tell();
    try {
      const args = { channel, text, thread_ts: thread, reply_broadcast: broadcast ? true : undefined };
      const { message } = await this.call("chat.postMessage", args);
      timeline.remove(ts);
      // The event may have come before: then it has more, as replies and reactions.
      if (!timeline.find(message.ts)) timeline.put({ ...message, channel });
    } catch (error) {
      timeline.change(ts, () => ({ isPending: false, notSent: error }));
    }
    tell();
  }

  /** Drop a message that was not sent. */
  forget(channel, message) {
    const timeline = message.thread_ts ? this.thread(channel, message.thread_ts) : this.timeline(channel);
    timeline.remove(message.ts);
    this.topics.emit(message.thread_ts ? "thread" : "messages", channel, message.thread_ts ?? null);
  }

  static #pending = 0;

  sayTyping(channel, thread) {
    this.#socket?.post({ type: "typing", channel, thread_ts: thread });
  }

  // --- events ---

  #hear(event) {
    for (const heard of this.#reads) if (heard.length < MOST_HEARD) heard.push(event);
    if (event.type === "hello") this.#caughtUp();
    apply(this, event);
  }

  /** After a (re)connect: ask for the presence of all, and read again what may have been missed. */
  #caughtUp() {
    this.#socket.post({ type: "presence_sub", ids: [...this.users.keys()].slice(0, 500) });
    for (const [channel, timeline] of this.timelines) {
      if (timeline.isLoaded) this.#readAgain(channel, timeline);
      else timeline.loading?.then(() => this.#readAgain(channel, timeline)); // it may be from before the connection
    }
  }

  async #readAgain(channel, timeline) {
    const heard = [];
    this.#reads.add(heard);
    try {
      const { messages } = await this.call("conversations.history", { channel, limit: PAGE });
      const known = timeline.newest && messages.length === PAGE && messages.at(-1).ts > timeline.newest.ts;
      if (known) timeline.messages = []; // a hole that one page does not fill: begin anew from the end
      for (const message of messages) if (!isSame(timeline.find(message.ts), message)) timeline.put(message);
      if (known) timeline.hasOlder = true;
      // What was read may be older than what was heard meanwhile; to apply an event twice changes nothing.
      for (const event of heard) if ((event.channel ?? event.item?.channel) === channel) apply(this, event);
      this.topics.emit("messages", channel, null);
    } catch {
      // the next connect tries again
    } finally {
      this.#reads.delete(heard);
    }
  }
}

const MAY_GO = ["reactions", "reply_count", "files", "attachments", "blocks"];

/** Whether a message is as the page has it: what is not drawn anew keeps the focus, and what was opened in it. */
function isSame(old, read) {
  if (!old) return false;
  const text = (value) => (value === undefined || value === 0 || value?.length === 0 ? "" : JSON.stringify(value));
  return [...Object.keys(read), ...MAY_GO].every((name) => text(old[name]) === text(read[name]));
}
