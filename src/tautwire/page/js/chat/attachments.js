// Attachments of messages, as they were before blocks, and as links are unfurled.

import { button, h, icon } from "../dom.js";
import { blocksOf } from "../blocks/render.js";
import { act } from "../blocks/act.js";
import { inline, link, mrkdwn } from "../text/mrkdwn.js";

const NAMED = { good: "ok", warning: "warn", danger: "danger" };

export function attachmentsOf(attachments, place) {
  return (attachments ?? []).map((each) => {
    const tone = NAMED[each.color];
    return h("div", { class: `attachment${tone ? ` attachment-${tone}` : ""}` },
      each.pretext ? h("p", {}, inline(each.pretext, place.person)) : null,
      each.author_name ? h("p", { class: "faint" }, h("bdi", {}, each.author_name)) : null,
      each.title ? h("p", {}, h("strong", {}, each.title_link ? link(each.title_link, each.title) : each.title)) : null,
      each.text ? mrkdwn(each.text, place.person) : null,
      each.fields?.length ? h("dl", { class: "fields" }, each.fields.map((field) =>
        h("div", {}, h("dt", {}, field.title ?? ""), h("dd", {}, inline(String(field.value ?? ""), place.person))))) : null,
      each.blocks ? blocksOf(each.blocks, place) : null,
      each.image_url ? h("p", { class: "faint" }, "Picture: ", link(each.image_url, each.image_url)) : null,
      each.actions?.length ? h("div", { class: "row" }, each.actions.map((action) => legacy(action, each, place))) : null,
      each.footer ? h("p", { class: "context" }, h("bdi", {}, each.footer)) : null);
  });
}

function legacy(action, attachment, place) {
  const id = { action_id: action.name, block_id: "" };
  if (action.type === "button") {
    const kind = { primary: "go", danger: "bad" }[action.style];
    return button(action.text ?? action.name, { class: kind, press: (event) => act(place, "click", { ...id, value: action.value }, event.currentTarget) });
  }
  const groups = action.option_groups ?? [{ options: action.options ?? [] }];
  const select = h("select", { "aria-label": action.text || action.name, on: {
    change: (event) => act(place, "choose", { ...id, value: event.target.value }, event.target) } },
    h("option", { value: "" }, action.text || "Choose"),
    groups.flatMap((group) => (group.options ?? []).map((option) => h("option", { value: option.value }, option.text))));
  return h("span", { class: "select" }, select, icon("chev"));
}
