// The view Apps: each app with its way, subscriptions, scopes, deliveries and retries; new ones from a manifest.

import { control } from "../api.js";
import { button, face, failure, fill, h, hidden, icon, named } from "../dom.js";
import { poll } from "../poll.js";
import { go, href } from "../router.js";
import { state } from "../state.js";
import { duration, many } from "../wire/words.js";
import { deliveriesSection, tryNow } from "./deliveries.js";
import { editManifest, makeApp } from "./manifest.js";
import { onceSection } from "./once.js";

const EVERY = 3;
let secrets = null; // of the app that was made last, until they are hidden: {app, values}

/** Show the view; return what ends it. */
export async function show(container, { rest }) {
  await state.loadApps();
  const id = rest[0] ?? state.apps[0]?.id;
  const ends = [];
  const list = h("ul");
  const detail = h("div", { class: "detail" });
  fill(container, h("section", { class: "page page-split", "aria-labelledby": "h-apps" },
    h("nav", { class: "list", "aria-label": "Apps" },
      h("div", { class: "page-head" }, h("h2", { id: "h-apps" }, "Apps"), button("From manifest", { icon: "plus", class: "small end", press: make })), list),
    detail));
  const view = id ? new AppView(detail, id, ends) : null;
  if (!view) fill(detail, h("div", { class: "empty" }, h("p", {}, "There is no app."), button("Make one from a manifest", { class: "go", press: make })));
  let found = null;
  const read = async () => {
    try {
      found = await control("connections");
    } catch {
      return; // the detail says what fails; the list keeps what it had
    }
    fillList(list, found, id);
    view?.drawWay(found);
  };
  fillList(list, found, id);
  await view?.load();
  ends.push(poll(read, EVERY));
  return () => ends.forEach((end) => end());
}

async function make() {
  const made = await makeApp();
  if (!made) return;
  const { app, warnings, ...values } = made;
  secrets = { app: app.id, values, warnings: warnings ?? [] };
  await state.loadApps();
  go(["apps", app.id]);
}

