// What the tables of the view have in their cells, out of the status of the gateway.

import { ago, duration, many, sizeText } from "../wire/words.js";
import { newTable } from "./table.js";

const WAYS = { socket_mode: "Socket Mode", http: "HTTP", rtm: "RTM" };
const REASONS = {
  only_events_api: "RTM has no such event",
  not_known: "the gateway does not know it",
  without_effect: "the method has no successor",
  unknown_method: "the upstream has no such method",
  method_deprecated: "the upstream has retired it",
  deprecated_endpoint: "the upstream has retired it",
  missing_scope: "the app has no scope for it",
  no_permission: "the app may not do it",
  not_allowed_token_type: "it is not for the token of a bot",
};
const number = (text) => ({ text, number: true });
const sum = (counts) => Object.values(counts).reduce((all, each) => all + each, 0);
const figure = (value) => value.toLocaleString("en");
const since = (seconds) => (seconds === null ? "never" : ago(seconds));
/** A row for each bot that is served. */
const served = (bots, row) => bots.filter((each) => each.served).map((each) => row(each.served, { text: each.name, name: true }));
/** Rows for the list that each bot has. */
const listed = (bots, list, row) => bots.flatMap((bot) => (bot.served?.[list] ?? []).map((each) => row(each, { text: bot.name, name: true })));

/** The tables: where each belongs (its heading), and its rows out of the bots. */
export const TABLES = [
  {
    id: "gateway-links", title: "Upstream",
    table: () => newTable("Table of links", ["Bot", "Way", "Host", "State", "Last hello", "Last event", number("Opened"), number("Refreshed"), number("Lost"), "Last failure"],
      "No bot is served."),
    rows: (bots) => served(bots, ({ upstream: link }, bot) => [bot, WAYS[link.way], { text: link.host, code: true }, stateOf(link),
      link.way === "http" ? "none over HTTP" : since(link.hello), since(link.event),
      link.way === "http" ? many(sum(link.requests), "request", "requests") : figure(link.connects), figure(link.refreshes), figure(link.lost),
      link.trouble ? { text: `${link.trouble} (${since(link.trouble_ago)})`, long: true } : "none"]),
  },
  {
    id: "gateway-bots", title: "Bots",
    table: () => newTable("Table of bots", ["Bot", "At the upstream", "Workspace", number("Programs"), number("Events waiting"), number("Events stored"),
      number("Sends waiting"), number("Accepted"), number("Paced"), number("Limited"), number("Outcome unknown"), "Refused"], "No bot is served."),
    rows: (bots) => served(bots, ({ bot: name, team, connections, events, sends }, bot) => [bot, { text: name, name: true }, { text: team, name: true },
      ...[connections, events.waiting, events.stored, sends.waiting, sends.accepted, sends.paced, sends.limited, sends.unknown].map(figure), refusals(sends.refused)]),
  },
  {
    id: "gateway-programs", title: "Programs",
    table: () => newTable("Table of programs", ["Program", "Bot", "Local token", "Way", "Connected", number("Waits to send"), "State"], "No program is connected."),
    rows: (bots) => listed(bots, "programs", (each, bot) => [{ text: each.agent || "does not say what it is", name: true }, bot, { text: each.name || "none", code: true },
      WAYS[each.door], duration(each.since), sizeText(each.queued), each.is_slow ? { text: "does not read", tone: "danger" } : { text: "reads", tone: "ok" }]),
  },
  {
    id: "gateway-catching", title: "Catching up",
    table: () => newTable("Table of runs", ["Bot", "State", "Last run", number("Messages then"), number("Messages in all"), number("Gaps that remain"),
      number("Minutes left out by the upstream")], "No bot is served."),
    rows: (bots) => served(bots, ({ catching_up: run, events }, bot) => [bot, run.is_running ? { text: "looks up messages", tone: "warn" } : { text: "idle", tone: "ok" },
      since(run.last), ...[run.last_messages, run.messages, sum(run.gaps), events.minutes_left_out].map(figure)]),
  },
  {
    id: "gateway-unmapped", title: "Could not be mapped",
    table: () => newTable("Table of what could not be mapped", ["Event or method", "Bot", "Why", "What programs got", number("Times"), "Last"],
      "All events and calls could be mapped."),
    rows: (bots) => listed(bots, "unmapped", (each, bot) => [{ text: each.name, chip: true }, bot, REASONS[each.reason] ?? each.reason,
      each.kind === "event" ? "nothing over RTM" : each.reason === "without_effect" ? "an empty answer" : { text: each.reason, code: true },
      figure(each.count), ago(each.last)]),
  },
];

function refusals(counts) {
  const errors = Object.entries(counts).map(([error, count]) => `${error} ${figure(count)}`);
  return errors.length ? { text: errors.join(", "), long: true } : "none";
}

function stateOf(link) {
  if (!link.is_up) return { text: "not connected", tone: "danger" };
  return { text: `${link.way === "http" ? "takes requests" : "connected"} ${duration(link.up_for ?? 0)}`, tone: "ok" };
}
