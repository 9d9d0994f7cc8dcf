// Rich text to elements.

import { h } from "../dom.js";
import { emojiText } from "../text/emoji.js";
import { channelMention, link, userMention } from "../text/mrkdwn.js";

export function richText(block, person) {
  return h("div", { class: "rich" }, (block.elements ?? []).map((each) => part(each, person)));
}

function part(element, person) {
  const inside = () => (element.elements ?? []).map((each) => leaf(each, person));
  if (element.type === "rich_text_section") return h("p", {}, inside());
  if (element.type === "rich_text_quote") return h("blockquote", {}, inside());
  if (element.type === "rich_text_preformatted") return h("pre", { class: "code", tabindex: "0" }, inside());
  if (element.type === "rich_text_list") {
    const list = h(element.style === "ordered" ? "ol" : "ul", { class: "md-list" }, (element.elements ?? []).map((each) =>
      h("li", {}, (each.elements ?? []).map((inner) => leaf(inner, person)))));
    if (element.style === "ordered" && element.offset) list.start = Number(element.offset) + 1;
    if (element.indent) list.style.setProperty("margin-inline-start", `${Math.min(8, Number(element.indent)) * 20 + 20}px`);
    return list;
  }
  return h("code", {}, JSON.stringify(element));
}

const LEAVES = {
  text: (each) => String(each.text ?? "").split("\n").flatMap((line, at) => (at ? [h("br"), line] : [line])),
  link: (each) => link(each.url ?? "", each.text || each.url || ""),
  emoji: (each) => emojiText(each.name ?? "") ?? `:${each.name}:`,
  user: (each, person) => userMention(each.user_id ?? "", person),
  channel: (each, person) => channelMention(each.channel_id ?? "", person),
  usergroup: (each) => `@${each.usergroup_id}`,
  broadcast: (each) => h("span", { class: "mention mention-me" }, `@${each.range}`),
  color: (each) => h("code", {}, each.value ?? ""),
  date: (each) => h("time", {}, each.fallback || new Date(Number(each.timestamp) * 1000).toLocaleString()),
};

function leaf(each, person) {
  const found = LEAVES[each.type]?.(each, person) ?? h("code", {}, JSON.stringify(each));
  const { style = {} } = each;
  let nodes = Array.isArray(found) ? found : [found];
  for (const [name, tag] of [["code", "code"], ["strike", "s"], ["italic", "em"], ["bold", "strong"]]) {
    if (style[name]) nodes = [h(tag, {}, nodes)];
  }
  return nodes;
}
