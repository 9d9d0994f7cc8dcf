// What apps show a person outside messages: modals and their Home.

import { control } from "../api.js";
import { blocksOf } from "../blocks/render.js";
import { showDialog } from "../dialog.js";
import { button, face, failure, fill, h, named } from "../dom.js";
import { state } from "../state.js";
import { pane } from "./panes.js";

const PATIENCE = 50;
const PAUSE = 2_000;
const open = new Map(); // modals by person and root view

/** Follow the views that a person gets, until the person stops acting. */
export async function followViews(person, isActing) {
  let after = null;
  while (isActing()) {
    try {
      after ??= (await control("position")).position;
      const found = await control("wait", { kind: "view", user: person.id, timeout: PATIENCE, after });
      after = found.position;
      if (!isActing()) return;
      if (found.view?.type === "modal") showModal(person, found.view);
      else if (found.view) person.topics.emit("home", found.view);
    } catch (error) {
      if (error.status === 401) {
        pane("first")?.report(null, failure("The session has ended", error));
        return;
      }
      after = null; // the server stops or is unreachable: begin again
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }
}

// --- what a view holds ---

/** Return what the elements of a view hold, by block and action, as `submit` takes it. */
export function heldOf(view) {
  const held = {};
  for (const [block, actions] of Object.entries(view.state?.values ?? {})) {
    held[block] = {};
    for (const [action, state] of Object.entries(actions)) held[block][action] = valueOf(state);
  }
  return held;
}

function valueOf(state) {
  if (state.selected_option !== undefined) return state.selected_option?.value ?? null;
  if (state.selected_options !== undefined) return (state.selected_options ?? []).map((each) => each.value);
  for (const [name, value] of Object.entries(state)) if (name.startsWith("selected_")) return value;
  return state.value ?? null;
}

// --- modals ---

function appOf(view) {
  return state.apps.find((each) => each.id === view.app_id) ?? { id: view.app_id ?? "app", name: "app" };
}

/** Show a modal, or what became of one that is shown. */
export function showModal(person, view, errors = {}) {
  const key = `${person.id} ${view.root_view_id ?? view.id}`;
  let shown = open.get(key);
  if (!shown?.dialog.element.isConnected) {
    shown = { dialog: showDialog({ title: view.title?.text ?? "Modal", body: [], foot: [h("span")], leaving: () => void leave(shown) }) };
    open.set(key, shown);
    shown.dialog.closed.then(() => open.delete(key));
  }
  if (shown.view?.id === view.id && shown.view.hash === view.hash && !Object.keys(errors).length) return;
  const isSame = shown.view?.id === view.id;
  shown.view = view;
  shown.person = person;
  shown.values = isSame ? { ...heldOf(view), ...shown.values } : heldOf(view);
  draw(shown, errors);
}

function draw(shown, errors) {
  const { dialog, view, person } = shown;
  const app = appOf(view);
  const trouble = h("div");
  const place = { person, view, values: shown.values, errors, held: shown.values, report: (node) => fill(trouble, node) };
  fill(dialog.element.querySelector("h2"), view.title?.text ?? "Modal");
  dialog.element.querySelector("header .face")?.remove();
  dialog.element.querySelector("header").prepend(face(app.id, app.name, { app: true, size: "m" }));
  const focused = document.activeElement?.closest("[data-block]")?.dataset.block;
  fill(dialog.main, blocksOf(view.blocks, place), trouble);
  const send = view.submit ? button(view.submit.text, { class: "go", press: () => submit(shown, trouble, send) }) : null;
  fill(dialog.footer,
    h("span", { class: "faint callback" }, h("code", {}, view.callback_id || "view"), " of ", named(app.name), ", as ", named(person.name)),
    h("span", { class: "end row" }, button(view.close?.text ?? (view.submit ? "Cancel" : "Close"), { press: () => leave(shown) }), send));
  dialog.main.onkeydown = (event) => {
    if (event.key === "Enter" && event.target.matches("input:not([type=checkbox]):not([type=radio])")) {
      event.preventDefault();
      send?.click();
    }
  };
  const wrong = dialog.main.querySelector("[aria-invalid]");
  const same = focused && [...dialog.main.querySelectorAll("[data-block]")].find((each) => each.dataset.block === focused);
  (wrong ?? same?.querySelector("input, select, textarea, button") ?? dialog.main.querySelector("input, select, textarea, button"))?.focus();
}

async function submit(shown, trouble, send) {
  const { person, view, values } = shown;
  send.setAttribute("aria-busy", "true");
  try {
    const done = await control("submit", { user: person.id, view_id: view.id, values });
    if (done.outcome === "failed") fill(trouble, failure("The app did not take it", { code: done.error, hint: done.notice }));
    else if (Object.keys(done.errors ?? {}).length) draw(shown, done.errors);
    else if (done.view?.type === "modal") showModal(person, done.view);
    else shown.dialog.close();
  } catch (error) {
    fill(trouble, failure("This cannot be sent", error));
  } finally {
    send.removeAttribute("aria-busy");
  }
}

async function leave(shown) {
  const { person, view } = shown;
  shown.dialog.close();
  try {
    const { view: below } = await control("close", { user: person.id, view_id: view.id });
    if (below?.type === "modal") showModal(person, below);
  } catch {
    // it was closed meanwhile
  }
}

// --- Home ---

/** Show the Home of an app in a pane; return what ends that. */
export function showHome(container, person, appId) {
  const app = state.apps.find((each) => each.id === appId);
  const body = h("div", { class: "scroll pad home-body", tabindex: "0", role: "region", "aria-label": "Home" }, h("p", { class: "faint" }, "Opening"));
  const trouble = h("div");
  let values = {};
  const drawHome = (view) => {
    if (!view) {
      fill(body, h("div", { class: "empty" }, h("p", {}, "The app has published no Home for ", named(person.name), " yet."),
        h("p", { class: "faint" }, "It got ", h("code", {}, "app_home_opened"), ", and can answer with ", h("code", {}, "views.publish"), ".")));
      return;
    }
    values = { ...heldOf(view) };
    fill(body, blocksOf(view.blocks, { person, view, values: undefined, held: values, report: (node) => fill(trouble, node) }), trouble);
  };
  const messages = button("Messages", { role: "tab", "aria-selected": "false", tabindex: "-1", press: async () => {
    const { channel } = await control("home", { user: person.id, app: appId, tab: "messages" });
    pane("first").goTo(channel);
  } });
  fill(container,
    h("div", { class: "pane-head" }, h("h2", {}, face(appId, app?.name ?? appId, { app: true, size: "m" }), named(app?.name ?? appId)),
      h("div", { class: "tabs", role: "tablist", "aria-label": "Parts of the app" },
        button("Home", { role: "tab", "aria-selected": "true" }), messages),
      h("span", { class: "faint end" }, "as ", named(person.name))),
    body);
  const stop = person.topics.on("home", (view) => {
    if (view.app_id === appId) drawHome(view);
  });
  control("home", { user: person.id, app: appId, tab: "home" }).then(({ view }) => drawHome(view))
    .catch((error) => fill(body, failure("The Home cannot be opened", error)));
  return stop;
}
