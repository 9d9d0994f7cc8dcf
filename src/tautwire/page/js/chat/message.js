// One message: its author, text or blocks, files, reactions, thread, and what can be done with it.

import { button, face, h, icon, named } from "../dom.js";
import { blocksOf } from "../blocks/render.js";
import { href } from "../router.js";
import { emojiOf } from "../text/emoji.js";
import { inline, mrkdwn, plainText } from "../text/mrkdwn.js";
import { attachmentsOf } from "./attachments.js";
import { fileOf } from "./files.js";
import { dayOf, hourOf, wholeOf } from "./times.js";

const JOINS = new Set(["channel_join", "channel_leave", "channel_topic", "channel_purpose", "channel_name", "channel_archive",
  "channel_unarchive", "group_join", "group_leave", "group_topic", "group_purpose", "group_name", "pinned_item"]);

const isPlaced = (message) => !message.isPending && !message.notSent;

/** Return the article of a message. `pane` is the conversation in which it stands; see pane.js. */
export function messageArticle(pane, message, { isFirstOfDay = false, index = null, count = null, isReply = false } = {}) {
  const { person } = pane;
  const author = person.authorOf(message);
  const time = isPlaced(message) ? hourOf(message.ts) : "now";
  const state = message.isPending ? ", sending" : message.notSent ? ", not sent" : "";
  const day = isFirstOfDay && isPlaced(message) ? `${dayOf(message.ts)}. ` : "";
  const classes = ["msg", isReply && "small", message.is_ephemeral && "only-you", pane.picked === message.ts && "picked"];
  const article = h("article", {
    class: classes.filter(Boolean).join(" "),
    "aria-label": `${day}${author.name}, ${time}${state}`,
    "aria-posinset": index === null ? null : index + 1,
    "aria-setsize": count,
    tabindex: "-1",
    data: { ts: message.ts, focus: message.ts, ...(isReply ? { thread: message.thread_ts } : {}) },
  });
  if (pane.editing === message.ts) {
    article.append(face(author.id, author.name, { app: author.isApp }), h("div", { class: "msg-main" }, pane.editor));
    return article;
  }
  const main = h("div", { class: "msg-main" }, head(pane, message, author, time), content(pane, message),
    (message.files ?? []).map((file) => fileOf(person, file)), reactions(pane, message), trouble(pane, message));
  if (!isReply) main.append(...thread(pane, message));
  article.append(face(author.id, author.name, { app: author.isApp }), main);
  if (isPlaced(message)) article.append(actions(pane, message));
  return article;
}

function head(pane, message, author, time) {
  const parts = message.streaming_state === "in_progress" ? streaming(pane, message) : null;
  return h("header", {},
    h("strong", {}, named(author.name)),
    author.isApp ? h("span", { class: "tag" }, "App") : null,
    isPlaced(message) ? h("time", { class: "faint", title: wholeOf(message.ts) }, time) : null,
    message.isPending ? h("span", { class: "busy" }, h("span", { class: "pulse", "aria-hidden": "true" }), "sending") : null,
    message.edited ? edited(pane, message) : null,
    message.is_ephemeral ? h("span", { class: "only" }, icon("eye"), "Only ", h("bdi", {}, pane.person.name), " sees this") : null,
    parts,
    pane.traces?.(message) ?? null);
}

function streaming(pane, message) {
  const since = pane.streams.get(message.ts);
  const seconds = since ? ((performance.now() - since.began) / 1000).toFixed(1) : "0.0";
  const text = since ? `answering, ${since.parts} parts in ${seconds} s` : "answering";
  return h("span", { class: "busy" }, h("span", { class: "pulse", "aria-hidden": "true" }), text);
}

function edited(pane, message) {
  if (!message.earlier?.length) return h("span", { class: "faint" }, "edited");
  const isShown = pane.earlier.has(message.ts);
  return button("edited", { class: "link quiet-link", "aria-expanded": String(isShown), title: "Show the earlier texts",
    press: () => pane.toggle(pane.earlier, message.ts) });
}

