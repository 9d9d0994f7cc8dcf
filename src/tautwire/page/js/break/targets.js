// For whom a fault is: which connection, which method, whose calls.

import { ApiError } from "../api.js";
import { fill, h, icon } from "../dom.js";
import { state } from "../state.js";

const DOORS = { rtm: "RTM", socket_mode: "Socket Mode", http: "HTTP" };
const OFTEN = ["chat.postMessage", "chat.update", "conversations.list", "conversations.history", "users.info", "auth.test", "apps.connections.open",
  "rtm.connect", "reactions.add", "views.open"];

const picker = (label, select) => h("span", { class: "fault-for" },
  h("label", { class: "for", for: select.id }, label), h("span", { class: "select" }, select, icon("chev")));

/** Replace the options of a select without moving what is chosen. */
function offer(select, options) {
  const key = JSON.stringify(options);
  if (select.dataset.offered === key) return;
  const chosen = select.value;
  select.dataset.offered = key;
  fill(select, options.map(([value, text]) => h("option", { value }, text)));
  select.value = options.some(([value]) => value === chosen) ? chosen : options[0][0];
}

const appName = (id) => state.apps.find((each) => each.id === id)?.name;

function ownerOf(link) {
  return appName(link.app) ?? state.first?.users.get(link.user)?.name ?? state.people.find((each) => each.id === link.user)?.name ?? link.user ?? link.app ?? "unknown";
}

const sameOwner = (a, b) => a.door === b.door && a.app === b.app && a.user === b.user;

/** What an app over HTTP is among the connections, to be chosen as they are: its id stands for the number. */
export const httpLinks = (apps) => apps.filter((each) => each.way === "http").map(({ app }) => ({ number: app, door: "http", app, user: null }));

/** Return the choice of a connection: one that ends is followed by the next of the same program. */
export function targets({ id = "break-connection", label = "of", all = "every connection", changed = () => {} } = {}) {
  const known = new Map();
  let live = [];
  let isChosen = false;
  const select = h("select", { id, on: { change: () => {
    isChosen = true;
    changed();
  } } }, h("option", { value: "" }, all));

  const nameOf = (number) => {
    const link = known.get(number);
    return link ? `${ownerOf(link)}, ${DOORS[link.door]}` : `connection ${number}`;
  };

  const chosenLink = () => [...known.values()].find((each) => String(each.number) === select.value);

  return {
    element: picker(label, select),
    nameOf,
    /** The door of what is chosen, null if nothing is. */
    door: () => chosenLink()?.door ?? null,
    names: () => [...known.keys()].map(nameOf),
    open: () => {
      if (!live.length) throw new ApiError("no_connection", "start the bot, or act as a person");
      return live.map((each) => each.number);
    },
    /** The arguments of the operation. Throws an ApiError if the connection is gone, or of another door than `only`. */
    chosen(only) {
      if (!select.value) return {};
      const link = chosenLink();
      if (!live.includes(link)) throw new ApiError("connection_gone", "wait until the bot is connected again, or choose another");
      if (only && link.door !== only) throw new ApiError("other_door", `it happens over ${DOORS[only]} only: choose such a connection`);
      return link.door === "http" ? { app: link.app } : { connection: link.number };
    },
    update(connections) {
      live = connections;
      for (const each of live) known.set(each.number, each);
      const chosen = chosenLink();
      const isGone = chosen && !live.includes(chosen);
      const next = isGone ? live.findLast((each) => sameOwner(each, chosen)) : null;
      for (const number of known.keys()) if (!live.some((each) => each.number === number) && (next || number !== chosen?.number)) known.delete(number);
      const options = [["", all], ...live.map((each) => [String(each.number), each.door === "http" ? nameOf(each.number) : `${nameOf(each.number)} (${each.number})`])];
      if (isGone && !next) options.push([select.value, `${nameOf(chosen.number)}, gone`]);
      offer(select, options);
      if (next) select.value = String(next.number);
      // A bot is what one wants to break, not the person as whom this page acts.
      const bot = live.find((each) => each.door !== "rtm" || appName(each.app));
      if (!isChosen && !chosen && bot) {
        select.value = String(bot.number);
        isChosen = true;
      }
      changed();
    },
  };
}

/** Return the choice of a method. */
export function methods() {
  const input = h("input", { id: "break-method", list: "break-methods", placeholder: "every method", autocomplete: "off", spellcheck: "false" });
  const list = h("datalist", { id: "break-methods" }, OFTEN.map((each) => h("option", { value: each })));
  return {
    element: h("span", { class: "fault-for" }, h("label", { class: "for", for: input.id }, "of method"), input, list),
    chosen: () => (input.value.trim() ? { method: input.value.trim() } : {}),
  };
}

/** Return the choice of the app whose calls fail. */
export function callers() {
  const select = h("select", { id: "break-caller" }, h("option", { value: "" }, "anyone"));
  return {
    element: picker("by", select),
    nameOf: (id) => appName(id) ?? id,
    update: () => offer(select, [["", "anyone"], ...state.apps.map((each) => [each.id, each.name])]),
    chosen: () => (select.value ? { app: select.value } : {}),
  };
}
