// Emoji by name. A name that is not known is shown as it is on the wire, between colons.
//
// Data: the names of gemoji (MIT licence, https://github.com/github/gemoji), each emoji followed by its names.

import { h } from "../dom.js";
import { EMOJI } from "./emoji_names.js";

const TONE = /::?skin-tone-([2-6])$/;
const byName = new Map();
/** Emoji in the order of the picker: [character, name, …other names]. */
export const emoji = [];

for (const each of EMOJI) {
  const [character, ...names] = each.split(" ");
  emoji.push([character, ...names]);
  for (const name of names) byName.set(name, character);
}

/** Return the characters of an emoji, or null for a name that is not known. */
export function emojiOf(name) {
  const tone = TONE.exec(name);
  const character = byName.get(name.replace(TONE, ""));
  if (!character) return null;
  return tone ? character.replace("\uFE0F", "") + String.fromCodePoint(0x1f3fa + Number(tone[1]) - 1) : character;
}

/** Return an element for an emoji in a text, or null. */
export function emojiText(name) {
  const character = emojiOf(name);
  return character && h("span", { class: "emoji", role: "img", "aria-label": name.replaceAll("_", " "), title: `:${name}:` }, character);
}

/** Return the emoji whose names have a text, at most `most`. */
export function findEmoji(text, most = 60) {
  const wanted = text.trim().toLowerCase().replaceAll(":", "").replaceAll(" ", "_");
  if (!wanted) return emoji.slice(0, most);
  return emoji.filter(([, ...names]) => names.some((name) => name.includes(wanted))).slice(0, most);
}

/** What people react with most. */
export const QUICK = ["thumbsup", "eyes", "white_check_mark", "tada", "heart", "joy"];