function content(pane, message) {
  const { person } = pane;
  const earlier = pane.earlier.has(message.ts) ? (message.earlier ?? []).map((text) => h("p", { class: "faint earlier" }, h("s", {}, inline(text, person)))) : [];
  if (message.subtype === "me_message") return [h("p", {}, h("em", {}, inline(message.text, person)))];
  if (JOINS.has(message.subtype)) return [h("p", { class: "faint" }, inline(message.text, person))];
  const isStreaming = message.streaming_state === "in_progress";
  const place = { person, channel: pane.channelId, ts: message.ts, pane };
  let body;
  if (message.blocks?.length) {
    const isText = message.blocks.every((each) => each.type === "rich_text");
    body = [h("div", { class: isText ? "rich" : "blocks" }, blocksOf(message.blocks, place))];
  } else body = message.text ? mrkdwn(message.text, person) : [];
  if (isStreaming) {
    const last = body.at(-1) ?? h("p");
    if (!body.length) body.push(last);
    last.append(h("span", { class: "caret", "aria-hidden": "true" }));
  }
  return [earlier, body, attachmentsOf(message.attachments, place), pane.outcome(message.ts)];
}

function reactions(pane, message) {
  if (!message.reactions?.length) return null;
  return h("ul", { class: "reacts", "aria-label": "Reactions" }, message.reactions.map(({ name, users, count }) => {
    const isMine = users.includes(pane.person.id);
    const who = users.slice(0, 20).map((each) => pane.person.userName(each)).join(", ");
    return h("li", {}, h("button", { type: "button", "aria-pressed": String(isMine), title: `:${name}: ${who}`,
      "aria-label": `${name.replaceAll("_", " ")}, ${count}${isMine ? ", you reacted" : ""}`, data: { focus: `${message.ts} ${name}` },
      on: { click: () => pane.react(message, name) } }, emojiOf(name) ?? h("code", {}, `:${name}:`), " ", h("span", {}, String(count))));
  }));
}

function trouble(pane, message) {
  if (!message.notSent) return null;
  const error = message.notSent;
  return h("p", { class: "error", role: "alert" }, icon("warn"), "Not sent: ", h("code", {}, error.code ?? "failed"), error.hint ? `, ${error.hint}. ` : ". ",
    button("Send again", { class: "link", press: () => pane.sendAgain(message) }), " ",
    button("Drop", { class: "link", press: () => pane.person.forget(pane.channelId, message) }));
}

// --- threads ---

function thread(pane, message) {
  const isOpen = pane.openThreads.has(message.ts);
  const count = message.reply_count ?? 0;
  if (!count && !isOpen) return [];
  const text = `${count} ${count === 1 ? "reply" : "replies"}${message.latest_reply ? `, last at ${hourOf(message.latest_reply)}` : ""}`;
  const toggle = button(isOpen ? "Close thread" : text, { class: "link", "aria-expanded": String(isOpen), data: { focus: `${message.ts} thread` },
    press: () => pane.toggleThread(message.ts) });
  if (!isOpen) return [toggle];
  const found = pane.person.thread(pane.channelId, message.ts);
  const replies = found.messages.filter((each) => each.ts !== message.ts);
  return [toggle, h("section", { class: "thread", "aria-label": `Thread, ${replies.length} replies` },
    found.error ? h("p", { class: "error" }, icon("warn"), "The replies cannot be read: ", h("code", {}, found.error.code), ".") : null,
    !found.isLoaded && !found.error && !replies.length ? h("p", { class: "faint" }, "Reading the replies") : null,
    replies.map((each) => messageArticle(pane, each, { isReply: true })),
    pane.replyForm(message))];
}

// --- actions ---

function actions(pane, message) {
  const isMine = message.user === pane.person.id && !message.bot_id;
  const act = (label, name, key, press) => button("", { icon: name, label, keys: key || null, press, title: key ? `${label} (${key})` : label });
  return h("div", { class: "acts", role: "toolbar", "aria-label": "Message actions" },
    message.is_ephemeral ? null : act("Add a reaction", "smile", "R", (event) => pane.chooseReaction(message, event.currentTarget)),
    message.is_ephemeral || message.thread_ts && message.thread_ts !== message.ts ? null : act("Reply in thread", "reply", "T", () => pane.openThread(message.ts)),
    isMine ? act("Edit", "edit", "E", () => pane.edit(message)) : null,
    isMine ? act("Delete", "trash", "Delete", () => pane.remove(message)) : null,
    act("More actions", "more", "", (event) => pane.more(message, event.currentTarget)));
}

/** What a message says, in one line. */
export function summaryOf(person, message) {
  const file = message.files?.[0];
  return plainText(message.text, person).replace(/\s+/g, " ").trim() || (file ? `file ${file.name}` : message.blocks ? "blocks" : "");
}

export const addressOf = (channel, message) => href("chat", channel, message.thread_ts && message.thread_ts !== message.ts ? message.thread_ts : message.ts);
