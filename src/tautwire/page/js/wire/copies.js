// An entry as something to run: a command for a shell, or a test.

import { state } from "../state.js";
import { unescapeText } from "../text/mrkdwn.js";

const API = () => new URL("/api/", location.href).href;
const CONTROL = () => new URL("/_control/v1/", location.href).href;
const MASK = "…";

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;
// Characters that are not seen, or turn the direction of what follows, are written as escapes.
const python = (text) => JSON.stringify(String(text)).replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Return a command that does what an entry says, or null. Secrets are variables: the journal does not have them. */
export function curlOf(entry) {
  const { kind, method, payload, arguments: args, request } = entry.line;
  if (kind === "call") return curl(API() + method, "Authorization: Bearer $SLACK_TOKEN", bare(args));
  if (kind === "control") return curl(CONTROL() + method, "Authorization: Bearer $TAUTWIRE_SECRET", bare(args));
  if (kind === "delivery") {
    const url = String(request).replace(/^POST /, "");
    const note = "# Without its signature: the app refuses it if it checks that.\n";
    if (entry.door === "events_api") return note + curl(url, null, payload);
    return `${note}curl ${quoted(url)} \\\n  --data-urlencode ${quoted(`payload=${JSON.stringify(payload)}`)}`;
  }
  if (entry.way === "up" && payload?.type === "message") {
    const { channel, text, thread_ts } = payload;
    return curl(`${API()}chat.postMessage`, "Authorization: Bearer $SLACK_TOKEN", { channel, text, thread_ts });
  }
  if (entry.way === "down" && payload?.type === "message" && payload.user && !payload.subtype) {
    const { user, channel, text } = payload;
    return curl(`${CONTROL()}say`, "Authorization: Bearer $TAUTWIRE_SECRET", { user, channel, text });
  }
  if (entry.way === "down" && payload?.type === "reaction_added") {
    const { user, reaction: name, item } = payload;
    return curl(`${CONTROL()}react`, "Authorization: Bearer $TAUTWIRE_SECRET", { user, channel: item?.channel, ts: item?.ts, name });
  }
  return null;
}

function curl(url, header, body) {
  const lines = [`curl ${quoted(url)}`];
  if (header) lines.push(`-H "${header}"`);
  lines.push("-H 'Content-Type: application/json; charset=utf-8'", `-d ${quoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

/** Arguments without those that are secret. */
const bare = (args) => Object.fromEntries(Object.entries(args ?? {}).filter(([, value]) => value !== MASK));

/** Return a test of `tautwire.testing` in which people say what they said, and apps have to answer as they did; or null. */
export function testOf(entries) {
  const people = new Map();
  const bots = new Map();
  const channels = new Map();
  const acts = new Map();
  for (const entry of [...entries].sort((a, b) => a.time - b.time)) {
    const channel = nameOfChannel(entry.channel);
    const line = channel ? (said(entry, people, channel) ?? called(entry, bots, channel)) : null;
    if (!line) continue;
    channels.set(entry.channel, channel);
    if (!acts.has(line.key)) acts.set(line.key, line);
  }
  if (!acts.size) return null;
  const lines = [...acts.values()].sort((a, b) => Number(a.isCall) - Number(b.isCall)).map((each) => `    ${each.code}`);
  const list = (names) => `[${[...new Set(names.values())].map(python).join(", ")}]`;
  const marked = [people.size && `people=${list(people)}`, bots.size && `bots=${list(bots)}`, `channels=${list(channels)}`].filter(Boolean).join(", ");
  const starts = [...bots.values()].map((name) => `    # Start your bot here: workspace.person(${python(name)}).token, workspace.api_url\n`);
  return `import pytest\n\n\n@pytest.mark.workspace(${marked}, only=True)\nasync def test_the_bot_answers(workspace):\n${starts.join("")}${lines.join("\n")}\n`;
}

/** What a person said: the event is there once for each connection that got it, beside the call. */
function said(entry, people, channel) {
  const { kind, payload, method, arguments: args, answer } = entry.line;
  const isCall = kind === "call" && method === "chat.postMessage" && !entry.app && answer?.ok;
  if (!isCall && (entry.way !== "down" || kind !== "frame" || payload?.type !== "message" || payload.subtype || payload.bot_id)) return null;
  const [user, text, ts] = isCall ? [entry.user, args?.text, answer.ts] : [payload.user, payload.text, payload.ts];
  const person = state.people.find((each) => each.id === user);
  if (!person || !text) return null;
  people.set(person.id, person.name);
  return { key: `say ${ts}`, code: `await workspace.person(${python(person.name)}).say(${python(`#${channel}`)}, ${python(asTyped(text))})` };
}

function called(entry, bots, channel) {
  const { kind, method, arguments: args, status } = entry.line;
  const app = state.apps.find((each) => each.id === entry.app);
  if (kind !== "call" || !app || status >= 400) return null;
  bots.set(app.id, app.name);
  const wanted = [`channel=${python(`#${channel}`)}`];
  for (const name of ["text", "name"]) if (typeof args?.[name] === "string") wanted.push(`${name}=${python(args[name])}`);
  return { key: `call ${entry.number}`, isCall: true, code: `await workspace.wait_for_call(${[python(method), ...wanted].join(", ")})` };
}

const nameOfChannel = (id) => state.first?.channels.get(id)?.name ?? null;
const asTyped = (text) => unescapeText(text.replace(/<@(\w+)(?:\|[^>]*)?>/g, (whole, id) => `@${state.first?.users.get(id)?.name ?? id}`)
  .replace(/<#\w+\|([^>]*)>/g, "#$1").replace(/<((?:https?|mailto):[^|>]*)(?:\|[^>]*)?>/g, "$1"));
