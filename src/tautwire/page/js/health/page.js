// The view Health: what /readyz and /metrics say, with the last minutes as plots.

import { control } from "../api.js";
import { failure, fill, h } from "../dom.js";
import { poll } from "../poll.js";
import { FIGURES, MIB } from "./figures.js";
import { drawPlot, newPlot } from "./plot.js";
import { KEPT, onSample, samples, trouble } from "./samples.js";

const STATUS_EVERY = 5;

/** Show the view; return what ends it. */
export function show(container) {
  const state = h("span", { class: "end state" });
  const problems = h("div");
  const missing = h("div");
  const facts = h("ul", { class: "checks" });
  const tiles = FIGURES.map(newTile);
  let status = null;

  fill(container, h("section", { class: "page", "aria-labelledby": "health-title" },
    h("div", { class: "page-head" },
      h("div", {}, h("h2", { id: "health-title" }, "Health"),
        h("p", { class: "faint" }, "Up to 5 minutes, one point a second, of the whole server. Same figures as ", h("code", {}, "/metrics"), ".")), state),
    problems, missing, h("div", { class: "tiles", tabindex: "0", role: "region", "aria-label": "Figures", data: { first: "" } }, tiles.map((each) => each.element)),
    h("section", { "aria-labelledby": "health-facts" }, h("div", { class: "sec-head" }, h("h3", { id: "health-facts" }, "Checks")), facts)));

  function draw() {
    fill(missing, trouble === "" ? null : trouble === "unreachable"
      ? failure("The figures could not be read", { code: trouble, hint: "They are tried again." })
      : failure("The server does not show its figures here", { code: trouble, hint: "Start it with --metrics public, or open the page on its own machine." }));
    for (const each of tiles) each.update();
    drawFacts();
  }

  function drawFacts() {
    if (!status) return;
    const last = samples.at(-1);
    const queue = last?.waiting ?? status.waiting;
    const rows = [
      ["Database", status.commits.failures === 0, `${status.database}, ${status.commits.count} commits, ${status.commits.failures} failed`],
      ["Changes", status.oldest_wait < 1, `${queue} wait to be stored`],
      ["Deliveries", status.events_open === 0, `${status.events_open} events not acknowledged by apps`],
      ["Clients", status.connections.slow === 0, `${status.connections.rtm} over RTM, ${status.connections.slow} read too slowly`],
      ["Apps", true, `${status.connections.socket_mode} over Socket Mode, ${status.connections.http_apps} over HTTP`],
      ["Disk", true, last?.free != null ? `${(last.free / MIB / 1024).toFixed(0)} GiB free` : "not known", last?.free != null],
      ["Descriptors", true, last?.descriptors != null ? `${last.descriptors} open` : "not known", last?.descriptors != null],
      ["Version", true, `${status.version}, up ${(status.uptime / 3600).toFixed(1)} h, log at ${status.head}`],
    ];
    fill(facts, rows.filter((each) => each[3] !== false).map(([name, isFine, text]) =>
      h("li", {}, h("span", { class: `dot ${isFine ? "dot-on" : "dot-wait"}` }), h("strong", {}, name), h("span", {}, text))));
  }

  async function readStatus() {
    try {
      status = await control("status");
      state.className = `end state ${status.ready ? "state-ok" : "state-danger"}`;
      fill(state, h("span", { class: `dot ${status.ready ? "dot-on" : "dot-bad"}` }), status.ready ? "Ready" : "Not ready");
      fill(problems, Object.entries(status.faults).map(([name, reason]) =>
        h("div", { class: "alert" }, h("span", { class: "dot dot-bad" }), h("p", {}, h("code", {}, name), reason ? `: ${reason}` : null))));
      drawFacts();
    } catch (error) {
      state.className = "end state state-danger";
      fill(state, h("span", { class: "dot dot-bad" }), "Not known");
      fill(problems, failure("The state could not be read", error));
    }
  }

  const endSamples = onSample(draw);
  const endStatus = poll(readStatus, STATUS_EVERY);
  draw();
  return () => {
    endSamples();
    endStatus();
  };
}

function newTile({ name, title, unit, show: shown, says }) {
  const figure = h("p", { class: "figure" });
  const peak = h("p", { class: "faint" });
  const plot = newPlot();
  const element = h("section", { class: "tile", "aria-label": title }, h("h3", {}, title), figure, plot, peak);
  return {
    element,
    update() {
      const value = samples.at(-1)?.[name] ?? null;
      fill(figure, value === null ? "none" : shown(value), h("span", {}, unit));
      const most = drawPlot(plot, samples.map((each) => ({ at: each.at, value: each[name] })), KEPT * 1000);
      peak.textContent = `peak ${shown(most)}; ${says}`;
    },
  };
}
