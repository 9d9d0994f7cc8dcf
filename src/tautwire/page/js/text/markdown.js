// The markdown of blocks of that type: headings, lists, quotes, code, emphasis and links, as elements.

import { h } from "../dom.js";
import { emojiText } from "./emoji.js";
import { link } from "./mrkdwn.js";

const SPAN = /`([^`\n]+)`|\*\*(?=\S)([^\n]{0,1000}?\S)\*\*|~~(?=\S)([^\n]{0,1000}?\S)~~|[*_](?=\S)([^*_\n]{0,1000}?\S)[*_]|\[([^\]\n]{0,1000})\]\(([^()\s]{0,3000})\)|(https?:\/\/[^\s<>()]+)|:([a-z0-9_+'-]+):/g;

export function markdown(text) {
  const parts = [];
  const lines = text.split("\n");
  let list = null;
  let paragraph = [];
  const end = () => {
    if (paragraph.length) parts.push(h("p", {}, spans(paragraph.join("\n"))));
    paragraph = [];
    list = null;
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    const fence = /^\s*```/.test(line);
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    const item = /^\s*([-*+]|\d{1,9}[.)])\s+(.*)$/.exec(line);
    if (fence) {
      end();
      const code = [];
      while (++at < lines.length && !/^\s*```/.test(lines[at])) code.push(lines[at]);
      parts.push(h("pre", { class: "code", tabindex: "0" }, code.join("\n")));
    } else if (heading) {
      end();
      parts.push(h("p", { class: "md-head" }, h("strong", {}, spans(heading[2]))));
    } else if (item) {
      if (!list) {
        end();
        list = h(/\d/.test(item[1]) ? "ol" : "ul", { class: "md-list" });
        parts.push(list);
      }
      list.append(h("li", {}, spans(item[2])));
    } else if (/^\s*>/.test(line)) {
      end();
      parts.push(h("blockquote", {}, spans(line.replace(/^\s*>\s?/, ""))));
    } else if (/^\s*(-{3,}|\*{3,})\s*$/.test(line)) {
      end();
      parts.push(h("hr"));
    } else if (!line.trim()) end();
    else {
      list = null;
      paragraph.push(line);
    }
  }
  end();
  return parts;
}

function spans(text, depth = 0) {
  const parts = [];
  let from = 0;
  if (depth > 6) return [text];
  for (const match of text.matchAll(SPAN)) {
    const [whole, code, bold, strike, italic, label, url, bare, emoji] = match;
    let part = null;
    if (code !== undefined) part = h("code", {}, code);
    else if (bold !== undefined) part = h("strong", {}, spans(bold, depth + 1));
    else if (strike !== undefined) part = h("s", {}, spans(strike, depth + 1));
    else if (italic !== undefined) part = h("em", {}, spans(italic, depth + 1));
    else if (url !== undefined) part = link(url, label);
    else if (bare !== undefined) part = link(bare, bare);
    else part = emojiText(emoji);
    if (!part) continue;
    if (match.index > from) parts.push(...broken(text.slice(from, match.index)));
    parts.push(part);
    from = match.index + whole.length;
  }
  parts.push(...broken(text.slice(from)));
  return parts;
}

const broken = (text) => text.split("\n").flatMap((line, at) => (at ? [h("br"), line] : [line]));
