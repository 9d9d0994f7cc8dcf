// The start: a session; of a server the workspace, a person, the frame and the chat; of a gateway the frame alone.

import { ApiError, findSession, openSession } from "./api.js";
import { startChat } from "./chat/chat.js";
import { h } from "./dom.js";
import { go, route } from "./router.js";
import { showStop, startShell } from "./shell.js";
import { state } from "./state.js";
import { HAS_CHAT, offer } from "./views.js";

async function start() {
  const key = /^#key=([\w-]+)$/.exec(location.hash)?.[1];
  if (key) history.replaceState(null, "", location.pathname); // no key in the history
  let unopened = null; // no matter if this browser has a session already
  try {
    if (key) await openSession(key).catch((error) => (unopened = error));
    offer((await findSession()).parts);
    if (HAS_CHAT) await state.load();
  } catch (error) {
    stop(error.status === 401 ? (unopened ?? error) : error);
    return;
  }
  if (!HAS_CHAT) {
    startShell();
    return;
  }
  if (!state.people.length) {
    showStop("There is nobody to act as", h("p", {}, "Add a person: ", h("code", {}, "tautwire user add NAME"), "."));
    return;
  }
  const remembered = state.people.find((each) => each.name === state.remembered) ?? state.people[0];
  try {
    await state.act(remembered.name);
  } catch (error) {
    stop(error);
    return;
  }
  if (!route().view) go(["chat"], { replace: true });
  startShell();
  startChat();
}

function stop(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.status === 401) {
    showStop("This page needs its link", h("p", {}, "Open the link that ", h("code", {}, "tautwire serve"), " or ", h("code", {}, "tautwire gateway run --page on"),
      " has printed, or the one in ", h("code", {}, "page.txt"), " in the data directory. Each link opens the page once."), h("p", { class: "faint" }, h("code", {}, error.code), ": ", error.hint));
  } else showStop("The page cannot start", h("p", {}, h("code", {}, error.code), ": ", error.hint || "reload the page."));
}

start();
