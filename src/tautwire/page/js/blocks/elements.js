// Elements that act: buttons, menus, dates, choices. In a message or a Home each change goes to the app at once.

import { control } from "../api.js";
import { button, h, icon } from "../dom.js";
import { ask } from "../dialog.js";
import { pickFrom } from "../menu.js";
import { act } from "./act.js";
import { emojied, raw, textOf } from "./texts.js";

const STYLES = { primary: "go", danger: "bad" };

/** Return an element of a block; what it does is sent with `act`. */
export function elementOf(element, block, place) {
  const draw = ELEMENTS[element?.type];
  if (draw) return draw(element, block, place);
  if (CHOICES[element?.type]) {
    const held = place.held?.[block.block_id]?.[element.action_id];
    const here = { ...place, blockId: block.block_id };
    return choiceOf(element, here, (value, source) => send(element, block, place, value, source), { held });
  }
  return raw("Element", element);
}

async function send(element, block, place, value, source) {
  if (element.confirm && !(await confirmed(element.confirm, place))) return null;
  return act(place, "choose", { action_id: element.action_id ?? "", block_id: block.block_id ?? "", value }, source);
}

async function confirmed(confirm, place) {
  const plain = (text) => text?.text ?? "";
  return ask({ title: plain(confirm.title) || "Do this?", text: h("span", {}, textOf(confirm.text, place)), act: plain(confirm.confirm) || "Do it" });
}

const ELEMENTS = {
  button(element, block, place) {
    const press = async (event) => {
      const source = event.currentTarget;
      if (element.confirm && !(await confirmed(element.confirm, place))) return;
      await act(place, "click", { action_id: element.action_id ?? "", block_id: block.block_id ?? "" }, source);
    };
    const text = element.text?.text ?? element.action_id ?? "";
    const focus = `${place.ts ?? ""} ${block.block_id} ${element.action_id}`;
    return h("button", { type: "button", class: STYLES[element.style], title: element.url ? `Opens ${element.url}` : null,
      "aria-label": element.accessibility_label, data: { focus }, on: { click: press } }, emojied(text));
  },
  workflow_button: (element, block, place) => ELEMENTS.button(element, block, place),
  icon_button(element, block, place) {
    return button(element.text?.text ?? element.action_id, { press: (event) =>
      act(place, "click", { action_id: element.action_id ?? "", block_id: block.block_id ?? "" }, event.currentTarget) });
  },
  feedback_buttons(element, block, place) {
    const one = (each, value) => button(each?.text?.text ?? value, { press: (event) =>
      act(place, "click", { action_id: element.action_id ?? "", block_id: block.block_id ?? "", value }, event.currentTarget) });
    return h("span", { class: "row tight" }, one(element.positive_button, "positive"), one(element.negative_button, "negative"));
  },
  overflow(element, block, place) {
    const open = async (event) => {
      const source = event.currentTarget;
      const options = (element.options ?? []).map((each) => ({ value: each.value, text: each.text?.text ?? each.value }));
      const value = await pickFrom(source, { label: "More", options });
      if (value !== null) await send(element, block, place, value, source);
    };
    return button("", { icon: "more", class: "quiet icon-only", label: "More", "aria-haspopup": "listbox", press: open });
  },
  image: (element) => h("span", { class: "faint" }, `Picture: ${element.alt_text ?? ""}`),
};

// --- choices, also used by inputs of modals ---

const initial = {
  option: (element) => (element.initial_option ? [element.initial_option.value] : []),
  options: (element) => (element.initial_options ?? []).map((each) => each.value),
};

/** Return a control for a choice. `changed(value, source)` gets what the person chose. `held` is what a view holds. */
export function choiceOf(element, place, changed, { id = null, held } = {}) {
  return CHOICES[element.type](element, place, changed, { id, held });
}

export const isChoice = (element) => Boolean(CHOICES[element?.type]);

const label = (element) => element.placeholder?.text || element.accessibility_label || "Choose";

function select(element, place, changed, { id, held }) {
  const groups = element.option_groups ?? [{ options: element.options ?? [] }];
  const [chosen] = held !== undefined ? [].concat(held ?? []) : initial.option(element);
  const option = (each) => h("option", { value: each.value, selected: each.value === chosen }, each.text?.text ?? each.value);
  const options = groups.map((group) =>
    group.label ? h("optgroup", { label: group.label.text ?? "" }, (group.options ?? []).map(option)) : (group.options ?? []).map(option));
  const control = h("select", { id, "aria-label": id ? null : label(element), data: { focus: `${place.ts ?? ""} ${element.action_id}` },
    on: { change: (event) => changed(event.target.value || null, event.target) } }, h("option", { value: "" }, label(element)), options);
  return h("span", { class: "select" }, control, icon("chev"));
}

