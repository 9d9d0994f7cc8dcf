// Search: messages of the server, conversations and people of the page, in one list.

import { fill, h, icon, face } from "../dom.js";
import { showDialog } from "../dialog.js";
import { go } from "../router.js";
import { state } from "../state.js";
import { PAGES, TOOLS } from "../views.js";
import { addressOf, summaryOf } from "./message.js";
import { dayOf, hourOf } from "./times.js";

const WAIT = 200;
const MOST = 6;

export function openSearch(person) {
  const input = h("input", { id: "q", type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "q-list", "aria-autocomplete": "list", autocomplete: "off" });
  const list = h("div", { class: "scroll", id: "q-list", role: "listbox", "aria-label": "Results", tabindex: "0" });
  let results = [];
  let index = 0;
  let asked = 0;
  let timer = null;

  const dialog = showDialog({ label: "Search", kind: "palette", body: [] });
  const close = h("button", { type: "button", class: "quiet small", on: { click: () => dialog.close() } }, "Close");
  dialog.main.replaceWith(h("div", { class: "palette-in" }, icon("search"), h("label", { class: "sr", for: "q" }, "Search messages and people"), input, close), list,
    h("footer", {}, h("span", { class: "faint" }, h("kbd", {}, "↑"), " ", h("kbd", {}, "↓"), " choose, ", h("kbd", {}, "Enter"), " open, ", h("kbd", {}, "Esc"), " close"),
      h("span", { class: "faint end" }, "from:@alice in:#general has:link")));

  const draw = (groups) => {
    results = groups.flatMap((each) => each.rows);
    index = Math.min(index, Math.max(0, results.length - 1));
    let at = 0;
    const isEmpty = !results.length && !groups.some((each) => each.note);
    fill(list, isEmpty ? h("div", { class: "faint group", role: "option", "aria-selected": "false", "aria-disabled": "true" }, "Nothing fits") : groups.filter((each) => each.rows.length || each.note).map((each, number) => {
      const id = `q-g${number}`;
      return h("ul", { role: "group", "aria-labelledby": id }, h("li", { role: "presentation", id, class: "group" }, each.title),
        each.note ? h("li", { role: "presentation", class: "faint group" }, each.note) : null,
        each.rows.map((row) => {
          const mine = at++;
          return h("li", { role: "option", id: `q-${mine}`, "aria-selected": String(mine === index), on: { click: () => choose(row) } },
            row.face, h("span", { class: "name" }, h("bdi", {}, row.text)), h("span", { class: "faint" }, row.more));
        }));
    }));
    if (results.length) input.setAttribute("aria-activedescendant", `q-${index}`);
    else input.removeAttribute("aria-activedescendant");
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  };
  const choose = (row) => {
    dialog.close();
    if (row.act) row.act();
    else location.hash = row.to;
  };
  let groups = [];
  const search = async () => {
    const text = input.value.trim();
    groups = local(person, text);
    index = 0;
    draw(groups);
    clearTimeout(timer);
    const mine = ++asked;
    if (text.length < 2) return;
    timer = setTimeout(async () => {
      let found;
      try {
        const { messages } = await person.call("search.messages", { query: text, count: 20 });
        found = { title: `Messages, ${messages.total}`, rows: messages.matches.map((each) => messageRow(person, each)) };
      } catch (error) {
        found = { title: "Messages", rows: [], note: `cannot be searched: ${error.code}` };
      }
      if (mine !== asked || !dialog.element.isConnected) return;
      groups = [found, ...groups];
      draw(groups);
    }, WAIT);
  };
  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && results.length) {
      index = (index + step + results.length) % results.length;
      draw(groups);
    } else if (event.key === "Enter" && results[index]) choose(results[index]);
    else return;
    event.preventDefault();
  });
  search();
  input.focus();
}

function messageRow(person, match) {
  const author = person.authorOf({ ...match, user: match.user });
  const text = summaryOf(person, match).replaceAll(/[\uE000\uE001]/g, "");
  return { face: face(author.id, match.username || author.name, { size: "s", app: author.isApp }), text,
    more: `${match.channel.is_im ? "" : "#"}${match.channel.is_im ? person.userName(match.channel.user ?? match.channel.name) : match.channel.name}, ${dayOf(match.ts)} ${hourOf(match.ts)}`,
    to: addressOf(match.channel.id, match) };
}

function local(person, text) {
  const wanted = text.toLowerCase().replace(/^[@#]/, "");
  const fits = (name) => name.toLowerCase().includes(wanted);
  const channels = [...person.channels.values()].filter((each) => fits(person.nameOf(each))).slice(0, MOST).map((each) => ({
    face: each.is_im ? face(each.user, person.nameOf(each), { size: "s" }) : icon(each.is_private ? "lock" : "hash"), text: person.nameOf(each), more: each.is_im ? "direct message" : "channel", to: `#/chat/${each.id}` }));
  const people = [...person.users.values()].filter((each) => !each.deleted && each.id !== person.id && fits(`${person.userName(each.id)} ${each.real_name ?? ""}`)).slice(0, MOST).map((each) => ({
    face: face(each.id, each.name, { size: "s", app: each.is_bot }), text: person.userName(each.id), more: "write to", act: async () => {
      const { channel } = await person.call("conversations.open", { users: each.id, return_im: true });
      await person.loadChannels();
      go(["chat", channel.id]);
    } }));
  const actors = state.people.filter((each) => fits(each.name) && each.id !== person.id).slice(0, 3).map((each) => ({
    face: icon("swap"), text: `Act as ${each.name}`, more: "changes who you are", act: () => state.act(each.id) }));
  const views = [...PAGES.map((each) => [each, [each.name]]), ...TOOLS.map((each) => [each, ["tools", each.name]])].filter(([each]) => fits(each.label))
    .map(([each, to]) => ({ face: icon(each.icon ?? "list"), text: each.label, more: "opens", to: `#/${to.join("/")}` }));
  return [{ title: "Go to", rows: [...channels, ...views] }, { title: "People", rows: people }, { title: "Act as", rows: wanted ? actors : [] }];
}
