// The messages of a conversation, of any height and number: only those in sight, and some beyond, are in the document.
//
// Heights are measured once a message is drawn; before that they are estimated. What is read stays where it is: after
// each change the message nearest the upper edge is put back to its place, or the end stays in sight if it was.

import { onFrame } from "../frames.js";

const ESTIMATE = 64;
const BEYOND = 600;
const NEAR = 2; // screens from the upper edge at which older messages are loaded
const BLOCK = 256;

/** Heights of rows, and the sums that say where each row is. */
export class Heights {
  #sizes = [];
  #sums = [];

  get count() {
    return this.#sizes.length;
  }

  cut(count) {
    this.#sizes.length = count;
    this.#sums.length = Math.ceil(count / BLOCK);
    this.#sum(this.#sums.length - 1);
  }

  push(size) {
    const block = Math.floor(this.#sizes.length / BLOCK);
    this.#sizes.push(size);
    this.#sums[block] = (this.#sums[block] ?? 0) + size;
  }

  get(index) {
    return this.#sizes[index];
  }

  set(index, size) {
    this.#sums[Math.floor(index / BLOCK)] += size - this.#sizes[index];
    this.#sizes[index] = size;
  }

  #sum(block) {
    if (block < 0) return;
    let sum = 0;
    for (let at = block * BLOCK; at < Math.min(this.#sizes.length, (block + 1) * BLOCK); at++) sum += this.#sizes[at];
    this.#sums[block] = sum;
  }

  /** Where a row begins; for the number of rows, where all end. */
  offset(index) {
    const block = Math.floor(index / BLOCK);
    let sum = 0;
    for (let at = 0; at < block; at++) sum += this.#sums[at];
    for (let at = block * BLOCK; at < index; at++) sum += this.#sizes[at];
    return sum;
  }

  /** The row at a position. */
  at(position) {
    let block = 0;
    let left = position;
    while (block < this.#sums.length - 1 && left >= this.#sums[block]) left -= this.#sums[block++];
    let index = block * BLOCK;
    while (index < this.#sizes.length - 1 && left >= this.#sizes[index]) left -= this.#sizes[index++];
    return Math.max(0, Math.min(index, this.#sizes.length - 1));
  }
}

export class Feed {
  #heights = new Heights();
  #measured = new Map(); // by ts
  #items = [];
  #drawn = new Map(); // by ts: {element, stamp}
  #redraw = () => this.#render();
  #isAtEnd = true;
  #anchor = null; // {ts, offset}: the row at the upper edge, and how far it is cut
  #width = 0;

  /**
   * `draw(item, index, items)` returns the element of a row; `stamp(item, index, items)` a value that changes when it
   * has to be drawn anew. `needOlder()` is called near the upper end.
   */
  constructor(scroller, { draw, stamp, needOlder, moved = () => {} }) {
    this.scroller = scroller;
    this.rows = document.createElement("div");
    this.rows.className = "feed-rows";
    this.rows.setAttribute("role", "none");
    scroller.append(this.rows);
    this.draw = draw;
    this.stamp = stamp;
    this.needOlder = needOlder;
    this.moved = moved;
    scroller.addEventListener("scroll", () => {
      this.#isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 8;
      this.#mark();
      onFrame(this.#redraw);
    }, { passive: true });
    const observer = new ResizeObserver(() => onFrame(this.#redraw));
    observer.observe(scroller);
    observer.observe(this.rows);
  }

  get isAtEnd() {
    return this.#isAtEnd;
  }

  /** Show these messages. */
  update(items) {
    const old = this.#items;
    this.#items = items.slice(); // the list is changed in place by others
    let same = 0;
    while (same < old.length && same < items.length && old[same].ts === items[same].ts) same++;
    if (same < this.#heights.count) this.#heights.cut(same);
    for (let index = same; index < items.length; index++) this.#heights.push(this.#measured.get(items[index].ts) ?? ESTIMATE);
    onFrame(this.#redraw);
  }

  /** Draw all rows in sight anew. */
  refresh() {
    for (const each of this.#drawn.values()) each.stamp = null;
    onFrame(this.#redraw);
  }

  toEnd() {
    this.#isAtEnd = true;
    onFrame(this.#redraw);
  }

  /** Bring a message into sight, and focus it. */
  show(ts, { focus = true } = {}) {
    const index = this.#items.findIndex((each) => each.ts === ts);
    if (index < 0) return false;
    this.#render(); // first: where a feed stands that is not drawn yet says nothing of what is in sight
    const top = this.#heights.offset(index);
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop || top + this.#heights.get(index) > scrollTop + clientHeight) {
      this.#isAtEnd = false;
      this.#anchor = { ts, offset: -Math.floor(clientHeight / 3) };
      this.scroller.scrollTop = top - Math.floor(clientHeight / 3);
    }
    this.#render();
    if (focus) this.element(ts)?.focus({ preventScroll: true });
    return true;
  }

  /** The article of a message, if it is drawn. */
  element(ts) {
    return this.#drawn.get(ts)?.element.querySelector("article");
  }

  /** Focus the message `step` further than `ts`; "first" and "last" are steps too. */
  step(ts, step) {
    const now = this.#items.findIndex((each) => each.ts === ts);
    const index = step === "first" ? 0 : step === "last" ? this.#items.length - 1 : now + step;
    const to = this.#items[Math.max(0, Math.min(this.#items.length - 1, index))];
    if (to) this.show(to.ts);
  }

  /** Keep in mind which message is at the upper edge. */
  #mark() {
    if (!this.#items.length) return;
    const top = this.scroller.scrollTop;
    const index = this.#heights.at(top);
    this.#anchor = { ts: this.#items[index].ts, offset: top - this.#heights.offset(index) };
  }

  #render() {
    const { scroller, rows } = this;
    const height = scroller.clientHeight;
    if (!height) return;
    if (this.#width !== scroller.clientWidth) {
      this.#width = scroller.clientWidth;
      this.#measured.clear();
    }
    // A message that is new below estimates may move others: draw, measure, and place until nothing moves.
    for (let turn = 0; turn < 4; turn++) {
      const total = this.#heights.offset(this.#items.length);
      const top = this.#wantedTop(total, height);
      const first = this.#items.length ? this.#heights.at(Math.max(0, top - BEYOND)) : 0;
      const last = this.#items.length ? this.#heights.at(top + height + BEYOND) : -1;
      this.#drawRange(first, last);
      rows.style.setProperty("padding-top", `${this.#heights.offset(first)}px`);
      rows.style.setProperty("padding-bottom", `${total - this.#heights.offset(last + 1)}px`);
      const isChanged = this.#measure(first, last);
      const now = this.#wantedTop(this.#heights.offset(this.#items.length), height);
      if (isChanged) {
        rows.style.setProperty("padding-top", `${this.#heights.offset(first)}px`);
        rows.style.setProperty("padding-bottom", `${this.#heights.offset(this.#items.length) - this.#heights.offset(last + 1)}px`);
      }
      if (this.#isAtEnd) scroller.scrollTop = scroller.scrollHeight;
      else if (Math.abs(scroller.scrollTop - now) >= 1) scroller.scrollTop = now;
      if (!isChanged) break;
    }
    if (scroller.scrollTop < NEAR * height) this.needOlder();
    this.moved();
  }

  #wantedTop(total, height) {
    if (this.#isAtEnd) return Math.max(0, total - height);
    if (!this.#anchor) return this.scroller.scrollTop;
    const index = this.#find(this.#anchor.ts);
    return index < 0 ? this.scroller.scrollTop : Math.max(0, this.#heights.offset(index) + this.#anchor.offset);
  }

  #find(ts) {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#items[middle].ts < ts) low = middle + 1;
      else high = middle;
    }
    return this.#items[low]?.ts === ts ? low : -1;
  }

  #drawRange(first, last) {
    const wanted = new Set();
    for (let index = first; index <= last; index++) wanted.add(this.#items[index].ts);
    for (const [ts, { element }] of this.#drawn) {
      if (wanted.has(ts)) continue;
      if (element.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
      element.remove();
      this.#drawn.delete(ts);
    }
    let before = null;
    for (let index = last; index >= first; index--) {
      const item = this.#items[index];
      const stamp = this.stamp(item, index, this.#items);
      let drawn = this.#drawn.get(item.ts);
      if (!drawn || drawn.stamp !== stamp) {
        // Before the drawing: parts that keep what is typed move from the old row to the new one.
        const focused = drawn?.element.contains(document.activeElement) ? document.activeElement : null;
        const element = this.draw(item, index, this.#items);
        if (drawn) this.#replace(drawn.element, element, focused);
        drawn = { element, stamp };
        this.#drawn.set(item.ts, drawn);
      }
      if (drawn.element.parentNode !== this.rows || drawn.element.nextSibling !== before) this.rows.insertBefore(drawn.element, before);
      before = drawn.element;
    }
  }

  /** Put a row that was drawn anew in the place of the old one, with the focus where it was, and open what was open. */
  #replace(old, element, focused) {
    const before = [...old.querySelectorAll("details")];
    [...element.querySelectorAll("details")].forEach((each, index) => (each.open ||= Boolean(before[index]?.open)));
    old.replaceWith(element);
    if (!focused) return;
    if (element.contains(focused)) {
      focused.focus({ preventScroll: true });
      return;
    }
    const key = focused.dataset.focus;
    const same = key && [...element.querySelectorAll("[data-focus]")].find((each) => each.dataset.focus === key);
    (same ?? element.querySelector("article"))?.focus({ preventScroll: true });
  }

  #measure(first, last) {
    let isChanged = false;
    for (let index = first; index <= last; index++) {
      const { ts } = this.#items[index];
      const height = this.#drawn.get(ts).element.offsetHeight;
      this.#measured.set(ts, height);
      if (height !== this.#heights.get(index)) {
        this.#heights.set(index, height);
        isChanged = true;
      }
    }
    return isChanged;
  }
}
