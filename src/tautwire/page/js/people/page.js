// The view People: who there is, and their tokens: add, deactivate, issue, revoke.

import { control } from "../api.js";
import { announce, button, face, failure, fill, h, icon, named } from "../dom.js";
import { pages, state } from "../state.js";
import { addPerson, issueToken } from "./dialogs.js";
import { onceSection } from "./once.js";
import { tokenSection } from "./tokens.js";

const DRAWN = 200;

const many = (count, one, more) => `${count} ${count === 1 ? one : more}`;

/** Show the view; return what ends it. */
export async function show(container) {
  let all = [];
  let open = new Map();
  let most = DRAWN;
  let chosen = null;

  const trouble = h("div");
  const once = h("div");
  const counted = h("p", { class: "faint" });
  const body = h("tbody");
  const more = h("div", { class: "row people-more" });
  const find = h("input", { "aria-label": "Find a person", placeholder: "Name or id", autocomplete: "off", on: { input: () => {
    most = DRAWN;
    draw();
  } } });
  const tokens = tokenSection();
  fill(container, h("section", { class: "page", "aria-labelledby": "people-title" },
    h("div", { class: "page-head people-head" },
      h("div", {}, h("h2", { id: "people-title" }, "People"), counted),
      h("span", { class: "end row" }, h("span", { class: "input" }, icon("search"), find), button("Add person", { icon: "plus", class: "go", press: add }))),
    once, trouble,
    h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table of people" }, h("table", {},
      h("thead", {}, h("tr", {}, ["Name", "Id", "Kind", "State"].map((text) => h("th", { scope: "col" }, text)),
        h("th", { scope: "col", class: "n" }, "Connections"), h("th", { scope: "col" }, h("span", { class: "sr" }, "Actions")))), body)),
    more, tokens.element));

  async function read() {
    try {
      const [people, bots, { connections }] = await Promise.all([pages("user.list", "users"), pages("bot.list", "bots"), control("connections")]);
      all = [...people, ...bots];
      open = new Map();
      for (const { user } of connections) if (user) open.set(user, (open.get(user) ?? 0) + 1);
      draw();
    } catch (error) {
      fill(trouble, failure("The people could not be read", error));
    }
  }

  function draw() {
    const text = find.value.trim().toLowerCase();
    const found = all.filter((each) => `${each.name} ${each.real_name} ${each.id} ${each.email ?? ""}`.toLowerCase().includes(text));
    const bots = all.filter((each) => each.is_bot).length;
    fill(counted, `${many(all.length - bots, "person", "people")} and ${many(bots, "bot", "bots")} in `, h("bdi", {}, state.team.name));
    fill(body, found.slice(0, most).map(row), found.length ? null : h("tr", {}, h("td", { colspan: "6", class: "faint" }, "Nothing fits.")));
    fill(more, found.length > most ? button(`Show ${Math.min(DRAWN, found.length - most)} more of ${found.length}`, { press: () => {
      most += DRAWN;
      draw();
    } }) : null);
  }

  function row(who) {
    const isMine = who.id === state.first?.id || who.id === state.second?.id;
    const act = (text, press, props = {}) => button(text, { class: "quiet small", label: `${text} of ${who.name}`, press, ...props });
    return h("tr", { class: who.id === chosen?.id ? "picked" : null, data: { id: who.id } },
      h("th", { scope: "row" }, h("span", { class: "cell people-name" }, face(who.id, who.name, { size: "m", app: who.is_bot }), named(who.name),
        who.real_name && who.real_name !== who.name ? h("span", { class: "faint" }, named(who.real_name)) : null)),
      h("td", {}, h("code", {}, who.id)),
      h("td", {}, who.is_bot ? "Bot" : "Person"),
      h("td", {}, h("span", { class: "state" }, h("span", { class: `dot ${who.deactivated ? "dot-off" : "dot-on"}` }), who.deactivated ? "Deactivated" : "Active")),
      h("td", { class: "n" }, String(open.get(who.id) ?? 0)),
      h("td", { class: "n" },
        act("Tokens", () => choose(who)),
        who.deactivated
          ? act("Reactivate", () => setActive(who, true), { label: `Reactivate ${who.name}` })
          : [act("Issue token", () => issue(who), { label: `Issue token for ${who.name}` }),
            act("Deactivate", () => setActive(who, false), { label: `Deactivate ${who.name}`, disabled: isMine,
              title: isMine ? "You act as this person: act as someone else first" : null })]));
  }

  function choose(who) {
    chosen = who;
    for (const each of body.children) each.classList.toggle("picked", each.dataset.id === who.id);
    return tokens.open(who);
  }

  function showOnce(who, text) {
    const section = onceSection(who.name, text);
    fill(once, section);
    section.querySelector("h3").focus();
  }

  async function add() {
    const added = await addPerson();
    if (!added) return;
    announce(`${added.user.name} was added`);
    showOnce(added.user, added.token);
    await Promise.all([read(), state.loadPeople()]);
  }

  async function issue(who) {
    const issued = await issueToken(who);
    if (!issued) return;
    showOnce(who, issued.token);
    if (chosen?.id === who.id) await tokens.open(who, { focus: false });
  }

  async function setActive(who, active) {
    fill(trouble);
    try {
      await control(`${who.is_bot ? "bot" : "user"}.${active ? "reactivate" : "deactivate"}`, { user: who.id });
      announce(`${who.name} is ${active ? "active again" : "deactivated, and its connections are closed"}`);
    } catch (error) {
      fill(trouble, failure(`${who.name} was not changed`, error));
    }
    await Promise.all([read(), state.loadPeople()]);
    [...body.children].find((each) => each.dataset.id === who.id)?.querySelector("td:last-child button:last-child")?.focus();
  }

  await read();
}
