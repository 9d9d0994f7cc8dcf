// The messages of a conversation or of a thread that the page has, in the order of their ts.

/** A ts is compared as text: its two parts have a fixed number of digits. */
function place(list, ts) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].ts < ts) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Timeline {
  /** In order; each has `ts`, and a `revision` that changes with it. */
  messages = [];
  /** Whether there are older ones at the server. */
  hasOlder = true;
  isLoaded = false;
  loading = null;
  error = null;

  find(ts) {
    const message = this.messages[place(this.messages, ts)];
    return message?.ts === ts ? message : undefined;
  }

  indexOf(ts) {
    const index = place(this.messages, ts);
    return this.messages[index]?.ts === ts ? index : -1;
  }

  /** The messages behind a ts. */
  behind(ts) {
    return this.messages.slice(place(this.messages, ts)).filter((each) => each.ts > ts);
  }

  get newest() {
    return this.messages.at(-1);
  }

  /** Put a message in its place; one that is there already is replaced. Return whether it is new. */
  put(message) {
    const index = place(this.messages, message.ts);
    const old = this.messages[index];
    if (old?.ts === message.ts) {
      this.messages[index] = { ...message, revision: old.revision + 1 };
      return false;
    }
    this.messages.splice(index, 0, { ...message, revision: 0 });
    return true;
  }

  /** Put a page of older messages, newest first, before those that are there. */
  putOlder(page) {
    const older = page.filter((each) => !this.find(each.ts)).reverse();
    this.messages = [...older.map((each) => ({ ...each, revision: 0 })), ...this.messages].sort((a, b) => (a.ts < b.ts ? -1 : 1));
  }

  /** Change members of a message; no effect if the page does not have it. */
  change(ts, change) {
    const index = this.indexOf(ts);
    if (index < 0) return;
    const old = this.messages[index];
    this.messages[index] = { ...old, ...change(old), revision: old.revision + 1 };
  }

  /** Put another message in the place of one; no effect if the page does not have it. */
  replace(ts, make) {
    const index = this.indexOf(ts);
    if (index < 0) return;
    const old = this.messages[index];
    this.messages[index] = { ...make(old), revision: old.revision + 1 };
  }

  remove(ts) {
    const index = this.indexOf(ts);
    if (index >= 0) this.messages.splice(index, 1);
  }

  /** Forget the oldest beyond a number, so that a busy channel that is not looked at stays small. */
  trim(most) {
    if (this.messages.length <= most) return;
    this.messages.splice(0, this.messages.length - most);
    this.hasOlder = true;
  }
}
