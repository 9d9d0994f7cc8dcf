// Texts of blocks, and what is not drawn.

import { h } from "../dom.js";
import { emojiOf } from "../text/emoji.js";
import { inline } from "../text/mrkdwn.js";

/** Return the text of a text object; plain text has emoji only. */
export function textOf(text, place) {
  if (!text) return [];
  return text.type === "mrkdwn" ? inline(text.text ?? "", place.person) : emojied(text.text ?? "");
}

/** Return a plain text with its emoji. */
export function emojied(text) {
  return String(text).split(/(:[a-z0-9_+'-]+:)/).map((part) => (part.startsWith(":") && emojiOf(part.slice(1, -1))) || part);
}

/** Return something that is not drawn here as its JSON, folded. */
export const raw = (kind, object) =>
  h("details", { class: "raw" }, h("summary", {}, `${kind} `, h("code", {}, String(object?.type ?? "without type")), " is not drawn here. Show its JSON"),
    h("pre", { class: "json", tabindex: "0" }, JSON.stringify(object, null, 2)));
