// Lists to choose from, beside what opened them.

import { fill, h } from "./dom.js";

let number = 0;

/** Put a floating element beside another, inside the window. */
export function placeBeside(element, anchor) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = element;
  const left = Math.max(8, Math.min(box.left, innerWidth - width - 8));
  const below = box.bottom + 4;
  const top = below + height < innerHeight ? below : Math.max(8, box.top - height - 4);
  element.style.setProperty("left", `${left}px`);
  element.style.setProperty("top", `${top}px`);
}

/**
 * Let the person choose one of `options` ({value, text, more, face}); return its value, or null.
 * What is typed chooses among them; `load(text)` may return others.
 */
export function pickFrom(anchor, { label, options, chosen, load }) {
  return new Promise((resolve) => {
    const id = `menu-${++number}`;
    const input = h("input", { type: "text", role: "combobox", "aria-label": label, "aria-controls": id, "aria-expanded": "true",
      "aria-autocomplete": "list", placeholder: label, autocomplete: "off" });
    const list = h("ul", { role: "listbox", id, "aria-label": label });
    const menu = h("div", { class: "menu floating", popover: "manual" }, input, list);
    let shown = options;
    let index = 0;
    let asked = 0;

    const draw = () => {
      fill(list, shown.map((each, at) =>
        h("li", { role: "option", id: `${id}-${at}`, "aria-selected": String(at === index), on: { click: () => finish(each.value) } },
          each.face ?? null, h("span", { class: "name" }, h("bdi", {}, each.text)), each.more ? h("span", { class: "faint" }, each.more) : null)),
        shown.length ? null : h("li", { class: "faint none", role: "option", "aria-selected": "false", "aria-disabled": "true" }, "Nothing fits"));
      if (shown.length) input.setAttribute("aria-activedescendant", `${id}-${index}`);
      else input.removeAttribute("aria-activedescendant");
      list.children[index]?.scrollIntoView({ block: "nearest" });
    };
    const search = async () => {
      const text = input.value.trim().toLowerCase();
      index = 0;
      if (load) {
        const mine = ++asked;
        const found = await load(input.value).catch(() => []);
        if (mine !== asked || !menu.isConnected) return;
        shown = found;
      } else {
        const starts = (each) => Number(each.text.toLowerCase().startsWith(text));
        shown = options.filter((each) => `${each.text} ${each.more ?? ""}`.toLowerCase().includes(text)).sort((a, b) => starts(b) - starts(a));
      }
      draw();
    };
    const outside = (event) => {
      if (!menu.contains(event.target)) finish(null);
    };
    const finish = (value) => {
      removeEventListener("pointerdown", outside, true);
      menu.remove();
      anchor.setAttribute?.("aria-expanded", "false");
      if (anchor.isConnected) anchor.focus?.();
      resolve(value);
    };
    input.addEventListener("input", search);
    menu.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && shown.length) index = (index + step + shown.length) % shown.length;
      else if (event.key === "Enter") finish(shown[index]?.value ?? null);
      else if (event.key === "Escape" || event.key === "Tab") finish(null);
      else return;
      event.preventDefault();
      event.stopPropagation();
      if (menu.isConnected) draw();
    });
    index = Math.max(0, options.findIndex((each) => each.value === chosen));
    anchor.setAttribute?.("aria-expanded", "true");
    (anchor.closest?.("dialog") ?? document.body).append(menu);
    menu.showPopover();
    draw();
    placeBeside(menu, anchor);
    addEventListener("pointerdown", outside, true);
    input.focus();
    if (load) search();
  });
}
