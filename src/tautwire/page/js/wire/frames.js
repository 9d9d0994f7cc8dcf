// The tool Frames: everything that goes over the wire, as it goes.

import { announce, button, failure, fill, h, icon, isTyping, named } from "../dom.js";
import { copyText } from "../clipboard.js";
import { onFrame } from "../frames.js";
import { RowList } from "../list.js";
import { go, href, onRoute, route } from "../router.js";
import { hasLetters } from "../shell.js";
import { state } from "../state.js";
import { curlOf, testOf } from "./copies.js";
import { choices, filter } from "./filter.js";
import { jsonBlock, jsonText } from "./json.js";
import { kept, MOST } from "./kept.js";
import { Trail } from "./trail.js";

const TICK = 1_000;
const MOST_COPIED = 16 * 1024 * 1024;
const MARKS = { down: ["down", "to client"], up: ["up", "to server"], call: ["swap", "HTTP"], link: ["wire", "connection"] };

/** Show the tool; return what ends it. */
export function show(container) {
  const view = new FramesView(container);
  return () => view.end();
}

class FramesView {
  #rows = [];
  #held = 0; // entries that came since the pause
  #unseen = 0; // rows that came since the end was in sight
  #isPaused = false;
  #opened = null;
  #current = null;
  #trail = null;
  #isOnlyTrail = false;
  #stops = [];
  #hasWarned = 0;

