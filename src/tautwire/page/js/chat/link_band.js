// The band that says that a person is not connected, and counts down to the next try. What was there stays below it.

import { button, fill, h, icon } from "../dom.js";

export class LinkBand {
  element = h("div", { hidden: true });
  #person;
  #counting = null;

  constructor(person) {
    this.#person = person;
    this.draw();
  }

  /** Show how the connection is now. */
  draw() {
    const { link } = this.#person;
    const isLost = typeof link === "object";
    this.end();
    this.element.hidden = !isLost;
    if (!isLost) return;
    const left = h("span");
    const count = () => (left.textContent = `Next try in ${Math.max(0, Math.ceil((link.waitsUntil - Date.now()) / 1000))} s.`);
    count();
    this.#counting = setInterval(count, 500);
    fill(this.element, h("div", { class: "alert alert-flat alert-warn", role: "status" }, icon("warn"),
      h("p", {}, "Not connected: what is new does not arrive. ", left), button("Try now", { press: () => this.#person.retryNow() })));
  }

  end() {
    clearInterval(this.#counting);
  }
}
