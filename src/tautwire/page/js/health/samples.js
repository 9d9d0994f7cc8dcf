// The figures of /metrics, read once a second: rates from counters, quantiles from the histogram of commits.

import { control } from "../api.js";
import { poll } from "../poll.js";

const EVERY = 1;
export const KEPT = 300;
/** Commits are too few in one second for a quantile: those of so many are taken together. */
const COMMITS_OF = 10;
const METRICS = new URL("/metrics", location.href);
const HERE = /^(localhost|127\..*|\[::1\])$/;

/** Return the numbers of a text in the format of Prometheus; those of one name with several labels are added up. */
export function parse(text) {
  const sums = {};
  const buckets = [];
  for (const line of text.split("\n")) {
    const found = /^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)/.exec(line);
    if (!found) continue;
    const [, name, labels, value] = found;
    sums[name] = (sums[name] ?? 0) + Number(value);
    if (name === "tautwire_commit_seconds_bucket") buckets.push([/le="([^"]+)"/.exec(labels)[1], Number(value)]);
  }
  return { sums, buckets: buckets.map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count]) };
}

/** Estimate the value below which a share of the commits between two readings is, as Prometheus does; null without any. */
export function quantile(share, before, after) {
  const counts = after.map(([bound, count], at) => [bound, count - (before[at]?.[1] ?? 0)]);
  const wanted = share * (counts.at(-1)?.[1] ?? 0);
  if (!wanted) return null;
  let [low, below] = [0, 0];
  for (const [bound, count] of counts) {
    if (count >= wanted) return bound === Infinity ? low : low + ((bound - low) * (wanted - below)) / (count - below);
    [low, below] = [bound, count];
  }
  return low;
}

/** The samples of the last minutes, oldest first: `at` in ms, and the figures by name; null where nothing is known. */
export const samples = [];
const readings = [];
const listeners = new Set();
/** Why there are no figures: "", or what the server answered. */
export let trouble = "";
let end = null;
let isShown = null; // whether the server shows its figures here: asking where it does not leaves an error in the console

/** Call `listener` after each reading; return what ends that. The reading itself goes on, so that plots have a past. */
export function onSample(listener) {
  listeners.add(listener);
  end ??= poll(read, EVERY);
  return () => listeners.delete(listener);
}

async function read() {
  try {
    isShown ??= isShownTo((await control("status")).metrics);
    if (!isShown) {
      trouble = "metrics_off";
      end?.(); // it stays so until the server is started with another setting
      return;
    }
    const response = await fetch(METRICS);
    if (response.ok) {
      take(parse(await response.text()));
      trouble = "";
    } else {
      trouble = `http_${response.status}`;
      end?.();
    }
  } catch {
    trouble = "unreachable"; // the next reading may find it again
  } finally {
    for (const each of listeners) each();
  }
}

const isShownTo = (callers) => callers === "public" || (callers === "local" && HERE.test(location.hostname));

function take({ sums, buckets }) {
  const at = performance.now();
  const last = readings.at(-1);
  const isNew = last && sums.process_cpu_seconds_total < last.sums.process_cpu_seconds_total; // another process: its counters begin anew
  if (isNew) readings.length = 0;
  const before = readings.at(-1);
  const rate = (...names) => {
    if (!before) return null;
    const grown = names.reduce((sum, name) => sum + (sums[name] ?? 0) - (before.sums[name] ?? 0), 0);
    return Math.max(0, grown / ((at - before.at) / 1000));
  };
  readings.push({ at, sums, buckets });
  if (readings.length > COMMITS_OF + 1) readings.shift();
  samples.push({
    at,
    stored: rate("tautwire_commit_changes_sum"),
    sent: rate("tautwire_rtm_sent_frames_total", "tautwire_app_events_sent_total"),
    acks: rate("tautwire_rtm_acks_total", "tautwire_app_events_acknowledged_total"),
    p50: quantile(0.5, readings[0].buckets, buckets),
    p99: quantile(0.99, readings[0].buckets, buckets),
    connections: (sums.tautwire_rtm_connections ?? 0) + (sums.tautwire_socket_mode_connections ?? 0),
    queued: sums.tautwire_rtm_queued_bytes ?? null,
    waiting: sums.tautwire_waiting_changes ?? null,
    memory: sums.process_resident_memory_bytes ?? null,
    free: sums.tautwire_disk_free_bytes ?? null,
    descriptors: sums.process_open_fds ?? null,
  });
  if (samples.length > KEPT) samples.shift();
}
