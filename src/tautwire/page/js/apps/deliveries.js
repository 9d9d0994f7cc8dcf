// What was delivered to an app, by event: from the frames that the page keeps.

import { control } from "../api.js";
import { announce, button, failure, fill, h } from "../dom.js";
import { onFrame } from "../frames.js";
import { go } from "../router.js";
import { filter } from "../wire/filter.js";
import { kept } from "../wire/kept.js";
import { many } from "../wire/words.js";

const MOST = 200;
const MOST_TRIES = 4; // over HTTP: the first one, and three more

/** What is known of one event on its way to an app. */
class Delivery {
  tries = 0;
  last = null;
  took = null;
  isDone = false;
  hasFailed = false;

  constructor(key, entry, type) {
    this.key = key;
    this.entry = entry;
    this.type = type;
  }
}

/** Return the deliveries among some entries, oldest first, and the scopes that calls of the app lacked. */
export function readDeliveries(entries, app) {
  const found = new Map();
  const envelopes = new Map();
  const missing = new Set();
  for (const entry of entries) {
    if (entry.app !== app) continue;
    if (entry.kind === "call") {
      const { error, needed } = entry.text.includes("missing_scope") ? (entry.line.answer ?? {}) : {};
      if (error === "missing_scope" && needed) missing.add(String(needed));
    } else if (entry.kind === "ack") {
      const delivery = envelopes.get(entry.envelope);
      if (!delivery) continue;
      Object.assign(delivery, { isDone: true, hasFailed: false, last: "acknowledged", took: entry.after ?? null });
    } else if (entry.kind === "delivery" || entry.kind === "envelope") {
      const { payload, status, failure: reason, milliseconds } = entry.line;
      const inner = entry.kind === "envelope" ? (payload?.payload ?? {}) : (payload ?? {});
      const key = inner.event_id ?? entry.envelope ?? `entry ${entry.number}`;
      if (!found.has(key)) found.set(key, new Delivery(key, entry, inner.event?.type ?? inner.type ?? inner.command ?? payload?.type ?? "request"));
      const delivery = found.get(key);
      delivery.tries++;
      if (entry.kind === "envelope") {
        envelopes.set(entry.envelope, delivery);
        Object.assign(delivery, { isDone: false, last: "waits for the acknowledgement", took: null });
      } else Object.assign(delivery, { isDone: !reason, hasFailed: Boolean(reason), last: reason && !status ? reason : String(status), took: milliseconds ?? null });
    }
  }
  return { deliveries: [...found.values()], missing: [...missing] };
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** Try what waits for an app over HTTP at once, or one event; `trouble` gets what fails. */
export async function tryNow(app, event, trouble) {
  fill(trouble);
  try {
    const { tried } = await control("delivery.retry", { app, event });
    announce(tried ? `${many(tried, "event is", "events are")} tried now` : "It is on its way");
  } catch (error) {
    fill(trouble, failure("The delivery was not tried", error));
  }
}

/** Return the section of an app's deliveries, live; `changed` gets them, `end` ends it. */
export function deliveriesSection(app, changed) {
  let isFailedOnly = false;
  const body = h("tbody");
  const empty = h("p", { class: "faint deliveries-none" });
  const trouble = h("div");
  const pressed = new Set();
  const press = async ({ key }) => {
    pressed.add(key);
    draw();
    await tryNow(app, key, trouble);
    pressed.delete(key);
    draw();
  };
  const toggle = h("button", { type: "button", class: "toggle", "aria-pressed": "false", on: { click: () => {
    isFailedOnly = !isFailedOnly;
    toggle.setAttribute("aria-pressed", String(isFailedOnly));
    draw();
  } } }, "Failed only");
  const columns = ["Time", "Event", "Last answer", "Tries", "Took"];
  const table = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table of deliveries" },
    h("table", {}, h("thead", {}, h("tr", {}, columns.map((each) => h("th", { scope: "col", class: each === "Took" ? "n" : null }, each)),
      h("th", { scope: "col" }, h("span", { class: "sr" }, "Actions")))), body));
  const element = h("section", { "aria-labelledby": "h-del" },
    h("div", { class: "sec-head" }, h("h4", { id: "h-del" }, "Deliveries"), h("span", { class: "faint" }, "of the frames that the page keeps"), h("span", { class: "end row" }, toggle)),
    trouble, table, empty);
  const draw = () => {
    const read = readDeliveries(kept.entries, app);
    changed(read);
    const shown = read.deliveries.filter((each) => !isFailedOnly || each.hasFailed).slice(-MOST).reverse();
    const focused = body.contains(document.activeElement) ? document.activeElement.dataset : null;
    fill(body, shown.map((each) => row(each, pressed.has(each.key), () => press(each))));
    if (focused) (body.querySelector(`[data-key="${CSS.escape(focused.key)}"][data-act="${focused.act}"]`) ?? body.querySelector(`[data-key="${CSS.escape(focused.key)}"]`))?.focus();
    table.hidden = !shown.length;
    empty.textContent = shown.length ? "" : isFailedOnly ? "No delivery has failed." : "Nothing was sent to this app yet.";
  };
  kept.start();
  const touches = (entry) => entry.app === app;
  const stop = kept.topics.on("added", (entries) => entries.some(touches) && onFrame(draw));
  draw();
  return { element, end: stop };
}

/** Whether it is an event over HTTP that waits for its next try, or was given up: other requests are never sent again. */
const canTry = ({ hasFailed, entry, key }) => hasFailed && entry.kind === "delivery" && key === entry.line.payload?.event_id;

function row(delivery, isPressed, press) {
  const { key, entry, type, tries, isDone, hasFailed, last, took } = delivery;
  const tone = isDone ? "ok" : hasFailed ? "danger" : "warn";
  const dot = { ok: "dot-on", danger: "dot-bad", warn: "dot-wait" }[tone];
  const marks = Array.from({ length: Math.min(tries, MOST_TRIES) }, (_, at) => h("i", { class: at === tries - 1 && isDone ? "try-o" : at < tries - 1 || hasFailed ? "try-f" : "try-n" }));
  return h("tr", {},
    h("td", {}, h("time", {}, TIME.format(entry.time))), h("td", {}, h("span", { class: "chip chip-down" }, h("bdi", {}, String(type)))),
    h("td", {}, h("span", { class: `state state-${tone}` }, h("span", { class: `dot ${dot}` }), last)),
    h("td", {}, h("span", { class: "tries", "aria-hidden": "true" }, marks), many(tries, "try", "tries")),
    h("td", { class: "n" }, took === null ? "" : `${took < 10 ? Number(took.toFixed(1)) : Math.round(took).toLocaleString("en")} ms`),
    h("td", { class: "n" }, canTry(delivery) ? button(isPressed ? "Trying" : "Try now", { class: "small", label: `Try ${type} now`, data: { key, act: "try" },
      "aria-busy": String(isPressed), press: isPressed ? null : press }) : null,
      h("button", { type: "button", class: "quiet small", "aria-label": `Show frames of ${type}`, data: { key, act: "show" }, on: { click: () => {
      filter.reset();
      filter.text = entry.line.payload?.event_id ?? entry.line.payload?.payload?.event_id ?? entry.envelope ?? "";
      go(["tools", "frames"]);
    } } }, "Show")));
}
