// The list of conversations.

import { button, face, fill, h, hidden, icon, named, rove } from "../dom.js";
import { failure } from "../dom.js";
import { showDialog } from "../dialog.js";
import { onFrame } from "../frames.js";
import { pickFrom } from "../menu.js";
import { go, href } from "../router.js";
import { state } from "../state.js";

const MAX_NAME = 80;

/** Show the conversations of the person who acts; `current()` returns the id of what is open. */
export function startSide(container, current) {
  let stops = [];
  const draw = () => onFrame(redraw);
  const redraw = () => drawSide(container, state.first, current());
  const follow = () => {
    stops.forEach((stop) => stop());
    stops = ["channels", "users", "presence", "unread"].map((topic) => state.first.topics.on(topic, draw));
    draw();
  };
  state.topics.on("acting", follow);
  state.topics.on("apps", draw);
  rove(container, "li a");
  follow();
  return draw;
}

function drawSide(container, person, current) {
  const all = [...person.channels.values()];
  const byName = (a, b) => person.nameOf(a).localeCompare(person.nameOf(b));
  const channels = all.filter((each) => each.is_member && !each.is_im && !each.is_mpim).sort(byName);
  const appUsers = new Set(state.apps.map((each) => each.bot_user));
  const directs = all.filter((each) => (each.is_im || each.is_mpim) && !appUsers.has(each.user)).sort(byName);
  const focused = container.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const top = container.scrollTop;
  fill(container,
    part("Channels", "s-ch", button("", { icon: "plus", class: "quiet icon-only small", label: "Make or join a channel", press: (event) => addChannel(person, event.currentTarget) }),
      channels.map((each) => channelRow(person, each, current))),
    part("Direct messages", "s-dm", button("", { icon: "plus", class: "quiet icon-only small", label: "Start a conversation", press: (event) => startDirect(person, event.currentTarget) }),
      directs.map((each) => directRow(person, each, current))),
    state.apps.length ? part("Apps", "s-app", null, state.apps.map((each) => appRow(person, each, current))) : null);
  container.scrollTop = top;
  if (focused) [...container.querySelectorAll("a")].find((each) => each.getAttribute("href") === focused)?.focus({ preventScroll: true });
}

const part = (title, id, more, rows) =>
  h("section", { "aria-labelledby": id }, h("div", { class: "side-head" }, h("h2", { id }, title), more), h("ul", {}, rows));

function row(to, channel, isCurrent, ...content) {
  return h("li", {}, h("a", { href: to, class: channel?.news.size ? "unread" : null, "aria-current": isCurrent ? "page" : null }, content, unread(channel)));
}

function unread(channel) {
  const count = channel?.news.size;
  if (!count) return null;
  const text = count > 99 ? "99+" : String(count);
  return h("span", { class: channel.isLoud ? "count count-loud" : "count" }, hidden(", "), text, hidden(channel.isLoud ? " unread, for you" : " unread"));
}

function channelRow(person, channel, current) {
  const sign = channel.is_private ? icon("lock", "private") : icon("hash");
  return row(href("chat", channel.id), channel, channel.id === current, sign, h("span", { class: "name", title: channel.name }, h("bdi", {}, channel.name)));
}

function directRow(person, channel, current) {
  const name = person.nameOf(channel);
  const name_ = h("span", { class: "name", title: name }, h("bdi", {}, name));
  if (channel.is_mpim) {
    return row(href("chat", channel.id), channel, channel.id === current,
      h("span", { class: "face face-s face-group", "aria-hidden": "true" }, String((channel.members?.length ?? 3) - 1)), name_);
  }
  const isActive = person.presence.get(channel.user) === "active";
  return row(href("chat", channel.id), channel, channel.id === current,
    h("span", { class: "who" }, face(channel.user, name, { size: "s" }), h("span", { class: `dot ${isActive ? "dot-on" : "dot-off"}` })),
    name_, hidden(isActive ? ", active" : ", away"));
}

function appRow(person, app, current) {
  const direct = [...person.channels.values()].find((each) => each.is_im && each.user === app.bot_user);
  const isActive = person.presence.get(app.bot_user) === "active";
  return row(href("home", app.id), direct, app.id === current || (direct && direct.id === current),
    h("span", { class: "who" }, face(app.id, app.name, { app: true, size: "s" }), h("span", { class: `dot ${isActive ? "dot-on" : "dot-off"}` })),
    h("span", { class: "name", title: app.name }, h("bdi", {}, app.name)), hidden(isActive ? ", connected" : ", not connected"));
}

// --- making conversations ---

async function startDirect(person, anchor) {
  const options = [...person.users.values()].filter((each) => each.id !== person.id && !each.deleted)
    .map((each) => ({ value: each.id, text: person.userName(each.id), more: each.real_name, face: face(each.id, each.name, { app: each.is_bot, size: "s" }) }));
  const user = await pickFrom(anchor, { label: "Write to", options });
  if (!user) return;
  const { channel } = await person.call("conversations.open", { users: user, return_im: true });
  await person.loadChannels();
  go(["chat", channel.id]);
}

async function addChannel(person) {
  const name = h("input", { id: "new-channel", maxlength: MAX_NAME, autocomplete: "off" });
  const isPrivate = h("input", { type: "checkbox" });
  const trouble = h("div");
  const others = h("ul", { class: "pick-list", "aria-label": "Channels to join" }, h("li", { class: "faint" }, "Reading the channels"));
  const make = async (event) => {
    event?.preventDefault();
    try {
      const { channel } = await person.call("conversations.create", { name: name.value.trim().replace(/^#/, ""), is_private: isPrivate.checked });
      await opened(channel.id);
    } catch (error) {
      fill(trouble, failure("The channel was not made", error));
      name.focus();
    }
  };
  const opened = async (id) => {
    await person.loadChannels();
    dialog.close();
    go(["chat", id]);
  };
  const dialog = showDialog({
    title: "Make or join a channel",
    body: [
      h("form", { class: "field", on: { submit: make } }, h("label", { for: "new-channel" }, "Name of a new channel"), name,
        h("label", { class: "row" }, isPrivate, "Private"), trouble, h("div", { class: "row" }, button("Make channel", { class: "go", type: "submit" }))),
      h("h3", {}, "Join one"), others,
    ],
  });
  name.focus();
  try {
    const found = await person.otherChannels();
    fill(others, found.length ? found.map((each) => h("li", {}, icon("hash"), h("span", { class: "name" }, h("bdi", {}, each.name)),
      button("Join", { class: "small end", label: `Join ${each.name}`, press: async () => {
        await person.call("conversations.join", { channel: each.id });
        await opened(each.id);
      } }))) : h("li", { class: "faint" }, named(person.name), " is in every public channel."));
  } catch (error) {
    fill(others, h("li", {}, failure("The channels cannot be read", error)));
  }
}
