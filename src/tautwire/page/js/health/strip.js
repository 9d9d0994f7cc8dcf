// The strip below the panes: whether the server is ready, and its main figures with the last minutes as plots.

import { control } from "../api.js";
import { fill, h } from "../dom.js";
import { poll } from "../poll.js";
import { href } from "../router.js";
import { FIGURES } from "./figures.js";
import { drawPlot, newPlot } from "./plot.js";
import { KEPT, onSample, samples } from "./samples.js";

const STATUS_EVERY = 2;
/** The first four are kept where the window is narrow. */
const ORDER = ["stored", "acks", "p50", "p99", "connections", "queued", "memory"];

/** Show the strip; it stays as long as the page. */
export function show(container) {
  const state = h("a", { class: "state", href: href("health") }, "Health");
  const figures = ORDER.map((name) => newFigure(FIGURES.find((each) => each.name === name)));
  const list = h("ul", { hidden: true }, figures.map((each) => each.element));
  let said = "";
  fill(container, state, list);

  // Nothing is written anew that did not change: a link that has the focus keeps it, and no reader reads it again.
  function say(text, dot, kind) {
    if (said === text) return;
    said = text;
    state.className = `state ${kind}`;
    fill(state, h("span", { class: `dot ${dot}` }), text);
  }

  onSample(() => {
    list.hidden = !samples.length; // the server may show its figures on its own machine only
    for (const each of figures) each.update();
  });
  poll(async () => {
    try {
      const { ready } = await control("status");
      if (ready) say("Ready", "dot-on", "state-ok");
      else say("Not ready", "dot-bad", "state-danger");
    } catch {
      say("Not known", "dot-bad", "state-danger");
    }
  }, STATUS_EVERY);
}

function newFigure({ name, short: [title, unit], show: shown }) {
  const figure = h("strong");
  const plot = newPlot("spark");
  return {
    element: h("li", {}, h("span", {}, title), figure, plot),
    update() {
      const value = samples.at(-1)?.[name] ?? null;
      figure.textContent = value === null ? "none" : `${shown(value)}${unit}`;
      drawPlot(plot, samples.map((each) => ({ at: each.at, value: each[name] })), KEPT * 1000);
    },
  };
}
