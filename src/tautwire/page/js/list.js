// A list of rows of one height: only those in sight, and some beyond, are in the document.

import { onFrame } from "./frames.js";

const BEYOND = 10;

export class RowList {
  #scroller;
  #body;
  #rowHeight;
  #draw;
  #count = 0;
  #drawn = new Map();
  #redraw = () => this.#render();
  #isAtEnd = true;
  #tall = { index: -1, extra: 0 };

  /**
   * `scroller` scrolls, `body` (an ol or tbody in it) gets the rows. `draw(index)` returns the element of a row, of
   * `rowHeight` pixels. Rows are placed by index, so it costs the same for a hundred and for 50,000.
   */
  constructor(scroller, body, rowHeight, draw) {
    this.#scroller = scroller;
    this.#body = body;
    this.#rowHeight = rowHeight;
    this.#draw = draw;
    body.classList.add("rows");
    scroller.addEventListener("scroll", () => {
      this.#isAtEnd = this.#seesEnd();
      onFrame(this.#redraw);
    }, { passive: true });
    new ResizeObserver(() => onFrame(this.#redraw)).observe(scroller);
  }

  /** Whether the newest row is in sight. */
  get isAtEnd() {
    return this.#isAtEnd;
  }

  /** Set the number of rows. `gone` is how many went at the beginning; `follow` keeps the end in sight. */
  update(count, { gone = 0, follow = false, anew = false } = {}) {
    const top = this.#scroller.scrollTop;
    this.#count = count;
    if (anew) this.#clear();
    if (gone) this.#shift(gone);
    this.#measure();
    if (gone && !follow) this.#scroller.scrollTop = top - gone * this.#rowHeight;
    if (follow) this.toEnd();
    onFrame(this.#redraw);
  }

  /** Give a row `extra` pixels more than the others; one at a time, and `index` -1 for none. */
  stretch(index, extra = 0) {
    this.#tall = { index, extra };
    this.#measure();
    for (const [at, element] of this.#drawn) element.style.setProperty("top", `${this.#top(at)}px`);
    onFrame(this.#redraw);
  }

  toEnd() {
    this.#scroller.scrollTop = this.#top(this.#count);
    this.#isAtEnd = true;
    onFrame(this.#redraw);
  }

  /** Bring a row into sight, and focus it if it can be focused. */
  show(index, { focus = false } = {}) {
    const top = this.#top(index);
    const { scrollTop, clientHeight } = this.#scroller;
    if (top < scrollTop || top + this.#rowHeight > scrollTop + clientHeight) this.#scroller.scrollTop = top - clientHeight / 2;
    this.#isAtEnd = this.#seesEnd(); // now: the event of the scrolling comes later, and a new row may come before it
    this.#render();
    if (focus) (this.#drawn.get(index)?.querySelector("button, a, [tabindex]") ?? this.#drawn.get(index))?.focus();
  }

  /** Return the element of a row if it is drawn. */
  element(index) {
    return this.#drawn.get(index);
  }

  /** Draw a row anew. */
  refresh(index) {
    this.#drawn.get(index)?.remove();
    this.#drawn.delete(index);
    onFrame(this.#redraw);
  }

  #seesEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < this.#rowHeight;
  }

  #top(index) {
    return index * this.#rowHeight + (this.#tall.index >= 0 && index > this.#tall.index ? this.#tall.extra : 0);
  }

  #measure() {
    this.#body.style.setProperty("height", `${this.#top(this.#count)}px`);
  }

  /** Renumber the rows that are drawn: what is looked at, or has the focus, stays. */
  #shift(gone) {
    const drawn = [...this.#drawn];
    this.#drawn.clear();
    this.#tall.index = this.#tall.index >= gone ? this.#tall.index - gone : -1;
    for (const [index, element] of drawn) {
      if (index < gone) {
        element.remove();
        continue;
      }
      this.#drawn.set(index - gone, element);
      this.#number(index - gone, element);
    }
  }

  #number(index, element) {
    element.style.setProperty("top", `${this.#top(index)}px`);
    element.setAttribute("aria-setsize", String(this.#count));
    element.setAttribute("aria-posinset", String(index + 1));
  }

  #clear() {
    for (const element of this.#drawn.values()) element.remove();
    this.#drawn.clear();
  }

  #render() {
    const top = this.#scroller.scrollTop;
    const { index: tall, extra } = this.#tall;
    const above = tall >= 0 && top > this.#top(tall) ? Math.min(extra, top - this.#top(tall)) : 0;
    const first = Math.max(0, Math.floor((top - above) / this.#rowHeight) - BEYOND);
    const seen = Math.ceil(this.#scroller.clientHeight / this.#rowHeight) + 2 * BEYOND;
    const end = Math.min(this.#count, first + seen);
    for (const [index, element] of this.#drawn) {
      if ((index < first || index >= end) && !element.contains(document.activeElement)) {
        element.remove();
        this.#drawn.delete(index);
      }
    }
    for (let index = first; index < end; index++) {
      if (this.#drawn.has(index)) continue;
      const element = this.#draw(index);
      this.#number(index, element);
      this.#drawn.set(index, element);
      this.#place(index, element);
    }
  }

  /** Insert a row in the order of indexes, so that reading and Tab follow the eye. */
  #place(index, element) {
    let after = null;
    for (const [other, each] of this.#drawn) {
      if (other > index && each.parentNode && (after === null || other < after.index)) after = { index: other, each };
    }
    this.#body.insertBefore(element, after?.each ?? null);
  }
}
