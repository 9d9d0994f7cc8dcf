// mrkdwn to elements: text nodes, and elements of a fixed set. Source of the grammar: the wire form of messages.

import { h } from "../dom.js";
import { emojiText } from "./emoji.js";
import { href } from "../router.js";

const TOKEN = /```([\s\S]+?)```|`([^`\n]+)`|<([^<>\n]+)>|:([a-z0-9_+'-]+):|(^|[\s(,.;:!?"'“{[/-])([*_~])(?=\S)([^\n]{0,1000}?\S)\6(?=$|[\s),.;:!?"'”}\]/…-])|\n/g;
const MARKS = { "*": "strong", _: "em", "~": "s" };
const DEEPEST = 8;

/** Undo what the wire escapes. */
export const unescapeText = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

/** Escape what a person types; mentions are made by `toWire`. */
export const escapeText = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Return a link, or its text if it leads anywhere but to the web or to an address. */
export function link(url, text) {
  let parsed = null;
  try {
    parsed = new URL(url);
  } catch {
    // not a URL
  }
  if (!parsed || !["http:", "https:", "mailto:"].includes(parsed.protocol)) return document.createTextNode(text || url);
  return h("a", { href: parsed.href, rel: "noopener noreferrer", target: "_blank", title: url }, text || url);
}

/** Return elements for a text in mrkdwn, as `person` sees it. */
export function mrkdwn(text, person) {
  const lines = text.split("\n");
  const parts = [];
  let quoted = [];
  let plain = [];
  let isCode = false;
  const endQuote = () => {
    if (quoted.length) parts.push(h("blockquote", {}, inline(quoted.join("\n"), person)));
    quoted = [];
  };
  const endPlain = () => {
    if (plain.length) parts.push(h("p", {}, inline(plain.join("\n"), person)));
    plain = [];
  };
  for (const line of lines) {
    if (!isCode && /^(&gt;|>) ?/.test(line)) {
      endPlain();
      quoted.push(line.replace(/^(&gt;|>) ?/, ""));
      continue;
    }
    endQuote();
    plain.push(line);
    if ((line.split("```").length - 1) % 2) isCode = !isCode;
  }
  endQuote();
  endPlain();
  return parts;
}

/** Return the elements of a text without quotes. */
export function inline(text, person, depth = 0) {
  const parts = [];
  let from = 0;
  const plain = (to) => {
    if (to > from) parts.push(unescapeText(text.slice(from, to)));
  };
  for (const match of text.matchAll(TOKEN)) {
    if (match.index < from) continue;
    const [whole, fence, code, angle, name, before, mark, marked] = match;
    let part = null;
    if (fence !== undefined) part = h("pre", { class: "code", tabindex: "0" }, unescapeText(fence.replace(/^\n/, "")));
    else if (code !== undefined) part = h("code", {}, unescapeText(code));
    else if (angle !== undefined) part = reference(unescapeText(angle), person);
    else if (name !== undefined) part = emojiText(name);
    else if (mark !== undefined && depth < DEEPEST) part = h(MARKS[mark], {}, inline(marked, person, depth + 1));
    else if (whole === "\n") part = h("br");
    if (part === null) continue;
    plain(match.index);
    if (before) parts.push(before);
    parts.push(part);
    from = match.index + whole.length;
  }
  plain(text.length);
  return parts;
}

function reference(inside, person) {
  const at = inside.indexOf("|");
  const target = at < 0 ? inside : inside.slice(0, at);
  const label = at < 0 ? "" : inside.slice(at + 1);
  if (target.startsWith("@")) return userMention(target.slice(1), person, label);
  if (target.startsWith("#")) return channelMention(target.slice(1), person, label);
  if (target.startsWith("!")) return special(target.slice(1), label);
  return link(target, label);
}

export function userMention(id, person, label = "") {
  const isMe = id === person.id;
  const name = person.users.has(id) ? person.userName(id) : label || id;
  return h("span", { class: isMe ? "mention mention-me" : "mention", title: id }, h("bdi", {}, `@${name.replace(/^@/, "")}`));
}

export function channelMention(id, person, label = "") {
  const channel = person.channels.get(id);
  const name = channel ? person.nameOf(channel) : label || id;
  return h("a", { class: "mention", href: href("chat", id), title: id }, h("bdi", {}, `#${name}`));
}

function special(word, label) {
  const [kind, seconds] = word.split("^");
  if (kind === "date" && Math.abs(Number(seconds)) < 8e12) {
    const moment = new Date(Number(seconds) * 1000);
    return h("time", { datetime: moment.toISOString(), title: moment.toString() }, label || moment.toLocaleString());
  }
  if (kind === "here" || kind === "channel" || kind === "everyone") return h("span", { class: "mention mention-me" }, `@${kind}`);
  return label || `<!${word}>`;
}

/** Return the plain text of a message, for labels and lists. */
export function plainText(text, person) {
  return unescapeText(
    (text ?? "").replace(/<([^<>\n]+)>/g, (_, inside) => {
      const [target, label] = inside.split("|");
      if (target.startsWith("@")) return `@${person.users.has(target.slice(1)) ? person.userName(target.slice(1)) : label || target.slice(1)}`;
      if (target.startsWith("#")) return `#${label || target.slice(1)}`;
      return label || target;
    }),
  );
}

/** Return what a person types in wire form: escaped, with the mentions that are names. */
export function toWire(text, person) {
  const byName = new Map([...person.users.values()].map((each) => [person.userName(each.id).toLowerCase(), each.id]));
  for (const each of person.users.values()) byName.set(each.name.toLowerCase(), each.id);
  const channels = new Map([...person.channels.values()].filter((each) => each.name && !each.is_mpim).map((each) => [each.name, each.id]));
  return escapeText(text)
    .replace(/(^|[\s(])@([\p{L}\p{N}_.-]*[\p{L}\p{N}_-])/gu, (whole, before, name) => {
      if (["here", "channel", "everyone"].includes(name)) return `${before}<!${name}>`;
      return byName.has(name.toLowerCase()) ? `${before}<@${byName.get(name.toLowerCase())}>` : whole;
    })
    .replace(/(^|[\s(])#([\p{L}\p{N}_-]+)/gu, (whole, before, name) => (channels.has(name) ? `${before}<#${channels.get(name)}>` : whole))
    .replace(/(^|[\s(])(https?:\/\/[^\s<>]+[^\s<>.,;:!?)])/g, (_, before, url) => `${before}<${url}>`);
}

/** Return a text in wire form as a person would type it, for the editor. */
export function fromWire(text, person) {
  return plainText(text.replace(/<!(here|channel|everyone)>/g, "@$1"), person);
}
