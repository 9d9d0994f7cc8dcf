// What a new person is called, and what a new token may do.

import { control } from "../api.js";
import { button, failure, fill, h, icon } from "../dom.js";
import { showDialog } from "../dialog.js";

const LIVES = [["", "never"], ["3600", "after 1 hour"], ["43200", "after 12 hours"], ["604800", "after 7 days"]];

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** Ask with fields, and do `act` with what is in them: refused, the dialog stays and says why. Return its answer, or null. */
function form({ title, lead, fields, verb, busy, act }) {
  return new Promise((resolve) => {
    let answer = null;
    const trouble = h("div", { id: "form-trouble" });
    const inputs = fields.map(({ control: element }) => element);
    const go = button(verb, { class: "go", press: async () => {
      go.disabled = true;
      go.setAttribute("aria-busy", "true");
      go.textContent = busy;
      try {
        answer = await act(...inputs.map((each) => each.value.trim()));
        dialog.close();
      } catch (error) {
        fill(trouble, failure("Nothing was changed", error));
        inputs[0].focus();
      }
      go.disabled = false;
      go.removeAttribute("aria-busy");
      go.textContent = verb;
    } });
    const dialog = showDialog({
      title,
      body: [h("p", { class: "lead" }, lead), h("div", { class: "people-form" }, fields.map(({ label, hint, control: element }, at) => {
        element.id = `form-${at}`;
        element.setAttribute("aria-describedby", hint ? `form-hint-${at} form-trouble` : "form-trouble");
        return h("div", { class: "field" }, h("label", { for: element.id }, label),
          element.localName === "select" ? h("span", { class: "select" }, element, icon("chev")) : element,
          hint ? h("p", { class: "faint", id: `form-hint-${at}` }, hint) : null);
      })), trouble],
      foot: [h("span", { class: "end row" }, button("Cancel", { press: () => dialog.close() }), go)],
    });
    for (const each of inputs) each.addEventListener("keydown", (event) => event.key === "Enter" && go.click());
    inputs[0].focus();
    dialog.closed.then(() => resolve(answer));
  });
}

const text = () => h("input", { autocomplete: "off", spellcheck: "false" });

/** Add a person; return it with its token, or null. */
export const addPerson = () =>
  form({
    title: "Add person", lead: "The person gets a token, which is shown once.", verb: "Add person", busy: "Adding",
    fields: [{ label: "Name", control: text() }, { label: "Real name", control: text() }, { label: "E-mail address", control: text() },
      { label: "Channels", hint: "Names, with spaces between them.", control: text() }],
    act: (name, realName, email, channels) => control("user.add", { name, real_name: realName, email: email || null, channels: words(channels) }),
  });

/** Issue a token of a person or bot; return the answer, or null. */
export const issueToken = (who) =>
  form({
    title: `Issue token for ${who.name}`, lead: "The tokens that there are stay good.", verb: "Issue token", busy: "Issuing",
    fields: [
      { label: "Scopes", hint: "With spaces between them. Without scopes it may do what a classic bot may.", control: text() },
      { label: "Ends", control: h("select", {}, LIVES.map(([value, name]) => h("option", { value }, name))) }],
    act: (scopes, lifetime) => control("token.issue", { user: who.id, scopes: words(scopes), lifetime: lifetime ? Number(lifetime) : null }),
  });
