// A token of a person or bot that is shown once, with lines for a shell.

import { shellLines } from "../apps/once.js";
import { copyText } from "../clipboard.js";
import { button, fill, h } from "../dom.js";

/** Return the section that shows a token until the person hides it. */
export function onceSection(name, token) {
  const lines = shellLines({ wants: [] }, { bot_token: token });
  const section = h("section", { class: "once", "aria-labelledby": "once-title" });
  return fill(section,
    h("div", {}, h("h3", { id: "once-title", tabindex: "-1" }, "Token for ", h("bdi", {}, name)),
      h("p", {}, "Copy it now. It is shown once and kept only as a hash.")),
    h("div", { class: "secret" }, h("code", {}, token), button("Copy token", { icon: "copy", class: "go", press: () => copyText(token, "Token") })),
    h("div", { class: "shell" }, h("pre", { tabindex: "0", role: "group", "aria-label": "Lines to paste" }, lines),
      button("Copy lines", { icon: "copy", press: () => copyText(lines, "Lines") })),
    h("div", { class: "row" }, button("Done, hide it", { press: () => section.remove() })));
}
