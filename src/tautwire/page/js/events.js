// What an event of RTM changes in what a person sees.

const TYPING_FOR = 5_000;
const KEPT_UNSEEN = 500;
const KEPT_SEEN = 200_000;
const KEPT_EARLIER = 20;

/** Apply an event to the data of a person, and tell the parts that show it. */
export function apply(person, event) {
  EVENTS[event.type]?.(person, event);
}

const EVENTS = {
  message: (person, event) => (MESSAGES[event.subtype] ?? posted)(person, event),
  reaction_added: (person, event) => react(person, event, true),
  reaction_removed: (person, event) => react(person, event, false),
  user_typing(person, { channel, user, thread_ts: thread }) {
    const place = thread ? `${channel} ${thread}` : channel;
    if (!person.typing.has(place)) person.typing.set(place, new Map());
    person.typing.get(place).set(user, Date.now() + TYPING_FOR);
    person.topics.emit("typing", place);
    setTimeout(() => person.topics.emit("typing", place), TYPING_FOR + 50);
  },
  presence_change(person, { user, users, presence }) {
    for (const each of users ?? [user]) person.presence.set(each, presence);
    person.topics.emit("presence");
  },
  user_change(person, { user }) {
    person.users.set(user.id, user);
    if (user.profile?.bot_id) person.bots.set(user.profile.bot_id, user);
    person.topics.emit("users");
  },
  channel_marked: marked,
  group_marked: marked,
  im_marked: marked,
  mpim_marked: marked,
  member_left_channel(person, { user, channel }) {
    if (user === person.id) forget(person, { channel });
  },
  channel_left: forget,
  group_left: forget,
  channel_deleted: forget,
  im_close: forget,
};
EVENTS.team_join = EVENTS.user_change;
for (const type of ["channel_joined", "group_joined", "im_created", "im_open", "mpim_open", "mpim_joined", "channel_rename",
  "group_rename", "channel_archive", "channel_unarchive", "group_archive", "group_unarchive"]) {
  EVENTS[type] = (person) => person.loadChannels().catch(() => {}); // the list is read again at the next such event
}
EVENTS.member_joined_channel = (person, { user }) => {
  if (user === person.id) person.loadChannels().catch(() => {});
};

const MESSAGES = {
  message_changed(person, { channel, message, is_ephemeral: isEphemeral }) {
    const change = (old) => ({ ...keep(old, message), ...message, is_ephemeral: isEphemeral ?? old.is_ephemeral });
    each(person, channel, message, (timeline) => timeline.replace(message.ts, change), message);
  },
  message_deleted(person, { channel, deleted_ts: ts, previous_message: previous }) {
    each(person, channel, { ts, thread_ts: previous?.thread_ts }, (timeline) => timeline.remove(ts));
  },
  message_replied(person, { channel, message }) {
    person.timeline(channel).replace(message.ts, (old) => ({ ...keep(old, message), ...message }));
    person.topics.emit("messages", channel, null);
  },
};

/** What an edit leaves: reactions, replies, and the earlier texts, which the page shows on request. */
function keep(old, message) {
  const isOther = old.text !== message.text && message.edited;
  const { reactions, reply_count, latest_reply } = old;
  return { reactions, reply_count, latest_reply, earlier: isOther ? [...(old.earlier ?? []), old.text].slice(-KEPT_EARLIER) : old.earlier };
}

function posted(person, event) {
  const { channel, thread_ts: thread, ts } = event;
  const message = { ...event, isLive: true };
  const isReply = thread && thread !== ts && event.subtype !== "thread_broadcast";
  person.typing.get(thread ? `${channel} ${thread}` : channel)?.delete(event.user);
  const replies = person.openedThread(channel, thread);
  if (event.user === person.id) settle(isReply ? replies : person.timeline(channel), event.text);
  if (thread && thread !== ts) {
    replies?.put(message);
    person.topics.emit("thread", channel, thread);
  }
  if (!isReply) {
    const timeline = person.timeline(channel);
    if (timeline.isLoaded || event.is_ephemeral) timeline.put(message);
    timeline.trim(timeline.isWatched ? KEPT_SEEN : KEPT_UNSEEN);
  }
  const known = person.channels.get(channel);
  if (!known) person.loadChannels().catch(() => {});
  else if (!isReply) {
    person.noteUnread(known, event);
    person.topics.emit("unread");
  }
  person.topics.emit("messages", channel, message);
}

/** Take away what stood for a message while it was sent: the event may come before the answer to the call. */
function settle(timeline, text) {
  const sent = timeline?.messages.findLast((each) => each.isPending && each.text === text);
  if (sent) timeline.remove(sent.ts);
}

/** Change a message wherever it is shown: in its channel, in its thread, or in both. */
function each(person, channel, { ts, thread_ts: thread }, change, message = null) {
  change(person.timeline(channel));
  const root = thread ?? ts;
  const replies = person.openedThread(channel, root);
  if (replies) change(replies);
  person.topics.emit("messages", channel, message?.isLive ? message : null);
  person.topics.emit("thread", channel, root);
}

function react(person, { user, reaction, item }, isAdded) {
  if (item.type !== "message") return;
  const change = (old) => {
    const others = (old.reactions ?? []).map((each) => ({ ...each, users: [...each.users] }));
    let found = others.find((each) => each.name === reaction);
    if (!found && isAdded) others.push((found = { name: reaction, users: [], count: 0 }));
    if (!found) return {};
    found.users = found.users.filter((each) => each !== user);
    if (isAdded) found.users.push(user);
    found.count = found.users.length;
    return { reactions: others.filter((each) => each.count > 0) };
  };
  for (const [key, timeline] of [[null, person.timeline(item.channel)], ...person.threads]) {
    if (key === null || key.startsWith(`${item.channel} `)) timeline.change(item.ts, change);
    if (key?.startsWith(`${item.channel} `)) person.topics.emit("thread", item.channel, key.split(" ")[1]);
  }
  person.topics.emit("messages", item.channel, null);
}

function marked(person, { channel, ts }) {
  const known = person.channels.get(channel);
  if (known) person.hearRead(known, ts);
}

function forget(person, { channel }) {
  const id = typeof channel === "object" ? channel.id : channel;
  if (person.channels.delete(id)) person.topics.emit("channels");
}
