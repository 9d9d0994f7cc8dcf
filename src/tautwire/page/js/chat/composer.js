// The field in which a person writes, and what is offered while writing: people, channels, emoji, commands.

import { ApiError, control } from "../api.js";
import { showOutcome } from "../blocks/outcome.js";
import { button, failure, fill, h } from "../dom.js";
import { pickFrom } from "../menu.js";
import { toWire } from "../text/mrkdwn.js";
import { chooseEmoji } from "./emoji_picker.js";
import { sendFiles } from "./files.js";

const TYPING_EVERY = 3_000;
const drafts = new Map();

let number = 0;

/**
 * Return a form in which a person writes. `to` has `person`, `channel`, `name`, and `thread` for a reply; `editLast()`
 * is called for ↑ in the empty field.
 */
export function composer({ person, channel, name, thread, editLast = () => {}, sent = () => {} }) {
  const id = `say-${++number}`;
  const key = `${person.id} ${channel} ${thread ?? ""}`;
  const words = thread ? "Reply" : `Message ${name}`;
  const area = h("textarea", { id, rows: "1", placeholder: `${words} as ${person.name}`, data: { focus: `say ${channel} ${thread ?? ""}`, first: "" } });
  area.value = drafts.get(key) ?? "";
  const trouble = h("div", { class: "composer-said", "aria-live": "polite" });
  const chosen = h("ul", { class: "chips composer-files", "aria-label": "Files to send", hidden: true });
  const picker = h("input", { type: "file", multiple: true, class: "sr", tabindex: "-1", "aria-label": "Files" });
  let files = [];
  let typedAt = -Infinity; // the first letter is told at once, also in a page that has just been loaded

  const send = button("Send", { icon: "send", class: "go", type: "submit" });
  const refresh = () => {
    send.disabled = !area.value.trim() && !files.length;
    send.title = send.disabled ? "Write something first" : "";
    drafts.set(key, area.value);
  };
  const drawFiles = () => {
    chosen.hidden = !files.length;
    fill(chosen, files.map((file) => h("li", { class: "pick-chip" }, h("bdi", {}, file.name), button("", { icon: "x", label: `Remove ${file.name}`, press: () => {
      files = files.filter((each) => each !== file);
      drawFiles();
    } }))));
    refresh();
  };
  const insert = (text) => {
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    refresh();
  };
  const submit = async () => {
    const text = area.value.trim();
    if (!text && !files.length) return;
    fill(trouble);
    const mine = files;
    area.value = "";
    files = [];
    drawFiles();
    try {
      if (text.startsWith("/") && !mine.length) await command(text);
      else if (mine.length) await sendFiles(person, mine, { channel, thread, text: toWire(text, person), progress: (said) => fill(trouble, h("p", { class: "context" }, said)) });
      else {
        sent();
        await person.post(channel, toWire(text, person), { thread });
        return;
      }
      sent();
      if (mine.length) fill(trouble);
    } catch (error) {
      if (!area.value) area.value = text;
      files = [...mine, ...files];
      drawFiles();
      fill(trouble, failure(text.startsWith("/") ? "The command was refused" : "This was not sent", error));
    }
  };
  const command = async (text) => {
    if (/^\/me\s/.test(text)) return person.call("chat.meMessage", { channel, text: toWire(text.slice(4), person) });
    if (/^\/invite(\s|$)/.test(text)) {
      const users = [...toWire(text, person).matchAll(/<@(\w+)>/g)].map((found) => found[1]).join(",");
      if (!users) throw new ApiError("user_not_found", "write @ and the name of a person or a bot");
      return person.call("conversations.invite", { channel, users });
    }
    const silence = setTimeout(() => fill(trouble, showOutcome({ silent: true })), 3_000);
    try {
      const answer = await control("command", { user: person.id, channel, text });
      fill(trouble, showOutcome({ ...answer, text: "" }));
    } catch (error) {
      if (error instanceof ApiError && error.code === "unknown_command") throw new ApiError(error.code, `no app here has ${text.split(/\s/)[0]}`);
      throw error;
    } finally {
      clearTimeout(silence);
    }
  };
  const mention = async (anchor) => {
    const options = [...person.users.values()].filter((each) => !each.deleted).map((each) => ({ value: person.userName(each.id), text: person.userName(each.id), more: each.real_name }));
    const found = await pickFrom(anchor, { label: "Mention", options });
    if (!found) return;
    const before = area.value.slice(0, area.selectionStart).at(-1) ?? " ";
    insert(before === "@" ? `${found} ` : /\s/.test(before) ? `@${found} ` : ` @${found} `);
  };

  area.addEventListener("input", () => {
    refresh();
    const now = performance.now();
    if (area.value && !area.value.startsWith("/") && now - typedAt > TYPING_EVERY) {
      typedAt = now;
      person.sayTyping(channel, thread);
    }
  });
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      submit();
    } else if (event.key === "ArrowUp" && !area.value) {
      event.preventDefault();
      editLast();
    }
  });
  area.addEventListener("paste", (event) => add(event.clipboardData?.files ?? []));
  picker.addEventListener("change", () => add(picker.files));
  function add(list) {
    if (!list.length) return;
    files = [...files, ...list];
    drawFiles();
  }
  const tool = (sign, label, press) => button("", { icon: sign, class: "quiet icon-only", label, press });
  const form = h("form", { class: "composer", "aria-label": `${words} as ${person.name}`, on: {
    submit: (event) => {
      event.preventDefault();
      submit();
    },
    dragover: (event) => event.preventDefault(),
    drop: (event) => {
      event.preventDefault();
      add(event.dataTransfer.files);
    } } },
    h("label", { class: "sr", for: id }, `${words} as ${person.name}`),
    chosen,
    h("div", { class: "composer-row" }, area, picker,
      tool("clip", "Attach a file", () => picker.click()),
      tool("smile", "Add an emoji", async (event) => {
        const found = await chooseEmoji(event.currentTarget);
        if (found) insert(`:${found}: `);
      }),
      thread ? null : tool("at", "Mention someone", (event) => mention(event.currentTarget)),
      thread ? null : tool("slash", "Run a slash command", () => insert("/")),
      send));
  refresh();
  return h("div", { class: "composer-box" }, trouble, form);
}

/** Return a form for a new text of a message. `done(text)` gets it, or null. */
export function editor(text, done) {
  const id = `edit-${++number}`;
  const area = h("textarea", { id, rows: "2", value: text });
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      done(null);
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      done(area.value);
    }
  });
  requestAnimationFrame(() => {
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  });
  return h("form", { class: "edit", "aria-label": "Edit message", on: { submit: (event) => {
    event.preventDefault();
    done(area.value);
  } } }, h("label", { class: "sr", for: id }, "New text"), area,
    h("div", { class: "row" }, button("Save text", { class: "go", type: "submit" }), button("Cancel", { press: () => done(null) })));
}

