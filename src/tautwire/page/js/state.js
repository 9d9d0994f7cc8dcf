// What the page knows: the workspace, and the people as whom it acts.

import { control } from "./api.js";
import { Topics } from "./frames.js";
import { Person } from "./person.js";

const REMEMBERED = "tautwire.acting";

/**
 * Topics of `state.topics`: "people" (who can be acted as), "acting" (first or second changed), "apps".
 * A person has topics of its own; see person.js.
 */
class State {
  topics = new Topics();
  team = { id: "", name: "" };
  people = [];
  apps = [];
  /** The person as whom one acts, and the one beside, or null. */
  first = null;
  second = null;

  async load() {
    this.team = (await control("team.show")).team ?? this.team;
    await Promise.all([this.loadPeople(), this.loadApps()]);
  }

  async loadPeople() {
    this.people = (await pages("user.list", "users")).filter((each) => !each.deactivated);
    this.topics.emit("people");
  }

  async loadApps() {
    this.apps = await pages("app.list", "apps");
    this.topics.emit("apps");
  }

  /** The name of the person as whom one acted last in this window. */
  get remembered() {
    return sessionStorage.getItem(REMEMBERED);
  }

  /** Act as a person; `place` is "first" or "second". */
  async act(name, place = "first") {
    const who = this.people.find((each) => each.name === name || each.id === name);
    if (!who) return;
    const before = this[place];
    const other = place === "first" ? this.second : this.first;
    if (before?.id === who.id) return;
    const person = other?.id === who.id ? other : new Person(who);
    if (person === other) this[place === "first" ? "second" : "first"] = before;
    else await person.start();
    this[place] = person;
    if (before && before !== this.first && before !== this.second) before.stop();
    if (place === "first") sessionStorage.setItem(REMEMBERED, who.name);
    this.topics.emit("acting");
  }

  /** End the second person. */
  actAlone() {
    this.second?.stop();
    this.second = null;
    this.topics.emit("acting");
  }
}

/** Return all elements of a list of the control API, which come in pages. */
export async function pages(operation, name, args = {}) {
  const found = [];
  let after = "";
  do {
    const page = await control(operation, { ...args, after });
    found.push(...page[name]);
    after = page.next ?? "";
  } while (after);
  return found;
}

export const state = new State();
