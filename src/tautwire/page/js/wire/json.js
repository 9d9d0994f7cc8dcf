// JSON to read: in lines, with a colour for each kind of value.

import { h } from "../dom.js";

const MOST_COLOURED = 100_000;
const PART = /("(?:\\.|[^"\\])*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/** Return a value as indented JSON; text that is no JSON as it is. */
export const jsonText = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** Return a `pre` with a value. Very long ones have no colours. */
export function jsonBlock(value, label) {
  const text = jsonText(value) ?? "";
  const block = h("pre", { class: "json", tabindex: "0", "aria-label": label, role: "region" });
  if (typeof value === "string" || text.length > MOST_COLOURED) {
    block.append(text);
    return block;
  }
  let from = 0;
  for (const match of text.matchAll(PART)) {
    const [whole, string, colon, number, word] = match;
    const tag = colon ? "b" : number ? "i" : word ? "u" : null;
    if (!tag) continue; // a string has the colour of the block
    block.append(text.slice(from, match.index), h(tag, {}, colon ? string : whole), colon ?? "");
    from = match.index + whole.length;
  }
  block.append(text.slice(from));
  return block;
}
