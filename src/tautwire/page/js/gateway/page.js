// The view Gateway: its links to the upstream, its bots, how far they are behind, what could not be mapped, what to change.

import { gatewayStatus } from "../api.js";
import { announce, failure, fill, h, named } from "../dom.js";
import { drawPlot, newPlot } from "../health/plot.js";
import { poll } from "../poll.js";
import { ago, duration, latency, many } from "../wire/words.js";
import { newDoctor, newScopes, section } from "./findings.js";
import { TABLES } from "./tables.js";

const EVERY = 2;
const KEPT = 300;

/** Show the view; return what ends it. */
export function show(container) {
  const state = h("span", { class: "end state" });
  const about = h("span", { class: "faint" });
  const trouble = h("div");
  const faults = h("div");
  const tiles = newTiles();
  const doctor = newDoctor(() => end.now());
  const scopes = newScopes();
  const tables = TABLES.map(({ id, title, table, rows }) => ({ id, title, rows, ...table() }));
  const [links, bots, programs, catching, unmapped] = tables.map((each) => section(each.id, each.title, [], each.element));
  fill(container, h("section", { class: "page", "aria-labelledby": "gateway-title" },
    h("div", { class: "page-head" }, h("div", {}, h("h2", { id: "gateway-title" }, "Gateway"),
      h("p", { class: "faint" }, "RTM for your bots, from a workspace that has only modern apps. ", about)), state),
    trouble, faults, tiles.element, links, bots, programs, doctor.element, scopes.element, unmapped, catching));
  let said = "";
  let shownFaults = "";
  let failed = "";

  function say(tone, text, summary = text) {
    if (said === `${tone} ${text}`) return;
    if (said && !said.startsWith(`${tone} `)) announce(summary);
    said = `${tone} ${text}`;
    state.className = `end state state-${tone}`;
    fill(state, h("span", { class: `dot ${tone === "ok" ? "dot-on" : "dot-bad"}` }), text);
  }

  function drawFaults({ bots: all, faults: own }) {
    const found = [{ name: "", faults: own }, ...all].flatMap(({ name, faults: of }) => Object.entries(of).map(([fault, reason]) => [all.length > 1 ? name : "", fault, reason]));
    const text = JSON.stringify(found);
    if (text === shownFaults) return;
    shownFaults = text;
    fill(faults, found.map(([bot, fault, reason]) => h("div", { class: "alert" }, h("span", { class: "dot dot-bad" }),
      h("p", {}, bot ? [named(bot), ": "] : null, h("code", {}, fault), `: ${reason}`))));
  }

  function draw(status) {
    const ups = status.bots.map((each) => each.served?.upstream).filter((each) => each?.is_up);
    if (ups.length === status.bots.length) say("ok", `Upstream connected ${duration(Math.min(...ups.map((each) => each.up_for ?? 0)))}`, "Upstream connected");
    else say("danger", status.bots.length === 1 ? "Upstream not connected" : `Upstream not connected for ${status.bots.length - ups.length} of ${many(status.bots.length, "bot", "bots")}`);
    about.textContent = `tautwire ${status.version}, up ${duration(status.uptime)}`;
    drawFaults(status);
    tiles.update(status.bots);
    for (const each of tables) each.update(each.rows(status.bots));
    scopes.update(status.bots);
    doctor.update(status.doctor, status.bots.length > 1);
  }

  const end = poll(async () => {
    try {
      draw(await gatewayStatus());
      if (failed) fill(trouble);
      failed = "";
    } catch (error) {
      say("danger", "Not known");
      if (failed === String(error)) return;
      failed = String(error);
      fill(trouble, failure("The status could not be read", error));
    }
  }, EVERY);
  return end;
}

function newTiles() {
  const plot = newPlot();
  const points = [];
  const tile = (title, ...more) => {
    const parts = { figure: h("span"), unit: h("span"), note: h("p", { class: "faint" }) };
    parts.element = h("div", { class: "tile", role: "group", "aria-label": title }, h("h3", {}, title), h("p", { class: "figure gateway-figure" }, parts.figure, parts.unit), more, parts.note);
    parts.set = (figure, unit, note) => Object.entries({ figure, unit, note }).forEach(([name, text]) => {
      if (parts[name].textContent !== text) parts[name].textContent = text;
    });
    return parts;
  };
  const programs = tile("Programs");
  const behind = tile("Behind the upstream", plot);
  const unmapped = tile("Could not be mapped");
  return {
    element: h("div", { class: "tiles tiles-3" }, programs.element, behind.element, unmapped.element),
    update(bots) {
      const all = bots.map((each) => each.served).filter(Boolean);
      const most = (read) => all.map(read).reduce((one, other) => (other !== null && (one === null || other > one) ? other : one), null);
      programs.set(String(all.reduce((count, each) => count + each.connections, 0)), "connected",
        `${all.length} of ${many(bots.length, "bot", "bots")} served: ${all.slice(0, 10).map((each) => each.bot).join(", ") || "none"}`);
      const lag = most((each) => each.events.lag);
      points.push({ at: performance.now(), value: lag });
      if (points.length > KEPT) points.shift();
      drawPlot(plot, points, KEPT * EVERY * 1000);
      const [value, unit] = lag === null ? ["none", ""] : latency(lag).split(" ");
      behind.set(value, unit, lag === null ? "No event has come yet"
        : `Last event; half within ${latency(most((each) => each.events.lag_median))}, 99 % within ${latency(most((each) => each.events.lag_p99))}`);
      const missed = all.reduce((count, each) => count + each.unmapped_count, 0);
      const last = all.flatMap((each) => each.unmapped.map((one) => one.last));
      unmapped.set(missed.toLocaleString("en"), "events and calls", missed ? `Last ${ago(Math.min(...last))}` : "since the start");
    },
  };
}
