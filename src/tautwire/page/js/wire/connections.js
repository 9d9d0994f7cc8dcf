// The tool Connections: who is connected, how, since when, how far behind, and what waits.

import { control } from "../api.js";
import { announce, button, face, failure, fill, h, hidden, named } from "../dom.js";
import { poll } from "../poll.js";
import { go, href } from "../router.js";
import { state } from "../state.js";
import { filter } from "./filter.js";
import { ago, duration, latency, many, sizeText } from "./words.js";

const EVERY = 2;
const DOORS = { rtm: "RTM", socket_mode: "Socket Mode", http: "HTTP" };

/** Show the tool; return what ends it. */
export function show(container) {
  const cards = new Map();
  const list = h("ul", { class: "cards", "aria-label": "Connections" });
  const empty = h("div", { class: "empty", hidden: true }, h("p", {}, "No program and no person is connected."));
  const trouble = h("div");
  const body = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Connections", data: { first: "" } }, trouble, list, empty);
  fill(container, body);
  const number = document.getElementById("n-connections");

  async function read() {
    let found;
    try {
      found = await control("connections");
    } catch (error) {
      fill(trouble, h("div", { class: "alert alert-flat" }, failure("The connections could not be read", error)));
      return;
    }
    if (!body.isConnected) return;
    fill(trouble);
    if (found.apps.some((each) => !state.apps.some((app) => app.id === each.app))) await state.loadApps();
    const shown = [...found.connections.map((each) => linkCard(each, found)), ...found.apps.filter(isCard).map(appCard)];
    const keys = new Set(shown.map((each) => each.key));
    for (const [key, card] of cards) {
      if (keys.has(key)) continue;
      card.element.remove();
      cards.delete(key);
    }
    for (const each of shown) {
      if (!cards.has(each.key)) {
        const card = new Card(each, () => end.now());
        cards.set(each.key, card);
        list.append(card.element);
      }
      cards.get(each.key).update(each);
    }
    empty.hidden = shown.length > 0;
    fill(number, String(found.connections.length), hidden(" open"));
    number.hidden = false;
  }

  const end = poll(read, EVERY);
  return () => {
    end();
    number.hidden = true;
  };
}

/** Apps over HTTP have no connection of their own; others are shown while events wait for them and they are away. */
const isCard = (app) => app.way === "http" || (app.way === "socket_mode" && app.state === "away" && (app.open > 0 || app.behind > 0));

function linkCard(link, { now, apps }) {
  const app = link.door === "socket_mode" ? apps.find((each) => each.app === link.app) : null;
  const facts = [
    ["Round trip", link.round_trip === null ? "not measured" : latency(link.round_trip)],
    app ? ["Behind", many(app.behind, "entry", "entries")] : null,
    app ? ["Unacknowledged", many(link.unacknowledged, "event", "events")] : null,
    ["Waits to send", sizeText(link.queued)], ["Last heard", ago(link.heard)], ["From", link.address || "unknown"], ["Connection", String(link.number)],
  ];
  const isLate = link.unacknowledged > 0;
  const words = link.slow ? "does not read" : isLate ? many(link.unacknowledged, "event unacknowledged", "events unacknowledged") : `connected ${duration(now - link.since)}`;
  return { key: `link ${link.number}`, app: link.door === "socket_mode" || isApp(link) ? link.app : null, user: link.user, door: link.door, link: link.number,
    filter: `link ${link.number}`, facts, tone: link.slow ? "danger" : isLate ? "warn" : "ok", words };
}

const isApp = (link) => Boolean(link.app) && state.apps.some((each) => each.id === link.app);

const STATES = {
  served: ["ok", "is served"], away: ["danger", "cannot be reached"], unverified: ["warn", "has not answered the challenge"],
  verified: ["warn", "is about to be served"], disabled: ["danger", "is switched off: nearly all tries failed"],
};

function appCard(app) {
  const due = Math.min(...app.events.map((each) => each.due).filter((each) => each !== null));
  const tries = Math.max(0, ...app.events.map((each) => each.attempt));
  const [tone, words] = app.way === "socket_mode" ? ["warn", "has no connection"] : STATES[app.state];
  return { key: `app ${app.app}`, app: app.app, user: null, door: app.way, link: null, filter: `app ${app.app}`,
    facts: [["Behind", many(app.behind, "entry", "entries")], ["Unacknowledged", many(app.open, "event", "events")],
      ["Next try", Number.isFinite(due) ? `in ${duration(due)}` : "none waits"], ["Tries so far", String(tries ? tries + 1 : 0)], ["Given up", String(app.given_up)]],
    tone: app.state === "served" && app.open > 0 && tries ? "warn" : tone, words };
}

const DOTS = { ok: "dot-on", warn: "dot-wait", danger: "dot-bad" };

/** One card. It is made once, and its figures change in place: the focus and the eye stay. */
class Card {
  #values = new Map();

  constructor({ app, user, door, link, facts, filter: wanted }, changed) {
    const known = app ? state.apps.find((each) => each.id === app) : (state.first?.users.get(user) ?? state.people.find((each) => each.id === user));
    const name = known?.name ?? app ?? user ?? "unknown";
    this.name = name;
    this.state = h("span", { class: "state" });
    this.trouble = h("div");
    for (const [label] of facts.filter(Boolean)) this.#values.set(label, h("dd"));
    const frames = h("a", { class: "button small", href: href("tools", "frames"), "aria-label": `Show frames of ${name}`, on: { click: (event) => {
      event.preventDefault();
      filter.reset();
      filter.link = wanted;
      go(["tools", "frames"]);
    } } }, "Show frames");
    const end = (text, fault, kind) => button(text, { class: `small ${kind}`, label: `${text}: ${name}, connection ${link}`, press: async () => {
      try {
        await control("faults.set", { fault, connection: link, times: 1 });
        announce(`${text}: done`);
      } catch (error) {
        fill(this.trouble, failure("The connection was not ended", error));
      }
      changed();
    } });
    this.element = h("li", { class: "card" },
      h("div", { class: "card-head" }, face(app ?? user ?? "", name, { app: Boolean(app), size: "m" }), h("strong", { class: "card-name" }, named(name)),
        h("span", { class: "chip chip-call" }, DOORS[door]), this.state),
      h("dl", { class: "facts" }, [...this.#values].map(([label, value]) => h("div", {}, h("dt", {}, label), value))),
      h("div", { class: "row" }, frames, link === null ? h("a", { class: "button small", href: href("apps", app) }, "Show deliveries") : null,
        link === null ? null : [end("Say goodbye", "goodbye", ""), end("Drop", "drop", "bad")]),
      this.trouble);
  }

  update({ facts, tone, words }) {
    for (const [label, text] of facts.filter(Boolean)) {
      const value = this.#values.get(label);
      if (value && value.textContent !== text) value.textContent = text;
    }
    const said = `${tone} ${words}`;
    if (this.said === said) return;
    this.said = said;
    this.state.className = `state state-${tone}`;
    fill(this.state, h("span", { class: `dot ${DOTS[tone]}` }), words);
  }
}