function fillList(list, found, id) {
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  fill(list, state.apps.map((app) => {
    const { dot, word, more } = wayOf(app.id, found);
    return h("li", {}, h("a", { href: href("apps", app.id), "aria-current": app.id === id ? "page" : null },
      face(app.id, app.name, { app: true, size: "m" }), h("span", { class: "two" }, h("strong", {}, named(app.name)), h("span", { class: "faint" }, more)),
      h("span", { class: `dot ${dot}` }), hidden(word)));
  }));
  if (focused) list.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

const HTTP = { served: ["dot-on", "connected", "is served"], away: ["dot-bad", "failing", "cannot be reached"], disabled: ["dot-bad", "failing", "switched off"],
  unverified: ["dot-wait", "waiting", "not verified"], verified: ["dot-wait", "waiting", "about to be served"] };

/** How an app is connected: a dot, a word for it, and a line. */
function wayOf(id, found) {
  if (!found) return { dot: "dot-off", word: "", more: "\u00a0" };
  const served = found.apps.find((each) => each.app === id);
  const links = found.connections.filter((each) => each.app === id);
  const byDoor = (door) => links.filter((each) => each.door === door).length;
  const words = [["rtm", "RTM"], ["socket_mode", "Socket Mode"]].filter(([door]) => byDoor(door)).map(([door, name]) => `${name}, ${many(byDoor(door), "connection", "connections")}`);
  if (served?.way === "http") {
    const [dot, word, more] = HTTP[served.state];
    return { dot, word, more: [`HTTP, ${more}`, ...words].join("; ") };
  }
  if (words.length) return { dot: "dot-on", word: "connected", more: words.join("; ") };
  return { dot: "dot-off", word: "not connected", more: served?.way === "socket_mode" ? "Socket Mode, not connected" : "not connected" };
}

class AppView {
  constructor(container, id, ends) {
    this.container = container;
    this.id = id;
    this.ends = ends;
    this.alert = h("div");
    this.waiting = h("p", { class: "faint", role: "status" });
    this.retry = button("Try all now", { class: "small end", press: () => tryNow(this.id, null, this.trouble) });
    this.retry.hidden = true;
    this.trouble = h("div");
    this.missing = h("div");
  }

  async load() {
    try {
      const [shown, { features }] = await Promise.all([control("app.show", { app: this.id }), control("app.features", { app: this.id })]);
      this.#draw(shown, features);
    } catch (error) {
      fill(this.container, failure("The app could not be read", error));
    }
  }

  #draw(shown, features) {
    const { app, request_url: url, socket_mode: isSocketMode } = shown;
    this.app = app;
    const way = url ? ["posts to ", h("code", {}, url)] : isSocketMode ? "gets its events over Socket Mode" : "gets its events over RTM, or none";
    const deliveries = deliveriesSection(app.id, (read) => this.#drawRead(read));
    this.ends.push(deliveries.end);
    fill(this.container,
      h("div", { class: "page-head" }, face(app.id, app.name, { app: true, size: "l" }),
        h("div", {}, h("h3", {}, named(app.name)), h("p", { class: "faint app-way" }, h("code", {}, app.id), " ", way)),
        h("span", { class: "end row" }, button("New tokens", { icon: "copy", press: () => this.#issue(shown) }),
          button("Edit manifest", { press: () => this.#edit() }))),
      this.#once(), this.trouble, this.alert,
      h("div", { class: "grid-3" }, subscriptions(shown), this.#scopes(shown), interactivity(app, features, shown)),
      h("section", { "aria-labelledby": "h-wait", class: "app-waiting" }, h("div", { class: "sec-head" }, h("h4", { id: "h-wait" }, "Waiting"), this.retry), this.waiting),
      deliveries.element);
  }

  #once() {
    if (secrets?.app !== this.id) return null;
    const { values, warnings } = secrets;
    const section = onceSection(this.app.name, values, () => (secrets = null));
    const notes = warnings.map(({ pointer, message }) => h("li", {}, h("code", {}, pointer), " ", message));
    return [section, notes?.length ? h("div", { class: "alert alert-flat alert-warn" }, icon("warn"), h("div", {}, h("p", {}, "What this server does not do of the manifest:"), h("ul", {}, notes))) : null];
  }

  /** What is not kept cannot be shown, so copying means new tokens; the old ones stay good. */
  async #issue({ app, bot, socket_mode: isSocketMode, tokens }) {
    try {
      const values = {};
      const scopes = tokens.filter((each) => each.kind === "bot").at(-1)?.scopes ?? [];
      if (bot) values.bot_token = (await control("token.issue", { user: bot.id, scopes })).token;
      if (isSocketMode) values.app_token = (await control("token.issue", { app: app.id })).token;
      secrets = { app: app.id, values, warnings: [] };
      await this.load();
      this.container.querySelector(".once h3")?.focus();
    } catch (error) {
      fill(this.trouble, failure("No token was issued", error));
    }
  }

  async #edit() {
    try {
      if (await editManifest(this.app)) await this.load();
    } catch (error) {
      fill(this.trouble, failure("The manifest could not be read", error));
    }
  }

  #scopes({ tokens }) {
    const scopes = [...new Set(tokens.flatMap((each) => each.scopes))].sort();
    return h("section", { class: "card", "aria-labelledby": "h-sc" }, h("h4", { id: "h-sc" }, "Scopes"),
      scopes.length ? h("ul", { class: "chips" }, scopes.map((each) => h("li", {}, h("span", { class: "chip chip-call" }, each)))) : h("p", { class: "faint" }, "No token has scopes."),
      h("p", { class: "faint" }, many(tokens.length, "token", "tokens")), this.missing);
  }

  #drawRead({ deliveries, missing }) {
    fill(this.missing, missing.map((each) => h("p", { class: "state state-warn" }, icon("warn"), h("span", {}, h("code", {}, each), " is used and not granted"))));
    const failed = deliveries.length - 1 - deliveries.findLastIndex((each) => !each.hasFailed);
    if (!failed) {
      fill(this.alert);
      return;
    }
    const last = deliveries.at(-1);
    fill(this.alert, h("div", { class: "alert", role: "status" }, icon("warn"),
      h("p", {}, h("strong", {}, failed === 1 ? "The last delivery failed. " : `The last ${failed} deliveries failed. `),
        "The answer was ", h("code", {}, last.last), ". After 4 tries an event is given up.")));
  }

  drawWay(found) {
    const served = found.apps.find((each) => each.app === this.id);
    if (!served) {
      this.waiting.textContent = "The app gets no events.";
      return;
    }
    const due = Math.min(...served.events.map((each) => each.due ?? Infinity));
    this.retry.hidden = served.way !== "http" || served.state === "disabled" || (served.state === "served" && !Number.isFinite(due));
    const tried = served.events.filter((each) => each.attempt > 0);
    const reasons = [...new Set(tried.map((each) => each.reason))].filter(Boolean).join(", ");
    this.waiting.textContent = [
      served.open ? `${many(served.open, "event is", "events are")} not acknowledged` : "Nothing waits for an acknowledgement",
      tried.length ? `${many(tried.length, "was", "were")} sent again${reasons ? ` (${reasons})` : ""}` : "",
      served.open && Number.isFinite(due) ? `the next try is in ${duration(due)}` : "",
      served.behind ? `${many(served.behind, "entry", "entries")} of the log behind` : "",
      served.given_up ? `${many(served.given_up, "event was", "events were")} given up` : "",
    ].filter(Boolean).join(", ") + ".";
  }
}

function subscriptions({ events, user_events: userEvents }) {
  const chips = (names) => h("ul", { class: "chips" }, names.map((each) => h("li", {}, h("span", { class: "chip chip-call" }, each))));
  return h("section", { class: "card", "aria-labelledby": "h-sub" }, h("h4", { id: "h-sub" }, "Subscriptions"),
    events.length ? chips(events) : h("p", { class: "faint" }, "The bot gets no events."),
    userEvents.length ? [h("p", { class: "faint" }, "For people"), chips(userEvents)] : null);
}

function interactivity(app, { commands, interactivity: asked, shortcuts }, { bot }) {
  const url = asked?.request_url;
  const facts = [
    ["Buttons, modals", asked?.is_enabled ? (url ? h("code", {}, url) : "on") : "off"],
    ["Commands", commands.length ? commands.map((each) => h("code", { class: "command" }, each.name)) : "none"],
    ["Shortcuts", shortcuts.length ? shortcuts.map((each) => each.name || each.callback_id).join(", ") : "none"],
    ["App Home", bot ? h("a", { href: href("home", app.id) }, `Open as ${state.first?.name ?? "a person"}`) : "none"],
  ];
  return h("section", { class: "card", "aria-labelledby": "h-it" }, h("h4", { id: "h-it" }, "Interactivity"),
    h("dl", { class: "facts one" }, facts.map(([label, value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value)))));
}
