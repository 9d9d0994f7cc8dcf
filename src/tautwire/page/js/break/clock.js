// The clock of the workspace: forward, hold, go on.

import { control } from "../api.js";
import { announce, button, failure, fill, h } from "../dom.js";

const STEPS = [["1 min", 60], ["1 hour", 3600], ["1 day", 86_400]];
const SHOWN = { weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", hour12: false };

/** Return the section and `update(time)`, which takes the answer of an operation on the time. */
export function clockSection() {
  const trouble = h("div");
  const shown = h("span", { class: "faint break-time" });
  let isFrozen = false;
  const act = async (operation, args, said) => {
    fill(trouble);
    try {
      update(await control(operation, args));
      announce(said);
    } catch (error) {
      fill(trouble, failure("The clock was not turned", error));
    }
  };
  const hold = button("Hold", { icon: "pause", "aria-pressed": "false", press: () =>
    act(isFrozen ? "time.thaw" : "time.freeze", {}, isFrozen ? "The clock goes on" : "The clock is held") });

  function update({ now, ahead, is_frozen: frozen }) {
    isFrozen = frozen;
    hold.setAttribute("aria-pressed", String(frozen));
    const moved = Math.abs(ahead) >= 1 ? `, ${spoken(ahead)} ahead` : "";
    const text = `${new Intl.DateTimeFormat("en-GB", SHOWN).format(now * 1000)}${moved}${frozen ? ", held" : ""}`;
    if (shown.textContent !== text) shown.textContent = text;
    shown.classList.toggle("is-test", frozen || moved !== "");
  }

  const element = h("section", { "aria-labelledby": "break-clock" },
    h("div", { class: "sec-head" }, h("h3", { id: "break-clock" }, "The clock"), shown),
    h("div", { class: "row" }, STEPS.map(([text, seconds], at) =>
      button(at ? text : `Forward ${text}`, { label: `Forward ${text}`, press: () => act("time.turn", { seconds }, `The clock went forward ${text}`) })), hold),
    h("p", { class: "faint" }, "Reminders, expiring links and retries come due at once. It never goes back."), trouble);
  return { element, update };
}

function spoken(seconds) {
  const [unit, name] = seconds >= 86_400 ? [86_400, "d"] : seconds >= 3600 ? [3600, "h"] : seconds >= 60 ? [60, "min"] : [1, "s"];
  return `${Math.round((seconds / unit) * 10) / 10} ${name}`;
}
