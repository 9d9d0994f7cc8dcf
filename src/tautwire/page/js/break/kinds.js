// The faults that the tool offers: the operation's arguments, and what each simulates.
//
// `fault` and `more` are arguments of `faults.set`; `amount` is the argument that the field beside the button sets, from
// `least` to `most`. An `isEnding` one happens at once to connections that are open; one with a `door` happens to
// connections of that door only.

const times = (unit, value = 1) => ({ name: "times", label: "How many", unit, value, least: 1, most: 100_000 });
const seconds = (value) => ({ name: "seconds", label: "Seconds", unit: "s", value, least: 0, most: 60 });

export const LINK = [
  { fault: "drop", text: "Drop link", isEnding: true, says: "Closes without a word, as when a machine loses power." },
  { fault: "reset", text: "Reset (RST)", isEnding: true, says: "Breaks the TCP connection, as a proxy does at its limit." },
  { fault: "goodbye", text: "Say goodbye", isEnding: true, isKind: true, says: "Announces the end and closes, as before maintenance." },
  { fault: "half_open", text: "Go silent", isEnding: true, says: "Stays open, neither reads nor writes. Does the bot notice?" },
  { fault: "lost_ack", text: "Lose acks", amount: times("acks"), says: "Stores the message and swallows the answer. Does the bot send twice?" },
  { fault: "late_ack", text: "Delay an ack", amount: seconds(5), says: "Answers late, as a busy server does. Does the bot wait?" },
  { fault: "repeated_event", door: "rtm", text: "Repeat events", amount: times("events", 3), says: "Delivers events of RTM twice. Does the bot answer twice?" },
  { fault: "repeated_envelope", door: "socket_mode", text: "Repeat envelopes", amount: times("times"), says: "Delivers envelopes of Socket Mode twice. Does the app act twice?" },
  { fault: "lost_envelope", door: "socket_mode", text: "Lose envelopes", amount: times("times"), says: "Does not send envelopes of Socket Mode. They come again when they are late." },
  { fault: "slow", text: "Slow down", amount: seconds(2), more: { times: null }, says: "Holds back each frame until you cancel it, like a bad network." },
];

export const CALLS = [
  { fault: "rate_limit", text: "Answer 429", amount: { name: "retry_after", label: "Retry after", unit: "s", value: 1, least: 0, most: 86_400 },
    says: "Too many calls. Says when to come back." },
  { fault: "server_error", text: "Answer 503", amount: times("times"), more: { status: 503 }, says: "The service is out for a moment." },
  { fault: "method_error", text: "Answer an error", amount: times("times"), more: { code: "internal_error" }, says: "Answers internal_error with status 200. Does the bot look at ok?" },
  { fault: "garbage", text: "Answer half", amount: times("times"), says: "Answers half a JSON object, as a proxy does that gave up." },
  { fault: "hang", text: "Hang", amount: seconds(10), says: "Answers late. Does the bot give up, and was the call done?" },
];

/** What a fault is called in the list of those that wait. */
export const nameOf = ({ fault, status }) => {
  if (fault === "server_error") return String(status);
  return { rate_limit: "429", method_error: "Error", garbage: "Half an answer", hang: "Hang", refused_delivery: "Refused delivery" }[fault]
    ?? LINK.find((each) => each.fault === fault)?.text ?? fault;
};
