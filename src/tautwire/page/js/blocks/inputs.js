// Input blocks: a label, an element, a hint, and what the app refused.

import { h, icon } from "../dom.js";
import { act } from "./act.js";
import { choiceOf, isChoice } from "./elements.js";
import { raw, textOf } from "./texts.js";

const TYPES = { email_text_input: "email", url_text_input: "url", number_input: "number", plain_text_input: "text" };

let number = 0;

/** Return an input block. What it holds is kept in `place.values`, by block and action. */
export function inputOf(block, place) {
  const { element = {} } = block;
  const id = `input-${++number}`;
  const errorId = `${id}-error`;
  const hintId = `${id}-hint`;
  const error = place.errors?.[block.block_id];
  const held = place.values?.[block.block_id]?.[element.action_id];
  const keep = (value) => {
    if (!place.values) return;
    place.values[block.block_id] ??= {};
    place.values[block.block_id][element.action_id] = value;
  };
  const tell = (value, source) => {
    keep(value);
    if (block.dispatch_action || !place.values) {
      act(place, "choose", { action_id: element.action_id ?? "", block_id: block.block_id ?? "", value }, source);
    }
  };
  let made;
  if (TYPES[element.type]) made = textInput(element, { id, held, keep, tell, isDispatched: block.dispatch_action });
  else if (isChoice(element)) made = choiceOf(element, { ...place, blockId: block.block_id }, tell, { id, held });
  else made = raw("Element", element);
  const target = made.querySelector?.(`#${id}`) ?? made;
  if (error) {
    target.setAttribute("aria-invalid", "true");
    target.setAttribute("aria-describedby", errorId);
  } else if (block.hint) target.setAttribute("aria-describedby", hintId);
  const isGroup = made.matches?.(".checks-in");
  const words = [textOf(block.label, place), block.optional ? h("span", { class: "faint" }, " (optional)") : null];
  if (isGroup) made.setAttribute("aria-label", block.label?.text ?? "");
  return h("div", { class: "field", data: { block: block.block_id } },
    isGroup || !TYPES[element.type] && !made.querySelector?.(`#${id}`) ? h("span", { class: "label" }, words) : h("label", { for: id }, words),
    made,
    block.hint ? h("p", { class: "faint hint", id: hintId }, textOf(block.hint, place)) : null,
    error ? h("p", { class: "error", id: errorId }, icon("warn"), error) : null);
}

function textInput(element, { id, held, keep, tell, isDispatched }) {
  const value = held ?? element.initial_value ?? "";
  const common = { id, value: String(value), placeholder: element.placeholder?.text, maxlength: element.max_length, on: {
    input: (event) => keep(event.target.value || null),
    change: (event) => isDispatched && tell(event.target.value || null, event.target),
  } };
  if (element.type === "plain_text_input" && element.multiline) return h("textarea", { ...common, rows: "3" });
  const step = element.type === "number_input" ? { step: element.is_decimal_allowed ? "any" : "1", min: element.min_value, max: element.max_value } : {};
  return h("input", { ...common, ...step, type: TYPES[element.type] });
}
