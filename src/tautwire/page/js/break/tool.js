// The tool Break: what can go wrong for a connection or a call, what waits to go wrong, and the clock.

import { control } from "../api.js";
import { announce, button, failure, fill, h, hidden } from "../dom.js";
import { poll } from "../poll.js";
import { clockSection } from "./clock.js";
import { CALLS, LINK, nameOf } from "./kinds.js";
import { callers, methods, targets } from "./targets.js";

const EVERY = 2;

/** Show the tool; return what ends it. */
export function show(container) {
  const trouble = h("div");
  const armed = h("section", { "aria-labelledby": "break-armed" });
  const links = targets();
  const who = callers();
  const which = methods();
  const clock = clockSection();
  const number = document.getElementById("n-break");
  let drawn = "";

  const linkFaults = faultList(LINK, async (kind, args) => {
    const chosen = links.chosen(kind.door);
    // An ending without a connection takes the oldest only, which may be this page's own.
    if (!kind.isEnding || chosen.connection !== undefined) return arm({ ...args, ...chosen });
    for (const connection of links.open()) await arm({ ...args, connection });
  }, () => end.now());
  const callFaults = faultList(CALLS, (kind, args) => arm({ ...args, ...which.chosen(), ...who.chosen() }), () => end.now());

  fill(container, h("div", { class: "scroll pad break", tabindex: "0", role: "region", "aria-label": "Faults and clock", data: { first: "" } },
    armed, trouble,
    h("section", { "aria-labelledby": "break-link" },
      h("div", { class: "sec-head" }, h("h3", { id: "break-link" }, "The link"), links.element), linkFaults),
    h("section", { "aria-labelledby": "break-calls" },
      h("div", { class: "sec-head" }, h("h3", { id: "break-calls" }, "Method calls"), which.element, who.element), callFaults),
    clock.element));

  function drawArmed(faults) {
    const key = JSON.stringify([faults, links.names()]);
    if (key === drawn) return;
    const held = armed.contains(document.activeElement);
    drawn = key;
    armed.className = faults.length ? "armed" : "unarmed";
    fill(armed,
      h("div", { class: "sec-head" }, h("h3", { id: "break-armed", tabindex: "-1" }, "Waiting to happen"),
        faults.length ? button("Clear all", { class: "quiet small end", press: () => cancel(null) }) : null),
      faults.length
        ? h("ul", {}, faults.map((rule) => h("li", {}, h("span", { class: "dot dot-bad" }), h("span", {}, describe(rule, links, who)),
          button("Cancel", { class: "link", label: `Cancel ${nameOf(rule)}`, press: () => cancel([rule.id]) }))))
        : h("p", { class: "faint" }, "No fault waits."));
    if (held) armed.querySelector("h3").focus();
    fill(number, String(faults.length), hidden(" waiting"));
    number.hidden = faults.length === 0;
  }

  async function cancel(ids) {
    try {
      const { faults } = await control("faults.clear", ids ? { ids } : {});
      announce(`Cancelled: ${faults.map(nameOf).join(", ")}`);
    } catch (error) {
      if (error.code !== "fault_not_found") fill(trouble, failure("The fault was not cancelled", error)); // else it has just happened
    }
    end.now();
  }

  async function read() {
    try {
      const [{ faults }, { connections }, time] = await Promise.all([control("faults.list"), control("connections"), control("time.read")]);
      links.update(connections);
      who.update();
      drawArmed(faults);
      clock.update(time);
      fill(trouble);
    } catch (error) {
      fill(trouble, failure("The faults could not be read", error));
    }
  }

  const end = poll(read, EVERY);
  return () => {
    end();
    number.hidden = true;
  };
}

const arm = (args) => control("faults.set", args);

function describe(rule, links, who) {
  const left = rule.times === null ? "until cancelled" : `${rule.times} left`;
  return [h("strong", {}, nameOf(rule)), rule.method ? [" on ", h("code", {}, rule.method)] : null,
    rule.connection !== null ? [" of ", h("bdi", {}, links.nameOf(rule.connection))] : null,
    rule.app ? [" by ", h("bdi", {}, who.nameOf(rule.app))] : null, `, ${left}`, rule.happened ? `, happened ${rule.happened === 1 ? "once" : `${rule.happened} times`}` : null];
}

/** Return the list of some faults; `set(kind, args)` puts one in force, `changed()` is called when that is done. */
function faultList(kinds, set, changed) {
  return h("ul", { class: "faults" }, kinds.map((kind) => {
    const says = `says-${kind.fault}`;
    const trouble = h("div", { class: "fault-trouble" });
    const { amount } = kind;
    const field = amount ? h("input", { id: `amount-${kind.fault}`, value: String(amount.value), inputmode: "numeric", autocomplete: "off",
      "aria-describedby": says }) : null;
    const press = button(kind.text, { class: kind.isEnding && !kind.isKind ? "bad" : "", "aria-describedby": says, press: async () => {
      fill(trouble);
      field?.removeAttribute("aria-invalid");
      const value = field ? Number(field.value.trim() || "x") : 0;
      if (field && !(value >= amount.least && value <= amount.most && (amount.name === "seconds" || Number.isInteger(value)))) {
        field.setAttribute("aria-invalid", "true");
        fill(trouble, failure(`${amount.label} must be a number from ${amount.least} to ${amount.most}`));
        field.focus();
        return;
      }
      try {
        await set(kind, { fault: kind.fault, ...kind.more, ...(field ? { [amount.name]: value } : {}) });
        announce(kind.isEnding ? `${kind.text}: done` : `${kind.text}: waits to happen`);
      } catch (error) {
        fill(trouble, failure("The fault was not set", error));
      }
      changed();
    } });
    return h("li", { class: "fault" }, press, h("p", { id: says }, kind.says),
      field ? h("label", { class: "num", for: field.id }, h("span", { class: "sr" }, `${kind.text}: ${amount.label}, `), field, h("span", {}, amount.unit)) : null,
      trouble);
  }));
}
