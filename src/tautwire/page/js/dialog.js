// Dialogs: the focus goes in, stays in, and comes back.

import { button, fill, h } from "./dom.js";

let number = 0;

/**
 * Show a dialog and return it: `element`, `close()`, and `closed`, a promise. `body` and `foot` are lists of elements.
 * `leaving` is called when the person closes it (Esc, the x); it may return false to keep it open.
 */
export function showDialog({ title, head = null, body, foot = [], kind = "", leaving = () => true, label }) {
  const before = document.activeElement;
  const id = `dialog-${++number}`;
  const main = h("div", { class: "dialog-main", tabindex: "0", role: "group", "aria-label": title ?? label });
  const footer = h("footer", {});
  const element = h("dialog", { class: `dialog ${kind}`, "aria-labelledby": title ? id : null, "aria-label": title ? null : label });
  let resolve;
  const closed = new Promise((done) => (resolve = done));
  const dialog = {
    element,
    main,
    footer,
    closed,
    close() {
      if (!element.isConnected) return;
      element.close();
      element.remove();
      if (before?.isConnected) before.focus();
      resolve();
    },
  };
  const leave = () => {
    if (leaving() !== false) dialog.close();
  };
  if (title) {
    const close = button("", { icon: "x", class: "quiet icon-only", label: "Close", press: leave });
    element.append(h("header", {}, head, h("h2", { id }, title), close));
  }
  fill(main, body);
  fill(footer, foot);
  element.append(main);
  if (foot.length) element.append(footer);
  element.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  document.body.append(element);
  element.showModal();
  return dialog;
}

/** Ask whether to do what cannot be undone; `act` is the verb on the button. Return whether to do it. */
export function ask({ title, text, act }) {
  return new Promise((resolve) => {
    let answer = false;
    const dialog = showDialog({
      title,
      body: [h("p", {}, text)],
      foot: [
        h("span", { class: "end row" },
          button("Cancel", { press: () => dialog.close() }),
          button(act, { class: "bad-full", press: () => {
            answer = true;
            dialog.close();
          } })),
      ],
    });
    dialog.closed.then(() => resolve(answer));
    dialog.element.querySelector("footer button").focus();
  });
}
