// Figures in words.

export { sizeText } from "../chat/times.js";

/** "1 event", "2 events". */
export const many = (count, one, more) => `${count.toLocaleString("en")} ${count === 1 ? one : more}`;

/** Seconds as a person says them: "12 s", "3 min", "2 h 14 min", "5 days". */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

export const ago = (seconds) => (seconds < 1 ? "now" : `${duration(seconds)} ago`);

/** Seconds as milliseconds. */
export function latency(seconds) {
  const value = seconds * 1000;
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms`;
}
