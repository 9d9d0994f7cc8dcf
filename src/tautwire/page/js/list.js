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
      this.#isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < rowHeight;
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
    this.#count = count;
    if (gone || anew) this.#clear();
    if (gone) this.#scroller.scrollTop -= gone * this.#rowHeight;
    this.#body.style.setProperty("height", `${count * this.#rowHeight}px`);
    if (follow) this.toEnd();
    onFrame(this.#redraw);
  }

  toEnd() {
    this.#scroller.scrollTop = this.#count * this.#rowHeight;
    this.#isAtEnd = true;
    onFrame(this.#redraw);
  }

  /** Bring a row into sight, and focus it if it can be focused. */
  show(index, { focus = false } = {}) {
    const top = index * this.#rowHeight;
    const { scrollTop, clientHeight } = this.#scroller;
    if (top < scrollTop || top + this.#rowHeight > scrollTop + clientHeight) this.#scroller.scrollTop = top - clientHeight / 2;
    this.#render();
    if (focus) (this.#drawn.get(index)?.querySelector("button, a, [tabindex]") ?? this.#drawn.get(index))?.focus();
  }

  /** Draw a row anew. */
  refresh(index) {
    this.#drawn.get(index)?.remove();
    this.#drawn.delete(index);
    onFrame(this.#redraw);
  }

  #clear() {
    for (const element of this.#drawn.values()) element.remove();
    this.#drawn.clear();
  }

  #render() {
    const first = Math.max(0, Math.floor(this.#scroller.scrollTop / this.#rowHeight) - BEYOND);
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
      element.style.setProperty("top", `${index * this.#rowHeight}px`);
      element.setAttribute("aria-setsize", String(this.#count));
      element.setAttribute("aria-posinset", String(index + 1));
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
