// The menu of a message: all its acts, those of apps too.

import { control } from "../api.js";
import { showOutcome } from "../blocks/outcome.js";
import { failure, h } from "../dom.js";
import { showDialog } from "../dialog.js";
import { pickFrom } from "../menu.js";
import { go, href } from "../router.js";

/** Show what can be done with a message, and do what the person chooses. */
export async function openMenu(pane, message, anchor) {
  const isMine = message.user === pane.person.id && !message.bot_id;
  const acts = [!message.is_ephemeral && ["react", "React"], !message.is_ephemeral && ["thread", "Reply in thread"],
    isMine && ["edit", "Edit"], isMine && ["delete", "Delete"], ["link", "Copy link"], ["json", "Show its JSON"],
    ["frames", "Show its frames"]];
  const options = acts.filter(Boolean).map(([value, text]) => ({ value, text }));
  if (message.is_ephemeral) options.push({ value: "dismiss", text: "Dismiss" });
  else options.push({ value: "unread", text: "Mark unread" });
  if (!message.is_ephemeral) options.push(...(await shortcuts()));
  const chosen = await pickFrom(anchor, { label: "Do with this message", options });
  const article = pane.feed.element(message.ts) ?? pane.scroller;
  if (chosen === "react") await pane.chooseReaction(message, article);
  else if (chosen === "thread") pane.openThread(message.thread_ts ?? message.ts);
  else if (chosen === "edit") pane.edit(message);
  else if (chosen === "delete") await pane.remove(message);
  else if (chosen === "link") await navigator.clipboard?.writeText(new URL(href("chat", pane.channelId, message.ts), location.href)).catch(() => {});
  else if (chosen === "json") showDialog({ title: "Message", body: [h("pre", { class: "json", tabindex: "0" }, JSON.stringify(bare(message), null, 2))] });
  else if (chosen === "frames") go(["tools", "frames", pane.channelId, message.ts]);
  else if (chosen === "dismiss") pane.dismiss(message);
  else if (chosen === "unread") await markUnread(pane, message);
  else if (chosen) await useShortcut(pane, message, chosen);
}

/** Return the message shortcuts of all apps, as options whose value is {app, callback_id}. */
async function shortcuts() {
  try {
    const { apps } = await control("app.list");
    const found = await Promise.all(apps.map((each) => control("app.features", { app: each.id })));
    return found.flatMap(({ app, features }) =>
      features.shortcuts.filter((each) => each.type === "message").map((each) => ({
        value: { app: app.id, callback_id: each.callback_id }, text: each.name || each.callback_id, more: app.name })));
  } catch {
    return []; // the other acts do not need them
  }
}

async function useShortcut(pane, message, { app, callback_id }) {
  const where = { user: pane.person.id, channel: pane.channelId, ts: message.ts };
  try {
    pane.report(message.ts, showOutcome(await control("shortcut", { ...where, app, callback_id })));
  } catch (error) {
    pane.report(message.ts, failure("The shortcut was refused", error));
  }
}

async function markUnread(pane, message) {
  const all = pane.person.timeline(pane.channelId).messages;
  const before = all[all.findIndex((each) => each.ts === message.ts) - 1]?.ts ?? "0000000000.000000";
  pane.isKeptUnread = true;
  await pane.try(message, "This was not marked", () => pane.person.call("conversations.mark", { channel: pane.channelId, ts: before }));
}

/** A message as the wire has it, without what the page keeps beside it. */
function bare({ revision, isLive, earlier, isPending, notSent, ...message }) {
  return message;
}
