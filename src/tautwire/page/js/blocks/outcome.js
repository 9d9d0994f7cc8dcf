// A line under a button or command: what the app made of it. Nothing where the app answered as it should.

import { h, icon } from "../dom.js";
import { TOOLS } from "../views.js";

/** Return a line for an answer of the control API to an act, for an error, or for silence; null if there is none. */
export function showOutcome({ silent, failed, error, notice, text }) {
  if (silent) return line("The app has said nothing for 3 s.", null, "");
  if (failed) return line("This was refused", failed.code, failed.hint);
  if (error) return line("The app failed", error, notice);
  if (notice) return h("p", { class: "context" }, notice);
  return text ? h("p", { class: "context" }, text) : null;
}

function line(sentence, code, hint) {
  const frames = TOOLS.some((each) => each.name === "frames") ? [" ", h("a", { href: "#/tools/frames" }, "Show the frames"), "."] : null;
  return h("p", { class: "error", role: "alert" }, icon("warn"), sentence, code ? [": ", h("code", {}, code)] : null, hint ? `, ${hint}` : "",
    code || hint ? "." : "", frames);
}
