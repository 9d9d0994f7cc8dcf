// A raised card with emoji, found by name.

import { h } from "../dom.js";
import { placeBeside } from "../menu.js";
import { QUICK, emojiOf, findEmoji } from "../text/emoji.js";

const COLUMNS = 9;

/** Let the person choose an emoji; return its name, or null. */
export function chooseEmoji(anchor) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", "aria-label": "Find an emoji", placeholder: "Find an emoji", autocomplete: "off" });
    const grid = h("div", { class: "emoji-grid", role: "group", "aria-label": "Emoji" });
    const card = h("div", { class: "menu floating", popover: "manual", role: "dialog", "aria-label": "Emoji" }, input, grid);
    const draw = () => {
      const quick = input.value ? [] : QUICK.map((name) => [emojiOf(name), name]);
      const found = [...quick, ...findEmoji(input.value, 72)];
      grid.replaceChildren(...found.map(([character, name], at) =>
        h("button", { type: "button", class: "quiet", "aria-label": name.replaceAll("_", " "), title: `:${name}:`, tabindex: at ? "-1" : "0",
          on: { click: () => finish(name) } }, character)));
      if (!found.length) grid.replaceChildren(h("p", { class: "faint none" }, "Nothing fits"));
    };
    const outside = (event) => {
      if (!card.contains(event.target)) finish(null);
    };
    const finish = (name) => {
      removeEventListener("pointerdown", outside, true);
      card.remove();
      if (anchor.isConnected) anchor.focus();
      resolve(name);
    };
    card.addEventListener("keydown", (event) => {
      const all = [...grid.querySelectorAll("button")];
      const at = all.indexOf(document.activeElement);
      if (event.key === "Escape") finish(null);
      else if (event.key === "Enter" && at < 0) all[0]?.click();
      else if (event.key === "ArrowDown" && at < 0) all[0]?.focus();
      else {
        const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
        if (!step || at < 0) return;
        (all[at + step] ?? (step < 0 ? input : all[at])).focus();
      }
      event.preventDefault();
      event.stopPropagation();
    });
    input.addEventListener("input", draw);
    document.body.append(card);
    card.showPopover();
    draw();
    placeBeside(card, anchor);
    addEventListener("pointerdown", outside, true);
    input.focus();
  });
}
