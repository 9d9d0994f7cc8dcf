// Blocks to elements. A block that is not known is its JSON, folded, never a blank.

import { h } from "../dom.js";
import { link, mrkdwn } from "../text/mrkdwn.js";
import { elementOf } from "./elements.js";
import { inputOf } from "./inputs.js";
import { markdown } from "../text/markdown.js";
import { richText } from "./rich_text.js";
import { raw, textOf } from "./texts.js";

/** Return the elements of blocks. For `place` see act.js. */
export const blocksOf = (blocks, place) => (blocks ?? []).map((block) => blockOf(block, place));

function blockOf(block, place) {
  const draw = BLOCKS[block?.type];
  try {
    return draw ? draw(block, place) : raw("Block", block);
  } catch {
    return raw("Block", block); // its members are not what they should be
  }
}

const BLOCKS = {
  section(block, place) {
    const fields = block.fields?.length
      ? h("div", { class: "fields" }, block.fields.map((each) => h("p", {}, textOf(each, place))))
      : null;
    const text = block.text ? h("div", {}, block.text.type === "mrkdwn" ? mrkdwn(block.text.text ?? "", place.person) : h("p", {}, textOf(block.text, place))) : null;
    const side = block.accessory ? elementOf(block.accessory, block, place) : null;
    return h("div", { class: "b-block" }, h("div", { class: "b-section" }, text ?? fields, side), text ? fields : null);
  },
  header: (block, place) => h("h3", { class: "b-header" }, textOf(block.text, place)),
  divider: () => h("hr"),
  context: (block, place) =>
    h("p", { class: "context" }, (block.elements ?? []).map((each) => (each.type === "image" ? image(each) : h("span", {}, textOf(each, place), " ")))),
  actions: (block, place) => h("div", { class: "row" }, (block.elements ?? []).map((each) => elementOf(each, block, place))),
  context_actions: (block, place) => h("div", { class: "row" }, (block.elements ?? []).map((each) => elementOf(each, block, place))),
  image: (block, place) => h("figure", { class: "b-image" }, block.title ? h("figcaption", {}, textOf(block.title, place)) : null, image(block)),
  rich_text: (block, place) => richText(block, place.person),
  markdown: (block) => h("div", { class: "md" }, markdown(block.text ?? "")),
  input: (block, place) => inputOf(block, place),
  file: (block) => raw("Block", block),
};

/** A picture of another host is not loaded: the page asks no other host for anything. */
function image({ image_url: url, alt_text: text }) {
  return h("span", { class: "b-picture faint" }, "Picture: ", url ? link(url, text || url) : text || "from a file");
}