  constructor(container) {
    this.container = container;
    this.#build(container);
    kept.start();
    this.#stops = [
      kept.topics.on("added", (entries) => this.#added(entries)),
      kept.topics.on("cut", (oldest) => this.#cut(oldest)),
      kept.topics.on("links", () => onFrame(this.#drawLinksLater)),
      kept.topics.on("state", () => onFrame(this.#drawState)),
      onRoute((to) => this.#follow(to)),
    ];
    const timer = setInterval(() => onFrame(this.#drawFoot), TICK);
    this.#stops.push(() => clearInterval(timer));
    const touch = matchMedia("(max-width: 859px), (pointer: coarse)");
    const rebuild = () => this.#makeList();
    touch.addEventListener("change", rebuild);
    this.#stops.push(() => touch.removeEventListener("change", rebuild));
    this.#refilter({ toEnd: true });
    this.#drawState();
    this.#drawFoot();
    this.#follow(route());
  }

  end() {
    this.#stops.forEach((stop) => stop());
    this.#choose(null);
  }

  // --- what is there ---

  #build(container) {
    const find = h("input", { id: "f-q", type: "search", placeholder: "Type, method, text or id", autocomplete: "off", maxlength: 200,
      on: { input: () => { filter.text = find.value; this.#refilter(); } }, value: filter.text });
    this.links = h("select", { id: "f-c", on: { change: () => { filter.link = this.links.value; this.#refilter(); } } });
    this.links.addEventListener("blur", this.#drawLinksLater);
    this.pause = button("Pause", { icon: "pause", press: () => this.#setPaused(!this.#isPaused), keys: "P", "aria-pressed": "false" });
    const toggle = (name, label, mark) =>
      h("button", { type: "button", class: "toggle", "aria-pressed": String(filter[name]), on: { click: ({ currentTarget }) => {
        filter[name] = !filter[name];
        currentTarget.setAttribute("aria-pressed", String(filter[name]));
        this.#refilter();
      } } }, mark ? h("span", { class: `dir dir-${mark}` }, icon(MARKS[mark][0])) : null, label);
    this.note = h("div", { class: "note", role: "status", hidden: true });
    this.band = h("div", { class: "bands" });
    this.pill = button("", { class: "pill", press: () => this.#toEnd() });
    this.pill.hidden = true;
    this.box = h("div", { class: "frames-box" });
    this.foot = h("p", { class: "foot" });
    fill(container,
      h("div", { class: "bar" },
        h("label", { class: "sr", for: "f-q" }, "Filter frames"), h("span", { class: "input grow" }, icon("search"), find),
        h("label", { class: "sr", for: "f-c" }, "Connection"), h("span", { class: "select frames-links" }, this.links, icon("chev")), this.pause),
      h("div", { class: "bar legend", role: "group", "aria-label": "Kinds of traffic" },
        toggle("down", "To client", "down"), toggle("up", "To server", "up"), toggle("call", "HTTP", "call"),
        toggle("pings", "Pings"), toggle("control", "Control API"),
        button("Copy JSONL", { icon: "copy", class: "quiet small end", press: () => this.#copyLines() })),
      this.note, this.band, this.box, this.foot);
    this.#drawLinks();
    this.#makeList();
  }

  /** The height of the rows is another for fingers, so the list is made anew when that changes. */
  #makeList() {
    const height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--height-row")) || 28;
    this.body = h("ol", { "aria-label": "Frames, newest last" });
    this.scroller = h("div", { class: "frames scroll", tabindex: "0", role: "group", "aria-label": "Frames", data: { first: "" } }, this.body);
    this.empty = h("div", { class: "empty", hidden: true });
    fill(this.box, this.scroller, this.empty, this.pill);
    this.rowHeight = height;
    this.list = new RowList(this.scroller, this.body, height, (index) => this.#row(this.#rows[index]));
    this.scroller.addEventListener("keydown", (event) => this.#keys(event));
    this.scroller.addEventListener("scroll", () => {
      if (this.list.isAtEnd && this.#unseen) this.#toEnd();
    }, { passive: true });
    this.#opened = null;
    this.list.update(this.#rows.length, { follow: true });
  }

  #added(entries) {
    if (this.#trail) {
      let hasGrown = false;
      for (const entry of entries) hasGrown = this.#trail.add(entry) || hasGrown;
      if (hasGrown) {
        this.#drawNote();
        if (!this.#isPaused) this.#markTrail();
      }
    }
    if (this.#isPaused) {
      this.#held += entries.filter((each) => this.#fits(each)).length;
      onFrame(this.#drawPill);
      return;
    }
    const follow = this.list.isAtEnd;
    const before = this.#rows.length;
    for (const entry of entries) if (this.#fits(entry)) this.#rows.push(entry);
    const grown = this.#rows.length - before;
    if (!grown) return;
    if (!follow) this.#unseen += grown;
    this.list.update(this.#rows.length, { follow });
    this.empty.hidden = true;
    onFrame(this.#drawPill);
  }

  #cut(oldest) {
    const left = this.#rows.findIndex((each) => each.number >= oldest);
    const gone = left < 0 ? this.#rows.length : left;
    if (!gone) return;
    this.#rows.splice(0, gone);
    if (this.#opened && this.#opened.number < oldest) this.#opened = null;
    if (this.#current && this.#current.number < oldest) this.#current = this.#rows[0] ?? null;
    this.list.update(this.#rows.length, { gone, follow: !this.#isPaused && this.list.isAtEnd });
  }

  #fits(entry) {
    return this.#isOnlyTrail ? this.#trail.has(entry) : filter.fits(entry);
  }

  #refilter({ toEnd = true } = {}) {
    this.#rows = kept.entries.filter((each) => this.#fits(each));
    this.#held = this.#unseen = 0;
    const index = this.#opened ? this.#rows.indexOf(this.#opened) : -1;
    if (index < 0) {
      this.#opened = null;
      this.list.stretch(-1);
    }
    this.list.update(this.#rows.length, { anew: true, follow: toEnd && index < 0 });
    if (index >= 0) {
      this.list.stretch(index, 0);
      this.list.show(index);
      this.#stretch(index);
    }
    this.#drawEmpty();
    this.#drawPill();
    this.#drawFoot();
  }

  // --- drawing ---

  #row(entry) {
    const { chip, tone, words } = entry.summary;
    const [sign, wayName] = MARKS[entry.way];
    const isOpen = entry === this.#opened;
    const row = h("button", { type: "button", "aria-expanded": String(isOpen), tabindex: entry === this.#current ? "0" : "-1",
      on: { click: () => this.#toggle(entry) } },
      h("span", { class: `dir dir-${entry.way}` }, icon(sign, wayName)), h("time", {}, entry.timeText),
      h("span", { class: `chip chip-${tone ?? entry.way}` }, h("bdi", {}, chip)), h("span", { class: "peek" }, h("bdi", {}, shortened(words))),
      h("span", { class: "conn" }, named(entry.holderName)));
    return h("li", { class: `frame${this.#trail?.has(entry) ? " mine" : ""}`, data: { number: entry.number } }, row, isOpen ? this.#details(entry) : null);
  }

  #details(entry) {
    const { line } = entry;
    const copy = (label, make, why) => {
      const text = make();
      return h("button", { type: "button", class: "quiet small", disabled: text === null, title: text === null ? why : null,
        on: { click: () => copyText(text, label) } }, label.startsWith("JSON") ? icon("copy") : null, `Copy ${label === "JSON" ? "JSON" : `as ${label}`}`);
    };
    const isAbout = entry.channel && entry.ts;
    const cut = Object.entries(line.bytes ?? {}).map(([name, bytes]) => `the first 32 KiB of ${Math.ceil(bytes / 1024)} KiB of ${name}`);
    return h("div", { class: "frame-open" },
      h("div", { class: "row tight" },
        copy("JSON", () => jsonText(entry.content) ?? null, "it has no content"),
        copy("curl", () => curlOf(entry), "no request does this"),
        copy("test", () => testOf([entry]), "no person and no app does this"),
        isAbout ? h("a", { class: "quiet small", href: href("chat", entry.channel, entry.ts) }, icon("chat"), "Show message") : null,
        isAbout ? h("a", { class: "quiet small", href: href("tools", "frames", entry.channel, entry.ts) }, icon("wire"), "All it caused") : null),
      h("p", { class: "faint frame-facts" }, `${entry.timeText}, ${entry.doorName}${entry.connection === null ? "" : ` connection ${entry.connection}`}, `,
        named(entry.holderName), `, entry ${line.id}`, cut.length ? `; kept: ${cut.join(", ")}` : ""),
      jsonBlock(entry.content ?? "", "Content of the frame"));
  }

  #toggle(entry) {
    this.#setCurrent(entry);
    const before = this.#opened;
    this.#opened = before === entry ? null : entry;
    if (before) this.#redraw(this.#rows.indexOf(before));
    const index = this.#rows.indexOf(entry);
    this.list.stretch(-1);
    this.#redraw(index);
    if (this.#opened) this.#stretch(index);
  }

  /** Draw a row anew in its place: it may have the focus. */
  #redraw(index) {
    const element = this.list.element(index);
    if (!element) return;
    const entry = this.#rows[index];
    element.querySelector(":scope > button").setAttribute("aria-expanded", String(entry === this.#opened));
    element.querySelector(".frame-open")?.remove();
    if (entry === this.#opened) element.append(this.#details(entry));
  }

  #stretch(index) {
    const element = this.list.element(index);
    if (!element) return;
    this.list.stretch(index, element.offsetHeight - this.rowHeight);
    if (element.getBoundingClientRect().bottom > this.scroller.getBoundingClientRect().bottom) element.scrollIntoView({ block: "nearest" });
  }

  /** A list that is open must not change. */
  #drawLinksLater = () => {
    if (document.activeElement !== this.links) this.#drawLinks();
  };

  #drawLinks() {
    const found = choices(kept.entries);
    const chosen = filter.link;
    fill(this.links, h("option", { value: "" }, "All connections"), found.map(({ value, text }) => h("option", { value }, text)));
    if (chosen && !found.some((each) => each.value === chosen)) this.links.append(h("option", { value: chosen }, chosen));
    this.links.value = chosen;
  }

  #drawState = () => {
    const bands = [];
    if (kept.state !== "open" && kept.state !== "connecting") {
      const retry = button("Connect again", { class: "small end", press: () => kept.retryNow() });
      bands.push(h("div", { class: "alert alert-flat" }, failure("The stream of frames has ended", kept.state.error), retry));
    }
    if (kept.dropped > this.#hasWarned) {
      bands.push(h("div", { class: "alert alert-flat alert-warn", role: "status" }, icon("warn"),
        h("p", {}, h("strong", {}, `${(kept.dropped - this.#hasWarned).toLocaleString("en")} frames were not shown: `), "they came faster than the page reads, or while it was hidden."),
        button("", { icon: "x", class: "quiet icon-only small", label: "Hide this", press: () => {
          this.#hasWarned = kept.dropped;
          this.#drawState();
        } })));
    }
    fill(this.band, bands);
    this.#drawEmpty();
  };

  #drawEmpty() {
    this.empty.hidden = this.#rows.length > 0;
    if (this.empty.hidden) return;
    const hidden = kept.entries.length;
    fill(this.empty, h("p", {}, hidden ? `None of the ${hidden.toLocaleString("en")} frames fits the filter.` : "Nothing has gone over the wire yet."),
      hidden ? button("Show all", { press: () => this.#showAll() }) : null);
  }

  #showAll() {
    filter.reset();
    this.#isOnlyTrail = false;
    this.#build(this.container);
    this.#refilter();
    this.#drawState();
    this.#drawNote();
  }

  #drawPill = () => {
    const count = this.#isPaused ? this.#held : this.#unseen;
    this.pill.hidden = !count;
    fill(this.pill, icon("down"), `${count.toLocaleString("en")} new`);
  };

  #drawFoot = () => {
    const count = (number) => number.toLocaleString("en");
    fill(this.foot, h("span", {}, `${count(kept.entries.length)} kept of ${count(MOST)}`), h("span", {}, `${count(this.#rows.length)} shown`),
      h("span", {}, `${count(Math.round(kept.rate))} a second`), h("span", {}, `${count(kept.dropped)} dropped`));
  };

  #toEnd() {
    if (this.#isPaused) {
      this.#setPaused(false);
      return;
    }
    this.#unseen = 0;
    this.list.toEnd();
    this.#drawPill();
  }

  #setPaused(isPaused) {
    this.#isPaused = isPaused;
    this.pause.setAttribute("aria-pressed", String(isPaused));
    announce(isPaused ? "Paused" : "Goes on");
    if (!isPaused) this.#refilter();
  }

  async #copyLines() {
    let size = 0;
    const lines = [];
    for (const entry of this.#rows.toReversed()) {
      size += entry.text.length + 1;
      if (size > MOST_COPIED) break;
      lines.push(entry.text);
    }
    await copyText(`${lines.reverse().join("\n")}\n`, `JSONL of ${lines.length} frames`);
  }

  // --- the trail of a message ---

  #follow({ view, rest }) {
    if (view !== "tools" || rest[0] !== "frames" || !rest[2]) return;
    if (this.#trail?.channel === rest[1] && this.#trail.ts === rest[2]) return;
    this.#choose({ channel: rest[1], ts: rest[2] });
  }

  #choose(chosen) {
    this.#trail = chosen && new Trail(chosen.channel, chosen.ts);
    state.topics.emit("trail", chosen);
    for (const entry of chosen ? kept.entries : []) this.#trail.add(entry);
    if (this.#isOnlyTrail || !chosen) this.#isOnlyTrail = false;
    this.#refilter();
    this.#drawNote();
    const first = this.#trail?.entries.find((each) => this.#rows.includes(each));
    if (first) this.list.show(this.#rows.indexOf(first));
  }

  #markTrail() {
    for (const element of this.body.children) {
      const index = Number(element.getAttribute("aria-posinset")) - 1;
      element.classList.toggle("mine", Boolean(this.#rows[index] && this.#trail?.has(this.#rows[index])));
    }
  }

  #drawNote() {
    this.note.hidden = !this.#trail;
    if (!this.#trail) return;
    const { entries, took, channel, ts } = this.#trail;
    const text = state.first?.timeline(channel).find(ts)?.text;
    const count = entries.length === 1 ? "1 frame belongs" : `${entries.length.toLocaleString("en")} frames belong`;
    fill(this.note,
      h("span", { class: "frames-said" }, `${count} to `, text ? h("q", {}, h("bdi", {}, shortened(text, 20))) : h("code", {}, ts),
        entries.length > 1 ? `, the last after ${Math.round(took)} ms.` : "."),
      h("button", { type: "button", class: "link", "aria-pressed": String(this.#isOnlyTrail), on: { click: () => {
        this.#isOnlyTrail = !this.#isOnlyTrail;
        this.#refilter();
        this.#drawNote();
        this.note.querySelector("button").focus();
      } } }, this.#isOnlyTrail ? "Show all" : "Show only these"),
      h("button", { type: "button", class: "link", on: { click: () => this.#copyTest() } }, "Copy these as test"),
      button("", { icon: "x", class: "quiet icon-only small", label: "Clear the selection", press: () => {
        this.#choose(null);
        go(["tools", "frames"], { replace: true });
      } }));
  }

  async #copyTest() {
    const text = testOf(this.#trail.entries);
    if (text) await copyText(text, "Test");
    else announce("No person and no app does this");
  }

  // --- keys ---

  #setCurrent(entry) {
    for (const each of this.body.querySelectorAll(":scope > li > button[tabindex='0']")) each.tabIndex = -1;
    this.#current = entry;
    const element = this.list.element(this.#rows.indexOf(entry));
    if (element) element.querySelector(":scope > button").tabIndex = 0;
  }

  #keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.rowHeight) - 1);
    const now = this.#current ? this.#rows.indexOf(this.#current) : this.#rows.length;
    const last = this.#rows.length - 1;
    const to = { ArrowDown: now + 1, ArrowUp: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: last }[event.key];
    const isInJson = event.target.closest(".json");
    const entry = this.#current;
    if (to !== undefined && !isInJson && last >= 0) this.#moveTo(Math.max(0, Math.min(last, to)));
    else if (event.key === "ArrowLeft" && this.#opened && !isInJson) this.#close();
    else if (!hasLetters()) return;
    else if (event.key === "p") this.#setPaused(!this.#isPaused);
    else if (event.key === "c" && entry) copyText(jsonText(entry.content), "JSON");
    else if (event.key === "m" && entry?.channel && entry.ts) go(["chat", entry.channel, entry.ts]);
    else return;
    event.preventDefault();
  }

  #moveTo(index) {
    this.#setCurrent(this.#rows[index]);
    this.list.show(index, { focus: true });
  }

  #close() {
    const index = this.#rows.indexOf(this.#opened);
    this.#toggle(this.#opened);
    this.list.show(index, { focus: true });
  }
}

const shortened = (text, most = 300) => (text && text.length > most ? `${text.slice(0, most)}…` : (text ?? ""));
