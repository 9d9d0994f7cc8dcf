// The frame of the page: top bar, views, panes, theme, keys that work everywhere.

import { face, fill, h, hidden, icon, isTyping, named } from "./dom.js";
import { showDialog } from "./dialog.js";
import { pickFrom } from "./menu.js";
import { go, href, onRoute, route } from "./router.js";
import { state } from "./state.js";
import { HAS_CHAT, PAGES, STRIP, TOOLS } from "./views.js";

const THEME = "tautwire.theme";
const LETTERS = "tautwire.letters";
const at = (id) => document.getElementById(id);
let leave = null;
let shownPage = null;
let shownTool = null;

/** Whether single letters act in lists. */
export const hasLetters = () => localStorage.getItem(LETTERS) !== "off";

export function startShell() {
  setTheme(localStorage.getItem(THEME));
  at("theme").addEventListener("click", switchTheme);
  at("help").addEventListener("click", showKeys);
  const links = [...(HAS_CHAT ? [{ name: "chat", label: "Chat" }] : []), ...PAGES];
  fill(at("views"), links.map(({ name, label }) => h("a", { href: href(name), data: { for: name } }, label)));
  drawTools();
  if (HAS_CHAT) drawThumb();
  else leaveChatOut();
  document.body.dataset.tools = TOOLS.length ? "some" : "none";
  at("strip").hidden = !STRIP;
  document.body.dataset.strip = STRIP ? "some" : "none";
  STRIP?.().then((strip) => strip.show(at("strip"), { state }));
  if (HAS_CHAT) fill(at("workspace"), hidden("Workspace: "), named(state.team.name || state.team.id));
  state.topics.on("acting", drawActing);
  drawActing();
  addEventListener("keydown", keys);
  onRoute(showRoute);
  showRoute(route());
}

/** Hide what leads to the chat, which a gateway has not. */
function leaveChatOut() {
  const { name, label } = PAGES[0];
  const brand = document.querySelector(".brand");
  brand.href = href(name);
  brand.setAttribute("aria-label", `tautwire, ${label.toLowerCase()}`);
  for (const each of [document.querySelector(".skip"), at("side"), at("thumb"), at("acting")]) each.hidden = true;
  document.body.dataset.chat = "none";
  at("title").textContent = label;
  document.title = `${label}: tautwire`;
}

// --- what is shown ---

async function showRoute({ view, rest }) {
  const page = PAGES.find((each) => each.name === view) ?? (HAS_CHAT ? undefined : PAGES[0]);
  const tool = view === "tools" ? (TOOLS.find((each) => each.name === rest[0]) ?? TOOLS[0]) : null;
  document.body.dataset.view = page ? "page" : tool ? "tools" : (view || "chat");
  if (tool) document.body.dataset.tab = tool.name;
  markCurrent("views", page?.name ?? "chat");
  markCurrent("thumb", page ? "more" : view === "tools" ? "tools" : view === "list" ? "list" : "chat");
  await Promise.all([showPage(page, rest), showTool(tool ?? TOOLS.find((each) => each.name === shownTool) ?? TOOLS[0])]);
}

