// The tokens of one person or bot, without their texts, and the way to revoke one.

import { control } from "../api.js";
import { announce, button, failure, fill, h } from "../dom.js";
import { ask } from "../dialog.js";
import { pages } from "../state.js";

const WHEN = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const when = (seconds) => h("time", {}, WHEN.format(seconds * 1000));

/** Return the section and `open(who)`, which shows the tokens of a person or a bot. */
export function tokenSection() {
  const element = h("section", { class: "people-tokens", "aria-labelledby": "tokens-title", hidden: true });
  let asked = 0;

  async function open(who, { focus = true } = {}) {
    const mine = ++asked;
    const trouble = h("div");
    let list = [];
    try {
      list = await pages("token.list", "tokens", { user: who.id });
    } catch (error) {
      fill(trouble, failure("The tokens could not be read", error));
    }
    if (mine !== asked) return;
    element.hidden = false;
    fill(element,
      h("div", { class: "sec-head" }, h("h3", { id: "tokens-title", tabindex: "-1" }, "Tokens of ", h("bdi", {}, who.name))), trouble,
      list.length
        ? h("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table of tokens" }, h("table", {},
          h("thead", {}, h("tr", {}, ["Id", "Kind", "Origin", "Issued", "Ends", "Scopes"].map((text) => h("th", { scope: "col" }, text)),
            h("th", { scope: "col" }, h("span", { class: "sr" }, "Actions")))),
          h("tbody", {}, list.map((token) => row(who, token, trouble)))))
        : h("p", { class: "faint" }, "No token is valid."));
    if (focus) element.querySelector("h3").focus();
  }

  function row(who, token, trouble) {
    return h("tr", {}, h("th", { scope: "row" }, h("code", {}, token.id)), h("td", {}, token.kind), h("td", {}, token.origin), h("td", {}, when(token.created)),
      h("td", {}, token.expires === null ? "never" : when(token.expires)),
      h("td", { class: "token-scopes" }, h("span", { class: "chips" }, token.scopes.map((each) => h("span", { class: "chip chip-call" }, each)))),
      h("td", { class: "n" }, button("Revoke", { class: "small bad", label: `Revoke token ${token.id}`, press: async () => {
        const isSure = await ask({ title: "Revoke this token?", act: "Revoke token",
          text: `Calls with the token ${token.id} of ${who.name} fail at once, and its connections are closed. It cannot be brought back.` });
        if (!isSure) return;
        try {
          await control("token.revoke", { token: token.id });
          announce("The token is revoked");
          await open(who);
        } catch (error) {
          fill(trouble, failure("The token was not revoked", error));
        }
      } })));
  }

  return { element, open };
}
