// At most one redraw of each part in an animation frame.

const due = new Set();
let isAsked = false;

/** Call `draw` before the next paint; once, however often it is asked for. */
export function onFrame(draw) {
  due.add(draw);
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    const drawn = [...due];
    due.clear();
    for (const each of drawn) {
      try {
        each();
      } catch (error) {
        reportError(error); // one part that fails must not stop the others
      }
    }
  });
}

/** Topics with listeners. */
export class Topics {
  #listeners = new Map();

  /** Call `listener` with what is emitted; return what ends that. */
  on(topic, listener) {
    if (!this.#listeners.has(topic)) this.#listeners.set(topic, new Set());
    this.#listeners.get(topic).add(listener);
    return () => this.#listeners.get(topic)?.delete(listener);
  }

  emit(topic, ...given) {
    for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener(...given);
  }
}
