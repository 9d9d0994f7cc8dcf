// One conversation as one person sees it: head, messages, who is typing, the field to write in.

import { failure, button, fill, h, icon, named } from "../dom.js";
import { ask } from "../dialog.js";
import { onFrame } from "../frames.js";
import { hasLetters } from "../shell.js";
import { fromWire, toWire } from "../text/mrkdwn.js";
import { Announcer } from "./announcer.js";
import { composer, editor } from "./composer.js";
import { chooseEmoji } from "./emoji_picker.js";
import { Feed } from "./feed.js";
import { LinkBand } from "./link_band.js";
import { messageArticle, summaryOf } from "./message.js";
import { openMenu } from "./message_menu.js";
import { dayOf } from "./times.js";

export class Pane {
  openThreads = new Set();
  earlier = new Set();
  streams = new Map(); // by ts: when it began, and its parts
  editing = null;
  editor = null;
  picked = null;
  isKeptUnread = false; // the person said so; until another conversation is opened
  channel = null;
  channelId = null;
  #outcomes = new Map();
  #replyForms = new Map();
  #stops = [];
  #round = 0; // all rows are drawn anew when it changes
  #touched = new Map(); // by ts: one row is drawn anew when it changes
  #announcer = new Announcer();
  #wanted = null; // the message to show once its conversation is open

