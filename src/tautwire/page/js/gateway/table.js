// A table whose cells change in place: what has the focus or is being read stays, and only what is new is drawn.

import { fill, h, named } from "../dom.js";

const DOTS = { ok: "dot-on", warn: "dot-wait", danger: "dot-bad" };

/**
 * Return a table: `element`, and `update(rows)`. `columns` are texts, or `{ text, number: true }` for figures. A row is
 * a list of cells: a text, or `{ text }` with `name` (of somebody else's), `code`, `chip`, `tone`, or `long`.
 */
export function newTable(label, columns, none) {
  const heads = columns.map((each) => (typeof each === "string" ? { text: each } : each));
  const body = h("tbody");
  const empty = h("tr", {}, h("td", { colspan: heads.length, class: "faint" }, none));
  const rows = [];
  body.append(empty);
  const element = h("div", { class: "table", tabindex: "0", role: "region", "aria-label": label }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((each) => h("th", { scope: "col", class: each.number ? "n" : null }, each.text)))), body));

  function newRow() {
    const cells = heads.map((head, place) => h(place ? "td" : "th", { scope: place ? null : "row", class: head.number ? "n" : null }));
    return { element: h("tr", {}, cells), cells, drawn: heads.map(() => null) };
  }

  return {
    element,
    update(wanted) {
      empty.hidden = wanted.length > 0;
      while (rows.length > wanted.length) rows.pop().element.remove();
      while (rows.length < wanted.length) {
        rows.push(newRow());
        body.append(rows.at(-1).element);
      }
      wanted.forEach((cells, at) => cells.forEach((cell, place) => {
        const text = JSON.stringify(cell);
        if (rows[at].drawn[place] === text) return;
        rows[at].drawn[place] = text;
        draw(rows[at].cells[place], typeof cell === "object" ? cell : { text: cell });
      }));
    },
  };
}

function draw(element, { text, name, code, chip, tone, long }) {
  element.classList.toggle("gateway-long", Boolean(long));
  if (tone) fill(element, h("span", { class: `state state-${tone}` }, h("span", { class: `dot ${DOTS[tone]}` }), text));
  else if (chip) fill(element, h("span", { class: "chip chip-call", title: text }, text));
  else if (code) fill(element, h("code", {}, text));
  else if (name) fill(element, named(text));
  else fill(element, String(text));
}