/** A menu whose options are many, or come from the app. `find(text)` returns them. */
function menu(find, isMany) {
  return (element, place, changed, { id, held }) => {
    let chosen = (held === undefined ? startOf(element) : [].concat(held ?? [])).map((value) => ({ value, text: nameIn(place, element, value) }));
    const box = h("span", { class: "multi", role: "group", "aria-label": label(element) });
    const pick = async () => {
      const value = await pickFrom(open, { label: label(element), options: [], load: (text) => find(element, place, text) });
      if (value === null) return;
      const found = (await find(element, place, "")).find((each) => each.value === value);
      const each = { value, text: found?.text ?? nameIn(place, element, value) };
      chosen = isMany ? [...chosen.filter((other) => other.value !== value), each] : [each];
      tell();
    };
    const open = h("button", { type: "button", id, class: "quiet", "aria-haspopup": "listbox", "aria-expanded": "false", on: { click: pick } });
    const tell = () => {
      draw();
      changed(isMany ? chosen.map((each) => each.value) : (chosen[0]?.value ?? null), open);
    };
    const draw = () => {
      open.replaceChildren(isMany || !chosen.length ? label(element) : chosen[0].text, icon("chev"));
      box.replaceChildren(...(isMany ? chosen.map((each) => h("span", { class: "pick-chip" }, h("bdi", {}, each.text),
        button("", { icon: "x", label: `Remove ${each.text}`, press: () => {
          chosen = chosen.filter((other) => other !== each);
          tell();
        } }))) : []), open);
    };
    draw();
    return box;
  };
}

const startOf = (element) => [
  ...initial.option(element), ...initial.options(element), element.initial_user, element.initial_channel, element.initial_conversation,
  ...(element.initial_users ?? []), ...(element.initial_channels ?? []), ...(element.initial_conversations ?? []),
].filter(Boolean);

function nameIn({ person }, element, value) {
  if (person.users.has(value)) return person.userName(value);
  if (person.channels.has(value)) return person.nameOf(person.channels.get(value));
  return element.options?.find((each) => each.value === value)?.text?.text ?? value;
}

const fits = (text) => (each) => each.text.toLowerCase().includes(text.trim().toLowerCase());
const users = async (_, { person }, text) =>
  [...person.users.values()].filter((each) => !each.deleted).map((each) => ({ value: each.id, text: person.userName(each.id) })).filter(fits(text));
const channelsOf = (isFit) => async (_, { person }, text) =>
  [...person.channels.values()].filter(isFit).map((each) => ({ value: each.id, text: person.nameOf(each) })).filter(fits(text));
const options = async (element, _, text) =>
  (element.options ?? (element.option_groups ?? []).flatMap((each) => each.options ?? [])).map((each) => ({ value: each.value, text: each.text?.text ?? each.value })).filter(fits(text));

async function external(element, place, text) {
  const where = place.view ? { view_id: place.view.id } : { channel: place.channel, ts: place.ts };
  if (text.length < (element.min_query_length ?? 3) && text.length) return [];
  const args = { user: place.person.id, ...where, action_id: element.action_id, block_id: place.blockId ?? "", text };
  const answer = await control("options", args);
  return answer.options.map((each) => ({ value: each.value, text: each.text?.text ?? each.value }));
}

function dated(type, read = (value) => value, show = (value) => value) {
  return (element, place, changed, { id, held }) => {
    const start = held ?? element.initial_date ?? element.initial_time ?? element.initial_date_time;
    const input = h("input", { id, type, "aria-label": id ? null : label(element), value: start ? show(start) : "",
      on: { change: (event) => changed(event.target.value ? read(event.target.value) : null, event.target) } });
    return h("span", { class: "dated" }, input);
  };
}

const local = (seconds) => {
  const moment = new Date(Number(seconds) * 1000);
  return new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

let group = 0;

function checks(isMany) {
  return (element, place, changed, { held }) => {
    const name = `choice-${++group}`;
    const chosen = new Set(held !== undefined ? [].concat(held ?? []) : [...initial.option(element), ...initial.options(element)]);
    const box = h("div", { class: "checks-in", role: isMany ? "group" : "radiogroup", "aria-label": element.accessibility_label || element.action_id });
    for (const each of element.options ?? []) {
      const input = h("input", { type: isMany ? "checkbox" : "radio", name, value: each.value, checked: chosen.has(each.value), on: {
        change: (event) => {
          const all = [...box.querySelectorAll("input:checked")].map((one) => one.value);
          changed(isMany ? all : (all[0] ?? null), event.target);
        } } });
      box.append(h("label", {}, input, h("span", {}, textOf(each.text, place), each.description ? [" ", h("span", { class: "faint" }, textOf(each.description, place))] : null)));
    }
    return box;
  };
}

const CHOICES = {
  static_select: select,
  external_select: menu(external, false),
  users_select: menu(users, false),
  channels_select: menu(channelsOf((each) => each.is_channel && !each.is_private), false),
  conversations_select: menu(channelsOf(() => true), false),
  multi_static_select: menu(options, true),
  multi_external_select: menu(external, true),
  multi_users_select: menu(users, true),
  multi_channels_select: menu(channelsOf((each) => each.is_channel && !each.is_private), true),
  multi_conversations_select: menu(channelsOf(() => true), true),
  datepicker: dated("date"),
  timepicker: dated("time"),
  datetimepicker: dated("datetime-local", (value) => Math.floor(new Date(value).getTime() / 1000), local),
  checkboxes: checks(true),
  radio_buttons: checks(false),
};