function markCurrent(id, name) {
  for (const link of at(id).querySelectorAll("a")) {
    if (link.dataset.for === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

async function showPage(page, rest) {
  const key = page ? `${page.name}/${rest.join("/")}` : null;
  if (key === shownPage) return;
  shownPage = key;
  leave?.();
  leave = null;
  fill(at("pages"));
  if (!page) return;
  const module = await page.load();
  if (shownPage === key) leave = (await module.show(at("pages"), { state, rest })) ?? null;
}

const toolEnds = new Map();

async function showTool(tool) {
  if (!tool || tool.name === shownTool) return;
  toolEnds.get(shownTool)?.();
  toolEnds.delete(shownTool);
  shownTool = tool.name;
  for (const each of TOOLS) {
    const isShown = each.name === tool.name;
    const tab = at(`t-${each.name}`);
    tab.setAttribute("aria-selected", String(isShown));
    tab.tabIndex = isShown ? 0 : -1;
    at(`p-${each.name}`).hidden = !isShown;
  }
  const module = await tool.load();
  if (shownTool !== tool.name) return;
  const panel = at(`p-${tool.name}`);
  fill(panel);
  toolEnds.set(tool.name, await module.show(panel, { state, rest: [] }));
}

function drawTools() {
  if (!TOOLS.length) {
    at("tools").hidden = true;
    return;
  }
  const tabs = h("div", { class: "tabs", role: "tablist", "aria-label": "Tools" },
    TOOLS.map(({ name, label }) =>
      h("button", { type: "button", role: "tab", id: `t-${name}`, "aria-controls": `p-${name}`, "aria-selected": "false",
        tabindex: -1, on: { click: () => go(["tools", name]) } }, label, h("span", { class: "tab-n", id: `n-${name}`, hidden: true }))));
  tabs.addEventListener("keydown", (event) => {
    const all = [...tabs.querySelectorAll("[role=tab]")];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = all[(all.indexOf(event.target) + step + all.length) % all.length];
    next.focus();
    next.click();
  });
  fill(at("tools"), h("h2", { class: "sr" }, "Inspect and break"),
    h("div", { class: "pane-head tabs-row" }, h("a", { class: "quiet to-chat", href: "#/chat" }, icon("chat"), "Chat"), tabs),
    TOOLS.map(({ name }) => h("div", { class: "tab", id: `p-${name}`, role: "tabpanel", "aria-labelledby": `t-${name}`, hidden: true })));
}

function drawThumb() {
  const panes = [["list", "Channels", "list", ["list"]], ["chat", "Chat", "chat", ["chat"]]];
  if (TOOLS.length) panes.push(["tools", TOOLS[0].label, TOOLS[0].icon ?? "wire", ["tools", TOOLS[0].name]]);
  if (PAGES.length) panes.push(["more", "More", "more", [PAGES[0].name]]);
  fill(at("thumb"), panes.map(([name, label, sign, to]) => h("a", { href: href(...to), data: { for: name } }, icon(sign), label)));
}

// --- acting as ---

function drawActing() {
  const person = state.first;
  if (!person) return;
  fill(at("acting"), actingButton("first"));
}

/** Return the button that says, and changes, as whom one acts. */
export function actingButton(place) {
  const person = state[place];
  const pick = h("button", { class: "pick acting", type: "button", "aria-haspopup": "listbox", "aria-expanded": "false",
    "aria-keyshortcuts": place === "first" ? "Control+Shift+A" : null, on: { click: () => chooseActing(place, pick) } },
    h("span", { class: "pick-label" }, "Acting as"), face(person.id, person.name, { size: "s" }),
    h("strong", {}, named(person.name)), icon("chev"));
  return pick;
}

export async function chooseActing(place, anchor) {
  await state.loadPeople();
  const chosen = await pickFrom(anchor, {
    label: "Act as",
    options: state.people.map((each) => ({ value: each.id, text: each.name, more: each.real_name, face: face(each.id, each.name, { size: "s" }) })),
    chosen: state[place]?.id,
  });
  if (chosen) await state.act(chosen, place);
}

// --- theme ---

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function switchTheme() {
  const pinned = document.documentElement.dataset.theme;
  const isDark = pinned ? pinned === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = isDark ? "light" : "dark";
  localStorage.setItem(THEME, theme);
  setTheme(theme);
}

// --- keys ---

const CHAT_KEYS = [
  ["Ctrl K", "search messages and people, go to a conversation"],
  ["Ctrl Shift A", "act as someone else"],
  ["Alt ↑ ↓; with Shift", "previous, next conversation; next unread"],
  ["↑ ↓ Home End", "move in messages and lists"],
  ["R, T, E, Del, F on a message", "react, reply in thread, edit, delete, show its frames"],
  ["P in frames; C, M on a frame", "pause; copy its JSON, show its message"],
  ["↑ in an empty composer", "edit own last message"],
  ["Enter; Shift Enter", "send; new line"],
];
const KEYS = [
  ["F6, Shift F6", "next, previous region"],
  ["Esc", "close a dialog or menu, back to the composer"],
  ["?", "show this table"],
];

function showKeys() {
  const shown = HAS_CHAT ? [...CHAT_KEYS, ...KEYS] : KEYS;
  const letters = h("input", { type: "checkbox", checked: hasLetters(), on: {
    change: (event) => localStorage.setItem(LETTERS, event.target.checked ? "on" : "off") } });
  showDialog({
    title: "Keys",
    body: [
      h("table", { class: "keys" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Keys"), h("th", { scope: "col" }, "Do"))),
        h("tbody", {}, shown.map(([keyNames, effect]) => h("tr", {}, h("td", {}, h("kbd", {}, keyNames)), h("td", {}, effect))))),
      HAS_CHAT ? h("label", { class: "row" }, letters, "Single letters act on the chosen message") : null,
    ],
  });
}

const REGIONS = ["#side", "#main", "#home", "#second", "#tools", "#pages", "#strip"];

function moveRegion(step) {
  const shown = REGIONS.map((each) => document.querySelector(each)).filter((each) => each?.offsetParent !== null && each?.childElementCount);
  const now = shown.findIndex((each) => each.contains(document.activeElement));
  const next = shown[(now + step + shown.length) % shown.length];
  const target = next?.querySelector("[data-first]") ?? next?.querySelector("a[href], button:not([disabled]), [tabindex='0'], textarea");
  (target ?? next)?.focus();
}

const globalKeys = [];

/** Have a key act everywhere: `fits(event)` and `act(event)`. */
export const onKey = (fits, act) => globalKeys.push({ fits, act });

function keys(event) {
  if (document.querySelector("dialog[open]")) return;
  const isControl = event.ctrlKey || event.metaKey;
  if (event.key === "F6") moveRegion(event.shiftKey ? -1 : 1);
  else if (isControl && event.shiftKey && event.key.toLowerCase() === "a") at("acting").querySelector("button")?.click();
  else if (event.key === "?" && !isTyping(event.target) && hasLetters()) showKeys();
  else {
    const found = globalKeys.find((each) => each.fits(event));
    if (!found) return;
    found.act(event);
  }
  event.preventDefault();
}

/** Show instead of everything why the page has nothing to show. */
export function showStop(title, ...content) {
  document.body.dataset.view = "stop";
  at("title").textContent = title;
  fill(at("pages"), h("div", { class: "page stop" }, h("h2", {}, title), content));
  document.title = `${title}: tautwire`;
}