  /** `tools` returns what stands at the end of the head. */
  constructor(container, person, { tools = () => [], goTo }) {
    this.container = container;
    this.person = person;
    this.tools = tools;
    this.goTo = goTo;
    this.#stops = [
      person.topics.on("messages", (channel, message) => channel === this.channelId && this.#changed(message)),
      person.topics.on("thread", (channel, ts) => channel === this.channelId && this.#again(ts)),
      person.topics.on("typing", (place) => place === this.channelId && onFrame(this.#drawTyping)),
      person.topics.on("link", () => this.band?.draw()),
      person.topics.on("users", () => this.#again()),
      person.topics.on("channels", () => this.channelId && onFrame(this.#drawHead)),
    ];
  }

  end() {
    this.#stops.forEach((stop) => stop());
    this.#unwatch();
    this.band?.end();
    fill(this.container);
  }

  #unwatch() {
    if (this.channelId) this.person.timeline(this.channelId).isWatched = false;
  }

  /** Show a conversation; with `thread` that thread is open, and its message in sight. */
  async open(id, { thread } = {}) {
    this.#wanted = thread;
    if (this.channelId === id) {
      if (thread && this.channel) await this.#jump(thread); // else it is being opened, and this is done at the end
      return;
    }
    this.#unwatch();
    Object.assign(this, { channelId: id, channel: null, editing: null, picked: null, isKeptUnread: false });
    for (const each of [this.openThreads, this.earlier, this.streams, this.#outcomes, this.#replyForms, this.#touched]) each.clear();
    let channel;
    try {
      channel = await this.person.channel(id);
    } catch (error) {
      if (this.channelId === id) fill(this.container, h("div", { class: "pane-head" }, h("h2", {}, "Not found")), h("div", { class: "empty" },
        failure(`${this.person.name} cannot see this conversation`, error)));
      return;
    }
    if (this.channelId !== id) return;
    this.channel = channel;
    this.person.timeline(id).isWatched = true;
    this.#build();
    if (!this.person.timeline(id).isLoaded) await this.person.loadOlder(id);
    else this.#update();
    if (this.#wanted && this.channelId === id) await this.#jump(this.#wanted);
  }

  async #jump(ts) {
    const id = this.channelId;
    const timeline = this.person.timeline(id);
    for (let turn = 0; !timeline.find(ts) && timeline.hasOlder && turn < 50; turn++) await this.person.loadOlder(id, 200);
    if (this.channelId !== id) return; // another conversation was opened meanwhile
    const message = timeline.find(ts);
    if (!message) {
      this.report(null, failure("This message is not there any more"));
      return;
    }
    this.picked = ts;
    if (message.reply_count) this.openThread(ts, { focus: false });
    this.#again(ts);
    this.#draw(); // now: what is not in the feed cannot be shown
    this.feed.show(ts);
    setTimeout(() => {
      if (this.picked === ts) this.picked = null;
      this.#again(ts);
    }, 2_000);
  }

  /** Mark a message until another is marked; null for none. */
  pick(ts) {
    for (const each of [this.picked, (this.picked = ts)]) if (each) this.#again(each);
  }

  // --- drawing ---

  #build() {
    const { person, channel } = this;
    const name = this.name;
    this.head = h("div", { class: "pane-head" });
    this.band?.end();
    this.band = new LinkBand(this.person);
    this.trouble = h("div", { class: "pane-said" });
    this.scroller = h("div", { class: "feed", role: "feed", "aria-label": `Messages in ${name}, as ${person.name}`, "aria-busy": "true", tabindex: "0" });
    this.pill = button("", { class: "pill", press: () => this.#toEnd() });
    this.pill.hidden = true;
    this.state = h("div", { class: "feed-state" });
    this.typing = h("p", { class: "typing", "aria-live": "polite" });
    this.feed = new Feed(this.scroller, {
      draw: (message, index, all) => this.#row(message, index, all),
      stamp: (message, index, all) => this.#stamp(message, index, all),
      needOlder: () => this.#needOlder(),
      moved: () => this.#moved(),
    });
    this.#unseen = 0;
    this.foot = h("div");
    fill(this.container, this.head, this.band.element, h("div", { class: "feed-box" }, this.scroller, this.state, this.pill), this.trouble, this.typing, this.foot);
    this.scroller.addEventListener("keydown", (event) => this.#keys(event));
    this.scroller.addEventListener("contextmenu", (event) => this.#longPress(event));
    this.#drawHead();
    this.#drawFoot();
    this.#drawTyping();
    this.feed.toEnd();
    this.#update();
  }

  get name() {
    return `${this.channel.is_im || this.channel.is_mpim ? "" : "#"}${this.person.nameOf(this.channel)}`;
  }

  #drawHead = () => {
    if (!this.channel) return;
    this.channel = this.person.channels.get(this.channelId) ?? this.channel;
    const { channel, person } = this;
    const sign = channel.is_im ? icon("at") : channel.is_mpim ? icon("list") : channel.is_private ? icon("lock", "private") : icon("hash");
    const topic = channel.topic?.value || channel.purpose?.value || "";
    fill(this.head, h("h2", {}, sign, named(person.nameOf(channel))), topic ? h("span", { class: "faint topic", title: topic }, h("bdi", {}, topic)) : null,
      h("span", { class: "end" }, this.tools(this)));
    if (this.foot.dataset.member !== String(Boolean(channel.is_member ?? true))) this.#drawFoot();
  };

  #drawFoot() {
    const isMember = this.channel.is_member ?? (this.channel.is_im || this.channel.is_mpim || true);
    this.foot.dataset.member = String(Boolean(isMember));
    if (isMember) {
      const { person, channelId: channel } = this;
      fill(this.foot, composer({ person, channel, name: this.name, editLast: () => this.#editLast(), sent: () => this.#toEnd() }));
    } else fill(this.foot, h("div", { class: "row center join" }, `${this.person.name} is not in this channel.`,
      button("Join channel", { class: "go", press: () => this.#join() })));
  }

  async #join() {
    try {
      await this.person.call("conversations.join", { channel: this.channelId });
      await this.person.loadChannels();
    } catch (error) {
      this.report(null, failure("The channel was not joined", error));
    }
  }

  #drawTyping = () => {
    const now = Date.now();
    const who = [...(this.person.typing.get(this.channelId) ?? [])].filter(([, until]) => until > now).map(([user]) => this.person.userName(user));
    const text = who.length > 3 ? "Several people are typing" : who.length > 1 ? `${who.slice(0, -1).join(", ")} and ${who.at(-1)} are typing` : who.length ? `${who[0]} is typing` : "";
    if (this.typing.textContent !== text) this.typing.textContent = text;
  };

  #row(message, index, all) {
    const isFirstOfDay = this.#isFirstOfDay(message, index, all);
    const article = messageArticle(this, message, { isFirstOfDay, index, count: all.length });
    return h("div", { class: "feed-row", role: "none" },
      isFirstOfDay ? h("div", { class: "day", "aria-hidden": "true" }, h("span", {}, dayOf(message.ts))) : null, article);
  }

  #isFirstOfDay(message, index, all) {
    if (message.isPending || message.notSent) return false;
    return index === 0 || dayOf(all[index - 1].ts) !== dayOf(message.ts);
  }

  #stamp(message, index, all) {
    const day = index === 0 || all[index - 1].ts.slice(0, 6) !== message.ts.slice(0, 6) ? this.#isFirstOfDay(message, index, all) : false;
    return `${message.revision} ${this.#round} ${this.#touched.get(message.ts) ?? 0} ${day}`;
  }

  /** Draw a message anew, or the one in whose thread it is; all without a ts. Others keep what is chosen in them. */
  #again(ts) {
    const root = ts && this.#rowOf(ts);
    if (root) this.#touched.set(root, (this.#touched.get(root) ?? 0) + 1);
    else this.#round++;
    this.#update();
  }

  #rowOf(ts) {
    if (this.person.timeline(this.channelId).find(ts)) return ts;
    return [...this.openThreads].find((root) => this.person.thread(this.channelId, root).find(ts));
  }

  #update() {
    if (!this.feed) return;
    onFrame(this.#draw);
  }

  #draw = () => {
    const timeline = this.person.timeline(this.channelId);
    this.scroller.setAttribute("aria-busy", String(Boolean(timeline.loading)));
    this.feed.update(timeline.messages);
    const isEmpty = timeline.isLoaded && !timeline.messages.length;
    this.scroller.setAttribute("role", isEmpty ? "region" : "feed"); // a feed must have an article
    if (timeline.error) fill(this.state, failure("The messages cannot be read", timeline.error), button("Try again", { press: () => this.person.loadOlder(this.channelId) }));
    else if (isEmpty) fill(this.state, h("div", { class: "empty" }, h("p", {}, "No messages in ", named(this.name), " yet."),
      button("Write the first", { press: () => this.foot.querySelector("textarea")?.focus() })));
    else fill(this.state);
  };

  #needOlder() {
    const timeline = this.person.timeline(this.channelId);
    if (timeline.isLoaded && timeline.hasOlder && !timeline.loading && !timeline.error) this.person.loadOlder(this.channelId);
  }

  // --- what is new ---

  #unseen = 0;

  #changed(message) {
    if (message?.streaming_state) this.#countPart(message);
    const isNew = message?.isLive && message.user !== this.person.id && !message.hidden;
    if (isNew && !this.feed?.isAtEnd) this.#unseen++;
    if (isNew && message.streaming_state !== "in_progress") {
      this.#announcer.say(`${this.person.authorOf(message).name}: ${summaryOf(this.person, message)}`);
    }
    this.#update();
    this.#moved();
  }

  #countPart(message) {
    const since = this.streams.get(message.ts) ?? { began: performance.now(), parts: 0 };
    since.parts++;
    this.streams.set(message.ts, since);
  }

  #moved() {
    if (!this.feed) return;
    if (this.feed.isAtEnd) {
      this.#unseen = 0;
      if (!this.isKeptUnread && document.visibilityState === "visible" && document.hasFocus()) this.person.markRead(this.channelId);
    }
    this.pill.hidden = !this.#unseen;
    this.pill.textContent = `${this.#unseen} new`;
  }

  #toEnd() {
    this.feed.toEnd();
    this.#moved();
  }

  // --- what a person does ---

  toggle(set, ts) {
    if (!set.delete(ts)) set.add(ts);
    this.#again(ts);
  }

  toggleThread(ts) {
    if (this.openThreads.has(ts)) {
      this.openThreads.delete(ts);
      this.#again(ts);
    } else this.openThread(ts);
  }

  openThread(ts, { focus = true } = {}) {
    this.openThreads.add(ts);
    this.#again(ts);
    this.person.loadThread(this.channelId, ts).then(() => {
      if (focus) requestAnimationFrame(() => this.feed.element(ts)?.querySelector(".thread textarea")?.focus());
    });
  }

  /** Return the form for a reply; the same one each time, so that it keeps its text and the focus. */
  replyForm(message) {
    if (!this.#replyForms.has(message.ts)) {
      const { person, channelId: channel } = this;
      this.#replyForms.set(message.ts, composer({ person, channel, name: this.name, thread: message.ts }));
    }
    return this.#replyForms.get(message.ts);
  }

  async react(message, name) {
    const isMine = message.reactions?.find((each) => each.name === name)?.users.includes(this.person.id);
    await this.try(message, `The reaction was not ${isMine ? "removed" : "added"}`, () =>
      this.person.call(isMine ? "reactions.remove" : "reactions.add", { channel: this.channelId, timestamp: message.ts, name }));
  }

  async chooseReaction(message, anchor) {
    const name = await chooseEmoji(anchor ?? this.feed.element(message.ts));
    if (name) await this.react(message, name);
  }

  edit(message) {
    if (this.editing) this.#again(this.editing);
    this.editing = message.ts;
    // One form for the whole edit: it keeps its text when the message is drawn anew meanwhile.
    this.editor = editor(fromWire(message.text, this.person), async (text) => {
      this.editing = null;
      this.#again(message.ts);
      this.foot.querySelector("textarea")?.focus();
      if (text === null || toWire(text, this.person) === message.text) return;
      if (!text.trim()) await this.remove(message);
      else await this.try(message, "The text was not changed", () =>
        this.person.call("chat.update", { channel: this.channelId, ts: message.ts, text: toWire(text, this.person) }));
    });
    this.#again(message.ts);
  }

  #editLast() {
    const mine = this.person.timeline(this.channelId).messages.findLast((each) => each.user === this.person.id && !each.bot_id && !each.subtype && !each.isPending && !each.notSent);
    if (!mine) return;
    this.feed.show(mine.ts, { focus: false });
    this.edit(mine);
  }

  async remove(message) {
    const text = h("q", {}, summaryOf(this.person, message).slice(0, 200));
    if (!(await ask({ title: "Delete this message?", text, act: "Delete message" }))) return;
    await this.try(message, "The message was not deleted", () => this.person.call("chat.delete", { channel: this.channelId, ts: message.ts }));
  }

  more(message, anchor) {
    return openMenu(this, message, anchor);
  }

  /** Take a message that only this person sees away. */
  dismiss(message) {
    this.person.timeline(this.channelId).remove(message.ts);
    this.#update();
  }

  async sendAgain(message) {
    this.person.forget(this.channelId, message);
    await this.person.post(this.channelId, message.text, { thread: message.thread_ts });
  }

  /** Do something about a message, and say at the message if it failed. */
  async try(message, sentence, act) {
    try {
      await act();
      this.report(message.ts, null);
    } catch (error) {
      this.report(message.ts, failure(sentence, error));
    }
  }

  /** Show a line at a message, or above the composer; null removes it. */
  report(ts, node) {
    if (ts === null) {
      fill(this.trouble, node);
      return;
    }
    if (!node && !this.#outcomes.has(ts)) return;
    if (node) this.#outcomes.set(ts, node);
    else this.#outcomes.delete(ts);
    this.#again(ts);
  }

  outcome(ts) {
    return this.#outcomes.get(ts) ?? null;
  }

  // --- keys ---

  /** On a touch screen a long press opens the menu of a message; elsewhere the browser's own menu stays. */
  #longPress(event) {
    const article = event.target.closest("article.msg");
    if (event.pointerType !== "touch" || !article || event.target.closest("a, button, input, textarea, select")) return;
    event.preventDefault();
    this.more(this.#messageOf(article), article);
  }

  #keys(event) {
    const article = event.target.closest("article.msg");
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    const ts = article?.closest(".feed-row")?.querySelector("article")?.dataset.ts;
    if (!this.#move(event.key, article, ts)) return;
    event.preventDefault();
  }

  #move(key, article, ts) {
    if (isListKey(key)) {
      const all = this.person.timeline(this.channelId).messages;
      if (!all.length) return false;
      if (!ts) this.feed.show(key === "Home" ? all[0].ts : all.at(-1).ts);
      else if (key === "Home" || key === "End") this.feed.step(ts, key === "Home" ? "first" : "last");
      else this.feed.step(ts, key === "ArrowDown" ? 1 : -1);
      return true;
    }
    if (key === "Escape") {
      this.foot.querySelector("textarea")?.focus();
      return true;
    }
    const message = article && this.#messageOf(article);
    if (!message || document.activeElement !== article) return false;
    if (key === "Enter" || key === " ") this.toggleThread(message.ts);
    else if (key === "ArrowLeft") {
      this.openThreads.delete(message.ts);
      this.#again(message.ts);
    } else if (!hasLetters()) return false;
    else if (key === "r") this.chooseReaction(message, article);
    else if (key === "t") this.openThread(message.thread_ts ?? message.ts);
    else if (key === "e" && message.user === this.person.id) this.edit(message);
    else if (key === "Delete" && message.user === this.person.id) this.remove(message);
    else return false;
    return true;
  }

  #messageOf(article) {
    const { ts, thread } = article.dataset;
    return thread ? this.person.thread(this.channelId, thread).find(ts) : this.person.timeline(this.channelId).find(ts);
  }
}

const isListKey = (key) => ["ArrowDown", "ArrowUp", "Home", "End"].includes(key);
