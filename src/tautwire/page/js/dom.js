// Elements from data. Data becomes text nodes and attributes only: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element. `props`: `on` has listeners, `data` data-*, `class`, and attributes; null and false leave out. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

function add(parent, children) {
  for (const child of children) {
    if (Array.isArray(child)) add(parent, child);
    else if (child !== null && child !== undefined && child !== false && child !== "") parent.append(child);
  }
}

/** Replace what an element contains. */
export function fill(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

/** Return an icon of the sprite; without a label it is decoration. */
export function icon(name, label) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Return text for screen readers only. */
export const hidden = (text) => h("span", { class: "sr" }, text);

/** Return a name from data: isolated, whole in the title. */
export const named = (name, tag = "bdi") => h(tag, { title: name }, name);

/** Return the face of a person or an app. `size`: "s", "m", "l" or nothing. */
export function face(id, name, { app = false, size = "" } = {}) {
  let hash = 0;
  for (const char of id) hash = (hash * 31 + char.codePointAt(0)) >>> 0;
  const classes = `face face-${(hash % 6) + 1}${app ? " face-app" : ""}${size ? ` face-${size}` : ""}`;
  return h("span", { class: classes, "aria-hidden": "true" }, [...name][0]?.toUpperCase() ?? "?");
}

/** Return a button with an icon, or an icon and a text. */
export function button(text, { icon: name, class: kind, label, press, keys, ...more } = {}) {
  return h(
    "button",
    { type: "button", class: kind, "aria-label": label, "aria-keyshortcuts": keys, on: press ? { click: press } : {}, ...more },
    name ? icon(name) : null,
    text,
  );
}

/** Say something to screen readers, once. */
export function announce(text) {
  const live = document.getElementById("live");
  live.textContent = "";
  requestAnimationFrame(() => (live.textContent = text));
}

/** Return a sentence about what failed: what happened, the word of the wire, what to do. */
export function failure(sentence, error) {
  return h(
    "p",
    { class: "error", role: "alert" },
    icon("warn"),
    sentence,
    error?.code ? [": ", h("code", {}, error.code)] : null,
    error?.hint ? `. ${error.hint}` : ".",
  );
}

/** Focus the next or previous element among those that match in a list with one Tab stop. */
export function rove(container, selector) {
  container.addEventListener("keydown", (event) => {
    const all = [...container.querySelectorAll(selector)].filter((each) => each.offsetParent !== null);
    const at = all.indexOf(event.target.closest(selector));
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))].focus();
  });
}

export const isTyping = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
