// The tool Compose: an event of any type, made in a form of its fields, to one connection or app.

import { control } from "../api.js";
import { announce, button, failure, fill, h, icon } from "../dom.js";
import { httpLinks, targets } from "../break/targets.js";
import { pickFrom } from "../menu.js";
import { poll } from "../poll.js";
import { state } from "../state.js";

const EVERY = 2;
const KINDS = { string: "text", number: "number", boolean: "true or false", list: "JSON list", object: "JSON" };

/** The frame that is no event, over Socket Mode: its form has one field. */
const DISCONNECT = { type: "disconnect", subtype: null, sent: true, isFrame: true,
  about: "Over Socket Mode only: the client has to dial anew. It gets no more events on this connection, which then ends as the server ends it for that reason.",
  fields: [{ name: "reason", kind: "string", required: true, values: ["warning", "refresh_requested", "link_disabled", "too_many_websockets"] }] };

const SAYS = {
  rtm: "Sends one event over RTM, as if it had happened. It is not stored, and nothing else changes.",
  socket_mode: "Sends one event to the app in an envelope, as if it had happened: on this connection, and again until it is acknowledged. It is not stored, and nothing else changes.",
  http: "Posts one event to the request URL of the app, signed, as if it had happened, and again if that fails. It is not stored, and nothing else changes.",
};

const ONLY = { rtm: "Only RTM has it", events_api: "Only the Events API has it" };

const noteOf = ({ sent, only }) => [ONLY[only], sent ? "" : "not sent by this server"].filter(Boolean).join(", ");

const titleOf = ({ type, subtype }) => (subtype ? `${type}, ${subtype}` : type);

/** Show the tool; return what ends it. */
export async function show(container) {
  const trouble = h("div");
  const lead = h("p", { class: "lead", role: "status" }, SAYS.rtm);
  const links = targets({ id: "compose-connection", label: "To", all: "choose a connection", changed: () => {
    const says = SAYS[links.door() ?? "rtm"];
    if (lead.textContent !== says) lead.textContent = says; // it is read aloud when it changes
    if (chosen) drawAbout();
  } });
  const about = h("p", { class: "faint" });
  const fields = h("div", { class: "compose-fields" });
  const preview = h("pre", { class: "json compose-preview", tabindex: "0", role: "region", "aria-label": "The frame" });
  const pick = button("", { class: "compose-type", "aria-haspopup": "listbox", "aria-expanded": "false", press: choose });
  let types = [];
  let chosen = null;
  let inputs = [];

  async function choose() {
    const value = await pickFrom(pick, { label: "Type of event", chosen: chosen && titleOf(chosen),
      options: types.map((each) => ({ value: titleOf(each), text: titleOf(each), more: noteOf(each) })) });
    const found = types.find((each) => titleOf(each) === value);
    if (found) draw(found);
  }

  function draw(type) {
    chosen = type;
    fill(pick, h("span", { class: "faint" }, "Event"), h("code", {}, titleOf(type)), icon("chev"));
    drawAbout();
    inputs = type.fields.map((field) => {
      const options = field.values?.map((each) => h("option", { value: each }, each));
      const input = options ? h("select", { id: `compose-${field.name}`, on: { change: drawPreview } }, options) : h("input", { id: `compose-${field.name}`, value: suggestion(field), autocomplete: "off", spellcheck: "false", on: { input: drawPreview } });
      return { field, input };
    });
    fill(fields, inputs.map(({ field, input }) => h("div", { class: "field" },
      h("label", { for: input.id }, h("code", {}, field.name), h("span", { class: "faint" }, ` ${KINDS[field.kind]}${field.required ? "" : ", may be left out"}`)),
      field.values ? h("span", { class: "select" }, input, icon("chev")) : input)));
    fill(trouble);
    drawPreview();
  }

  /** What the event is, and that the API of the chosen connection does not have it: it may be sent all the same. */
  function drawAbout() {
    const door = links.door();
    const other = door && chosen.only && (door === "rtm") !== (chosen.only === "rtm");
    about.textContent = other ? `${chosen.about} ${ONLY[chosen.only]}: no client of this connection expects it.` : chosen.about;
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
      if (!links.door()) {
        fill(trouble, failure("Choose a connection first"));
        return;
      }
      if (chosen.isFrame) {
        const { connection, reason } = await control("disconnect.send", { ...links.chosen("socket_mode"), reason: event().reason });
        announce(`disconnect, ${reason}, was sent to connection ${connection}`);
        return;
      }
      const sent = await control("event.send", { ...links.chosen(), event: event() });
      announce(`${titleOf(chosen)} was sent, ${sent.bytes} bytes`);
    } catch (error) {
      fill(trouble, failure(error.input ? error.message : "The event was not sent", error));
      error.input?.setAttribute("aria-invalid", "true");
      error.input?.focus();
    }
  }

  try {
    types = [...(await control("event.types")).types, DISCONNECT];
    fill(container, h("div", { class: "scroll pad compose", tabindex: "0", role: "region", "aria-label": "An event for one connection", data: { first: "" } },
      lead,
      h("div", { class: "row" }, links.element), h("div", { class: "row" }, pick), about, fields, preview, trouble,
      h("div", { class: "row" }, button("Send event", { class: "go", press: send }))));
    draw(types.find((each) => each.type === "reaction_added") ?? types[0]);
  } catch (error) {
    fill(container, failure("The types of events could not be read", error));
    return null;
  }
  return poll(async () => {
    try {
      const { connections, apps } = await control("connections");
      links.update([...connections, ...httpLinks(apps)]);
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
