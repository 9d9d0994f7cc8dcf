// The chat: conversations at the side, one or two panes, App Home, search, and the keys for all of them.

import { button, fill, icon, h } from "../dom.js";
import { go, onRoute, route } from "../router.js";
import { actingButton, chooseActing, hasLetters, onKey } from "../shell.js";
import { state } from "../state.js";
import { Pane } from "./pane.js";
import { dropPane, pane, putPane } from "./panes.js";
import { openSearch } from "./search.js";
import { startSide } from "./side.js";
import { followViews, showHome } from "./views.js";

const LAST = "tautwire.channel";
const at = (id) => document.getElementById(id);
let shown = { channel: null, app: null };
let endHome = null;
let drawSide = () => {};
const followed = new Set();

export function startChat() {
  drawSide = startSide(at("side"), () => shown.app ?? shown.channel);
  at("find").hidden = false;
  at("find").addEventListener("click", () => openSearch(state.first));
  state.topics.on("acting", () => {
    follow();
    for (const place of ["first", "second"]) if (pane(place) && pane(place).person !== state[place]) dropPane(place);
    showRoute(route());
  });
  onRoute(showRoute);
  addEventListener("focus", () => pane("first")?.channelId && state.first.topics.emit("messages", pane("first").channelId, null));
  onKey((event) => (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k", () => openSearch(state.first));
  onKey((event) => event.altKey && /^Arrow(Up|Down)$/.test(event.key), (event) => step(event.key === "ArrowDown" ? 1 : -1, event.shiftKey));
  onKey((event) => event.key === "f" && isOnMessage(event) && hasLetters(), showFrames);
  state.topics.on("trail", (trail) => {
    for (const place of ["first", "second"]) {
      const shownPane = pane(place);
      if (shownPane?.channelId) shownPane.pick(trail?.channel === shownPane.channelId ? trail.ts : null);
    }
  });
  follow();
  showRoute(route());
}

const isOnMessage = ({ target, ctrlKey, metaKey, altKey }) => target.matches?.("article.msg") && !ctrlKey && !metaKey && !altKey;

function showFrames({ target }) {
  const place = at("second").contains(target) ? "second" : "first";
  go(["tools", "frames", pane(place).channelId, target.dataset.ts]);
}

function follow() {
  for (const person of [state.first, state.second]) {
    if (!person || followed.has(person)) continue;
    followed.add(person);
    followViews(person, () => person === state.first || person === state.second).finally(() => followed.delete(person));
  }
}

function startChannel() {
  const all = [...state.first.channels.values()].filter((each) => each.is_member !== false);
  const remembered = sessionStorage.getItem(LAST);
  return (all.find((each) => each.id === remembered) ?? all.find((each) => each.is_general) ?? all[0])?.id ?? null;
}

async function showRoute({ view, rest }) {
  if (view === "home" && rest[0]) {
    endHome?.();
    shown = { channel: null, app: rest[0] };
    endHome = showHome(at("home"), state.first, rest[0]);
    title(state.apps.find((each) => each.id === rest[0])?.name ?? rest[0]);
    drawSide();
    return;
  }
  if (view !== "chat" && shown.channel) return;
  const channel = (view === "chat" && rest[0]) || shown.channel || startChannel();
  if (!channel) {
    fill(at("main"), h("div", { class: "empty" }, h("p", {}, `${state.first.name} is in no conversation.`)));
    return;
  }
  if (view === "chat" && !rest[0]) {
    go(["chat", channel], { replace: true });
    return;
  }
  shown = { channel, app: null };
  sessionStorage.setItem(LAST, channel);
  drawSide();
  document.body.dataset.split = state.second ? "yes" : "no";
  await Promise.all([openPane("first", channel, rest[1]), state.second ? openPane("second", channel) : dropPane("second")]);
  title(pane("first").channel ? pane("first").name : "");
}

function title(name) {
  const team = state.team.name || state.team.id;
  at("title").textContent = `${team}, ${name}`;
  const unread = [...state.first.channels.values()].reduce((sum, each) => sum + (each.isLoud ? each.news.size : 0), 0);
  document.title = `${unread ? `(${unread}) ` : ""}${name}, ${team}: tautwire`;
}

async function openPane(place, channel, thread) {
  const person = state[place];
  if (!pane(place)) putPane(place, new Pane(at(place === "first" ? "main" : "second"), person, { tools: () => tools(place), goTo: (id) => go(["chat", id]) }));
  await pane(place).open(channel, { thread });
}

function tools(place) {
  if (place === "second") {
    return [actingButton("second"), button("", { icon: "x", class: "quiet icon-only", label: "Close the second person", press: () => state.actAlone() })];
  }
  return [h("a", { class: "quiet to-tools", href: "#/tools" }, icon("wire"), "Frames"),
    button("", { icon: "split", class: "quiet icon-only", label: "Put a second person beside", press: (event) => chooseActing("second", event.currentTarget) })];
}

/** Go to the next conversation, or to the next one with unread messages. */
function step(by, isUnread) {
  const rows = [...at("side").querySelectorAll("li a")];
  const now = rows.findIndex((each) => each.getAttribute("aria-current"));
  for (let moved = 1; moved <= rows.length; moved++) {
    const next = rows[(now + by * moved + rows.length * moved) % rows.length];
    if (isUnread && !next.classList.contains("unread")) continue;
    location.hash = next.getAttribute("href");
    return;
  }
}


