// What screen readers are told of new messages: each of a few, of many their number.

import { announce } from "../dom.js";

const SAID_EVERY = 2_000;

export class Announcer {
  #saidAt = 0;
  #unsaid = 0;

  say(text) {
    const now = performance.now();
    if (now - this.#saidAt < SAID_EVERY) {
      if (!this.#unsaid++) setTimeout(() => {
        announce(`${this.#unsaid} new ${this.#unsaid === 1 ? "message" : "messages"}`);
        this.#unsaid = 0;
      }, SAID_EVERY);
      return;
    }
    this.#saidAt = now;
    announce(text);
  }
}
