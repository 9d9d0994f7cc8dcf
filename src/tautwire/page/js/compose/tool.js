// The tool Compose: an event of any type, made in a form of its fields, to one connection.

import { control } from "../api.js";
import { announce, button, failure, fill, h, icon } from "../dom.js";
import { targets } from "../break/targets.js";
import { pickFrom } from "../menu.js";
import { poll } from "../poll.js";
import { state } from "../state.js";

const EVERY = 2;
const KINDS = { string: "text", number: "number", boolean: "true or false", list: "JSON list", object: "JSON" };

const titleOf = ({ type, subtype }) => (subtype ? `${type}, ${subtype}` : type);

/** Show the tool; return what ends it. */
export async function show(container) {
  const trouble = h("div");
  const links = targets({ id: "compose-connection", label: "To", door: "rtm", all: "choose a connection" });
  const about = h("p", { class: "faint" });
  const fields = h("div", { class: "compose-fields" });
  const preview = h("pre", { class: "json compose-preview", tabindex: "0", role: "region", "aria-label": "The frame" });
  const pick = button("", { class: "compose-type", "aria-haspopup": "listbox", "aria-expanded": "false", press: choose });
  let types = [];
  let chosen = null;
  let inputs = [];

  fill(container, h("div", { class: "scroll pad compose", tabindex: "0", role: "region", "aria-label": "An event for one connection", data: { first: "" } },
    h("p", { class: "lead" }, "Sends one event over RTM, as if it had happened. It is not stored, and nothing else changes."),
    h("div", { class: "row" }, links.element), h("div", { class: "row" }, pick), about, fields, preview, trouble,
    h("div", { class: "row" }, button("Send event", { class: "go", press: send }))));

  async function choose() {
    const value = await pickFrom(pick, { label: "Type of event", chosen: chosen && titleOf(chosen),
      options: types.map((each) => ({ value: titleOf(each), text: titleOf(each), more: each.sent ? "" : "not sent by this server" })) });
    const found = types.find((each) => titleOf(each) === value);
    if (found) draw(found);
  }

  function draw(type) {
    chosen = type;
    fill(pick, h("span", { class: "faint" }, "Event"), h("code", {}, titleOf(type)), icon("chev"));
    about.textContent = type.about;
    inputs = type.fields.map((field) => {
      const input = h("input", { id: `compose-${field.name}`, value: suggestion(field), autocomplete: "off", spellcheck: "false", on: { input: drawPreview } });
      return { field, input };
    });
    fill(fields, inputs.map(({ field, input }) => h("div", { class: "field" },
      h("label", { for: input.id }, h("code", {}, field.name), h("span", { class: "faint" }, ` ${KINDS[field.kind]}${field.required ? "" : ", may be left out"}`)), input)));
    fill(trouble);
    drawPreview();
  }

  /** Throws an Error that has the input if a value is not what its field takes. */
  function event() {
    const made = { type: chosen.type, ...(chosen.subtype ? { subtype: chosen.subtype } : {}) };
    for (const { field, input } of inputs) {
      input.removeAttribute("aria-invalid");
      const text = input.value;
      if (text === "") {
        if (field.required && field.kind === "string") made[field.name] = "";
        continue;
      }
      made[field.name] = field.kind === "string" ? text : parsed(text, field, input);
    }
    return made;
  }

  function drawPreview() {
    try {
      preview.textContent = JSON.stringify(event(), null, 2);
    } catch (error) {
      preview.textContent = error.message;
    }
  }

  async function send() {
    fill(trouble);
    try {
      const { connection } = links.chosen();
      if (connection === undefined) {
        fill(trouble, failure("Choose a connection first"));
        return;
      }
      const sent = await control("event.send", { connection, event: event() });
      announce(`${titleOf(chosen)} was sent, ${sent.bytes} bytes`);
    } catch (error) {
      fill(trouble, failure(error.input ? error.message : "The event was not sent", error));
      error.input?.setAttribute("aria-invalid", "true");
      error.input?.focus();
    }
  }

  try {
    ({ types } = await control("event.types"));
    draw(types.find((each) => each.type === "reaction_added") ?? types[0]);
  } catch (error) {
    fill(container, failure("The types of events could not be read", error));
    return null;
  }
  return poll(async () => {
    try {
      links.update((await control("connections")).connections);
    } catch (error) {
      fill(trouble, failure("The connections could not be read", error));
    }
  }, EVERY);
}

function parsed(text, field, input) {
  try {
    return JSON.parse(text);
  } catch {
    throw Object.assign(new Error(`${field.name} must be ${KINDS[field.kind]}`), { input });
  }
}

/** Values with which the event fits this workspace; the person changes what matters. */
function suggestion({ name, kind, required }) {
  if (!required) return "";
  if (kind === "string") {
    if (name === "user") return state.first?.id ?? "";
    if (name === "channel") return state.first?.channels ? ([...state.first.channels.keys()][0] ?? "") : "";
    if (/(^|_)ts$/.test(name)) return `${Math.floor(Date.now() / 1000)}.000100`;
    return "";
  }
  return { number: "0", boolean: "false", list: "[]", object: "{}" }[kind];
}
