// Which entries the list shows. It stays as it is when another tool is looked at.

const NOTHING = { text: "", link: "", down: true, up: true, call: true, pings: false, control: true };

class Filter {
  constructor() {
    this.reset();
  }

  reset() {
    Object.assign(this, NOTHING);
  }

  /** Whether an entry fits. A text is looked for in all that the entry has, however it is written. */
  fits(entry) {
    if (entry.isControl ? !this.control : entry.way !== "link" && !this[entry.way]) return false;
    if (entry.isPing && !this.pings) return false;
    if (this.link && this.link !== entry.link && this.link !== entry.holder) return false;
    return !this.text || this.#pattern.test(entry.text);
  }

  #made = ["", null];
  get #pattern() {
    if (this.#made[0] !== this.text) {
      const written = [this.text, JSON.stringify(this.text).slice(1, -1)].map((each) => each.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
      this.#made = [this.text, new RegExp(written.join("|"), "i")];
    }
    return this.#made[1];
  }
}

export const filter = new Filter();

/** Return the connections, apps and people that some entries have, to choose from. */
export function choices(entries) {
  const holders = new Map();
  for (const entry of entries) {
    if (entry.isControl) continue;
    if (!holders.has(entry.holder)) holders.set(entry.holder, { entry, links: new Map() });
    if (entry.connection !== null) holders.get(entry.holder).links.set(entry.link, entry);
  }
  const found = [...holders].map(([value, { entry, links }]) => ({ value, name: entry.holderName, links }));
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  return found.flatMap(({ value, name, links }) => [
    { value, text: name },
    ...[...links].map(([link, entry]) => ({ value: link, text: `${name}, ${entry.doorName} ${entry.connection}` })),
  ]);
}
