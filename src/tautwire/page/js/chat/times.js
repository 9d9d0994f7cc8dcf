// Times of messages, as the workspace's clock has them.

const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const WHOLE = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "medium" });

export const dateOf = (ts) => new Date(Number(ts.split(".")[0]) * 1000);
export const hourOf = (ts) => HOUR.format(dateOf(ts));
export const wholeOf = (ts) => WHOLE.format(dateOf(ts));

/** A text that is the same for all messages of a day. */
export function dayOf(ts) {
  const date = dateOf(ts);
  const text = DAY.format(date);
  return date.getFullYear() === new Date().getFullYear() ? text : `${text} ${date.getFullYear()}`;
}

export function sizeText(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size < 10 && unit ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}
