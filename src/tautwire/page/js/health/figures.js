// The figures that are shown: what each is called, its unit, and how its value is written.
//
// `short` is the name and the unit in the strip below the panes, of those that are there.

const count = (value) => value.toFixed(value > 0 && value < 10 ? 1 : 0);
const ms = (value) => {
  const shown = value * 1000;
  return shown.toFixed(shown < 10 ? 1 : 0);
};
export const MIB = 1024 * 1024;
const kib = (value) => (value / 1024).toFixed(value > 0 && value < 10_240 ? 1 : 0);
const mib = (value) => (value / MIB).toFixed(0);

export const FIGURES = [
  { name: "stored", short: ["Messages", "/s"], title: "Messages stored", unit: "a second", show: count, says: "edits, reactions and other changes too" },
  { name: "sent", title: "Messages sent out", unit: "a second", show: count, says: "frames of RTM, events to apps" },
  { name: "acks", short: ["Acks", "/s"], title: "Acks", unit: "a second", show: count, says: "over RTM, and by apps" },
  { name: "connections", short: ["Connections", ""], title: "Connections", unit: "open", show: (value) => value.toFixed(0), says: "RTM and Socket Mode" },
  { name: "p50", short: ["Commit p50", " ms"], title: "Commit, median", unit: "ms", show: ms, says: "half are faster, of the last 10 s" },
  { name: "p99", short: ["p99", " ms"], title: "Commit, slowest 1 %", unit: "ms", show: ms, says: "of the last 10 s" },
  { name: "queued", short: ["Queues", " KiB"], title: "Waits to be sent", unit: "KiB", show: kib, says: "to RTM clients that read slowly" },
  { name: "memory", short: ["Memory", " MiB"], title: "Memory", unit: "MiB", show: mib, says: "resident, of the whole process" },
];
