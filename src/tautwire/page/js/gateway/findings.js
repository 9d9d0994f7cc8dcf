// Lists of what is to be changed: what the doctor finds, and the scopes that the apps of the bots have not got.

import { runDoctor } from "../api.js";
import { announce, button, failure, fill, h, named } from "../dom.js";
import { ago, many } from "../wire/words.js";

const OUTCOMES = { failed: ["danger", "Must change"], warning: ["warn", "Should look"], ok: ["ok", "Fine"] };
const ORDER = Object.keys(OUTCOMES);

/** Return the section of the doctor: `element`, and `update(doctor, severalBots)`. `began` is called after a press. */
export function newDoctor(began) {
  const list = newList("gateway-findings", "The doctor has not been run yet.");
  const trouble = h("div");
  const when = h("span", { class: "faint" });
  const run = button("Run the doctor", { press });
  let isRunning = false;
  let pressedAt = null; // until the end of the run is announced: a short one is over before its status is read

  async function press() {
    if (isRunning) return;
    fill(trouble);
    const now = performance.now();
    try {
      await runDoctor();
      pressedAt = now;
      began();
    } catch (error) {
      fill(trouble, failure("The doctor was not run", error));
    }
  }

  return {
    element: section("gateway-findings", "Findings", [when, run],
      h("p", { class: "faint" }, "The checks of ", h("code", {}, "tautwire gateway doctor"), ": tokens, scopes, reachability, clock, channels."), trouble, list.element),
    update({ is_running: now, ended, findings }, hasSeveral) {
      const all = Object.entries(findings).flatMap(([bot, found]) => found.map((each) => ({ bot, ...each })));
      all.sort((one, other) => ORDER.indexOf(one.outcome) - ORDER.indexOf(other.outcome));
      const isOver = isRunning || (pressedAt !== null && ended !== null && performance.now() - ended * 1000 >= pressedAt);
      if (isOver && !now) {
        pressedAt = null;
        announce(`The doctor has found ${many(all.filter((each) => each.outcome === "failed").length, "thing", "things")} to change`);
      }
      isRunning = now;
      run.textContent = now ? "Checking" : ended === null ? "Run the doctor" : "Check again";
      run.setAttribute("aria-busy", String(now));
      when.textContent = ended === null ? "" : `checked ${ago(ended)}`;
      list.update(all.map(({ bot, check, outcome, text }) => ({ outcome, about: hasSeveral ? bot : "", title: check, text })));
    },
  };
}

/** Return the section of the missing scopes: `element`, and `update(bots)`. */
export function newScopes() {
  const list = newList("gateway-scopes", "No call was refused for want of a scope.");
  return {
    element: section("gateway-scopes", "Missing scopes", [], list.element),
    update: (bots) => list.update(bots.flatMap(({ name, served }) => (served?.scopes ?? []).map(({ scope, what, change }) => ({
      outcome: "failed", about: bots.length > 1 ? name : "", title: scope, text: `${what} needs it: ${change}` })))),
  };
}

/** Return a section of the view with a heading. */
export function section(id, title, end, ...content) {
  return h("section", { class: "gateway-part", "aria-labelledby": id },
    h("div", { class: "sec-head" }, h("h3", { id }, title), end.length ? h("span", { class: "end row" }, end) : null), content);
}

function newList(id, none) {
  const element = h("ul", { class: "findings", "aria-labelledby": id });
  let drawn = null;
  return {
    element,
    update(items) {
      const text = JSON.stringify(items);
      if (text === drawn) return;
      drawn = text;
      fill(element, items.length ? items.map(item) : h("li", { class: "gateway-none faint" }, none));
    },
  };
}

function item({ outcome, about, title, text }) {
  const [tone, word] = OUTCOMES[outcome] ?? ["warn", outcome];
  return h("li", {}, h("span", { class: `chip chip-${tone}` }, word),
    h("div", {}, h("strong", {}, about ? [named(about), ": "] : null, h("code", {}, title)), h("p", { class: "faint" }, text)));
}
